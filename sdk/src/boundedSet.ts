/** A set that may forget: what is in it can be relied on, anything else has to be found out again. */
export type BoundedSet = { has(value: string): boolean; add(value: string): void };

/**
 * Makes a set that forgets what was added first once it is full.
 *
 * @param size - How many it remembers.
 */
export function boundedSet(size: number): BoundedSet {
  const values = new Set<string>();
  return {
    has: (value) => values.has(value),
    add(value) {
      values.add(value);
      if (values.size <= size) return;
      const [first] = values;
      values.delete(first as string);
    },
  };
}
