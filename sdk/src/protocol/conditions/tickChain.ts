import type { Hex } from "viem";
import { bytesToHex } from "viem/utils";

import { assertField, type InvalidFieldError } from "../assertField.ts";
import { type InvalidConditionError, InvalidEvidenceError } from "./errors.ts";
import { isWhole } from "./condition.ts";
import { assertTickCount, hashTick, type Tick } from "./tick.ts";

/** Ticks kept at hand: a chain keeps one of each so many, and computes those between when they are asked for. */
const stride = 100;

/** A payer's chain of ticks. Who has its seed can pay all of it. */
export type TickChain = {
  readonly root: Hex;
  readonly tickCount: number;
  /** The last tick, from which all others are computed: to be kept durably, and secret. */
  readonly seed: Hex;
  /**
   * @returns The tick that pays `n` ticks in all.
   * @throws {InvalidEvidenceError} when `n` is not from 1 to `tickCount`.
   */
  tick(n: number): Tick;
};

/**
 * Makes a chain of ticks for one payment: `x_{n-1} = keccak256(x_n ++ paymentId)`, the root is `x_0`.
 *
 * @param parameters - The payment's id, how many ticks, and the seed of a chain that is to be made again; random if left
 *   out.
 * @returns The chain. It keeps one tick in a hundred and computes the others when they are asked for.
 * @throws {InvalidFieldError} when the id or the seed is not 32 bytes.
 * @throws {InvalidConditionError} when the number of ticks is not from 1 to 10,000.
 * @example
 * import { createTickChain } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * const paymentId = keccak256(stringToHex("a payment"));
 * const chain = createTickChain({ paymentId, tickCount: 1_000 });
 * const again = createTickChain({ paymentId, tickCount: 1_000, seed: chain.seed });
 * again.root === chain.root; // true
 */
export function createTickChain(parameters: createTickChain.Parameters): createTickChain.ReturnType {
  const { paymentId, tickCount } = parameters;
  assertField({ field: "ticks.paymentId", type: "bytes32", value: paymentId });
  assertTickCount(tickCount);
  const { seed = bytesToHex(crypto.getRandomValues(new Uint8Array(32))) } = parameters;
  assertField({ field: "ticks.seed", type: "bytes32", value: seed });
  const hash = hashTick(paymentId);
  const segments = Math.ceil(tickCount / stride);

  /** The ticks of one stretch, the last first, from a tick down to the last one of the stretch below. */
  function descend(from: Tick, to: number): Hex[] {
    const chain = [from.x];
    for (let { n, x } = from; n > to; n--) chain.push((x = hash(x)));
    return chain;
  }

  /** The last tick of each stretch, from the highest stretch down to the root. */
  const kept: Tick[] = [{ n: tickCount, x: seed.toLowerCase() as Hex }];
  let x = seed;
  for (let n = tickCount - 1; n >= 0; n--) {
    x = hash(x);
    if (n % stride === 0) kept.push({ n, x });
  }
  let current: { top: Tick; chain: readonly Hex[] } | undefined;

  return Object.freeze({
    root: x,
    tickCount,
    seed,
    tick(n: number): Tick {
      const top = kept[segments - Math.ceil(n / stride)];
      if (!isWhole(n, 1, tickCount) || top === undefined)
        throw new InvalidEvidenceError({
          reason: "tick-out-of-range",
          given: `tick ${n} of ${tickCount}`,
          remedy: "add a payment with another chain when this one is used up.",
        });
      if (current?.top !== top) current = { top, chain: descend(top, top.n - stride) };
      return { n, x: current.chain[top.n - n] ?? top.x };
    },
  });
}

export declare namespace createTickChain {
  type Parameters = {
    /** See `computePaymentId`: a chain pays this payment and no other. */
    paymentId: Hex;
    /** From 1 to 10,000. */
    tickCount: number;
    /** 32 secret bytes. */
    seed?: Hex | undefined;
  };
  type ReturnType = TickChain;
  type ErrorType = InvalidFieldError | InvalidConditionError | InvalidEvidenceError;
}
