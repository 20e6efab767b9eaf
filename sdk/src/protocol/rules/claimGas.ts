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
  const { gas, evidenceSize } = costOf(condition);
  return paymentGas + calldataGas(condition.parameters) + evidenceSize * byteGas + gas;
}

/**
 * The most bytes that evidence for a condition needs. A payee takes no longer one: with what nobody reads behind it, good
 * evidence could be replaced by evidence that costs far more to claim than was estimated.
 *
 * @internal
 */
export function mostEvidence(condition: Condition): number {
  // A claim needs the verdicts of the threshold alone; those of all evaluators are taken too.
  if (condition.kind === "attestation") return 96 + 288 * condition.evaluators.length;
  if (condition.kind === "kth") return condition.children.reduce((sum, child) => sum + 96 + mostEvidence(child), 64);
  return Number(costOf(condition).evidenceSize);
}

/** What a condition needs: gas of its execution, and bytes of full evidence. */
type Cost = { gas: bigint; evidenceSize: bigint };

function costOf(condition: Condition): Cost {
  switch (condition.kind) {
    case "hashlock":
      return { gas: 5_000n, evidenceSize: 32n };
    case "ticks":
      return { gas: 5_000n + 70n * BigInt(condition.tickCount), evidenceSize: 64n };
    case "attestation": {
      const [n, k] = [BigInt(condition.evaluators.length), BigInt(condition.threshold)];
      return { gas: 8_000n + 600n * n + k * (9_000n + 200n * n), evidenceSize: 96n + 288n * k };
    }
    case "kth": {
      let [gas, evidenceSize] = [10_000n, 64n];
      for (const child of condition.children) {
        const cost = costOf(child);
        gas += 8_000n + cost.gas + 3n * (BigInt(child.parameters.length / 2) + cost.evidenceSize);
        evidenceSize += 96n + cost.evidenceSize;
      }
      return { gas, evidenceSize };
    }
    case "review":
      return { gas: 10_000n, evidenceSize: 0n };
  }
}

function calldataGas(data: Hex): bigint {
  let gas = 0n;
  for (const byte of hexToBytes(data)) gas += byte === 0 ? 4n : byteGas;
  return gas;
}
