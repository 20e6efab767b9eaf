import type { Hex } from "viem";

import { max, min } from "../bigints.ts";
import { SubfenError } from "../errors.ts";
import type { ChargeRef } from "./charge.ts";
import { availableOn, decideAcceptance, decideClose, decideHold, isEnding } from "./decideHold.ts";
import type {
  Answer,
  ChainState,
  ChannelRecord,
  Hold,
  HoldRequest,
  HoldResult,
  NewChannel,
  Purchase,
  SavedTransaction,
} from "./ledger.ts";
import type { StatementRef, Store } from "./store.ts";

/** A capture or a release of something that is not held, or not by this process. */
export class UnknownHoldError extends SubfenError {
  override readonly name = "UnknownHoldError";

  constructor(ref: StatementRef | ChargeRef) {
    const what =
      "nonce" in ref
        ? `The authorization ${ref.nonce} of ${ref.payer}`
        : `The statement over ${ref.cumulativeAmount} on channel ${ref.channelId}`;
    super(`${what} holds nothing.`, {
      code: "unknown-hold",
      metaMessages: ["Each hold is captured or released once, by the process that made it and while that lives."],
    });
  }
}

/** What a channel's row keeps of what was read, which may hold more. */
function stateOf({ blockNumber, deposit, settled, closeRequestedAt, finalized }: ChainState): ChainState {
  return { blockNumber, deposit, settled, closeRequestedAt, finalized };
}

/** The steps of every ledger, each of them atomic only if the caller makes it so. They decide before they write. */
export type Steps = ReturnType<typeof createSteps>;

/**
 * Makes the steps.
 *
 * @param store - Where things are kept.
 * @param now - The clock, in milliseconds.
 * @returns The steps.
 */
export function createSteps(store: Store, now: () => number) {
  function update(row: ChannelRecord, changes: Partial<ChannelRecord>): ChannelRecord {
    const changed = { ...row, ...changes };
    store.putChannel(changed);
    return changed;
  }

  /** What a newer block says, and what follows from it. */
  function chainChanges(row: ChannelRecord, chain: ChainState): Partial<ChannelRecord> {
    const { blockNumber, settled, finalized } = chain;
    if (blockNumber < row.blockNumber) return {};
    return {
      ...stateOf(chain),
      ...(settled === row.settled ? {} : { firstUnsettledAt: unsettledSince(row, settled) }),
      ...(finalized === row.finalized ? {} : { finalizedAt: finalized ? now() : undefined }),
    };
  }

  function unsettledSince({ channelId, spent }: ChannelRecord, settled: bigint): number | undefined {
    return spent > settled ? (store.firstCaptureAbove(channelId, settled) ?? now()) : undefined;
  }

  function newRow({ channelId, terms, chain, cumulativeAmount, signature }: NewChannel): ChannelRecord {
    return {
      ...stateOf(chain),
      channelId,
      terms,
      accepted: cumulativeAmount,
      signature,
      spent: chain.settled,
      held: 0n,
      closing: false,
      retired: false,
      firstUnsettledAt: undefined,
      finalizedAt: chain.finalized ? now() : undefined,
    };
  }

  function requireHold(ref: StatementRef): { row: ChannelRecord; purchase: Purchase } {
    const row = store.channel(ref.channelId);
    const purchase = row && store.purchase(ref);
    if (purchase?.status !== "held" || !store.isOwn(ref)) throw new UnknownHoldError(ref);
    return { row: row as ChannelRecord, purchase };
  }

  function giveBack(row: ChannelRecord, purchase: Purchase): ChannelRecord {
    store.putPurchase(row.channelId, { ...purchase, status: "released", captured: 0n });
    return update(row, { held: row.held - purchase.amount });
  }

  function charge(row: ChannelRecord, purchase: Purchase, amount: bigint): { row: ChannelRecord; bought: Purchase } {
    const captured = min(amount, purchase.amount);
    const spent = row.spent + captured;
    const capturedAt = now();
    const bought: Purchase = { ...purchase, status: "captured", captured, spentAfter: spent, capturedAt };
    store.putPurchase(row.channelId, bought);
    const firstUnsettledAt = row.firstUnsettledAt ?? (spent > row.settled ? capturedAt : undefined);
    return { row: update(row, { spent, held: row.held - purchase.amount, firstUnsettledAt }), bought };
  }

  return {
    addChannel(channel: NewChannel): ChannelRecord {
      const row = store.channel(channel.channelId);
      if (!row) return update(newRow(channel), {});
      const changes = chainChanges(row, channel.chain);
      const { cumulativeAmount, signature } = channel;
      const isHigher = cumulativeAmount > row.accepted && cumulativeAmount <= (changes.deposit ?? row.deposit);
      return update(row, { ...changes, ...(isHigher ? { accepted: cumulativeAmount, signature } : {}) });
    },

    updateChain(channelId: Hex, chain: ChainState): ChannelRecord | undefined {
      const row = store.channel(channelId);
      return row && update(row, chainChanges(row, chain));
    },

    retire(channel: Pick<NewChannel, "channelId" | "terms" | "chain">): ChannelRecord {
      const known = store.channel(channel.channelId);
      const row = known ?? newRow({ ...channel, cumulativeAmount: 0n, signature: "0x" });
      const changes = chainChanges(row, channel.chain);
      const { settled } = { ...row, ...changes };
      const spent = max(row.spent, settled);
      return update(row, { ...changes, spent, retired: true });
    },

    accept(
      statement: Pick<HoldRequest, "channelId" | "cumulativeAmount" | "signature" | "minVoucherDelta">,
    ): HoldResult {
      const row = store.channel(statement.channelId);
      if (!row) return { kind: "unknown-channel" };
      const { cumulativeAmount, signature } = statement;
      const { accepts, refusal } = decideAcceptance(row, statement);
      if (refusal) return { kind: "refused", reason: refusal, channel: row };
      return {
        kind: "held",
        channel: accepts ? update(row, { accepted: cumulativeAmount, signature }) : row,
      };
    },

    hold(request: HoldRequest): HoldResult {
      const { channelId, cumulativeAmount, signature, requestHash, idempotencyKey, amount } = request;
      const row = store.channel(channelId);
      if (!row) return { kind: "unknown-channel" };
      const byStatement = store.purchase(request);
      const byKey = idempotencyKey === undefined ? undefined : store.purchaseByKey(channelId, idempotencyKey);
      const decision = decideHold(row, { byStatement, byKey }, request);
      if (decision.kind === "repeat") {
        const { purchase } = decision;
        const answer = store.answer({ channelId, cumulativeAmount: purchase.cumulativeAmount });
        return { kind: "repeated", channel: row, hold: { ...purchase, answer } };
      }
      const raised = decision.accepts ? { accepted: cumulativeAmount, signature } : {};
      if (decision.kind === "refuse") {
        const channel = decision.accepts ? update(row, raised) : row;
        return { kind: "refused", reason: decision.reason, channel };
      }
      store.putPurchase(channelId, {
        cumulativeAmount,
        requestHash,
        idempotencyKey,
        amount,
        status: "held",
        captured: 0n,
        spentAfter: 0n,
        heldAt: now(),
        capturedAt: undefined,
      });
      return { kind: "held", channel: update(row, { ...raised, held: row.held + amount }) };
    },

    capture(capture: StatementRef & { amount: bigint; answer: Answer | undefined }): {
      channel: ChannelRecord;
      hold: Hold;
    } {
      const { amount, answer } = capture;
      const { row, purchase } = requireHold(capture);
      const { row: channel, bought } = charge(row, purchase, amount);
      if (answer) store.putAnswer(capture, answer);
      return { channel, hold: { ...bought, answer } };
    },

    advance(advance: StatementRef & { delivered: bigint; amount: bigint }): { channel: ChannelRecord; hold: Purchase } {
      const { row, purchase } = requireHold(advance);
      const more = isEnding(row) ? 0n : min(max(advance.amount - purchase.amount, 0n), max(availableOn(row), 0n));
      const amount = purchase.amount + more;
      const captured = min(max(purchase.captured, advance.delivered), amount);
      const hold: Purchase = { ...purchase, amount, captured };
      store.putPurchase(row.channelId, hold);
      return { channel: more === 0n ? row : update(row, { held: row.held + more }), hold };
    },

    release(ref: StatementRef): ChannelRecord {
      const { row, purchase } = requireHold(ref);
      return giveBack(row, purchase);
    },

    beginClose(statement: Pick<HoldRequest, "channelId" | "cumulativeAmount" | "signature">): HoldResult {
      const row = store.channel(statement.channelId);
      if (!row) return { kind: "unknown-channel" };
      const { cumulativeAmount, signature } = statement;
      const { accepts, refusal } = decideClose(row, store.purchase(statement) !== undefined, cumulativeAmount);
      if (refusal) return { kind: "refused", reason: refusal, channel: row };
      const raised = accepts ? { accepted: cumulativeAmount, signature } : {};
      return { kind: "held", channel: update(row, { ...raised, closing: true }) };
    },

    cancelClose(channelId: Hex): void {
      const row = store.channel(channelId);
      if (row) update(row, { closing: false });
    },

    saveTransaction(transaction: Omit<SavedTransaction, "hashes"> & { hash: Hex }): SavedTransaction {
      const { hash, ...rest } = transaction;
      const earlier = store.transactions(rest.account).find(({ nonce }) => nonce === rest.nonce);
      const hashes = [...(earlier?.hashes ?? []).filter((known) => known !== hash), hash];
      const saved = { ...rest, hashes };
      store.putTransaction(saved);
      return saved;
    },

    acquireLease({ name, holder, ttl }: { name: string; holder: string; ttl: number }): boolean {
      const lease = store.lease(name);
      const time = now();
      if (lease && lease.holder !== holder && lease.expiresAt > time) return false;
      store.putLease(name, { holder, expiresAt: time + ttl });
      return true;
    },

    releaseLease({ name, holder }: { name: string; holder: string }): void {
      if (store.lease(name)?.holder === holder) store.putLease(name, undefined);
    },

    /** Ends what ended instances hold: a stream is charged up to its last mark. Returns how many holds. */
    releaseAbandoned(): number {
      const abandoned = store.takeAbandoned();
      for (const ref of abandoned) {
        const row = store.channel(ref.channelId);
        const purchase = row && store.purchase(ref);
        if (purchase && purchase.captured > 0n) charge(row, purchase, purchase.captured);
        else if (purchase) giveBack(row, purchase);
      }
      return abandoned.length;
    },

    /** Forgets some of the purchases of a channel that can no longer be claimed; `true` once none is left. */
    prune(channelId: Hex): boolean {
      const row = store.channel(channelId);
      if (!row) return true;
      // Even a chain that brought the channel back to life could not make its statements buy again.
      const isDone = store.forgetPurchases(channelId);
      update(row, { retired: true, held: 0n, ...(isDone ? { finalizedAt: undefined } : {}) });
      return isDone;
    },
  };
}
