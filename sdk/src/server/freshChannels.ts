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
  /** Those read lately, the longest ago first: of all others nothing need be known. */
  const checkedAt = new Map<Hex, number>();
  const isFresh = (time: number): boolean => now() - time < recheckAfter * 1000;
  const forget = (channelId: Hex): void => void checkedAt.delete(channelId);

  function note(channelId: Hex): void {
    for (const [old, time] of checkedAt) {
      if (isFresh(time)) break;
      checkedAt.delete(old);
    }
    checkedAt.delete(channelId);
    checkedAt.set(channelId, now());
  }

  return {
    note,
    forget,
    async read(channelId) {
      const channel = await ledger.getChannel(channelId);
      if (!channel) {
        const detail = "The seller does not know this channel. Open one with the action open.";
        throw new ProblemError("channel-not-found", detail, { channelId });
      }
      const last = checkedAt.get(channelId);
      if (last !== undefined && isFresh(last)) return channel;
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
