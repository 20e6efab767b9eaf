import type { Hex } from "viem";
import { size } from "viem/utils";

import type { InvalidFieldError } from "../assertField.ts";
import { computePaymentId } from "../conditionalVoucher.ts";
import { type ConditionContracts, decodeCondition } from "../conditions/decodeCondition.ts";
import type { ConditionOnChainError, MalformedParametersError, UnknownConditionError } from "../conditions/errors.ts";
import { mostEvidence } from "./claimGas.ts";
import type { StatedPayment } from "./statement.ts";

/**
 * Finds out what evidence proves of a payment, as its condition's contract would say. Payer and payee each ask this
 * themselves: nobody takes the other's word for it.
 *
 * @param parameters - The known condition contracts and their chain, the channel, the payment and the evidence.
 * @returns Base units, at most the payment's amount; 0 for evidence that proves nothing, or that is longer than such
 * evidence
 *   need be: what is long costs gas to claim.
 * @throws {UnknownConditionError} when the condition, or one nested in it, is none of the known ones.
 * @throws {MalformedParametersError} when the parameters are not a condition's.
 * @throws {ConditionOnChainError} when what is due depends on a review.
 * @throws {InvalidFieldError} when a field of the payment is malformed.
 * @example
 * import { hashlock, hashPreimage, proveDue } from "subfen";
 * import { keccak256, stringToHex, zeroHash } from "viem";
 *
 * const condition = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0";
 * const lock = hashlock({ condition, sha256Hash: hashPreimage(zeroHash) });
 * const { parameters, parametersHash } = lock;
 * const due = await proveDue({
 *   contracts: { hashlock: condition },
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   payment: { ref: zeroHash, condition, parameters, parametersHash, amount: 500n },
 *   evidence: lock.encodeEvidence({ preimage: zeroHash }),
 * });
 * due; // 500n
 */
export async function proveDue(parameters: proveDue.Parameters): Promise<proveDue.ReturnType> {
  const { contracts, chainId, channelId, payment, evidence } = parameters;
  const { ref, amount } = payment;
  const condition = decodeCondition({
    contracts,
    chainId,
    condition: payment.condition,
    parameters: payment.parameters,
  });
  if (size(evidence) > mostEvidence(condition)) return 0n;
  return condition.amountDue({ paymentId: computePaymentId({ channelId, ref }), amount, evidence });
}

export declare namespace proveDue {
  type Parameters = {
    /** The condition contracts whose code is known. */
    contracts: ConditionContracts;
    /** EIP-155 id of the chain they stand on. */
    chainId: number;
    channelId: Hex;
    payment: StatedPayment;
    evidence: Hex;
  };
  type ReturnType = bigint;
  type ErrorType = UnknownConditionError | MalformedParametersError | ConditionOnChainError | InvalidFieldError;
}
