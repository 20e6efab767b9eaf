import { stringify } from "../bigints.ts";
import { isSubfenError } from "../errors.ts";
import { requiredOn } from "../ledger/decideHold.ts";
import type { HoldResult, ProofRefusal } from "../ledger/ledger.ts";
import { explainStatementRefusal, type StatementRefusal } from "../protocol/rules/statementRefusal.ts";
import type { Challenge } from "../wire/challenge.ts";
import type { Json } from "../wire/encoding.ts";
import { type ProblemCode, problemResponse, statusOf } from "../wire/problem.ts";
import type { Statement } from "../wire/session.ts";
import { ProblemError } from "./seller.ts";

/**
 * Answers what was thrown.
 *
 * @param error - What was thrown.
 * @param challenge - Makes fresh challenges, for a 402.
 * @param report - Told what the buyer is not.
 */
export function toProblemResponse(
  error: unknown,
  challenge: () => readonly Challenge[],
  report: (error: unknown) => void,
): Response {
  const answer = (code: ProblemCode, detail: string, members: Record<string, Json> = {}): Response => {
    const { retryAfter } = members;
    return problemResponse(code, detail, {
      members,
      challenges: statusOf(code) === 402 ? challenge() : [],
      headers: typeof retryAfter === "number" ? { "retry-after": String(retryAfter) } : {},
    });
  };
  if (error instanceof ProblemError) {
    if (error.cause !== undefined) report(error.cause);
    return answer(error.problem, error.shortMessage, error.members);
  }
  if (isSubfenError(error, "unpriceable-request")) return answer("unpriceable-request", error.message);
  if (isSubfenError(error, "malformed")) {
    const isCredential = error.shortMessage.startsWith("The credential");
    return answer(isCredential ? "malformed-credential" : "malformed-payload", error.shortMessage);
  }
  report(error);
  return answer("seller-failed", "The seller failed to handle the payment. Nothing was charged.");
}

/** Tells why the ledger reserved nothing, with the numbers that the buyer needs. */
export function toRefusal(
  { reason, channel, statement: refusal }: Extract<HoldResult, { kind: "refused" }>,
  statement: Pick<Statement, "cumulativeAmount">,
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
    case "statement-refused":
      return toStatementProblem(refusal as StatementRefusal, amounts);
    case "payment-unknown":
      return new ProblemError(
        reason,
        "The payment that is to pay does not stand: it was never taken up, or dropped.",
        amounts,
      );
    case "payment-used":
      return new ProblemError(reason, "This payment has bought work before. Add another under a new ref.", amounts);
    case "payment-proven":
      return new ProblemError(reason, "This payment is proven. Fold it into the total, and pay from that.", amounts);
    case "payment-too-small":
      return new ProblemError(reason, `The payment is over less than the ${amount} base units of this request.`, {
        ...amounts,
        amount: String(amount),
      });
  }
}

/** Tells which rule a statement breaks. The problem has the rule's name and its numbers. */
function toStatementProblem(refusal: StatementRefusal, amounts: Record<string, Json>): ProblemError {
  const { message, remedy } = explainStatementRefusal(refusal);
  const { code, ...numbers } = refusal;
  const members = JSON.parse(stringify(numbers)) as Record<string, Json>;
  return new ProblemError(code as ProblemCode, `${message} Remedy: ${remedy}`, { ...amounts, ...members });
}

/** Tells why evidence is not taken. */
export function toProofProblem(refusal: ProofRefusal): ProblemError {
  const { code, ref } = refusal;
  switch (code) {
    case "payment-unknown":
      return new ProblemError(code, "No such payment was accepted on this channel.", { ref });
    case "payment-dropped":
      return new ProblemError(code, "The payment was dropped, and what was due on it then is in the total.", {
        ref,
        due: String(refusal.due),
      });
    case "request-in-progress":
      return new ProblemError(code, "The work for this payment is running. Send the evidence when it is done.", {
        ref,
      });
    case "ticks-moved":
      return new ProblemError("ticks-elsewhere", "Another process of the seller takes these ticks.", { ref });
  }
}
