import type { Address } from "viem";

import type { Condition } from "./condition.ts";
import { kthOf } from "./kthOf.ts";

/**
 * Describes a payment of which that is due what the middle one of some conditions says: no minority moves it. Of an even
 * number it is the lower of the two in the middle.
 *
 * @param children - The conditions, at most 8.
 * @param parameters - The address of KthCondition.
 * @returns The condition, frozen.
 * @throws {InvalidFieldError} when the address is malformed.
 * @throws {InvalidConditionError} as {@link kthOf}, and when there are no children.
 * @example
 * import { hashlock, hashPreimage, median } from "subfen";
 * import { zeroHash } from "viem";
 *
 * const lock = hashlock({
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   sha256Hash: hashPreimage(zeroHash),
 * });
 * median([lock, lock, lock], { condition: "0x5FC8d32690cc91D4c39d9d3abcBD16989F875707" }).k; // 2
 */
export function median(children: readonly Condition[], parameters: median.Parameters): median.ReturnType {
  return kthOf({ ...parameters, children, k: Math.floor(children.length / 2) + 1 });
}

export declare namespace median {
  type Parameters = {
    /** KthCondition. */
    condition: Address;
  };
  type ReturnType = kthOf.ReturnType;
  type ErrorType = kthOf.ErrorType;
}
