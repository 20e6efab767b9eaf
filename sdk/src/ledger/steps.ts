import type { Hex } from "viem";

import { max, min } from "../bigints.ts";
import { SubfenError } from "../errors.ts";
import { addEvidence } from "../protocol/rules/addEvidence.ts";
import type { AcceptedStatement } from "../protocol/rules/statement.ts";
import { setWork } from "../protocol/rules/setWork.ts";
import type { ChargeRef } from "./charge.ts";
import { availableOn, decideClose, decideHold, decideRepeat, endingOf } from "./decideHold.ts";
import { type Acceptance, judgeOnChannel } from "./judgeOnChannel.ts";
import type {
  Answer,
  ChainState,
  ChannelRecord,
  Hold,
  HoldRefusal,
  HoldRequest,
  HoldResult,
  LedgerPayment,
  NewChannel,
  Proof,
  ProofResult,
  Purchase,
  SavedTransaction,
  StatementRequest,
  TickMark,
} from "./ledger.ts";
import type { StatementRef, Store } from "./store.ts";
import { markKey } from "./tickKey.ts";

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

function refused(channel: ChannelRecord, reason: HoldRefusal, statement?: Acceptance["statement"]): HoldResult {
  return { kind: "refused", reason, channel, ...(statement ? { statement } : {}) };
}

function worthOf(payments: readonly LedgerPayment[], ref: Hex, work: bigint): LedgerPayment[] {
  return payments.map((one) => (one.ref === ref ? { ...one, work } : one));
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
      isConditional: false,
      payments: [],
      lost: 0n,
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
    const { ref, amount } = purchase;
    return ref === undefined
      ? update(row, { held: row.held - amount })
      : // Work that failed is worth nothing.
        update(row, { payments: worthOf(row.payments, ref, 0n) });
  }

  /** What the protocol's rules know of the channel, with the payment at hand if it was dropped. */
  function acceptedOn({ channelId, accepted, payments, lost }: ChannelRecord, ref: Hex): AcceptedStatement {
    const dropped = payments.some((one) => one.ref === ref) ? undefined : store.dropped(channelId, ref);
    return { cumulativeAmount: accepted, payments, dropped: dropped ? [dropped] : [], lost };
  }

  /** What the payment has bought. */
  function purchaseFor({ channelId, payments }: ChannelRecord, ref: Hex): Purchase | undefined {
    const statement = payments.find((one) => one.ref === ref)?.statement;
    return statement === undefined ? undefined : store.purchase({ channelId, cumulativeAmount: statement });
  }

  /** Takes a statement up as it was judged, and gives up what was delivered for payments that are dropped unproven. */
  function take(row: ChannelRecord, { changes, dropped }: Acceptance): ChannelRecord {
    for (const payment of dropped) {
      store.putDropped(row.channelId, payment);
      const purchase = purchaseFor(row, payment.ref);
      if (purchase?.status === "delivered") store.putPurchase(row.channelId, { ...purchase, status: "released" });
    }
    return Object.keys(changes).length === 0 ? row : update(row, changes);
  }

  function judge(row: ChannelRecord, statement: StatementRequest): Acceptance {
    return judgeOnChannel(row, statement, (ref) => store.dropped(row.channelId, ref), now());
  }

  /** What stands once the request's work is on the payer's credit, or why there is no credit for it. */
  function lend(
    row: ChannelRecord,
    { cumulativeAmount, conditional }: HoldRequest,
  ): { payments?: readonly LedgerPayment[]; refusal?: Acceptance["statement"] } {
    const ref = conditional?.ref;
    if (!conditional || ref === undefined) return row;
    const work = row.payments.find((one) => one.ref === ref)?.amount ?? 0n;
    const { creditLimit } = conditional.policy;
    const judgement = setWork({ accepted: acceptedOn(row, ref), ref, work, creditLimit });
    if (judgement.outcome === "refused") {
      return { refusal: judgement.reason.code === "credit-exceeded" ? judgement.reason : undefined };
    }
    const { payments } = judgement.next;
    return { payments: payments.map((one) => (one.ref === ref ? { ...one, statement: cumulativeAmount } : one)) };
  }

  /** Books what a purchase has come to, which is by so much more than before. */
  function book(row: ChannelRecord, purchase: Purchase, gain: bigint): { channel: ChannelRecord; bought: Purchase } {
    const spent = row.spent + gain;
    const capturedAt = now();
    const bought: Purchase = { ...purchase, status: "captured", spentAfter: spent, capturedAt };
    store.putPurchase(row.channelId, bought);
    const firstUnsettledAt = row.firstUnsettledAt ?? (spent > row.settled ? capturedAt : undefined);
    return { channel: update(row, { spent, firstUnsettledAt }), bought };
  }

  function charge(
    row: ChannelRecord,
    purchase: Purchase,
    amount: bigint,
  ): { channel: ChannelRecord; bought: Purchase } {
    const captured = min(amount, purchase.amount);
    return book({ ...row, held: row.held - purchase.amount }, { ...purchase, captured }, captured);
  }

  return {
    addChannel(channel: NewChannel): ChannelRecord {
      const row = store.channel(channel.channelId);
      if (!row) return update(newRow(channel), {});
      const changes = chainChanges(row, channel.chain);
      const { cumulativeAmount, signature } = channel;
      const isHigher = cumulativeAmount > row.accepted && cumulativeAmount <= (changes.deposit ?? row.deposit);
      const seen = update(row, changes);
      if (!isHigher) return seen;
      if (!row.isConditional) return update(seen, { accepted: cumulativeAmount, signature });
      return take(seen, judge(seen, { ...channel, minVoucherDelta: 0n }));
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

    accept(statement: StatementRequest): HoldResult {
      const row = store.channel(statement.channelId);
      if (!row) return { kind: "unknown-channel" };
      const acceptance = judge(row, statement);
      if (acceptance.refusal) return refused(row, acceptance.refusal, acceptance.statement);
      return { kind: "held", channel: take(row, acceptance) };
    },

    hold(request: HoldRequest): HoldResult {
      const { channelId, cumulativeAmount, requestHash, idempotencyKey, amount, conditional } = request;
      const row = store.channel(channelId);
      if (!row) return { kind: "unknown-channel" };
      const byStatement = store.purchase(request);
      const byKey = idempotencyKey === undefined ? undefined : store.purchaseByKey(channelId, idempotencyKey);
      const before = decideRepeat({ byStatement, byKey }, request);
      if (before?.kind === "refuse") return refused(row, before.reason);
      if (before?.kind === "repeat") {
        const { purchase } = before;
        const answer = store.answer({ channelId, cumulativeAmount: purchase.cumulativeAmount });
        return { kind: "repeated", channel: row, hold: { ...purchase, answer } };
      }
      const acceptance = judge(row, request);
      if (acceptance.refusal) return refused(row, acceptance.refusal, acceptance.statement);
      // A good statement is kept even where nothing is reserved: the payer owes it whatever it buys.
      const accepted = { ...row, ...acceptance.changes };
      const decision = decideHold(accepted, request);
      if (decision.kind === "refuse") return refused(take(row, acceptance), decision.reason);
      const credit = lend(accepted, request);
      if (!credit.payments) return refused(take(row, acceptance), "statement-refused", credit.refusal);

      const ref = conditional?.ref;
      store.putPurchase(channelId, {
        cumulativeAmount,
        requestHash,
        idempotencyKey,
        // Of a payment all may be charged, as its condition decides.
        amount: credit.payments.find((one) => one.ref === ref)?.amount ?? amount,
        status: "held",
        ref,
        captured: 0n,
        spentAfter: 0n,
        heldAt: now(),
        capturedAt: undefined,
      });
      const { payments } = credit;
      const held = ref === undefined ? row.held + amount : row.held;
      return {
        kind: "held",
        channel: take(row, { ...acceptance, changes: { ...acceptance.changes, payments, held } }),
      };
    },

    prove(proof: Proof): ProofResult {
      const row = store.channel(proof.channelId);
      if (!row) return { kind: "unknown-channel" };
      const { ref } = proof;
      const bought = purchaseFor(row, ref);
      if (bought?.status === "held") {
        return { kind: "refused", reason: { code: "request-in-progress", ref }, channel: row };
      }
      const judgement = addEvidence({ ...proof, accepted: acceptedOn(row, ref) });
      if (judgement.outcome === "refused") return { kind: "refused", reason: judgement.reason, channel: row };
      if (judgement.outcome === "kept") return { kind: "proven", channel: row, due: judgement.due };
      const { payments } = judgement.next;
      const due = payments.find((one) => one.ref === ref)?.due ?? 0n;
      if (!bought || bought.status === "released") return { kind: "proven", channel: update(row, { payments }), due };
      const { gain } = judgement;
      // It was judged to be worth this much, so that no more of the payer's credit is taken by it.
      const judged = { ...row, payments: worthOf(payments, ref, due) };
      const more = { cumulativeAmount: markKey(row.spent + gain), idempotencyKey: undefined, amount: gain };
      // Charges follow one another: what is found to be worth more later is another one.
      const purchase = bought.status === "captured" ? { ...bought, ...more } : bought;
      return {
        kind: "proven",
        channel: book(judged, { ...purchase, captured: gain }, gain).channel,
        due,
      };
    },

    concede({ channelId, ref }: Pick<Proof, "channelId" | "ref">): ProofResult {
      const row = store.channel(channelId);
      if (!row) return { kind: "unknown-channel" };
      const payment = row.payments.find((one) => one.ref === ref);
      if (!payment) return { kind: "refused", reason: { code: "payment-unknown", ref }, channel: row };
      const bought = purchaseFor(row, ref);
      if (bought?.status === "held") {
        return { kind: "refused", reason: { code: "request-in-progress", ref }, channel: row };
      }
      if (bought?.status === "delivered") store.putPurchase(channelId, { ...bought, status: "released" });
      const { due } = payment;
      // What ticks have drawn is not more than they are worth anyway.
      const work = min(payment.work, due);
      return { kind: "proven", channel: update(row, { payments: worthOf(row.payments, ref, work) }), due };
    },

    markTicks(mark: TickMark): ProofResult {
      const row = store.channel(mark.channelId);
      if (!row) return { kind: "unknown-channel" };
      const { channelId, ref, charged, freed, holds } = mark;
      const payment = row.payments.find((one) => one.ref === ref);
      if (payment && payment.work !== mark.drawn) {
        return { kind: "refused", reason: { code: "ticks-moved", ref, drawn: payment.work }, channel: row };
      }
      const judgement = addEvidence({ ...mark, accepted: acceptedOn(row, ref) });
      if (judgement.outcome === "refused") return { kind: "refused", reason: judgement.reason, channel: row };
      const { payments } = judgement.outcome === "raised" ? judgement.next : row;
      const due = payments.find((one) => one.ref === ref)?.due ?? 0n;
      const held = holds.reduce((sum, { amount }) => sum + amount, 0n);
      const work = mark.drawn + charged + freed + held;
      const heldAt = now();
      const made = {
        status: "held",
        ref: undefined,
        captured: 0n,
        spentAfter: 0n,
        heldAt,
        capturedAt: undefined,
      } as const;
      for (const hold of holds) store.putPurchase(channelId, { ...hold, ...made });
      const changed = { ...row, payments: worthOf(payments, ref, work), held: row.held + held };
      if (charged === 0n) return { kind: "proven", channel: update(changed, {}), due };
      const bought: Purchase = {
        ...made,
        cumulativeAmount: markKey(row.spent + charged),
        requestHash: ref,
        idempotencyKey: undefined,
        amount: charged,
        captured: charged,
      };
      return { kind: "proven", channel: book(changed, bought, charged).channel, due };
    },

    capture(capture: StatementRef & { amount: bigint; answer: Answer | undefined }): {
      channel: ChannelRecord;
      hold: Hold;
    } {
      const { answer } = capture;
      const { row, purchase } = requireHold(capture);
      if (answer) store.putAnswer(capture, answer);
      if (purchase.ref !== undefined) {
        // A payer that has dropped the payment in the meantime owes nothing for it.
        const isStanding = row.payments.some(({ ref }) => ref === purchase.ref);
        const hold: Purchase = { ...purchase, status: isStanding ? "delivered" : "released" };
        store.putPurchase(row.channelId, hold);
        return { channel: row, hold: { ...hold, answer } };
      }
      const { channel, bought } = charge(row, purchase, capture.amount);
      return { channel, hold: { ...bought, answer } };
    },

    advance(advance: StatementRef & { delivered: bigint; amount: bigint }): { channel: ChannelRecord; hold: Purchase } {
      const { row, purchase } = requireHold(advance);
      // What a condition decides about is neither marked nor more than was agreed.
      if (purchase.ref !== undefined) return { channel: row, hold: purchase };
      const more = endingOf(row) ? 0n : min(max(advance.amount - purchase.amount, 0n), max(availableOn(row), 0n));
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
      if (!row.isConditional) {
        const raised = accepts ? { accepted: cumulativeAmount, signature } : {};
        return { kind: "held", channel: update(row, { ...raised, closing: true }) };
      }
      // What stands is neither forgotten nor given up: the total has to have what is due on it.
      const open = { ...row, closing: false, retired: false, closeRequestedAt: 0 };
      const acceptance = judge(open, { ...statement, minVoucherDelta: 0n });
      if (acceptance.refusal) return refused(row, acceptance.refusal, acceptance.statement);
      return { kind: "held", channel: update(take(row, acceptance), { closing: true }) };
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
      update(row, { retired: true, held: 0n, payments: [], ...(isDone ? { finalizedAt: undefined } : {}) });
      return isDone;
    },
  };
}
