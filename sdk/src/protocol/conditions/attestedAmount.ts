import type { Address, Hex } from "viem";

import { type AttestationLocation, verifyVerdict } from "../verdict.ts";
import { createAbiReader } from "./abiReader.ts";
import { kthLargest } from "./kthLargest.ts";

/**
 * The contract's rule: each evaluator counts with the highest of its verdicts that count, and due is the `threshold`-th
 * highest of these. A verdict that does not count is passed over, wherever it stands, so that more evidence never lowers
 * the amount.
 *
 * @returns Base units; may be above the payment's amount.
 * @throws {MalformedDataError} when the evidence cannot be decoded.
 * @internal
 */
export async function attestedAmount(
  parameters: AttestationLocation & {
    evaluators: readonly Address[];
    threshold: number;
    specHash: Hex;
    judgeBy: bigint;
    paymentId: Hex;
    evidence: Hex;
  },
): Promise<bigint> {
  const { condition, chainId, evaluators, threshold, specHash, judgeBy, paymentId, evidence } = parameters;
  const { deliverableHash, attestations } = decodeEvidence(evidence);
  const amounts = evaluators.map(() => 0n);
  for (const { evaluator, amount, issuedAt, signature } of attestations) {
    const signer = evaluators[evaluator];
    // What would raise nothing costs no recovery: evidence may be long and hostile.
    if (signer === undefined || issuedAt > judgeBy || amount <= (amounts[evaluator] ?? 0n)) continue;
    const verdict = { condition, chainId, paymentId, specHash, deliverableHash, amount, issuedAt };
    if (await verifyVerdict({ ...verdict, signature, signer })) amounts[evaluator] = amount;
  }
  return kthLargest(amounts, threshold);
}

function decodeEvidence(evidence: Hex) {
  const { uint, bytes32, bytes, pointer, elements } = createAbiReader(evidence);
  const deliverableHash = bytes32(0);
  const list = elements(pointer(32, 0));
  const base = list[0] ?? 0;
  const attestations = list.map((at) => {
    const row = pointer(at, base);
    return {
      evaluator: Number(uint(row, 8)),
      amount: uint(row + 32, 128),
      issuedAt: uint(row + 64, 64),
      signature: bytes(pointer(row + 96, row)),
    };
  });
  return { deliverableHash, attestations };
}
