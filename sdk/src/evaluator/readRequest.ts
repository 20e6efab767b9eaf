import type { Hex } from "viem";
import { keccak256 } from "viem/utils";

import { assertField } from "../protocol/assertField.ts";
import type { VerdictRequest } from "./createEvaluator.ts";
import { deliverableBytes, InvalidDeliverableError } from "./deliverable.ts";
import { readSpec, type ReadSpec } from "./spec.ts";

/** A request for a verdict that has been read: ids in lower case, and the hashes of what it holds. */
export type Asked = {
  paymentId: Hex;
  amount: bigint;
  spec: ReadSpec;
  bytes: Uint8Array;
  deliverableHash: Hex;
  judgeBy: bigint | undefined;
};

/**
 * Reads a request for a verdict.
 *
 * @throws {InvalidFieldError} when the id or a number is malformed.
 * @throws {InvalidSpecError} when the specification is not valid.
 * @throws {InvalidDeliverableError} when the deliverable is too large, or a text with half a character in it.
 */
export function readRequest(request: VerdictRequest, maxDeliverable: number): Asked {
  const { paymentId, amount, judgeBy } = request;
  assertField({ field: "Verdict.paymentId", type: "bytes32", value: paymentId });
  assertField({ field: "Verdict.amount", type: "uint128", value: amount });
  if (judgeBy !== undefined) assertField({ field: "judgeBy", type: "uint64", value: judgeBy });
  const spec = readSpec(request.spec);
  // A copy, so that nothing else is checked than what was hashed.
  const bytes = Uint8Array.from(deliverableBytes(request.deliverable));
  if (bytes.length > maxDeliverable) {
    const reason = `it has ${bytes.length} bytes, more than ${maxDeliverable}`;
    throw new InvalidDeliverableError(reason, "deliverable-too-large");
  }
  return { paymentId: paymentId.toLowerCase() as Hex, amount, spec, bytes, deliverableHash: keccak256(bytes), judgeBy };
}
