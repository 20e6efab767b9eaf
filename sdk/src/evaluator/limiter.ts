/**
 * Makes a function that runs some work at once and lets some more wait.
 *
 * @param limits.atOnce - How much runs at a time.
 * @param limits.waiting - How much may wait for it.
 * @returns The function: `undefined` when too much waits already, else what the work gives.
 */
export function createLimiter(limits: {
  atOnce: number;
  waiting: number;
}): <result>(work: () => Promise<result>) => Promise<result> | undefined {
  const queue: (() => void)[] = [];
  let running = 0;
  async function run<result>(work: () => Promise<result>): Promise<result> {
    // Who is woken takes the place of who woke it.
    if (running >= limits.atOnce) await new Promise<void>((resolve) => queue.push(resolve));
    else running += 1;
    try {
      return await work();
    } finally {
      const next = queue.shift();
      if (next) next();
      else running -= 1;
    }
  }
  return (work) => (running >= limits.atOnce && queue.length >= limits.waiting ? undefined : run(work));
}
