/**
 * Makes a function that runs some work at once and lets some more wait. Of work about one thing one runs at a time, so
 * that a slow thing asked about again and again takes one place and not all.
 *
 * @param limits.atOnce - How much runs at a time.
 * @param limits.waiting - How much may wait for it.
 * @returns The function of what the work is about and the work: `undefined` when too much waits already, else what the
 * work
 *   gives.
 */
export function createLimiter(limits: {
  atOnce: number;
  waiting: number;
}): <result>(about: string, work: () => Promise<result>) => Promise<result> | undefined {
  const running = new Set<string>();
  const queue: { about: string; begin: () => void }[] = [];
  const mayBegin = (about: string): boolean => running.size < limits.atOnce && !running.has(about);

  async function run<result>(about: string, work: () => Promise<result>): Promise<result> {
    // Who is woken has its place already.
    if (mayBegin(about)) running.add(about);
    else await new Promise<void>((begin) => queue.push({ about, begin }));
    try {
      return await work();
    } finally {
      running.delete(about);
      const place = queue.findIndex((next) => mayBegin(next.about));
      const [next] = place < 0 ? [] : queue.splice(place, 1);
      if (next) {
        running.add(next.about);
        next.begin();
      }
    }
  }
  return (about, work) => (!mayBegin(about) && queue.length >= limits.waiting ? undefined : run(about, work));
}
