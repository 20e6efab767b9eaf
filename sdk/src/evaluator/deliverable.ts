import type { Hex } from "viem";
import { keccak256 } from "viem/utils";

import { SubfenError } from "../errors.ts";
import { hasLoneSurrogate } from "./spec.ts";

/** What was delivered: bytes, or a text that counts as its UTF-8 bytes. */
export type Deliverable = string | Uint8Array;

/** A deliverable that cannot be evaluated as it is. Nothing was evaluated or signed. */
export class InvalidDeliverableError extends SubfenError {
  override readonly name = "InvalidDeliverableError";
  declare readonly code: "invalid-deliverable" | "deliverable-too-large";

  constructor(reason: string, code: InvalidDeliverableError["code"] = "invalid-deliverable") {
    super(`The deliverable cannot be evaluated: ${reason}.`, {
      code,
      metaMessages: ["Do: deliver it in another form; nothing was evaluated or signed."],
    });
  }
}

/**
 * Computes the hash by which a verdict names what was delivered.
 *
 * @param deliverable - The deliverable's bytes, or its text.
 * @returns keccak-256 of the bytes.
 * @throws {InvalidDeliverableError} when a text has half a character (a lone surrogate) in it.
 * @example
 * import { hashDeliverable } from "subfen/evaluator";
 *
 * hashDeliverable("Paris");
 */
export function hashDeliverable(deliverable: Deliverable): hashDeliverable.ReturnType {
  return keccak256(deliverableBytes(deliverable));
}

export declare namespace hashDeliverable {
  type ReturnType = Hex;
  type ErrorType = InvalidDeliverableError;
}

/** @returns The deliverable's bytes. */
export function deliverableBytes(deliverable: Deliverable): Uint8Array {
  if (typeof deliverable !== "string") return deliverable;
  if (hasLoneSurrogate(deliverable)) throw new InvalidDeliverableError("its text has half a character in it");
  return new TextEncoder().encode(deliverable);
}

/** @returns The text that the bytes are, or `undefined` when they are not UTF-8. */
export function deliverableText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
