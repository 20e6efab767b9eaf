import type { Hex } from "viem";

import { assertField, type InvalidFieldError } from "../assertField.ts";
import { hashTick, type Tick } from "./tick.ts";

/**
 * Checks a tick against one that is known already, by as many hashes as there are ticks between them. A payee that
 * keeps the newest tick so pays one hash for each new one.
 *
 * @param parameters - The payment's id, the newest known tick (at first the root, as number 0), and the tick to check.
 * @returns `true` if the tick is a later one of the same chain.
 * @throws {InvalidFieldError} when the id or a tick is not 32 bytes.
 * @example
 * import { createTickChain, verifyTick } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * const paymentId = keccak256(stringToHex("a payment"));
 * const chain = createTickChain({ paymentId, tickCount: 100 });
 * verifyTick({ paymentId, known: chain.tick(5), tick: chain.tick(6) }); // true
 */
export function verifyTick(parameters: verifyTick.Parameters): verifyTick.ReturnType {
  const { paymentId, known, tick } = parameters;
  for (const [field, value] of [
    ["paymentId", paymentId],
    ["known", known.x],
    ["tick", tick.x],
  ] as const)
    assertField({ field: `verifyTick.${field}`, type: "bytes32", value });
  if (!(tick.n > known.n)) return false;
  const hash = hashTick(paymentId);
  let x = tick.x;
  for (let n = tick.n; n > known.n; n--) x = hash(x);
  return x === known.x.toLowerCase();
}

export declare namespace verifyTick {
  type Parameters = {
    /** See `computePaymentId`. */
    paymentId: Hex;
    /** The newest tick known; `{ n: 0, x: root }` at first. */
    known: Tick;
    /** The tick to check. */
    tick: Tick;
  };
  type ReturnType = boolean;
  type ErrorType = InvalidFieldError;
}
