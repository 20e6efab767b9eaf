import type { Hex } from "viem";

import type { ChannelRecord, Purchase } from "../ledger/ledger.ts";
import { formatSessionReceipt } from "../wire/sessionReceipt.ts";
import type { ReceiptSigner } from "./receiptSigner.ts";
import type { Seller } from "./seller.ts";

/** The part of a gateway that writes receipts. */
export type Receipts = {
  /** For an action that asks for no work; with the transaction that was sent for it. */
  acknowledgement(challengeId: string, channel: ChannelRecord, txHash?: Hex): string;
  /** For the head of an answer that flows: what it costs is told at its end. */
  pending(challengeId: string, channel: ChannelRecord): string;
  /** For work that a tick has paid: not signed, since a signature costs more than all else that a tick does. */
  ofTick(challengeId: string, channel: ChannelRecord, amount: bigint): string;
  /**
   * For work that was charged, signed where the seller signs. The same purchase always gets the same receipt: two that
   * differ would prove that the seller lies.
   *
   * @param responseHash - SHA-256 of the body that was handed out.
   */
  charged(challengeId: string, channel: ChannelRecord, bought: Purchase, responseHash: Hex): Promise<string>;
};

/** Makes the part of a gateway that writes receipts; without a signer they are not signed. */
export function createReceipts(seller: Seller, signer: ReceiptSigner | undefined): Receipts {
  const { chainId, now, verifier } = seller;
  let last = { time: Number.NaN, timestamp: "" };

  /** Many are written in a millisecond. */
  function timestamp(): string {
    const time = now();
    if (time !== last.time) last = { time, timestamp: new Date(time).toISOString() };
    return last.timestamp;
  }

  function membersOf(challengeId: string, channel: ChannelRecord) {
    return {
      challengeId,
      chainId,
      channelId: channel.channelId,
      timestamp: timestamp(),
      acceptedCumulative: channel.accepted,
      spent: channel.spent,
      amount: 0n,
      held: channel.held,
    };
  }

  return {
    acknowledgement: (challengeId, channel, txHash) =>
      formatSessionReceipt({ ...membersOf(challengeId, channel), txHash }),

    pending: (challengeId, channel) => formatSessionReceipt({ ...membersOf(challengeId, channel), isPending: true }),

    ofTick: (challengeId, channel, amount) => formatSessionReceipt({ ...membersOf(challengeId, channel), amount }),

    async charged(challengeId, channel, bought, responseHash) {
      const { channelId } = channel;
      const { cumulativeAmount, captured: amount, spentAfter, capturedAt = now(), requestHash } = bought;
      const issuedAt = BigInt(Math.floor(capturedAt / 1000));
      const signed = {
        spent: spentAfter,
        statementHash: verifier.digest(channelId, cumulativeAmount),
        requestHash,
        responseHash,
        issuedAt,
      };
      const signature = await signer?.sign({ channelId, ...signed });
      return formatSessionReceipt({
        ...membersOf(challengeId, channel),
        amount,
        ...(signature === undefined ? {} : { proof: { ...signed, signature } }),
      });
    },
  };
}
