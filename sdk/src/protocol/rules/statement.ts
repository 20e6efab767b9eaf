import type { Hex } from "viem";

import { assertField } from "../assertField.ts";
import type { ConditionalPayment } from "../conditionalVoucher.ts";

/** The most payments that may be outstanding in one channel. */
export const maxPayments = 16;

/** The most gas a claim may cost with the evidence for everything in it: less than every chain's block has room for. */
export const maxClaimGas = 3_000_000n;

/** A conditional payment as it is stated over the wire: with the parameters and not only their hash. */
export type StatedPayment = ConditionalPayment & {
  /** The condition's parameters, encoded. */
  parameters: Hex;
};

/** A payment that stands in the accepted statement. */
export type StandingPayment = StatedPayment & {
  /** The best evidence at hand; empty while there is none. */
  evidence: Hex;
  /** What it proves, in base units. */
  due: bigint;
  /** What the work done for it so far is worth, in base units. */
  work: bigint;
  /** The gas that claiming it takes. */
  claimGas: bigint;
};

/** A payment that was dropped, for good. */
export type DroppedPayment = ConditionalPayment & {
  /** What was due when it was dropped, in base units: the total has it since. */
  due: bigint;
};

/**
 * What a payee has accepted in one channel: plain data, to be stored as it is. Replaced as a whole, in one atomic step.
 */
export type AcceptedStatement = {
  /** The accepted total, in base units. */
  cumulativeAmount: bigint;
  /** What is outstanding beside it, ascending by `ref`. */
  payments: readonly StandingPayment[];
  /**
   * Every payment that was dropped. A ledger keeps all of them, and may pass only those whose `ref` is in the statement or
   * evidence at hand; it then adds what the answer names.
   */
  dropped: readonly DroppedPayment[];
  /** The work done for payments that were dropped before it was proven, in base units. */
  lost: bigint;
};

/** What is accepted in a channel before its first statement. */
export const nothingAccepted: AcceptedStatement = Object.freeze({
  cumulativeAmount: 0n,
  payments: Object.freeze([]),
  dropped: Object.freeze([]),
  lost: 0n,
});

/**
 * Brings what was stated into one notation, so that bytes are compared and not spellings.
 *
 * @throws {InvalidFieldError} when a field is malformed.
 * @internal
 */
export function toStated(payment: StatedPayment): StatedPayment {
  const { ref, condition, parametersHash, amount, parameters } = payment;
  assertField({ field: "ConditionalPayment.ref", type: "bytes32", value: ref });
  assertField({ field: "ConditionalPayment.condition", type: "address", value: condition });
  assertField({ field: "ConditionalPayment.parametersHash", type: "bytes32", value: parametersHash });
  assertField({ field: "ConditionalPayment.amount", type: "uint128", value: amount });
  return {
    ref: lower(ref),
    condition: lower(condition),
    parametersHash: lower(parametersHash),
    amount,
    parameters: lower(parameters),
  };
}

/**
 * Whether two payments of one ref are the same signed struct.
 *
 * @internal
 */
export function isSamePayment(one: ConditionalPayment, other: ConditionalPayment): boolean {
  return (
    one.condition === other.condition && one.parametersHash === other.parametersHash && one.amount === other.amount
  );
}

/** @internal */
export function lower(digits: Hex): Hex {
  return digits.toLowerCase() as Hex;
}
