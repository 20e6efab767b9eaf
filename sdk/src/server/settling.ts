import { type Hex, isAddressEqual, parseEventLogs, type TransactionReceipt } from "viem";

import { paymentChannelsAbi } from "../chain/abis/paymentChannelsAbi.ts";
import { getChannels } from "../chain/channels.ts";
import { type Claim, settleChannel, settleChannels } from "../chain/settleChannel.ts";
import { SubfenError } from "../errors.ts";
import type { ChannelRecord } from "../ledger/ledger.ts";
import { ProblemError, type Seller } from "./seller.ts";

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

  async function readChains(channels: readonly ChannelRecord[]): Promise<ChannelRecord[]> {
    const channelIds = channels.map(({ channelId }) => channelId);
    const states = await getChannels(client, { contract, channelIds }).catch((cause: unknown) => {
      throw new ProblemError("chain-unreachable", "The seller cannot reach its chain now. Try again.", {}, cause);
    });
    return Promise.all(
      channels.map(async (channel, i) => {
        const state = states[i];
        return (state && (await ledger.updateChain(channel.channelId, state))) ?? channel;
      }),
    );
  }

  async function settleBatch(channels: readonly ChannelRecord[], outcome: Settlements): Promise<void> {
    const { settled, failed } = outcome;
    const due: ChannelRecord[] = [];
    for (const channel of await readChains(channels)) {
      const { channelId, spent, settled: before, finalized } = channel;
      if (spent <= before) continue;
      if (finalized) failed.push({ channelId, error: new EarningsLostError(channelId, spent - before) });
      else due.push(channel);
    }
    const [first, ...others] = due;
    if (!first) return;
    const receipt = await seller
      .transact(() =>
        others.length === 0
          ? settleChannel(client, { contract, claim: claimOf(first) })
          : settleChannels(client, { contract, payee, token, claims: due.map(claimOf) }),
      )
      .catch((error: unknown) => {
        for (const { channelId } of due) failed.push({ channelId, error: toError(error) });
      });
    if (!receipt) return;

    const { totals, skipped } = outcomesOf(receipt, seller);
    for (const { channelId, settled: before } of due) {
      const total = totals.get(channelId);
      const reason = skipped.get(channelId);
      if (total !== undefined) settled.push({ channelId, amount: total - before, txHash: receipt.transactionHash });
      // Another process was first, perhaps: the next look at the chain tells, below or in the next run.
      else if (reason !== undefined) failed.push({ channelId, error: new ClaimSkippedError(channelId, reason) });
    }
    const now = await readChains(due).catch(() => []);
    for (const { channelId, spent, settled: after, finalized } of now) {
      const index = failed.findIndex((failure) => failure.channelId === channelId);
      if (index < 0) continue;
      if (spent <= after) failed.splice(index, 1);
      else if (finalized) failed[index] = { channelId, error: new EarningsLostError(channelId, spent - after) };
    }
  }

  async function run(): Promise<Settlements> {
    const outcome: Settlements = { settled: [], failed: [] };
    const settle = (batch: readonly ChannelRecord[]): Promise<void> =>
      settleBatch(batch, outcome).catch((error: unknown) => {
        for (const { channelId } of batch) outcome.failed.push({ channelId, error: toError(error) });
      });
    let batch: ChannelRecord[] = [];
    for await (const channel of ledger.channels()) {
      if (channel.finalized || channel.spent <= channel.settled) continue;
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

/** What the contract said of each claim: the new total, or why it was left out. */
function outcomesOf(receipt: TransactionReceipt, { contract }: Seller) {
  const logs = receipt.logs.filter(({ address }) => isAddressEqual(address, contract));
  const totals = new Map<Hex, bigint>();
  const skipped = new Map<Hex, Hex>();
  const eventName = ["ChannelSettled", "ClaimSkipped"] as const;
  for (const event of parseEventLogs({ abi: paymentChannelsAbi, eventName: [...eventName], logs })) {
    if (event.eventName === "ChannelSettled") totals.set(event.args.channelId, event.args.settled);
    else skipped.set(event.args.channelId, event.args.reason);
  }
  return { totals, skipped };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
