import type { Address, Hex } from "viem";

import { type AttestationLocation, verifyVerdict } from "../verdict.ts";
import { createAbiReader } from "./abiReader.ts";

/**
 * The contract's rule: of the verdicts that count, the `threshold`-th highest amount. One that does not count is skipped,
 * wherever it stands, so that more evidence never lowers the amount.
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
  const amounts: bigint[] = [];
  let next = 0;
  for (const { evaluator, amount, issuedAt, signature } of attestations) {
    const signer = evaluators[evaluator];
    if (evaluator < next || signer === undefined || issuedAt > judgeBy) continue;
    const verdict = { condition, chainId, paymentId, specHash, deliverableHash, amount, issuedAt };
    if (!(await verifyVerdict({ ...verdict, signature, signer }))) continue;
    amounts.push(amount);
    next = evaluator + 1;
  }
  // Not a difference: amounts are wider than a number.
  amounts.sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
  return amounts[threshold - 1] ?? 0n;
}

function decodeEvidence(evidence: Hex) {
  const { uint, bytes32, bytes, pointer, elements, fits } = createAbiReader(evidence);
  const deliverableHash = bytes32(0);
  const list = elements(pointer(32, 0));
  const base = list[0] ?? 0;
  const attestations = list.map((at) => {
    const row = pointer(at, base);
    fits(row, 128);
    return {
      evaluator: Number(uint(row, 8)),
      amount: uint(row + 32, 128),
      issuedAt: uint(row + 64, 64),
      signature: bytes(pointer(row + 96, row)),
    };
  });
  return { deliverableHash, attestations };
}
