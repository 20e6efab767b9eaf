import type { Hex } from "viem";

import { min } from "../../bigints.ts";
import type { ConditionalVoucher } from "../conditionalVoucher.ts";

/**
 * Computes what a statement is worth under some evidence: what a claim on it can capture at the most, before the deposit
 * bounds it.
 *
 * @param statement - The total and the outstanding payments, in base units.
 * @param dues - What evidence proves of each payment, in base units; nothing for those left out.
 * @returns `cumulativeAmount` and, of each payment, what is due but at most its amount; base units.
 * @example
 * import { entitlementOf } from "subfen";
 * import { zeroHash } from "viem";
 *
 * const payment = {
 *   ref: zeroHash,
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   parametersHash: zeroHash,
 *   amount: 1_000n,
 * };
 * entitlementOf({ cumulativeAmount: 5_000n, payments: [payment] }, [{ ref: zeroHash, due: 700n }]); // 5_700n
 */
export function entitlementOf(
  statement: Pick<ConditionalVoucher, "cumulativeAmount" | "payments">,
  dues: readonly { ref: Hex; due: bigint }[],
): entitlementOf.ReturnType {
  const dueOf = new Map(dues.map(({ ref, due }) => [ref.toLowerCase(), due]));
  let entitlement = statement.cumulativeAmount;
  for (const { ref, amount } of statement.payments) entitlement += min(amount, dueOf.get(ref.toLowerCase()) ?? 0n);
  return entitlement;
}

export declare namespace entitlementOf {
  type ReturnType = bigint;
}
