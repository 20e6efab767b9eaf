import type { Address, Hex } from "viem";
import { encodeAbiParameters } from "viem/utils";

import { assertField, type InvalidFieldError } from "../assertField.ts";
import { assertDomain } from "../domain.ts";
import { attestationDomain, type AttestationLocation } from "../verdict.ts";
import { attestedAmount } from "./attestedAmount.ts";
import { assertTime, type ConditionOf, isWhole, toAddress, toCondition } from "./condition.ts";
import { InvalidConditionError, InvalidEvidenceError } from "./errors.ts";
import { normalizeSignature } from "../signature.ts";

/** The most evaluators a condition can name: they are counted by an index of 8 bits. */
const maxEvaluators = 255;

/** An evaluator's signed verdict, without what all verdicts of one evidence share. */
export type Attestation = {
  /** Place among the condition's evaluators, from 0. */
  evaluator: number;
  /** What the evaluator found due, in base units. */
  amount: bigint;
  /** Unix time of the verdict, in seconds. */
  issuedAt: bigint;
  /** See `signVerdict`. */
  signature: Hex;
};

/** What enough evaluators agree on is due. */
export type AttestationCondition = ConditionOf<"attestation"> & {
  readonly chainId: number;
  readonly evaluators: readonly Address[];
  readonly threshold: number;
  readonly specHash: Hex;
  readonly judgeBy: bigint;
  /**
   * Encodes verdicts about one deliverable, in any order.
   *
   * @returns The evidence.
   * @throws {InvalidFieldError} when a field is malformed.
   * @throws {InvalidSignatureError} when a signature is no plain ECDSA signature.
   * @throws {InvalidEvidenceError} when an evaluator is not among the condition's or named twice.
   */
  encodeEvidence(evidence: { deliverableHash: Hex; attestations: readonly Attestation[] }): Hex;
};

/**
 * Describes a payment of which that is due what `threshold` of some evaluators sign for: the highest amount that so many
 * of them reach. Their verdicts count up to `judgeBy`, by what they say themselves; this stops late evaluators, not
 * dishonest ones.
 *
 * @param parameters - The address of AttestationCondition and its chain, who judges, how many must agree, the digest of
 *   what was asked for, and the last Unix second of a verdict.
 * @returns The condition, frozen.
 * @throws {InvalidFieldError} when a field is malformed.
 * @throws {InvalidConditionError} when an address is zero, a key is listed twice (it would count twice), there are more
 *   than 255 evaluators, the threshold is zero or above their number, or `judgeBy` is zero.
 * @example
 * import { attestation, signVerdict } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * const at = { condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0", chainId: 31337 };
 * const specHash = keccak256(stringToHex("a specification"));
 * const judgeBy = 1_800_000_600n;
 * const condition = attestation({ ...at, evaluators: [account.address], threshold: 1, specHash, judgeBy });
 *
 * const paymentId = keccak256(stringToHex("a payment"));
 * const deliverableHash = keccak256(stringToHex("a deliverable"));
 * const verdict = { amount: 700n, issuedAt: 1_800_000_000n };
 * const signature = await signVerdict({ ...at, account, paymentId, specHash, deliverableHash, ...verdict });
 * const evidence = condition.encodeEvidence({
 *   deliverableHash,
 *   attestations: [{ evaluator: 0, ...verdict, signature }],
 * });
 * await condition.amountDue({ paymentId, amount: 1_000n, evidence }); // 700n
 */
export function attestation(parameters: attestation.Parameters): attestation.ReturnType {
  const { condition, chainId, threshold, judgeBy } = parameters;
  assertDomain(attestationDomain({ condition, chainId }));
  const evaluators = toEvaluators(parameters.evaluators);
  if (!isWhole(threshold, 1, evaluators.length))
    throw new InvalidConditionError({
      field: "attestation.threshold",
      reason: "threshold-out-of-range",
      given: `${threshold} of ${evaluators.length} evaluators`,
      remedy: "ask for at least one evaluator and at most all of them.",
    });
  assertField({ field: "attestation.specHash", type: "bytes32", value: parameters.specHash });
  const specHash = parameters.specHash.toLowerCase() as Hex;
  assertTime("attestation.judgeBy", judgeBy);
  const rule = { condition, chainId, evaluators, threshold, specHash, judgeBy };
  return toCondition({
    kind: "attestation",
    address: condition,
    parameters: encodeAbiParameters(
      [{ type: "address[]" }, { type: "uint8" }, { type: "bytes32" }, { type: "uint64" }],
      [evaluators, threshold, specHash, judgeBy],
    ),
    fields: {
      chainId,
      evaluators,
      threshold,
      specHash,
      judgeBy,
      encodeEvidence: (evidence: Parameters<AttestationCondition["encodeEvidence"]>[0]) =>
        encodeEvidence(evidence, evaluators.length),
    },
    due: ({ paymentId, evidence }) => attestedAmount({ ...rule, paymentId, evidence }),
  });
}

export declare namespace attestation {
  type Parameters = AttestationLocation & {
    /** Plain keys, each once; verdicts name them by their place here. */
    evaluators: readonly Address[];
    /** How many must agree. */
    threshold: number;
    /** Digest of what was asked for. */
    specHash: Hex;
    /** The last Unix second at which a verdict may be issued. */
    judgeBy: bigint;
  };
  type ReturnType = AttestationCondition;
  type ErrorType = InvalidFieldError | InvalidConditionError;
}

function toEvaluators(listed: readonly Address[]): readonly Address[] {
  const field = "attestation.evaluators";
  if (listed.length > maxEvaluators)
    throw new InvalidConditionError({
      field,
      reason: "too-many-evaluators",
      given: `${listed.length} evaluators`,
      remedy: `name at most ${maxEvaluators}.`,
    });
  const evaluators = listed.map((evaluator, i) => toAddress(`${field}[${i}]`, evaluator));
  for (const [i, evaluator] of evaluators.entries())
    if (evaluators.indexOf(evaluator) !== i)
      throw new InvalidConditionError({
        field: `${field}[${i}]`,
        reason: "duplicate-evaluator",
        given: `${evaluator} at ${evaluators.indexOf(evaluator)} and ${i}`,
        remedy: "list each key once: it would count twice.",
      });
  return Object.freeze(evaluators);
}

function encodeEvidence(
  evidence: { deliverableHash: Hex; attestations: readonly Attestation[] },
  evaluatorCount: number,
): Hex {
  const attestations = evidence.attestations.toSorted((a, b) => a.evaluator - b.evaluator);
  assertField({ field: "attestation.deliverableHash", type: "bytes32", value: evidence.deliverableHash });
  const rows = attestations.map(({ evaluator, amount, issuedAt, signature }, i) => {
    const isListed = isWhole(evaluator, 0, evaluatorCount - 1);
    if (!isListed || attestations[i - 1]?.evaluator === evaluator)
      throw new InvalidEvidenceError({
        reason: isListed ? "duplicate-evaluator" : "evaluator-out-of-range",
        given: `evaluator ${evaluator} of ${evaluatorCount}`,
        remedy: "give one verdict of each evaluator, by its place among the condition's evaluators.",
      });
    assertField({ field: "attestation.amount", type: "uint128", value: amount });
    assertField({ field: "attestation.issuedAt", type: "uint64", value: issuedAt });
    return { evaluator, amount, issuedAt, signature: normalizeSignature(signature) };
  });
  return encodeAbiParameters(
    [
      { type: "bytes32" },
      {
        type: "tuple[]",
        components: [
          { name: "evaluator", type: "uint8" },
          { name: "amount", type: "uint128" },
          { name: "issuedAt", type: "uint64" },
          { name: "signature", type: "bytes" },
        ],
      },
    ],
    [evidence.deliverableHash, rows],
  );
}
