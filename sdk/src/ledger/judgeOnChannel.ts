import type { Hex } from "viem";

import { judgePayments, type StatementJudgement } from "../protocol/rules/judgePayments.ts";
import type { DroppedPayment } from "../protocol/rules/statement.ts";
import type { StatementRefusal } from "../protocol/rules/statementRefusal.ts";
import { decideAcceptance, endingOf } from "./decideHold.ts";
import type { ChannelRecord, HoldRefusal, LedgerPayment, StatementRequest } from "./ledger.ts";

/** What a statement does to a channel. */
export type Acceptance = {
  /** What changes in the channel's row. */
  readonly changes: Partial<ChannelRecord>;
  /** Payments that are gone for good. */
  readonly dropped: readonly DroppedPayment[];
  /** Why it buys nothing. */
  readonly refusal?: HoldRefusal | undefined;
  /** Present with `statement-refused`. */
  readonly statement?: StatementRefusal | undefined;
};

/** What was never taken up has no rules to be judged by. */
const noPolicy = { contracts: {}, creditLimit: 0n };
const nothing = { changes: {}, dropped: [] };

/**
 * Judges a statement, plain or conditional, its signature found good. A plain one leaves out every payment that stands,
 * and must have what is due on them in its total.
 *
 * @param channel - The channel as it is.
 * @param statement - The statement.
 * @param droppedOf - Finds a payment that was dropped before.
 * @param now - Unix time in milliseconds.
 * @returns What it does.
 */
export function judgeOnChannel(
  channel: ChannelRecord,
  statement: StatementRequest,
  droppedOf: (ref: Hex) => DroppedPayment | undefined,
  now: number,
): Acceptance {
  const { cumulativeAmount, signature, conditional } = statement;
  if (!conditional && !channel.isConditional) {
    const { accepts, refusal } = decideAcceptance(channel, statement);
    return { ...nothing, changes: accepts ? { accepted: cumulativeAmount, signature } : {}, refusal };
  }
  const refusal = endingOf(channel);
  if (refusal) return { ...nothing, refusal };

  const judgement = judgeConditional(channel, statement, droppedOf, now);
  if (judgement.outcome === "refused") {
    return { ...nothing, refusal: "statement-refused", statement: judgement.reason };
  }
  const { next } = judgement;
  if (judgement.outcome === "dominated") {
    // What was never taken up stands behind what was passed to the rules.
    return { changes: {}, dropped: next.dropped.filter(({ ref }) => !droppedOf(ref)) };
  }
  const { added, dropped } = judgement;
  const isSmall = cumulativeAmount - channel.accepted < statement.minVoucherDelta;
  if (isSmall && added.length === 0 && dropped.length === 0) return { ...nothing, refusal: "delta-too-small" };
  // Nothing was drawn from a payment yet that has just been taken up.
  const payments: LedgerPayment[] = next.payments.map((one) => (added.includes(one.ref) ? { ...one, work: 0n } : one));
  const isConditional = conditional !== undefined;
  return { changes: { accepted: cumulativeAmount, signature, isConditional, payments, lost: next.lost }, dropped };
}

function judgeConditional(
  channel: ChannelRecord,
  { cumulativeAmount, conditional }: StatementRequest,
  droppedOf: (ref: Hex) => DroppedPayment | undefined,
  now: number,
): StatementJudgement {
  const { payments = [], policy = noPolicy, chainId = 0 } = conditional ?? {};
  const { accepted, lost, deposit } = channel;
  const dropped = payments.flatMap(({ ref }) => droppedOf(ref) ?? []);
  return judgePayments({
    accepted: { cumulativeAmount: accepted, payments: channel.payments, dropped, lost },
    cumulativeAmount,
    payments,
    deposit,
    policy,
    chainId,
    now: BigInt(Math.floor(now / 1000)),
  });
}
