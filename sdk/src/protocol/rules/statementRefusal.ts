import type { Address, Hex } from "viem";

import type { Condition } from "../conditions/condition.ts";
import type { MalformedParametersError } from "../conditions/errors.ts";

/** Why a payee does not accept a statement, with the numbers. Amounts in base units, times in seconds. */
export type StatementRefusal =
  | { readonly code: "contract-unknown"; readonly contract: Address }
  | { readonly code: "channel-id-mismatch"; readonly channelId: Hex; readonly expected: Hex }
  | { readonly code: "payee-mismatch" | "token-mismatch"; readonly given: Address; readonly expected: Address }
  | { readonly code: "grace-period-too-short"; readonly closeGracePeriod: number; readonly least: number }
  | { readonly code: "not-funded" }
  | { readonly code: "close-requested"; readonly closeRequestedAt: number }
  | { readonly code: "channel-finalized" }
  | { readonly code: "signature-invalid" }
  | { readonly code: "too-many-payments"; readonly count: number; readonly most: number }
  | { readonly code: "payments-not-ascending"; readonly index: number; readonly ref: Hex }
  /** `required` is the accepted total and what is due now on every payment that is dropped. */
  | {
      readonly code: "fold-too-low";
      readonly cumulativeAmount: bigint;
      readonly required: bigint;
      readonly dropped: readonly { readonly ref: Hex; readonly due: bigint }[];
    }
  | { readonly code: "payment-changed"; readonly ref: Hex }
  | { readonly code: "ref-used"; readonly ref: Hex }
  | { readonly code: "exceeds-deposit"; readonly worstCase: bigint; readonly deposit: bigint }
  | { readonly code: "parameters-mismatch"; readonly ref: Hex; readonly parametersHash: Hex; readonly actual: Hex }
  | { readonly code: "amount-zero"; readonly ref: Hex }
  | { readonly code: "condition-unknown"; readonly ref: Hex; readonly condition: Address }
  | {
      readonly code: "parameters-malformed";
      readonly ref: Hex;
      readonly reason: MalformedParametersError["reason"];
    }
  | { readonly code: "condition-not-allowed"; readonly ref: Hex; readonly kind: Condition["kind"] }
  | {
      readonly code: "judge-by-too-soon";
      readonly ref: Hex;
      readonly judgeBy: bigint;
      readonly earliest: bigint;
    }
  | { readonly code: "claim-gas-too-high"; readonly gas: bigint; readonly most: bigint }
  | { readonly code: "credit-exceeded"; readonly unproven: bigint; readonly creditLimit: bigint };

type Explain<refusal> = (refusal: refusal) => { message: string; remedy: string };

const explanations: { [code in StatementRefusal["code"]]: Explain<Extract<StatementRefusal, { code: code }>> } = {
  "contract-unknown": ({ contract }) => ({
    message: `The channel's contract ${contract} has code that is not known.`,
    remedy: "open a channel in the contract that the payee names.",
  }),
  "channel-id-mismatch": ({ channelId, expected }) => ({
    message: `The statement is about channel ${channelId}, but the terms make ${expected}.`,
    remedy: "state the channel's own terms, contract and chain.",
  }),
  "payee-mismatch": ({ given, expected }) => ({
    message: `The channel pays ${given} and not ${expected}.`,
    remedy: "open a channel to this payee.",
  }),
  "token-mismatch": ({ given, expected }) => ({
    message: `The channel pays in token ${given} and not in ${expected}.`,
    remedy: "open a channel in the token that the payee names.",
  }),
  "grace-period-too-short": ({ closeGracePeriod, least }) => ({
    message: `The contract leaves ${closeGracePeriod} s to claim after a request to close; the payee needs ${least} s.`,
    remedy: "open a channel in the contract that the payee names.",
  }),
  "not-funded": () => ({
    message: "The channel has no confirmed deposit.",
    remedy: "open or fund it, and wait until that is confirmed.",
  }),
  "close-requested": ({ closeRequestedAt }) => ({
    message: `The payer asked at ${closeRequestedAt} to close the channel.`,
    remedy: "top it up as the payer to take the request back, or open another channel.",
  }),
  "channel-finalized": () => ({ message: "The channel is closed.", remedy: "open another channel." }),
  "signature-invalid": () => ({
    message: "The signature is not the channel's signer's, by ECDSA.",
    remedy: "sign with the plain key of authorizedSigner, or of the payer where that is zero.",
  }),
  "too-many-payments": ({ count, most }) => ({
    message: `The statement has ${count} payments; at most ${most} may be outstanding.`,
    remedy: "fold what is proven and drop what failed before adding more.",
  }),
  "payments-not-ascending": ({ index, ref }) => ({
    message: `payments[${index}].ref ${ref} is not above the one before it.`,
    remedy: "sort the payments by ref and use each ref once.",
  }),
  "fold-too-low": ({ cumulativeAmount, required, dropped }) => ({
    message: `The total of ${cumulativeAmount} is below ${required}: what was accepted and what is due on the ${dropped.length} payments that are left out.`,
    remedy: "carry these payments, or raise the total to what is required.",
  }),
  "payment-changed": ({ ref }) => ({
    message: `Payment ${ref} differs from the one that was accepted.`,
    remedy: "carry a payment with all four fields as they were; add another under a new ref.",
  }),
  "ref-used": ({ ref }) => ({
    message: `Payment ${ref} was dropped before and is not taken up again.`,
    remedy: "use a new ref for a new payment.",
  }),
  "exceeds-deposit": ({ worstCase, deposit }) => ({
    message: `The total and all payments come to ${worstCase}, above the confirmed deposit of ${deposit}.`,
    remedy: "top the channel up, or state less.",
  }),
  "parameters-mismatch": ({ ref, parametersHash, actual }) => ({
    message: `Payment ${ref} states parameters of hash ${parametersHash}, but those sent have ${actual}.`,
    remedy: "send the parameters that were signed.",
  }),
  "amount-zero": ({ ref }) => ({
    message: `Payment ${ref} is over nothing.`,
    remedy: "leave it out, or give an amount in base units.",
  }),
  "condition-unknown": ({ ref, condition }) => ({
    message: `Payment ${ref} depends on ${condition}, which is not a condition that the payee knows.`,
    remedy: "use the conditions that the payee names.",
  }),
  "parameters-malformed": ({ ref, reason }) => ({
    message: `The parameters of payment ${ref} cannot be used: ${reason}.`,
    remedy: "encode them by the condition's own function.",
  }),
  "condition-not-allowed": ({ ref, kind }) => ({
    message: `Payment ${ref} depends on a condition of kind ${kind} that the payee does not accept.`,
    remedy: "ask the payee which conditions and evaluators it accepts; a review is for the escrow only.",
  }),
  "judge-by-too-soon": ({ ref, judgeBy, earliest }) => ({
    message: `Verdicts on payment ${ref} count up to ${judgeBy}, before the work can be judged at ${earliest}.`,
    remedy: "give the evaluators more time.",
  }),
  "claim-gas-too-high": ({ gas, most }) => ({
    message: `Claiming the statement with all evidence could cost ${gas} gas, above ${most}.`,
    remedy: "fold what is proven, or add payments whose conditions need less.",
  }),
  "credit-exceeded": ({ unproven, creditLimit }) => ({
    message: `Work of ${unproven} would be unproven, above this payer's credit of ${creditLimit}.`,
    remedy: "wait until earlier payments are proven, or pay without a condition.",
  }),
};

/**
 * Puts a payee's refusal into words.
 *
 * @param refusal - Why a statement was refused.
 * @returns A sentence with the numbers, and what the payer can do.
 * @example
 * import { explainStatementRefusal } from "subfen";
 *
 * explainStatementRefusal({ code: "channel-finalized" }).remedy; // "open another channel."
 */
export function explainStatementRefusal(refusal: StatementRefusal): explainStatementRefusal.ReturnType {
  return (explanations[refusal.code] as Explain<StatementRefusal>)(refusal);
}

export declare namespace explainStatementRefusal {
  type ReturnType = { message: string; remedy: string };
}
