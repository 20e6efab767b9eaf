import type { Hex } from "viem";
import { hexToBytes } from "viem/utils";

import type { Condition } from "../conditions/condition.ts";

/** Transaction, signature, transfer and bookkeeping of a claim without payments. */
const baseGas = 120_000n;
/** A payment beside its condition: its place in the calldata, its hash, the call. */
const paymentGas = 10_000n;
/** A byte of calldata that is not zero; those of evidence are counted so, whatever they are. */
const byteGas = 16n;

/**
 * Estimates from above what a claim costs with the evidence for everything in it.
 *
 * @param conditions - The conditions of all payments.
 * @returns Gas of `settleConditional`, the transaction's own included.
 * @example
 * import { estimateClaimGas, hashlock, hashPreimage } from "subfen";
 * import { zeroHash } from "viem";
 *
 * const lock = hashlock({
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   sha256Hash: hashPreimage(zeroHash),
 * });
 * estimateClaimGas([lock]) < 3_000_000n; // true
 */
export function estimateClaimGas(conditions: readonly Condition[]): estimateClaimGas.ReturnType {
  return sumClaimGas(conditions.map((condition) => ({ claimGas: estimatePaymentGas(condition) })));
}

export declare namespace estimateClaimGas {
  type ReturnType = bigint;
}

/** @internal */
export function sumClaimGas(payments: readonly { claimGas: bigint }[]): bigint {
  return payments.reduce((sum, { claimGas }) => sum + claimGas, baseGas);
}

/** @internal */
export function estimatePaymentGas(condition: Condition): bigint {
  const evidenceGas = BigInt(evidenceSize(condition, "threshold")) * byteGas;
  return paymentGas + calldataGas(condition.parameters) + evidenceGas + executionGas(condition);
}

/**
 * The most bytes that evidence for a condition needs. A payee takes no longer one: with what nobody reads behind it,
 * good evidence could be replaced by evidence that costs far more to claim than was estimated.
 *
 * @internal
 */
export function mostEvidence(condition: Condition): number {
  return evidenceSize(condition, "evaluators");
}

/**
 * Bytes of full evidence. A claim needs as many verdicts as the threshold; those of all evaluators may be given.
 */
function evidenceSize(condition: Condition, verdicts: "threshold" | "evaluators"): number {
  switch (condition.kind) {
    case "hashlock":
      return 32;
    case "ticks":
      return 64;
    case "attestation":
      return 96 + 288 * (verdicts === "threshold" ? condition.threshold : condition.evaluators.length);
    case "kth":
      return condition.children.reduce((sum, child) => sum + 96 + evidenceSize(child, verdicts), 64);
    case "review":
      return 0;
  }
}

/** Gas of a condition's execution. */
function executionGas(condition: Condition): bigint {
  switch (condition.kind) {
    case "hashlock":
      return 5_000n;
    case "ticks":
      return 5_000n + 70n * BigInt(condition.tickCount);
    case "attestation": {
      const [n, k] = [BigInt(condition.evaluators.length), BigInt(condition.threshold)];
      return 8_000n + 600n * n + k * (9_000n + 200n * n);
    }
    case "kth":
      return condition.children.reduce((sum, child) => {
        const copied = child.parameters.length / 2 + evidenceSize(child, "threshold");
        return sum + 8_000n + executionGas(child) + 3n * BigInt(copied);
      }, 10_000n);
    case "review":
      return 10_000n;
  }
}

function calldataGas(data: Hex): bigint {
  let gas = 0n;
  for (const byte of hexToBytes(data)) gas += byte === 0 ? 4n : byteGas;
  return gas;
}
