/** Pseudo-random numbers (mulberry32), the same in every run: a failure can be seen again. */
export function createRandom(seed: number) {
  let state = seed;
  const uint32 = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => uint32() & 0xff);
  return {
    bytes,
    hex: (length: number): `0x${string}` => `0x${Buffer.from(bytes(length)).toString("hex")}`,
    /** Of 0 to `below` - 1. */
    below: (below: number): number => uint32() % below,
    /** Of a random width, so that short and long values come up alike. */
    uint: (bits: number): bigint => {
      const width = 1 + (uint32() % bits);
      return BigInt(`0x${Buffer.from(bytes(Math.ceil(width / 8))).toString("hex")}`) & (2n ** BigInt(width) - 1n);
    },
  };
}

/** What a promise rejects with; a promise that resolves is a failure. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error("resolved, where a rejection was expected");
    },
    (error: unknown) => error,
  );
}
