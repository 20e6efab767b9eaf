import { isSubfenError } from "../errors.ts";
import { requiredOn } from "../ledger/decideHold.ts";
import type { ChannelRecord, HoldRefusal } from "../ledger/ledger.ts";
import type { Json } from "../wire/encoding.ts";
import { problemResponse } from "../wire/problem.ts";
import type { Statement } from "../wire/session.ts";
import { ProblemError } from "./seller.ts";

/**
 * Answers what was thrown.
 *
 * @param error - What was thrown.
 * @param challenge - Makes the headers of a fresh challenge, for a 402.
 * @param report - Told what the buyer is not.
 */
export function toProblemResponse(
  error: unknown,
  challenge: () => Record<string, string>,
  report: (error: unknown) => void,
): Response {
  if (error instanceof ProblemError) {
    const headers: Record<string, string> = problemResponse(error.problem, "").status === 402 ? challenge() : {};
    const { retryAfter } = error.members;
    if (typeof retryAfter === "number") headers["retry-after"] = String(retryAfter);
    if (error.cause !== undefined) report(error.cause);
    return problemResponse(error.problem, error.shortMessage, { members: error.members, headers });
  }
  if (isSubfenError(error, "unpriceable-request")) return problemResponse("unpriceable-request", error.message);
  if (isSubfenError(error, "malformed")) {
    const isCredential = error.shortMessage.startsWith("The credential");
    return isCredential
      ? problemResponse("malformed-credential", error.shortMessage, { headers: challenge() })
      : problemResponse("malformed-payload", error.shortMessage);
  }
  report(error);
  return problemResponse("seller-failed", "The seller failed to handle the payment. Nothing was charged.");
}

/** Tells why the ledger reserved nothing, with the numbers that the buyer needs. */
export function toRefusal(
  reason: HoldRefusal,
  channel: ChannelRecord,
  statement: Statement,
  amount: bigint,
): ProblemError {
  const { channelId } = channel;
  const required = requiredOn(channel, amount);
  const amounts: Record<string, Json> = {
    channelId,
    acceptedCumulative: String(channel.accepted),
    spent: String(channel.spent),
    held: String(channel.held),
    deposit: String(channel.deposit),
  };
  switch (reason) {
    case "insufficient-balance":
      return new ProblemError(
        reason,
        `The voucher over ${statement.cumulativeAmount} does not cover this request: ${required} base units are needed ` +
          `(${channel.spent} spent, ${channel.held} held, ${amount} for this request).`,
        { ...amounts, requiredCumulative: String(required), amount: String(amount) },
      );
    case "amount-exceeds-deposit":
      return new ProblemError(
        reason,
        `The deposit of ${channel.deposit} does not cover the voucher over ${statement.cumulativeAmount} and this request. ` +
          "Top the channel up.",
        amounts,
      );
    case "delta-too-small":
      return new ProblemError(reason, "The voucher grows by less than minVoucherDelta.", amounts);
    case "request-in-progress":
      return new ProblemError(reason, "The same request is running. Send it again later for its answer.", amounts);
    case "statement-used":
      return new ProblemError(reason, "This statement has paid for another request. Sign a higher one.", amounts);
    case "idempotency-key-reused":
      return new ProblemError(reason, "This Idempotency-Key belongs to another request. Use a new one.", amounts);
    case "channel-closing":
      return new ProblemError(reason, "The channel is closing: it buys nothing more. Open a new one.", amounts);
    case "channel-finalized":
      return new ProblemError(reason, "The channel is closed. Open a new one with a new salt.", amounts);
  }
}
