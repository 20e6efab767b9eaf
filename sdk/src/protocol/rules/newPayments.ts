import type { Hex } from "viem";
import { keccak256 } from "viem/utils";

import { min } from "../../bigints.ts";
import type { Condition } from "../conditions/condition.ts";
import { type ConditionContracts, decodeCondition } from "../conditions/decodeCondition.ts";
import { MalformedParametersError, UnknownConditionError } from "../conditions/errors.ts";
import { estimatePaymentGas } from "./claimGas.ts";
import type { StandingPayment, StatedPayment } from "./statement.ts";
import type { StatementRefusal } from "./statementRefusal.ts";

/** Which conditions a payee accepts. */
export type ConditionPolicy = {
  /** The condition contracts whose code is known. Payments under others are refused, nested ones too. */
  contracts: ConditionContracts;
  /** Which of the conditions it works for, such as those of evaluators it knows; all but reviews if left out. */
  acceptsCondition?: ((condition: Condition) => boolean) | undefined;
  /** Seconds that evaluators must have left to judge; 0 if left out. */
  leastJudgePeriod?: bigint | undefined;
  /** Whether ticks are shown before what they pay for and not after: then they take no credit. */
  prepaidTicks?: boolean | undefined;
};

/**
 * Looks at a payment that a statement adds.
 *
 * @returns The payment as it will stand, or what speaks against it.
 * @internal
 */
export function admitPayment(
  payment: StatedPayment,
  parameters: { policy: ConditionPolicy; chainId: number; now: bigint },
): StandingPayment | StatementRefusal {
  const { policy, chainId, now } = parameters;
  const { ref, parametersHash, amount } = payment;
  if (amount === 0n) return { code: "amount-zero", ref };
  const condition = decode(payment, policy.contracts, chainId);
  if ("code" in condition) return condition;
  // The hash is taken after decoding, which refuses what are no bytes.
  const actual = keccak256(condition.parameters);
  if (actual !== parametersHash) return { code: "parameters-mismatch", ref, parametersHash, actual };
  const leaves = leavesOf(condition);
  const isAllowed = leaves.every(({ kind }) => kind !== "review") && (policy.acceptsCondition?.(condition) ?? true);
  if (!isAllowed) return { code: "condition-not-allowed", ref, kind: condition.kind };
  const earliest = now + (policy.leastJudgePeriod ?? 0n);
  for (const leaf of leaves)
    if (leaf.kind === "attestation" && leaf.judgeBy < earliest)
      return { code: "judge-by-too-soon", ref, judgeBy: leaf.judgeBy, earliest };
  // Unless it is paid before, a tick is worked for when the one before it was shown; everything else at once.
  const ahead = condition.kind === "ticks" ? (policy.prepaidTicks ? 0n : condition.tickAmount) : amount;
  const work = min(ahead, amount);
  return { ...payment, evidence: "0x", due: 0n, work, claimGas: estimatePaymentGas(condition) };
}

/**
 * The conditions that combinations are made of.
 *
 * @internal
 */
export function leavesOf(condition: Condition): Condition[] {
  return condition.kind === "kth" ? condition.children.flatMap(leavesOf) : [condition];
}

function decode(
  { ref, condition, parameters }: { ref: Hex; condition: Hex; parameters: Hex },
  contracts: ConditionContracts,
  chainId: number,
): Condition | StatementRefusal {
  try {
    return decodeCondition({ contracts, chainId, condition, parameters });
  } catch (error) {
    if (error instanceof UnknownConditionError) return { code: "condition-unknown", ref, condition: error.condition };
    if (error instanceof MalformedParametersError) return { code: "parameters-malformed", ref, reason: error.reason };
    throw error;
  }
}
