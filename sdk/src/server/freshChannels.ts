import type { Hex } from "viem";

import type { ChannelRecord } from "../ledger/ledger.ts";
import { ProblemError, readChain, type Seller } from "./seller.ts";

/** Knows which channels were read from the chain lately. */
export type FreshChannels = {
  /**
   * Reads a channel from the ledger, and from the chain where that was too long ago.
   *
   * @throws {ProblemError} when the channel is not known or the chain cannot be reached.
   */
  read(channelId: Hex): Promise<ChannelRecord>;
  /** It was read from the chain just now. */
  note(channelId: Hex): void;
  /** It has to be read again before it is served. */
  forget(channelId: Hex): void;
};

/**
 * What the chain says may be a while old; a payer that leaves has to wait at least ten minutes.
 *
 * @param seller - The seller.
 * @param recheckAfter - Seconds after which a channel is read again.
 */
export function createFreshChannels(seller: Seller, recheckAfter: number): FreshChannels {
  const { ledger, now } = seller;
  const checkedAt = new Map<Hex, number>();
  const isFresh = (at: number | undefined): boolean => at !== undefined && now() - at < recheckAfter * 1000;

  function note(channelId: Hex): void {
    // To the end: what was read first stands first, and is let go of once it is of no more use.
    checkedAt.delete(channelId);
    checkedAt.set(channelId, now());
    for (const [first, at] of checkedAt) {
      if (isFresh(at)) return;
      checkedAt.delete(first);
    }
  }

  const forget = (channelId: Hex): void => void checkedAt.delete(channelId);

  return {
    note,
    forget,
    async read(channelId) {
      const channel = await ledger.getChannel(channelId);
      if (!channel) {
        const detail = "The seller does not know this channel. Open one with the action open.";
        throw new ProblemError("channel-not-found", detail, { channelId });
      }
      if (isFresh(checkedAt.get(channelId))) return channel;
      note(channelId);
      try {
        return (await ledger.updateChain(channelId, await readChain(seller, channelId))) ?? channel;
      } catch (error) {
        forget(channelId);
        throw error;
      }
    },
  };
}
