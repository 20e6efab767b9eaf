import type { Address, Hex } from "viem";
import { keccak256 } from "viem/utils";

import { SubfenError } from "../errors.ts";
import type { InvalidFieldError } from "../protocol/assertField.ts";
import { type ConditionalPayment, hashConditionalPayment, PaymentOrderError } from "../protocol/conditionalVoucher.ts";
import type { Terms } from "../protocol/terms.ts";

/** A payment of a signed statement, with its parameters or with their hash alone. */
export type SignedPayment = Omit<ConditionalPayment, "parametersHash"> &
  ({ parametersHash: Hex } | { parameters: Hex });

/** A conditional voucher as it was signed. */
export type SignedConditionalVoucher = {
  /** Everything owed without a condition, in base units. */
  readonly cumulativeAmount: bigint;
  /** Everything outstanding, strictly ascending by `ref`. */
  readonly payments: readonly SignedPayment[];
  /** `signConditionalVoucher` over exactly these. */
  readonly signature: Hex;
};

/** What is to prove one payment. */
export type PaymentEvidence = {
  readonly ref: Hex;
  /** In the condition's own encoding. */
  readonly evidence: Hex;
  /** The condition's parameters; may be left out where the statement's payment has them. */
  readonly parameters?: Hex | undefined;
};

/** A payment with what proves it, in the contract's form. */
export type ProvenPayment = {
  /** Its place in the statement, from 0. */
  readonly index: number;
  readonly ref: Hex;
  readonly condition: Address;
  /** The most that can be due, in base units. */
  readonly amount: bigint;
  readonly parameters: Hex;
  readonly evidence: Hex;
};

/** A conditional statement, what proves its payments and the total to capture by it, in the contract's form. */
export type ConditionalClaim = {
  readonly terms: Terms;
  /** Base units captured in all once the claim is accepted. */
  readonly amount: bigint;
  readonly cumulativeAmount: bigint;
  /** A hash for every payment of the statement. */
  readonly paymentHashes: readonly Hex[];
  /** Ascending by `index` and `ref`. */
  readonly proven: readonly ProvenPayment[];
  readonly signature: Hex;
};

/** Why evidence cannot stand in a claim on a statement. */
export type EvidenceMismatch = "not-in-statement" | "parameters-missing" | "parameters-mismatch" | "given-twice";

/** Evidence that is not about a payment of the statement: the contract would refuse the whole claim. */
export class EvidenceMismatchError extends SubfenError {
  override readonly name = "EvidenceMismatchError";
  declare readonly code: "evidence-mismatch";
  readonly ref: Hex;
  readonly reason: EvidenceMismatch;

  constructor(ref: Hex, reason: EvidenceMismatch) {
    super(`The evidence for payment ${ref} does not fit the statement: ${reason}.`, {
      code: "evidence-mismatch",
      metaMessages: [
        `Given: evidence for ref ${ref}`,
        "Do: give at most one piece of evidence for a payment, with the parameters whose hash was signed.",
      ],
    });
    this.ref = ref;
    this.reason = reason;
  }
}

/**
 * Writes a conditional claim in the form that `settleConditional` and `closeConditional` take. A pure function: whether the
 * evidence proves anything, only the conditions can say.
 *
 * @param parameters - The channel's terms, the signed statement, the evidence in any order, and what to capture in all, in
 * base units.
 * @returns The claim.
 * @throws {EvidenceMismatchError} when evidence is about no payment of the statement, or with other parameters.
 * @throws {PaymentOrderError} when the statement's payments are not strictly ascending by `ref`.
 * @throws {InvalidFieldError} when a field of a payment is malformed.
 * @example
 * const statement = { cumulativeAmount: 5_000n, payments: [payment], signature };
 * const evidence = [{ ref: payment.ref, parameters, evidence: condition.encodeEvidence({ preimage }) }];
 * const claim = toConditionalClaim({ terms, statement, evidence, amount: 6_000n });
 */
export function toConditionalClaim(parameters: toConditionalClaim.Parameters): toConditionalClaim.ReturnType {
  const { terms, statement, amount } = parameters;
  const payments = statement.payments.map(withHash);
  const paymentHashes = payments.map((payment) => hashConditionalPayment(payment));
  for (const [i, { ref }] of payments.entries()) {
    const previousRef = payments[i - 1]?.ref;
    if (previousRef !== undefined && BigInt(ref) <= BigInt(previousRef))
      throw new PaymentOrderError({ index: i, ref, previousRef });
  }
  const proven = parameters.evidence.map((one) => toProvenPayment(payments, statement.payments, one));
  proven.sort((one, other) => one.index - other.index);
  for (const [i, { index, ref }] of proven.entries())
    if (index === proven[i - 1]?.index) throw new EvidenceMismatchError(ref, "given-twice");
  const { cumulativeAmount, signature } = statement;
  return { terms, amount, cumulativeAmount, paymentHashes, proven, signature };
}

export declare namespace toConditionalClaim {
  type Parameters = {
    terms: Terms;
    statement: SignedConditionalVoucher;
    evidence: readonly PaymentEvidence[];
    /** What to capture in all, in base units. */
    amount: bigint;
  };
  type ReturnType = ConditionalClaim;
  type ErrorType = EvidenceMismatchError | PaymentOrderError | InvalidFieldError;
}

function toProvenPayment(
  payments: readonly ConditionalPayment[],
  signed: readonly SignedPayment[],
  given: PaymentEvidence,
): ProvenPayment {
  const index = payments.findIndex(({ ref }) => ref.toLowerCase() === given.ref.toLowerCase());
  const [payment, source] = [payments[index], signed[index]];
  if (!payment || !source) throw new EvidenceMismatchError(given.ref, "not-in-statement");
  const parameters = given.parameters ?? ("parameters" in source ? source.parameters : undefined);
  if (parameters === undefined) throw new EvidenceMismatchError(given.ref, "parameters-missing");
  if (keccak256(parameters) !== payment.parametersHash.toLowerCase())
    throw new EvidenceMismatchError(given.ref, "parameters-mismatch");
  const { ref, condition, amount } = payment;
  return { index, ref, condition, amount, parameters, evidence: given.evidence };
}

function withHash(payment: SignedPayment): ConditionalPayment {
  const { ref, condition, amount } = payment;
  const parametersHash = "parametersHash" in payment ? payment.parametersHash : keccak256(payment.parameters);
  return { ref, condition, parametersHash, amount };
}
