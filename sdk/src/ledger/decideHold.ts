import type { Hex } from "viem";

import { min } from "../bigints.ts";
import type { ChannelRecord, HoldRefusal, HoldRequest, Purchase, StatementRequest } from "./ledger.ts";

/**
 * What a channel still has for work: what is accepted and what is proven of the work drawn from conditional payments,
 * as far as the deposit goes, less what is spent and held. Every decision about a channel's money asks this one
 * function.
 *
 * @param channel - The channel.
 * @returns Base units; negative where more is spent and held than is there.
 */
export function availableOn(
  channel: Pick<ChannelRecord, "accepted" | "payments" | "deposit" | "spent" | "held">,
): bigint {
  return min(channel.accepted + provenOn(channel), channel.deposit) - channel.spent - channel.held;
}

/** @returns The total that has to be accepted on a channel before this much more can be reserved; base units. */
export function requiredOn(channel: Pick<ChannelRecord, "payments" | "spent" | "held">, more: bigint): bigint {
  return channel.spent + channel.held + more - provenOn(channel);
}

/**
 * What evidence has proven of the work that was drawn from the channel's conditional payments, in base units. What was
 * proven and not drawn stays the payment's own, until it is folded into the total.
 */
export function provenOn({ payments }: Pick<ChannelRecord, "payments">): bigint {
  let proven = 0n;
  for (const { work, due } of payments) proven += min(work, due);
  return proven;
}

/** What a ledger must do about a hold request. Every ledger asks this one function, inside its atomic step. */
export type HoldDecision =
  /** Remember the hold, and add the amount to `held`. */
  | { readonly kind: "hold" }
  | { readonly kind: "repeat"; readonly purchase: Purchase }
  | { readonly kind: "refuse"; readonly reason: HoldRefusal };

/**
 * What the request's statement or its idempotency key has bought before decides first, so that a repeated request gets
 * its answer even from a closed channel.
 *
 * @param known - What is known of this statement and of this idempotency key.
 * @param request - The request.
 * @returns What to do, or `undefined` where it has bought nothing.
 */
export function decideRepeat(
  known: { byStatement: Purchase | undefined; byKey: Purchase | undefined },
  { requestHash }: Pick<HoldRequest, "requestHash">,
): HoldDecision | undefined {
  const { byStatement, byKey } = known;
  if (byStatement && byStatement.requestHash !== requestHash) return refuse("statement-used");
  if (byKey && byKey.requestHash !== requestHash) return refuse("idempotency-key-reused");
  // A request that failed may have been served since, under the same key and a new statement.
  for (const earlier of [byStatement, byKey]) {
    if (earlier?.status === "held") return refuse("request-in-progress");
    if (earlier && earlier.status !== "released") return { kind: "repeat", purchase: earlier };
  }
  return undefined;
}

/**
 * The payee's rules for the amounts of one request (docs/protocol.md).
 *
 * @param channel - The channel, its statement accepted.
 * @param request - The request.
 * @returns What to do.
 */
export function decideHold(channel: ChannelRecord, request: Pick<HoldRequest, "amount" | "conditional">): HoldDecision {
  const { amount } = request;
  const ref = request.conditional?.ref;
  if (ref !== undefined) return decideOnCredit(channel, ref, amount);
  if (amount <= availableOn(channel)) return { kind: "hold" };
  // What was accepted stays when a reorganisation takes a part of the deposit back; more than is there is not served.
  const isStated = amount <= availableOn({ ...channel, deposit: channel.accepted + provenOn(channel) });
  return refuse(isStated ? "amount-exceeds-deposit" : "insufficient-balance");
}

/** A payment buys one piece of work, before it is known whether that is owed. */
function decideOnCredit(channel: ChannelRecord, ref: Hex, amount: bigint): HoldDecision {
  const payment = channel.payments.find((one) => one.ref === ref);
  if (!payment) return refuse("payment-unknown");
  if (payment.work > 0n) return refuse("payment-used");
  if (payment.due > 0n) return refuse("payment-proven");
  if (amount > payment.amount) return refuse("payment-too-small");
  const worstCase = channel.payments.reduce((sum, one) => sum + one.amount, channel.accepted);
  return worstCase > channel.deposit ? refuse("amount-exceeds-deposit") : { kind: "hold" };
}

/**
 * Whether a statement raises what is accepted. One that does not is no fault: parallel requests arrive swapped.
 *
 * @param channel - The channel as it is.
 * @param statement - The statement, its signature found good.
 * @returns `accepts`, or the refusal.
 */
export function decideAcceptance(
  channel: ChannelRecord,
  statement: Pick<StatementRequest, "cumulativeAmount" | "minVoucherDelta">,
): { accepts: boolean; refusal?: HoldRefusal } {
  const ending = endingOf(channel);
  if (ending) return { accepts: false, refusal: ending };
  if (statement.cumulativeAmount <= channel.accepted) return { accepts: false };
  if (statement.cumulativeAmount > channel.deposit) return { accepts: false, refusal: "amount-exceeds-deposit" };
  if (statement.cumulativeAmount - channel.accepted < statement.minVoucherDelta) {
    return { accepts: false, refusal: "delta-too-small" };
  }
  return { accepts: true };
}

/** Whether a channel serves nothing new. */
export function isEnding(channel: ChannelRecord): boolean {
  return endingOf(channel) !== undefined;
}

/** Whether a channel serves nothing new, and why. */
export function endingOf(channel: ChannelRecord): HoldRefusal | undefined {
  if (channel.finalized) return "channel-finalized";
  return channel.closing || channel.retired || channel.closeRequestedAt !== 0 ? "channel-closing" : undefined;
}

/**
 * Whether the payer's statement may close the channel. It must be one that has bought nothing, so that nobody who saw a
 * payment on its way can close with it. Zero was seen when the channel was opened: it closes one that has bought
 * nothing. A channel that is closing already may be closed again: an earlier try may have been cut off. A retired one,
 * which serves nothing more, is closed by any statement: whoever sends it does the payer a favour.
 *
 * @param channel - The channel as it is.
 * @param isUsed - Whether the statement has bought something.
 * @param cumulativeAmount - The statement, its signature found good.
 * @returns `accepts` when it raises what is accepted, or the refusal.
 */
export function decideClose(
  channel: ChannelRecord,
  isUsed: boolean,
  cumulativeAmount: bigint,
): { accepts: boolean; refusal?: HoldRefusal } {
  if (channel.finalized) return { accepts: false, refusal: "channel-finalized" };
  const hasBought = channel.spent + channel.held > 0n;
  if (!channel.retired && (cumulativeAmount === 0n ? hasBought : isUsed)) {
    return { accepts: false, refusal: "statement-used" };
  }
  return { accepts: cumulativeAmount > channel.accepted && cumulativeAmount <= channel.deposit };
}

function refuse(reason: HoldRefusal): HoldDecision {
  return { kind: "refuse", reason };
}
