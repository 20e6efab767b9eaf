/**
 * Finds an error of viem's among what caused another: by name, since the class alone would be reason enough to load all of
 * viem.
 */
export function findCause<error extends Error>(cause: unknown, name: string): error | undefined {
  for (let error = cause; error instanceof Error; error = error.cause) if (error.name === name) return error as error;
  return undefined;
}
