import type { Address, Hex } from "viem";

import type { Condition } from "../conditions/condition.ts";

/** Why a payer does not sign, with the numbers. Amounts in base units, times in seconds. */
export type PlanRefusal =
  | { readonly code: "payment-not-carried"; readonly ref: Hex }
  | { readonly code: "fold-exceeds-amount"; readonly ref: Hex; readonly due: bigint; readonly amount: bigint }
  | { readonly code: "ref-used"; readonly ref: Hex }
  | { readonly code: "amount-zero"; readonly ref: Hex }
  | { readonly code: "payment-exceeds-limit"; readonly ref: Hex; readonly amount: bigint; readonly most: bigint }
  | { readonly code: "condition-unknown"; readonly ref: Hex; readonly condition: Address }
  | { readonly code: "condition-not-allowed"; readonly ref: Hex; readonly kind: Condition["kind"] }
  | { readonly code: "evaluator-not-trusted"; readonly ref: Hex; readonly evaluator: Address }
  | {
      readonly code: "judge-by-out-of-range";
      readonly ref: Hex;
      readonly judgeBy: bigint;
      readonly earliest: bigint;
      readonly latest: bigint;
    }
  | { readonly code: "too-many-payments"; readonly count: number; readonly most: number }
  | { readonly code: "claim-gas-too-high"; readonly gas: bigint; readonly most: bigint }
  | { readonly code: "exceeds-deposit"; readonly worstCase: bigint; readonly deposit: bigint }
  | { readonly code: "exceeds-limit"; readonly worstCase: bigint; readonly most: bigint };

type Explain<refusal> = (refusal: refusal) => { message: string; remedy: string };

const explanations: { [code in PlanRefusal["code"]]: Explain<Extract<PlanRefusal, { code: code }>> } = {
  "payment-not-carried": ({ ref }) => ({
    message: `Payment ${ref} is not outstanding, so it can be neither folded nor dropped.`,
    remedy: "name each outstanding payment once.",
  }),
  "fold-exceeds-amount": ({ ref, due, amount }) => ({
    message: `Payment ${ref} would be folded at ${due}, but was signed for at most ${amount}.`,
    remedy: "fold what proveDue says and never more.",
  }),
  "ref-used": ({ ref }) => ({
    message: `The ref ${ref} was used in a statement before, whatever became of it.`,
    remedy: "take 32 new random bytes.",
  }),
  "amount-zero": ({ ref }) => ({
    message: `Payment ${ref} is over nothing.`,
    remedy: "leave it out, or give an amount in base units.",
  }),
  "payment-exceeds-limit": ({ ref, amount, most }) => ({
    message: `Payment ${ref} is over ${amount}, above the limit of ${most} for one payment.`,
    remedy: "ask for less work at a time, or have the limit raised.",
  }),
  "condition-unknown": ({ ref, condition }) => ({
    message: `Payment ${ref} depends on ${condition}, which is not a condition that the payer knows.`,
    remedy: "use conditions whose code was checked, and name their addresses in the policy.",
  }),
  "condition-not-allowed": ({ ref, kind }) => ({
    message: `Payment ${ref} depends on a condition of kind ${kind}, which the policy does not allow.`,
    remedy: "allow it in the policy, or use another; a review is for the escrow only.",
  }),
  "evaluator-not-trusted": ({ ref, evaluator }) => ({
    message: `Payment ${ref} would be judged by ${evaluator}, whom the policy does not trust.`,
    remedy: "have it judged by trusted evaluators alone.",
  }),
  "judge-by-out-of-range": ({ ref, judgeBy, earliest, latest }) => ({
    message: `Verdicts on payment ${ref} would count up to ${judgeBy}, which is not from ${earliest} to ${latest}.`,
    remedy: "give the evaluators a time within the policy.",
  }),
  "too-many-payments": ({ count, most }) => ({
    message: `The statement would have ${count} payments; at most ${most} may be outstanding.`,
    remedy: "fold what is proven and drop what failed first.",
  }),
  "claim-gas-too-high": ({ gas, most }) => ({
    message: `Claiming the statement could cost the payee ${gas} gas, above ${most}.`,
    remedy: "fold what is proven, or add payments whose conditions need less.",
  }),
  "exceeds-deposit": ({ worstCase, deposit }) => ({
    message: `The statement could cost ${worstCase}, above the deposit of ${deposit}.`,
    remedy: "top the channel up, or ask for less.",
  }),
  "exceeds-limit": ({ worstCase, most }) => ({
    message: `The statement could cost ${worstCase}, above the limit of ${most} for this channel.`,
    remedy: "wait until payments are folded, or have the limit raised.",
  }),
};

/**
 * Puts a payer's refusal into words.
 *
 * @param refusal - Why a statement was not planned.
 * @returns A sentence with the numbers, and what can be done.
 * @example
 * import { explainPlanRefusal } from "subfen";
 *
 * explainPlanRefusal({ code: "exceeds-limit", worstCase: 12n, most: 10n }).message;
 */
export function explainPlanRefusal(refusal: PlanRefusal): explainPlanRefusal.ReturnType {
  return (explanations[refusal.code] as Explain<PlanRefusal>)(refusal);
}

export declare namespace explainPlanRefusal {
  type ReturnType = { message: string; remedy: string };
}
