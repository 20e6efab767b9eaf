import type { Hex } from "viem";

/** What a tick is to who knows the chain so far. */
export type TickReading =
  /** Later than all before. */
  | "new"
  /** Not later, and one of the chain. */
  | "late"
  /** Too long ago to be told from another. */
  | "forgotten"
  /** Further ahead than the window: looking would cost too much. */
  | "too-far"
  | "invalid";

/** Reads the ticks of one payment as they come, parallel ones swapped. */
export type TickReader = {
  /** The newest number; 0 at first. */
  readonly known: number;
  /** Takes the newest tick, or tells what it is. */
  read(n: number, x: Hex): TickReading;
  /** The newest tick as the evidence that TickCondition takes. */
  evidence(): Hex;
};

/**
 * Makes a reader. A new tick costs a hash for each it is ahead, a late one none: the last ones are kept.
 *
 * @param keccak - The hash.
 * @param chain.paymentId - What every step is salted with.
 * @param chain.known - The newest tick known; the root as number 0 at first.
 * @param chain.tickCount - How many ticks there are.
 * @param window - The most by which a tick may be ahead, and how many are kept.
 */
export function createTickReader(
  keccak: (bytes: Uint8Array) => Uint8Array,
  chain: { paymentId: Hex; known: { n: number; x: Hex }; tickCount: number },
  window: number,
): TickReader {
  const { paymentId, tickCount } = chain;
  // x | payment id
  const input = Buffer.alloc(64);
  input.write(paymentId.slice(2), 32, "hex");
  const kept: (Uint8Array | undefined)[] = Array.from({ length: window });
  const first = chain.known.n;
  let known = first;
  kept[known % window] = Buffer.from(chain.known.x.slice(2), "hex");

  function readNew(n: number, x: Uint8Array): TickReading {
    if (n > tickCount) return "invalid";
    if (n - known > window) return "too-far";
    const found = [x];
    let hash = x;
    for (let at = n; at > known; at--) {
      input.set(hash);
      hash = keccak(input);
      found.push(hash);
    }
    if (!isSame(hash, kept[known % window])) return "invalid";
    for (let at = known + 1; at <= n; at++) kept[at % window] = found[n - at];
    known = n;
    return "new";
  }

  return {
    get known() {
      return known;
    },
    read(n, x) {
      const bytes = Buffer.from(x.slice(2), "hex");
      if (n > known) return readNew(n, bytes);
      if (n < 1 || n <= first || n <= known - window) return "forgotten";
      return isSame(bytes, kept[n % window]) ? "late" : "invalid";
    },
    evidence() {
      const x = Buffer.from(kept[known % window] as Uint8Array).toString("hex");
      return `0x${known.toString(16).padStart(64, "0")}${x}`;
    },
  };
}

function isSame(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && Buffer.compare(one, other) === 0;
}
