import type { Hex } from "viem";

import { assertField, type InvalidFieldError } from "../assertField.ts";
import type { EvidenceRefusal } from "./addEvidence.ts";
import { type AcceptedStatement, lower } from "./statement.ts";
import type { StatementRefusal } from "./statementRefusal.ts";
import { unprovenWork } from "./unprovenWork.ts";

/** What became of a change of work. */
export type WorkJudgement =
  /** To be stored, durably, before more work is done. */
  | { readonly outcome: "set"; readonly next: AcceptedStatement }
  | {
      readonly outcome: "refused";
      readonly reason:
        Extract<EvidenceRefusal, { code: "payment-unknown" }> | Extract<StatementRefusal, { code: "credit-exceeded" }>;
    };

/**
 * Notes how much work was, or is about to be, done for a payment that stands. More is refused beyond the payer's credit:
 * so a stream paid by ticks runs at most that far ahead. Less is for work that failed, or was judged to be worth less:
 * then a payer that drops the payment owes nothing for it.
 *
 * @param parameters - What is accepted, which payment, what all work for it is worth from now on, and the credit limit,
 *   in base units.
 * @returns What to store, or the reason of the refusal with its numbers.
 * @throws {InvalidFieldError} when `ref` or `work` is malformed.
 * @example
 * import { nothingAccepted, setWork } from "subfen";
 * import { zeroHash } from "viem";
 *
 * setWork({ accepted: nothingAccepted, ref: zeroHash, work: 5n, creditLimit: 10n }).outcome; // "refused"
 */
export function setWork(parameters: setWork.Parameters): setWork.ReturnType {
  const { accepted, work, creditLimit } = parameters;
  assertField({ field: "Work.ref", type: "bytes32", value: parameters.ref });
  assertField({ field: "Work.work", type: "uint128", value: work });
  const ref = lower(parameters.ref);
  const payment = accepted.payments.find((one) => one.ref === ref);
  if (!payment) return { outcome: "refused", reason: { code: "payment-unknown", ref } };
  const payments = accepted.payments.map((one) => (one === payment ? { ...one, work } : one));
  const next = { ...accepted, payments };
  const unproven = unprovenWork(next);
  if (work > payment.work && unproven > creditLimit)
    return { outcome: "refused", reason: { code: "credit-exceeded", unproven, creditLimit } };
  return { outcome: "set", next };
}

export declare namespace setWork {
  type Parameters = {
    accepted: AcceptedStatement;
    ref: Hex;
    /** What all work for the payment is worth, in base units. */
    work: bigint;
    /** The most work, in base units, that this payer may have done for it before it is proven. */
    creditLimit: bigint;
  };
  type ReturnType = WorkJudgement;
  type ErrorType = InvalidFieldError;
}
