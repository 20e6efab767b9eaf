import type { Address } from "viem";

import { SubfenError } from "../../errors.ts";

/** Why a condition is not made: it would pay nobody, pay too easily, or be refused by its contract. */
export type ConditionFault =
  | "zero-address"
  | "duplicate-evaluator"
  | "too-many-evaluators"
  | "threshold-out-of-range"
  | "zero-time"
  | "tick-count-out-of-range"
  | "zero-tick-amount"
  | "too-many-children"
  | "k-out-of-range"
  | "nested-too-deep"
  | "role-overlap";

/** A condition that would be worthless or dangerous. */
export class InvalidConditionError extends SubfenError {
  override readonly name = "InvalidConditionError";
  declare readonly code: "invalid-condition";
  /** Condition and field, such as `attestation.threshold`. */
  readonly field: string;
  /** What is wrong with it. */
  readonly reason: ConditionFault;

  constructor(parameters: InvalidConditionError.Parameters) {
    const { field, reason, given, remedy } = parameters;
    super(`${field} makes no condition worth having: ${reason}.`, {
      code: "invalid-condition",
      metaMessages: [`Given: ${given}`, `Do: ${remedy}`],
    });
    this.field = field;
    this.reason = reason;
  }
}

export declare namespace InvalidConditionError {
  type Parameters = {
    /** Condition and field, such as `attestation.threshold`. */
    field: string;
    /** What is wrong with it. */
    reason: ConditionFault;
    /** What was refused. */
    given: string;
    /** What the caller should do. */
    remedy: string;
  };
}

/** Evidence that its condition would read in part at most. */
export class InvalidEvidenceError extends SubfenError {
  override readonly name = "InvalidEvidenceError";
  declare readonly code: "invalid-evidence";
  /** What is wrong with it. */
  readonly reason: "evaluator-out-of-range" | "duplicate-evaluator" | "tick-out-of-range" | "too-many-children";

  constructor(parameters: { reason: InvalidEvidenceError["reason"]; given: string; remedy: string }) {
    const { reason, given, remedy } = parameters;
    super(`The evidence would not count: ${reason}.`, {
      code: "invalid-evidence",
      metaMessages: [`Given: ${given}`, `Do: ${remedy}`],
    });
    this.reason = reason;
  }
}

/** A condition contract that is none of those named as known. */
export class UnknownConditionError extends SubfenError {
  override readonly name = "UnknownConditionError";
  declare readonly code: "unknown-condition";
  /** The contract that is not known. */
  readonly condition: Address;

  constructor(condition: Address) {
    super(`${condition} is not a known condition.`, {
      code: "unknown-condition",
      metaMessages: [
        `Given: ${condition}, in the payment itself or nested in it`,
        "Do: accept conditions whose code is known only, and name their addresses in `contracts`.",
      ],
    });
    this.condition = condition;
  }
}

/** Parameters that are not what a condition's value encodes to. */
export class MalformedParametersError extends SubfenError {
  override readonly name = "MalformedParametersError";
  declare readonly code: "malformed-parameters";
  /** `unreadable`, `not-canonical` (they decode, but encode to other bytes) or `refused` (see `cause`). */
  readonly reason: "unreadable" | "not-canonical" | "refused";

  constructor(parameters: { kind: string; reason: MalformedParametersError["reason"]; cause?: unknown }) {
    const { kind, reason, cause } = parameters;
    super(`The parameters of a condition of kind ${kind} cannot be used: ${reason}.`, {
      code: "malformed-parameters",
      metaMessages: [
        `Given: parameters of a condition of kind ${kind}`,
        "Do: encode them by the condition's own function; other bytes have another hash and may mean something else.",
      ],
      cause,
    });
    this.reason = reason;
  }
}

/** A condition whose state is on chain: what is due cannot be computed from evidence. */
export class ConditionOnChainError extends SubfenError {
  override readonly name = "ConditionOnChainError";
  declare readonly code: "condition-on-chain";

  constructor(condition: Address) {
    super("What is due under a review is known on chain only.", {
      code: "condition-on-chain",
      metaMessages: [`Given: ${condition}`, "Do: call its amountDue on chain."],
    });
  }
}
