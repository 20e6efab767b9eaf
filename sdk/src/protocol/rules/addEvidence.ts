import type { Hex } from "viem";

import { min } from "../../bigints.ts";
import { assertField, type InvalidFieldError } from "../assertField.ts";
import { type AcceptedStatement, lower } from "./statement.ts";

/** What became of evidence. */
export type EvidenceJudgement =
  /** To be stored, durably, before the payment is folded. */
  | { readonly outcome: "raised"; readonly next: AcceptedStatement; readonly gain: bigint }
  /** What is at hand proves as much. */
  | { readonly outcome: "kept"; readonly due: bigint }
  | { readonly outcome: "refused"; readonly reason: EvidenceRefusal };

/** Why evidence is not taken: the payment was never accepted, or was dropped with what was due on it then. */
export type EvidenceRefusal =
  | { readonly code: "payment-unknown"; readonly ref: Hex }
  | { readonly code: "payment-dropped"; readonly ref: Hex; readonly due: bigint };

/**
 * Takes evidence for a payment that stands: the better one is kept, so what is due never falls. A pure function; what the
 * evidence proves is told to it, see `proveDue`.
 *
 * @param parameters - What is accepted, which payment, the evidence, and what it proves in base units.
 * @returns What to store and by how much more is due, or what is due already, or the reason of the refusal.
 * @throws {InvalidFieldError} when `ref` or `due` is malformed.
 * @example
 * import { addEvidence, nothingAccepted } from "subfen";
 * import { zeroHash } from "viem";
 *
 * addEvidence({ accepted: nothingAccepted, ref: zeroHash, evidence: "0x", due: 5n }).outcome; // "refused"
 */
export function addEvidence(parameters: addEvidence.Parameters): addEvidence.ReturnType {
  const { accepted, evidence } = parameters;
  assertField({ field: "Evidence.ref", type: "bytes32", value: parameters.ref });
  assertField({ field: "Evidence.due", type: "uint128", value: parameters.due });
  const ref = lower(parameters.ref);
  const payment = accepted.payments.find((one) => one.ref === ref);
  if (!payment) {
    const gone = accepted.dropped.find((one) => one.ref === ref);
    const reason = gone
      ? { code: "payment-dropped" as const, ref, due: gone.due }
      : { code: "payment-unknown" as const, ref };
    return { outcome: "refused", reason };
  }
  const due = min(payment.amount, parameters.due);
  if (due <= payment.due) return { outcome: "kept", due: payment.due };
  const payments = accepted.payments.map((one) => (one === payment ? { ...one, evidence, due } : one));
  return { outcome: "raised", next: { ...accepted, payments }, gain: due - payment.due };
}

export declare namespace addEvidence {
  type Parameters = {
    accepted: AcceptedStatement;
    ref: Hex;
    evidence: Hex;
    /** What the evidence proves, in base units. */
    due: bigint;
  };
  type ReturnType = EvidenceJudgement;
  type ErrorType = InvalidFieldError;
}
