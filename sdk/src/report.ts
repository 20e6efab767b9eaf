/**
 * Makes the function that tells an owner's listener what went wrong inside. It is told later, and what comes of that, such
 * as an exception, changes nothing.
 *
 * @param listener - The owner's, if it has one.
 * @returns The function.
 */
export function createReport(listener: ((error: unknown) => void) | undefined): (error: unknown) => void {
  return (error) => {
    void Promise.resolve(error)
      .then(listener)
      .catch(() => undefined);
  };
}
