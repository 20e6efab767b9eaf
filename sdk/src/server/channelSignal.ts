import type { Hex } from "viem";

/** Tells those who wait on a channel that more may be available there. */
export type ChannelSignal = {
  /** Wakes everybody who waits on this channel: a statement, a tick or evidence has come. */
  notify(channelId: Hex): void;
  /**
   * Waits for the next notice. Look at the channel only after this was called and before it is awaited: what came
   * earlier is not told again.
   *
   * @param channelId - The channel.
   * @param signal - Ends the waiting early.
   * @param timeout - Milliseconds after which it ends by itself.
   * @returns Once something has come or the waiting has ended; never rejects.
   */
  wait(channelId: Hex, signal: AbortSignal, timeout: number): Promise<void>;
};

/**
 * Makes a signal. It is told within one process: who shares a ledger with others looks again from time to time.
 *
 * @returns The signal.
 */
export function createChannelSignal(): ChannelSignal {
  const waiting = new Map<Hex, Set<() => void>>();

  return {
    notify(channelId) {
      for (const wake of waiting.get(channelId) ?? []) wake();
    },

    wait(channelId, signal, timeout) {
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const here = waiting.get(channelId) ?? new Set();
        const timer = setTimeout(wake, timeout);
        function wake(): void {
          clearTimeout(timer);
          signal.removeEventListener("abort", wake);
          here.delete(wake);
          if (here.size === 0) waiting.delete(channelId);
          resolve();
        }
        signal.addEventListener("abort", wake);
        here.add(wake);
        waiting.set(channelId, here);
      });
    },
  };
}
