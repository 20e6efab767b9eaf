import type { Hex } from "viem";
import { keccak256 } from "viem/utils";

import { isWhole } from "./condition.ts";
import { InvalidConditionError } from "./errors.ts";

/** One step of a hash chain: number `n`, which shows that `n` ticks are paid. */
export type Tick = {
  readonly n: number;
  readonly x: Hex;
};

/** The most ticks of one chain: above it TickCondition counts nothing due. */
const maxTickCount = 10_000;

/**
 * Makes the function from a tick to the one before it: `keccak256(x ++ paymentId)`.
 *
 * @internal
 */
export function hashTick(paymentId: Hex): (x: Hex) => Hex {
  const salt = paymentId.slice(2);
  return (x) => keccak256(`${x}${salt}`);
}

/** @internal */
export function assertTickCount(tickCount: number): void {
  if (isWhole(tickCount, 1, maxTickCount)) return;
  throw new InvalidConditionError({
    field: "ticks.tickCount",
    reason: "tick-count-out-of-range",
    given: String(tickCount),
    remedy: `give a whole number from 1 to ${maxTickCount}: the contract counts no more.`,
  });
}
