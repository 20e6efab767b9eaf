import { min } from "../bigints.ts";
import type { ChannelRecord, HoldRefusal, HoldRequest, Purchase } from "./ledger.ts";

/** What a ledger must do about a hold request. Every ledger asks this one function, inside its atomic step. */
export type HoldDecision =
  /** Store the statement if `accepts`, add the amount to `held`, remember the hold. */
  | { readonly kind: "hold"; readonly accepts: boolean }
  | { readonly kind: "repeat"; readonly purchase: Purchase }
  /** Nothing is reserved, but a good statement is kept if `accepts`: the payer owes it whatever it buys. */
  | { readonly kind: "refuse"; readonly reason: HoldRefusal; readonly accepts: boolean };

/**
 * The payee's rules for one request (docs/protocol.md): what the statement bought before decides first, so that a
 * repeated request gets its answer even from a closed channel; then the channel's state; then the amounts.
 *
 * @param channel - The channel as it is.
 * @param known - What is known of this statement and of this idempotency key.
 * @param request - The request.
 * @returns What to do.
 */
export function decideHold(
  channel: ChannelRecord,
  known: { byStatement: Purchase | undefined; byKey: Purchase | undefined },
  request: HoldRequest,
): HoldDecision {
  const { byStatement, byKey } = known;
  if (byStatement && byStatement.requestHash !== request.requestHash) return refuse("statement-used");
  if (byKey && byKey.requestHash !== request.requestHash) return refuse("idempotency-key-reused");
  // A request that failed may have been served since, under the same key and a new statement.
  for (const earlier of [byStatement, byKey]) {
    if (earlier?.status === "held") return refuse("request-in-progress");
    if (earlier?.status === "captured") return { kind: "repeat", purchase: earlier };
  }

  const { accepts, refusal } = decideAcceptance(channel, request);
  if (refusal) return refuse(refusal);
  const accepted = accepts ? request.cumulativeAmount : channel.accepted;
  const owed = channel.spent + channel.held + request.amount;
  if (owed > accepted) return { kind: "refuse", reason: "insufficient-balance", accepts };
  // What was accepted stays when a reorganisation takes a part of the deposit back; more than is there is not served.
  if (owed > channel.deposit) return { kind: "refuse", reason: "amount-exceeds-deposit", accepts };
  return { kind: "hold", accepts };
}

/** @returns Base units that a channel still has for work; negative where more is spent and held than is there. */
export function availableOn(channel: Pick<ChannelRecord, "accepted" | "deposit" | "spent" | "held">): bigint {
  return min(channel.accepted, channel.deposit) - channel.spent - channel.held;
}

/** @returns The total that has to be accepted on a channel before this much more can be reserved; base units. */
export function requiredOn(channel: Pick<ChannelRecord, "spent" | "held">, more: bigint): bigint {
  return channel.spent + channel.held + more;
}

/** Whether a channel serves nothing new. */
export function isEnding(channel: ChannelRecord): boolean {
  return channel.closing || channel.retired || channel.finalized || channel.closeRequestedAt !== 0;
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
  statement: Pick<HoldRequest, "cumulativeAmount" | "minVoucherDelta">,
): { accepts: boolean; refusal?: HoldRefusal } {
  if (channel.finalized) return { accepts: false, refusal: "channel-finalized" };
  if (isEnding(channel)) return { accepts: false, refusal: "channel-closing" };
  if (statement.cumulativeAmount <= channel.accepted) return { accepts: false };
  if (statement.cumulativeAmount > channel.deposit) return { accepts: false, refusal: "amount-exceeds-deposit" };
  if (statement.cumulativeAmount - channel.accepted < statement.minVoucherDelta) {
    return { accepts: false, refusal: "delta-too-small" };
  }
  return { accepts: true };
}

/**
 * Whether the payer's statement may close the channel. It must be one that has bought nothing, so that nobody who saw a
 * payment on its way can close with it. Zero was seen when the channel was opened: it closes one that has bought nothing.
 * A channel that is closing already may be closed again: an earlier try may have been cut off. A retired one, which
 * serves nothing more, is closed by any statement: whoever sends it does the payer a favour.
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
  return { kind: "refuse", reason, accepts: false };
}
