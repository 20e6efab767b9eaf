import type { Hex } from "viem";

import { type Claim, settleChannel, settleChannels } from "../chain/settleChannel.ts";
import { SubfenError } from "../errors.ts";
import type { ChannelRecord } from "../ledger/ledger.ts";
import { eventsOf, readChains, type Seller } from "./seller.ts";

/** What settling one channel came to. */
export type Settlement = {
  readonly channelId: Hex;
  /** Base units captured by it; what the payee earned since the last settlement. */
  readonly amount: bigint;
  /** The transaction; many channels share one. */
  readonly txHash: Hex;
};

/** A channel that could not be settled now; the next try takes it up again. */
export type SettlementFailure = { readonly channelId: Hex; readonly error: Error };

/** What a run over all channels came to. */
export type Settlements = { settled: Settlement[]; failed: SettlementFailure[] };

/** A channel was closed before all that was earned on it was settled: the rest is lost. */
export class EarningsLostError extends SubfenError {
  override readonly name = "EarningsLostError";
  /** Base units. */
  readonly amount: bigint;

  constructor(channelId: Hex, amount: bigint) {
    super(`Channel ${channelId} was closed before ${amount} base units of its earnings were settled.`, {
      code: "earnings-lost",
      metaMessages: ["Settle at least once in every grace period of the contract."],
    });
    this.amount = amount;
  }
}

/** A batch was mined, but the contract left this channel's claim out. */
export class ClaimSkippedError extends SubfenError {
  override readonly name = "ClaimSkippedError";
  /** The selector of the error that `settle` would have thrown. */
  readonly reason: Hex;

  constructor(channelId: Hex, reason: Hex) {
    super(`The contract left out the claim on channel ${channelId}, for the reason ${reason}.`, {
      code: "claim-skipped",
      metaMessages: ["The next run looks at the channel again. The reason is the selector of a PaymentChannels error."],
    });
    this.reason = reason;
  }
}

/** Claims in one transaction: about 1.5 million gas. */
const maxBatch = 100;

/**
 * Makes the function that captures what was earned on every channel, many in one transaction. Runs follow one another:
 * two at once would pay gas for the same claims.
 *
 * @param seller - What the parts of a gateway share.
 * @returns The function. See {@link Gateway.settleAll}.
 */
export function createSettling(seller: Seller): () => Promise<Settlements> {
  const { client, contract, ledger, payee, token } = seller;

  async function refresh(channels: readonly ChannelRecord[]): Promise<ChannelRecord[]> {
    const states = await readChains(
      seller,
      channels.map(({ channelId }) => channelId),
    );
    return Promise.all(
      channels.map(async (channel, i) => {
        const state = states[i];
        return (state && (await ledger.updateChain(channel.channelId, state))) ?? channel;
      }),
    );
  }

  async function settleBatch(channels: readonly ChannelRecord[], { settled, failed }: Settlements): Promise<void> {
    const due: ChannelRecord[] = [];
    for (const channel of await refresh(channels)) {
      const { channelId, spent, settled: before, finalized } = channel;
      if (spent <= before) continue;
      if (finalized) failed.push({ channelId, error: new EarningsLostError(channelId, spent - before) });
      else due.push(channel);
    }
    const [first, ...others] = due;
    if (!first) return;
    const receipt = await seller
      .transact(() =>
        // A single claim that gains nothing any more is refused before it costs gas; a batch never is.
        others.length === 0
          ? settleChannel(client, { contract, claim: claimOf(first) })
          : settleChannels(client, { contract, payee, token, claims: due.map(claimOf) }),
      )
      .catch((error: unknown) => {
        for (const { channelId } of due) failed.push({ channelId, error: toError(error) });
      });
    if (!receipt) return;

    // Should the chain not be readable, the next run looks again before it settles.
    const after = new Map((await refresh(due).catch(() => due)).map((channel) => [channel.channelId, channel]));
    const before = new Map(due.map((channel) => [channel.channelId, channel.settled]));
    for (const { args } of eventsOf(seller, receipt, "ChannelSettled")) {
      const { channelId, settled: total } = args;
      const amount = total - (before.get(channelId) ?? 0n);
      settled.push({ channelId, amount, txHash: receipt.transactionHash });
    }
    for (const { args } of eventsOf(seller, receipt, "ClaimSkipped")) {
      const { channelId, reason } = args;
      const channel = after.get(channelId);
      // Another process was first.
      if (!channel || channel.spent <= channel.settled) continue;
      const error = channel.finalized
        ? new EarningsLostError(channelId, channel.spent - channel.settled)
        : new ClaimSkippedError(channelId, reason);
      failed.push({ channelId, error });
    }
  }

  async function run(): Promise<Settlements> {
    const outcome: Settlements = { settled: [], failed: [] };
    const settle = (batch: readonly ChannelRecord[]): Promise<void> =>
      settleBatch(batch, outcome).catch((error: unknown) => {
        for (const { channelId } of batch) outcome.failed.push({ channelId, error: toError(error) });
      });
    let batch: ChannelRecord[] = [];
    for await (const channel of ledger.channels({ unsettled: true })) {
      batch.push(channel);
      if (batch.length < maxBatch) continue;
      await settle(batch);
      batch = [];
    }
    if (batch.length > 0) await settle(batch);
    return outcome;
  }

  let last: Promise<unknown> = Promise.resolve();
  return () => {
    const next = last.then(run);
    last = next.catch(() => undefined);
    return next;
  };
}

/** The best statement, capturing what was earned and not what was authorised. */
export function claimOf({ terms, spent, settled, accepted, signature }: ChannelRecord): Claim {
  return { terms, amount: spent > settled ? spent : settled, cumulativeAmount: accepted, signature };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
