import type { Address, Hex } from "viem";

import type { Condition } from "../conditions/condition.ts";
import type { ConditionContracts } from "../conditions/decodeCondition.ts";
import type { PlanRefusal } from "./planRefusal.ts";

/** What a payer may sign in one channel without asking anybody. Amounts in base units. */
export type PayerPolicy = {
  /** The most that everything ever signed in the channel may cost in the worst case. */
  mostLiability: bigint;
  /** The most one conditional payment may be over. */
  mostPayment: bigint;
  /** The condition contracts whose code is known. */
  contracts: ConditionContracts;
  /** Which kinds are allowed, within combinations too; combinations themselves always are. */
  kinds: readonly Exclude<Condition["kind"], "kth" | "review">[];
  /** Who may judge: every evaluator that a payment names must be among them. */
  evaluators: readonly Address[];
  /** The most seconds from now in which a verdict may be issued. */
  mostJudgePeriod: bigint;
};

/**
 * Whether a payer may make a payment depend on a condition.
 *
 * @returns What speaks against it, or `undefined`.
 * @internal
 */
export function refuseCondition(
  ref: Hex,
  condition: Condition,
  policy: PayerPolicy,
  now: bigint,
): PlanRefusal | undefined {
  const { kind, address } = condition;
  if (policy.contracts[kind]?.toLowerCase() !== address.toLowerCase())
    return { code: "condition-unknown", ref, condition: address };
  if (condition.kind === "kth") {
    for (const child of condition.children) {
      const refusal = refuseCondition(ref, child, policy, now);
      if (refusal) return refusal;
    }
    return undefined;
  }
  if (condition.kind === "review" || !policy.kinds.includes(condition.kind))
    return { code: "condition-not-allowed", ref, kind };
  if (condition.kind !== "attestation") return undefined;
  const isTrusted = (evaluator: Address) =>
    policy.evaluators.some((trusted) => trusted.toLowerCase() === evaluator.toLowerCase());
  const stranger = condition.evaluators.find((evaluator) => !isTrusted(evaluator));
  if (stranger !== undefined) return { code: "evaluator-not-trusted", ref, evaluator: stranger };
  const { judgeBy } = condition;
  const [earliest, latest] = [now, now + policy.mostJudgePeriod];
  return judgeBy < earliest || judgeBy > latest
    ? { code: "judge-by-out-of-range", ref, judgeBy, earliest, latest }
    : undefined;
}
