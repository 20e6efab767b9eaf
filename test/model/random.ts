/** A seeded generator (mulberry32): the same seed gives the same run. */
export function createRandom(seed: number) {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    /** A whole number below `limit`. */
    below: (limit: number): number => Math.floor(next() * limit),
    /** True with this chance. */
    chance: (share: number): boolean => next() < share,
    pick<item>(items: readonly item[]): item {
      const item = items[Math.floor(next() * items.length)];
      if (item === undefined) throw new RangeError("nothing to pick from");
      return item;
    },
    /** 32 random bytes as hex. */
    bytes32: (): string =>
      `0x${Array.from({ length: 8 }, () =>
        Math.floor(next() * 2 ** 32)
          .toString(16)
          .padStart(8, "0"),
      ).join("")}`,
  };
}

export type Random = ReturnType<typeof createRandom>;
