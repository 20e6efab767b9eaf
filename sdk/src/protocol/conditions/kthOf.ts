import type { Address, Hex } from "viem";
import { encodeAbiParameters } from "viem/utils";

import type { InvalidFieldError } from "../assertField.ts";
import { createAbiReader } from "./abiReader.ts";
import { type Condition, type ConditionOf, isWhole, toCondition } from "./condition.ts";
import { InvalidConditionError, InvalidEvidenceError } from "./errors.ts";
import { kthLargest } from "./kthLargest.ts";

/** The most children the contract asks. */
const maxChildren = 8;

/** The `k`-th largest of what its children say is due. */
export type KthCondition = ConditionOf<"kth"> & {
  readonly k: number;
  readonly children: readonly Condition[];
  /**
   * @param evidence - One a child, in the children's order; `undefined`, like none at the end, for a child without any.
   * @returns The evidence.
   * @throws {InvalidEvidenceError} when there is more than one a child.
   */
  encodeEvidence(evidence: readonly (Hex | undefined)[]): Hex;
};

/**
 * Describes a payment of which that is due what at least `k` of some conditions say: the `k`-th largest of their amounts,
 * each at most the payment's. Children may themselves combine plain conditions, and no deeper.
 *
 * @param parameters - The address of KthCondition, its children, and `k`.
 * @returns The condition, frozen.
 * @throws {InvalidFieldError} when the address is malformed.
 * @throws {InvalidConditionError} when the address is zero, there are more than 8 children, `k` is zero or above their
 *   number, or children of children combine conditions again.
 * @example
 * import { hashlock, hashPreimage, kthOf } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * const preimages = ["one", "two", "three"].map((secret) => keccak256(stringToHex(secret)));
 * const children = preimages.map((preimage) =>
 *   hashlock({ condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0", sha256Hash: hashPreimage(preimage) }),
 * );
 * const condition = kthOf({ k: 2, children, condition: "0x5FC8d32690cc91D4c39d9d3abcBD16989F875707" });
 *
 * const paymentId = keccak256(stringToHex("a payment"));
 * const evidence = condition.encodeEvidence([preimages[0], undefined, preimages[2]]);
 * await condition.amountDue({ paymentId, amount: 1_000n, evidence }); // 1_000n
 */
export function kthOf(parameters: kthOf.Parameters): kthOf.ReturnType {
  const { k, condition } = parameters;
  const children = Object.freeze([...parameters.children]);
  assertChildCount(children.length, k);
  const isDeep = children.some((child) => child.kind === "kth" && child.children.some(({ kind }) => kind === "kth"));
  if (isDeep) throw nestedTooDeep();
  return toCondition({
    kind: "kth",
    address: condition,
    parameters: encodeKthParameters(
      k,
      children.map((child) => ({ condition: child.address, parameters: child.parameters })),
    ),
    fields: {
      k,
      children,
      encodeEvidence: (evidence: readonly (Hex | undefined)[]) => encodeEvidence(evidence, children.length),
    },
    async due({ paymentId, amount, evidence }) {
      // Without any evidence the contract asks the children all the same: a review needs none.
      const parts = evidence === "0x" ? [] : decodeEvidence(evidence);
      if (parts.length > children.length) return 0n;
      const amounts = await Promise.all(
        children.map((child, i) => child.amountDue({ paymentId, amount, evidence: parts[i] ?? "0x" })),
      );
      return kthLargest(amounts, k);
    },
  });
}

export declare namespace kthOf {
  type Parameters = {
    /** KthCondition. */
    condition: Address;
    /** At most 8. */
    children: readonly Condition[];
    /** Which of the amounts counts, the largest being 1. */
    k: number;
  };
  type ReturnType = KthCondition;
  type ErrorType = InvalidFieldError | InvalidConditionError;
}

/** @internal */
export function assertChildCount(count: number, k: number): void {
  if (count > maxChildren)
    throw new InvalidConditionError({
      field: "kth.children",
      reason: "too-many-children",
      given: `${count} children`,
      remedy: `give at most ${maxChildren}: the contract asks no more.`,
    });
  if (!isWhole(k, 1, count))
    throw new InvalidConditionError({
      field: "kth.k",
      reason: "k-out-of-range",
      given: `${k} of ${count} children`,
      remedy: "give a whole number from 1 to the number of children.",
    });
}

/** @internal */
export function nestedTooDeep(): InvalidConditionError {
  return new InvalidConditionError({
    field: "kth.children",
    reason: "nested-too-deep",
    given: "a child whose children combine conditions again",
    remedy: "combine plain conditions, or combinations of plain ones.",
  });
}

/** @internal */
export function encodeKthParameters(k: number, children: readonly { condition: Address; parameters: Hex }[]): Hex {
  const components = [
    { name: "condition", type: "address" },
    { name: "parameters", type: "bytes" },
  ];
  return encodeAbiParameters([{ type: "uint8" }, { type: "tuple[]", components }], [k, children]);
}

function encodeEvidence(evidence: readonly (Hex | undefined)[], childCount: number): Hex {
  if (evidence.length > childCount)
    throw new InvalidEvidenceError({
      reason: "too-many-children",
      given: `${evidence.length} pieces of evidence for ${childCount} children`,
      remedy: "give one for each child, in their order.",
    });
  return encodeAbiParameters([{ type: "bytes[]" }], [evidence.map((part) => part ?? "0x")]);
}

function decodeEvidence(evidence: Hex): Hex[] {
  const { bytes, pointer, elements } = createAbiReader(evidence);
  const list = elements(pointer(0, 0));
  const base = list[0] ?? 0;
  return list.map((at) => bytes(pointer(at, base)));
}
