import type { Address, Hex } from "viem";
import { encodeAbiParameters } from "viem/utils";

import { assertField, type InvalidFieldError } from "../assertField.ts";
import { createAbiReader } from "./abiReader.ts";
import { type ConditionOf, isWhole, toCondition } from "./condition.ts";
import { InvalidConditionError, InvalidEvidenceError } from "./errors.ts";
import { assertTickCount, type Tick } from "./tick.ts";
import { verifyTick } from "./verifyTick.ts";

/** An amount is due for each step of a hash chain that was shown. */
export type TickCondition = ConditionOf<"ticks"> & {
  readonly root: Hex;
  readonly tickAmount: bigint;
  readonly tickCount: number;
  /**
   * @returns The evidence: the newest tick proves all before it.
   * @throws {InvalidFieldError} when the tick is not 32 bytes.
   * @throws {InvalidEvidenceError} when `n` is not from 1 to `tickCount`.
   */
  encodeEvidence(tick: Tick): Hex;
};

/**
 * Describes a payment that falls due in equal parts, each by one 32-byte tick of a hash chain: the payer makes the chain
 * (`createTickChain`), states its root, and pays by showing the next tick. For channels only.
 *
 * @param parameters - The address of TickCondition, the chain's root, what one tick is worth in base units, and how many
 *   there are.
 * @returns The condition, frozen.
 * @throws {InvalidFieldError} when a field is malformed.
 * @throws {InvalidConditionError} when the address is zero, a tick is worth nothing, or there are none or more than
 *   10,000 ticks.
 * @example
 * import { createTickChain, ticks } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * const paymentId = keccak256(stringToHex("a payment"));
 * const chain = createTickChain({ paymentId, tickCount: 100 });
 * const condition = ticks({
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   root: chain.root,
 *   tickAmount: 12n,
 *   tickCount: 100,
 * });
 * const evidence = condition.encodeEvidence(chain.tick(5));
 * await condition.amountDue({ paymentId, amount: 1_200n, evidence }); // 60n
 */
export function ticks(parameters: ticks.Parameters): ticks.ReturnType {
  const { condition, tickAmount, tickCount } = parameters;
  assertField({ field: "ticks.root", type: "bytes32", value: parameters.root });
  const root = parameters.root.toLowerCase() as Hex;
  assertField({ field: "ticks.tickAmount", type: "uint128", value: tickAmount });
  if (tickAmount === 0n)
    throw new InvalidConditionError({
      field: "ticks.tickAmount",
      reason: "zero-tick-amount",
      given: "0",
      remedy: "give what one tick is worth, in base units.",
    });
  assertTickCount(tickCount);
  return toCondition({
    kind: "ticks",
    address: condition,
    parameters: encodeAbiParameters(
      [{ type: "bytes32" }, { type: "uint128" }, { type: "uint32" }],
      [root, tickAmount, tickCount],
    ),
    fields: { root, tickAmount, tickCount, encodeEvidence: (tick: Tick) => encodeEvidence(tick, tickCount) },
    due({ paymentId, evidence }) {
      const { uint, bytes32 } = createAbiReader(evidence);
      const tick = { n: Number(uint(0, 32)), x: bytes32(32) };
      if (tick.n > tickCount || !verifyTick({ paymentId, known: { n: 0, x: root }, tick })) return 0n;
      return BigInt(tick.n) * tickAmount;
    },
  });
}

export declare namespace ticks {
  type Parameters = {
    /** TickCondition. */
    condition: Address;
    /** What every tick hashes down to; see `createTickChain`. */
    root: Hex;
    /** What one tick is worth, in base units. */
    tickAmount: bigint;
    /** How many ticks there are, from 1 to 10,000. */
    tickCount: number;
  };
  type ReturnType = TickCondition;
  type ErrorType = InvalidFieldError | InvalidConditionError;
}

function encodeEvidence({ n, x }: Tick, tickCount: number): Hex {
  if (!isWhole(n, 1, tickCount))
    throw new InvalidEvidenceError({
      reason: "tick-out-of-range",
      given: `tick ${n} of ${tickCount}`,
      remedy: "give a tick of this chain.",
    });
  assertField({ field: "ticks.x", type: "bytes32", value: x });
  return encodeAbiParameters([{ type: "uint32" }, { type: "bytes32" }], [n, x]);
}
