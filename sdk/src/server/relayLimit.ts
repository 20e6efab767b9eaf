import type { Address } from "viem";

/** How often the seller pays gas for one payer. */
export type RelayLimit = {
  /**
   * Counts one transaction, before it is sent, so that pending ones count.
   *
   * @returns Milliseconds to wait where the payer has had all of this hour; 0 where it may go on.
   */
  take(payer: Address): number;
};

const hour = 3_600_000;

/**
 * Makes a limit on transactions that are sent for one payer within any hour. It is kept in memory: whoever wants to get
 * round it by many payers needs a deposit for each.
 *
 * @param perHour - How many.
 * @param now - The clock, in milliseconds.
 */
export function createRelayLimit(perHour: number, now: () => number): RelayLimit {
  /** When they were sent, oldest first; the payers by their last one, oldest first. */
  const times = new Map<string, number[]>();

  function forgetOld(): void {
    for (const [payer, sent] of times) {
      if (now() - (sent.at(-1) ?? 0) < hour) return;
      times.delete(payer);
    }
  }

  return {
    take(payer) {
      forgetOld();
      const key = payer.toLowerCase();
      const sent = (times.get(key) ?? []).filter((time) => now() - time < hour);
      if (sent.length >= perHour) return (sent[sent.length - perHour] ?? now()) + hour - now();
      times.delete(key);
      times.set(key, [...sent, now()]);
      return 0;
    },
  };
}
