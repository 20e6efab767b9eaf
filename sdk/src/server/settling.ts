import { setTimeout as pause } from "node:timers/promises";

import type { Hex, TransactionReceipt } from "viem";

import { max, min } from "../bigints.ts";
import { settleChannelConditionally } from "../chain/claimConditionally.ts";
import { planConditionalClaim } from "../chain/planConditionalClaim.ts";
import { type Claim, settleChannel, settleChannels } from "../chain/settleChannel.ts";
import { SubfenError } from "../errors.ts";
import { inGroups } from "../inGroups.ts";
import type { ChannelRecord } from "../ledger/ledger.ts";
import { createTurns } from "../turns.ts";
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
      metaMessages: ["Keep a gateway running, or settle at least once in every grace period of the contract."],
    });
    this.amount = amount;
  }
}

/** A reorganisation took back a deposit that was sold against: what it no longer covers is lost unless it comes back. */
export class DepositLostError extends SubfenError {
  override readonly name = "DepositLostError";
  /** Base units. */
  readonly amount: bigint;

  constructor(channelId: Hex, amount: bigint) {
    super(`${amount} base units sold on channel ${channelId} are no longer covered: the chain took its deposit back.`, {
      code: "deposit-lost",
      metaMessages: ["Nothing more is sold on it. Should the deposit come back, it is settled. Raise `confirmations`."],
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

/** Which transactions in the outbox are settlements. */
const outboxId = "settle";

/** Milliseconds; a lease ends with its process too. */
const leaseTtl = 600_000;

/** The part of a gateway that captures what was earned. Of all processes that share a ledger, one settles at a time. */
export type Settling = {
  /** Settles every channel, once whoever settles now is done. See {@link Gateway.settleAll}. */
  settleAll(): Promise<Settlements>;
  /** Settles these channels, or does nothing where another process is settling. Their choice is asked for when it is time. */
  settle(channels: () => AsyncIterable<ChannelRecord>): Promise<Settlements | undefined>;
  /** Reads channels from the chain into the ledger. */
  refresh(channels: readonly ChannelRecord[]): Promise<ChannelRecord[]>;
};

/** Makes the settling part of a gateway. */
export function createSettling(seller: Seller): Settling {
  const { contract, ledger, outbox, payee, token } = seller;
  const lease = { name: "settling", holder: crypto.randomUUID(), ttl: leaseTtl };

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
      const { channelId, spent, settled: before, finalized, deposit } = channel;
      if (spent <= before) continue;
      if (finalized) {
        failed.push({ channelId, error: new EarningsLostError(channelId, spent - before) });
        continue;
      }
      if (spent > deposit) failed.push({ channelId, error: new DepositLostError(channelId, spent - deposit) });
      if (claimOf(channel).amount <= before) continue;
      if (channel.isConditional) await settleConditional(channel, { settled, failed });
      else due.push(channel);
    }
    const [first, ...others] = due;
    if (!first) return;
    const receipt = await outbox
      .transact(outboxId, (client) =>
        // A single claim that gains nothing any more is refused before it costs gas; a batch never is.
        others.length === 0
          ? settleChannel(client, { contract, claim: claimOf(first) })
          : settleChannels(client, { contract, payee, token, claims: due.map(claimOf) }),
      )
      .catch((error: unknown) => {
        for (const { channelId } of due) failed.push({ channelId, error: toError(error) });
      });
    if (!receipt) return;

    await takeOutcome(receipt, due, { settled, failed });
  }

  /** By the evidence at hand: a payer that goes on folds it before, and then its plain voucher is claimed. */
  async function settleConditional(channel: ChannelRecord, outcome: Settlements): Promise<void> {
    const { channelId } = channel;
    try {
      const sources = conditionalClaimOf(channel);
      const { amount } = await planConditionalClaim(seller.client, { contract, ...sources });
      // What evidence no longer proves on the chain is not asked for; what is proven and not earned is not either.
      const claim = { ...sources, amount: min(amount, sources.amount) };
      const receipt = await outbox.transact(outboxId, async (client) => {
        const { hash } = await settleChannelConditionally(client, { contract, ...claim });
        return hash;
      });
      await takeOutcome(receipt, [channel], outcome);
    } catch (error) {
      outcome.failed.push({ channelId, error: toError(error) });
    }
  }

  /** Tells what a settlement did to channels that are as they were before it. */
  async function takeOutcome(
    receipt: TransactionReceipt,
    channels: readonly ChannelRecord[],
    { settled, failed }: Settlements,
  ): Promise<void> {
    // Should the chain not be readable, the next run looks again before it settles.
    const refreshed = await refresh(channels).catch(() => channels);
    const after = new Map(refreshed.map((channel) => [channel.channelId, channel]));
    const { totals, reasons } = readEvents(receipt);
    for (const { channelId, settled: before } of channels) {
      const channel = after.get(channelId);
      const reason = reasons.get(channelId);
      // A node that leaves out an event still knows the channel.
      const total = totals.get(channelId) ?? (reason === undefined ? channel?.settled : undefined) ?? 0n;
      if (total > before) settled.push({ channelId, amount: total - before, txHash: receipt.transactionHash });
      // Where it is settled all the same, another process was first.
      if (reason === undefined || !channel || channel.spent <= channel.settled) continue;
      const error = channel.finalized
        ? new EarningsLostError(channelId, channel.spent - channel.settled)
        : new ClaimSkippedError(channelId, reason);
      failed.push({ channelId, error });
    }
  }

  function readEvents(receipt: TransactionReceipt): { totals: Map<Hex, bigint>; reasons: Map<Hex, Hex> } {
    const settled = eventsOf(seller, receipt, "ChannelSettled");
    const skipped = eventsOf(seller, receipt, "ClaimSkipped");
    return {
      totals: new Map(settled.map(({ args }) => [args.channelId, args.settled])),
      reasons: new Map(skipped.map(({ args }) => [args.channelId, args.reason])),
    };
  }

  /** What was sent before changes what is due, whoever sent it. */
  async function finishEarlier(outcome: Settlements): Promise<void> {
    for (const receipt of await outbox.finish(outboxId)) {
      const { totals, reasons } = readEvents(receipt);
      const channels = await Promise.all([...totals.keys(), ...reasons.keys()].map((id) => ledger.getChannel(id)));
      await takeOutcome(
        receipt,
        channels.filter((channel) => channel !== undefined),
        outcome,
      );
    }
  }

  async function run(channels: AsyncIterable<ChannelRecord>): Promise<Settlements> {
    const outcome: Settlements = { settled: [], failed: [] };
    await finishEarlier(outcome);
    for await (const batch of inGroups(channels, maxBatch)) {
      // Renewed, since a batch may wait long for its confirmation.
      await ledger.acquireLease(lease);
      await settleBatch(batch, outcome).catch((error: unknown) => {
        for (const { channelId } of batch) outcome.failed.push({ channelId, error: toError(error) });
      });
    }
    return outcome;
  }

  /** One run after the other, in this process and, by the lease, in all. */
  const inTurn = createTurns();
  const release = (): Promise<void> => ledger.releaseLease(lease).catch(() => undefined);

  return {
    refresh,
    settleAll: () =>
      inTurn(async () => {
        while (!(await ledger.acquireLease(lease))) await pause(250);
        return run(ledger.channels({ unsettled: true })).finally(release);
      }),
    settle: (channels) =>
      inTurn(async () => ((await ledger.acquireLease(lease)) ? run(channels()).finally(release) : undefined)),
  };
}

/** The best statement, capturing what was earned and not what was authorised, as far as the deposit goes. */
export function claimOf({ terms, spent, settled, deposit, accepted, signature }: ChannelRecord): Claim {
  return { terms, amount: max(min(spent, deposit), settled), cumulativeAmount: accepted, signature };
}

/** The same of a conditional statement, with all evidence at hand. */
export function conditionalClaimOf(channel: ChannelRecord) {
  const { terms, payments, accepted: cumulativeAmount, signature } = channel;
  return {
    terms,
    statement: { cumulativeAmount, payments, signature },
    evidence: payments.flatMap(({ ref, evidence }) => (evidence === "0x" ? [] : [{ ref, evidence }])),
    amount: claimOf(channel).amount,
  };
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
