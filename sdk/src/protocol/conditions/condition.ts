import type { Address, Hex } from "viem";
import { getAddress, keccak256 } from "viem/utils";

import { min } from "../../bigints.ts";
import { isSubfenError } from "../../errors.ts";
import { assertField } from "../assertField.ts";
import { zeroAddress } from "../terms.ts";
import type { AttestationCondition } from "./attestation.ts";
import { InvalidConditionError } from "./errors.ts";
import type { HashlockCondition } from "./hashlock.ts";
import type { KthCondition } from "./kthOf.ts";
import type { ReviewCondition } from "./review.ts";
import type { TickCondition } from "./ticks.ts";

/** A condition as a value: its parameters, decoded and encoded. */
export type Condition = HashlockCondition | AttestationCondition | TickCondition | KthCondition | ReviewCondition;

/** What a condition is asked. */
export type DueParameters = {
  /** See `computePaymentId`; the task's id in the escrow. */
  paymentId: Hex;
  /** The most that can be due, in base units. */
  amount: bigint;
  /** As `encodeEvidence` gives it; anything else is worth nothing. */
  evidence: Hex;
};

/** What every condition has. */
export type ConditionOf<kind extends string> = {
  readonly kind: kind;
  /** The contract, with a checksum. */
  readonly address: Address;
  /** As the contract reads them. */
  readonly parameters: Hex;
  /** keccak256 of the parameters: what statements and tasks carry. */
  readonly parametersHash: Hex;
  /**
   * Computes what the contract would say.
   *
   * @returns Base units, at most `amount`; 0 for evidence that proves nothing.
   * @throws {InvalidFieldError} when the payment's id or the amount is malformed.
   * @throws {ConditionOnChainError} when it depends on a review.
   */
  amountDue(parameters: DueParameters): Promise<bigint>;
};

/**
 * Makes a condition of its parts: what is common to all is computed here.
 *
 * @internal
 */
export function toCondition<kind extends string, fields extends object>(parts: {
  kind: kind;
  address: Address;
  parameters: Hex;
  fields: fields;
  /** What is due for evidence that has not been looked at; may be above the amount. */
  due(parameters: DueParameters): bigint | Promise<bigint>;
}): ConditionOf<kind> & fields {
  const { kind, address, parameters, fields, due } = parts;
  return Object.freeze({
    kind,
    address: toAddress(`${kind}.condition`, address),
    parameters,
    parametersHash: keccak256(parameters),
    ...fields,
    async amountDue({ paymentId, amount, evidence }: DueParameters) {
      assertField({ field: "Payment.paymentId", type: "bytes32", value: paymentId });
      assertField({ field: "Payment.amount", type: "uint128", value: amount });
      try {
        return min(amount, await due({ paymentId, amount, evidence }));
      } catch (error) {
        // Where decoding reverts, the caller of the contract counts nothing due.
        if (isSubfenError(error, "malformed-data")) return 0n;
        throw error;
      }
    },
  });
}

/**
 * Checks an address that has to be somebody's.
 *
 * @returns It with a checksum.
 * @internal
 */
export function toAddress(field: string, value: Address): Address {
  assertField({ field, type: "address", value });
  if (BigInt(value) === 0n)
    throw new InvalidConditionError({
      field,
      reason: "zero-address",
      given: zeroAddress,
      remedy: "name the contract or account that is meant.",
    });
  return getAddress(value);
}

/**
 * Checks a time or period that must not be zero.
 *
 * @internal
 */
export function assertTime(field: string, value: bigint): void {
  assertField({ field, type: "uint64", value });
  if (value !== 0n) return;
  throw new InvalidConditionError({ field, reason: "zero-time", given: "0", remedy: "give it in seconds, above 0." });
}

/** @internal */
export function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
