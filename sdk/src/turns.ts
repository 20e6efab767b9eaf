/**
 * Makes a function that does one piece of work after the other, in the order they are asked for. One that fails stops none
 * behind it.
 *
 * @returns The function; it resolves and rejects as the work does.
 */
export function createTurns(): <result>(work: () => Promise<result>) => Promise<result> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}
