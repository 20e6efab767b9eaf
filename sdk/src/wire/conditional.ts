import type { Address, Hex } from "viem";

import { isObject, type Json, MalformedError } from "./encoding.ts";
import { reader } from "./reader.ts";

/** Which conditional payments a seller takes for an offer: `methodDetails.conditional` of a challenge. */
export type ConditionalTerms = {
  /** The condition contracts, by kind. */
  readonly conditions: { readonly [kind in "hashlock" | "attestation" | "kth"]?: Address | undefined };
  /** Whose verdicts it works for; none for conditions without verdicts. */
  readonly evaluators: readonly Address[];
  /** Base units of work that it does for one channel before that is proven. */
  readonly creditLimit: bigint;
};

/** How a seller takes ticks: `methodDetails.ticks` of a challenge. */
export type TickTerms = {
  /** The TickCondition contract. */
  readonly condition: Address;
  /** The most ticks by which one may be ahead of the newest one that the seller has seen. */
  readonly window: number;
};

/** A conditional payment as it travels: the parameters stand in for their hash, which is what is signed. */
export type WirePayment = {
  readonly ref: Hex;
  readonly condition: Address;
  readonly parameters: Hex;
  /** The most that can become due, in base units. */
  readonly amount: bigint;
};

/** What proves a payment, as it travels. */
export type WireEvidence = { readonly ref: Hex; readonly evidence: Hex };

/** No list is longer: a statement has at most so many payments. */
const longest = 16;
const kinds = ["hashlock", "attestation", "kth"] as const;

/** @internal */
export function formatConditionalTerms(terms: ConditionalTerms | undefined): Json | undefined {
  return terms && { ...terms, creditLimit: String(terms.creditLimit) };
}

/**
 * @throws {MalformedError} when it is there and not well formed.
 * @internal
 */
export function parseConditionalTerms(value: unknown): ConditionalTerms | undefined {
  if (!isObject(value)) return undefined;
  const read = reader("challenge", value);
  const conditions = reader("challenge", read.object("conditions"));
  const known = kinds.flatMap((kind) =>
    conditions.raw(kind) === undefined ? [] : [[kind, conditions.address(kind)] as const],
  );
  const evaluators = listOf("challenge", read.raw("evaluators"), "evaluators").map((evaluator) =>
    reader("challenge", { evaluator }).address("evaluator"),
  );
  return { conditions: Object.fromEntries(known), evaluators, creditLimit: read.amount("creditLimit") };
}

/**
 * @throws {MalformedError} when it is there and not well formed.
 * @internal
 */
export function parseTickTerms(value: unknown): TickTerms | undefined {
  if (!isObject(value)) return undefined;
  const read = reader("challenge", value);
  return { condition: read.address("condition"), window: read.count("window") };
}

/** @internal */
export function formatPayments(payments: readonly WirePayment[] | undefined): Json | undefined {
  return payments?.map(({ ref, condition, parameters, amount }) => ({
    ref: ref.toLowerCase(),
    condition: condition.toLowerCase(),
    parameters: parameters.toLowerCase(),
    amount: String(amount),
  }));
}

/** @internal */
export function formatEvidence(evidence: readonly WireEvidence[] | undefined): Json | undefined {
  return evidence?.map((one) => ({ ref: one.ref.toLowerCase(), evidence: one.evidence.toLowerCase() }));
}

/**
 * @returns The payments, or `undefined` where there is no such member: then the statement is a plain one.
 * @throws {MalformedError} when it is there and not well formed.
 * @internal
 */
export function parsePayments(value: unknown): WirePayment[] | undefined {
  if (value === undefined) return undefined;
  return listOf("payload", value, "payments").map((one) => {
    const read = reader("payload", isObject(one) ? one : {});
    return {
      ref: read.bytes32("ref"),
      condition: read.address("condition"),
      parameters: read.bytes("parameters"),
      amount: read.amount("amount"),
    };
  });
}

/**
 * @throws {MalformedError} when it is there and not well formed.
 * @internal
 */
export function parseEvidence(value: unknown): WireEvidence[] | undefined {
  if (value === undefined) return undefined;
  return listOf("payload", value, "evidence").map((one) => {
    const read = reader("payload", isObject(one) ? one : {});
    return { ref: read.bytes32("ref"), evidence: read.bytes("evidence") };
  });
}

function listOf(what: string, value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value) && value.length <= longest) return value;
  throw new MalformedError(what, `${name} is not a list of at most ${longest}`);
}
