import type { Hex } from "viem";
import { encodeFunctionData, size } from "viem/utils";

import { conditionAbi } from "./abis/conditionAbi.ts";
import { call, getCode } from "./actions.ts";
import type { ProvenPayment } from "./toConditionalClaim.ts";
import type { ChainClient } from "./write.ts";

/**
 * What a condition does that says nothing is due: there is no contract, it reverts, it answers in less than 32 bytes, it
 * takes more gas than it is given, or it says 0.
 */
export type ConditionFailure = "no-code" | "reverted" | "no-answer" | "too-much-gas" | "nothing-due";

/**
 * Finds out why a condition counts as saying that nothing is due. To be told to people: no money depends on it, since nodes
 * word their failures differently.
 *
 * @internal
 */
export async function whyNothingDue(
  client: ChainClient,
  payment: ProvenPayment,
  parameters: { paymentId: Hex; gas: bigint },
): Promise<ConditionFailure> {
  const { condition, amount } = payment;
  const code = await getCode(client, { address: condition });
  if (code === undefined) return "no-code";
  const args = [parameters.paymentId, amount, payment.parameters, payment.evidence] as const;
  const data = encodeFunctionData({ abi: conditionAbi, functionName: "amountDue", args });
  try {
    const { data: answer = "0x" } = await call(client, { to: condition, data, gas: parameters.gas });
    if (size(answer) < 32) return "no-answer";
    // What pays when asked alone was given more gas here than in the claim.
    return BigInt(answer.slice(0, 66)) === 0n ? "nothing-due" : "too-much-gas";
  } catch (error) {
    return /gas|opcode/i.test(detailsOf(error)) ? "too-much-gas" : "reverted";
  }
}

/** The node's own words: viem's message repeats the call, gas included. */
function detailsOf(error: unknown): string {
  return String((error as { details?: unknown } | undefined)?.details ?? "");
}
