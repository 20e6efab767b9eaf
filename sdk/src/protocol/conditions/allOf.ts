import type { Address } from "viem";

import type { Condition } from "./condition.ts";
import { kthOf } from "./kthOf.ts";

/**
 * Describes a payment of which that is due what all conditions agree on: the smallest of their amounts.
 *
 * @param children - The conditions, at most 8.
 * @param parameters - The address of KthCondition.
 * @returns The condition, frozen.
 * @throws {InvalidFieldError} when the address is malformed.
 * @throws {InvalidConditionError} as {@link kthOf}, and when there are no children.
 * @example
 * import { allOf, hashlock, hashPreimage } from "subfen";
 * import { zeroHash } from "viem";
 *
 * const lock = hashlock({
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   sha256Hash: hashPreimage(zeroHash),
 * });
 * allOf([lock, lock], { condition: "0x5FC8d32690cc91D4c39d9d3abcBD16989F875707" }).k; // 2
 */
export function allOf(children: readonly Condition[], parameters: allOf.Parameters): allOf.ReturnType {
  return kthOf({ ...parameters, children, k: children.length });
}

export declare namespace allOf {
  type Parameters = {
    /** KthCondition. */
    condition: Address;
  };
  type ReturnType = kthOf.ReturnType;
  type ErrorType = kthOf.ErrorType;
}
