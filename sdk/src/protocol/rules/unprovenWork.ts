import { max } from "../../bigints.ts";
import type { AcceptedStatement } from "./statement.ts";

/**
 * Computes how much work a payee has done that evidence does not pay: for payments that stand, and for those that the
 * payer dropped.
 *
 * @param accepted - What is accepted in the channel.
 * @returns Base units; what the payer's credit limit bounds.
 * @example
 * import { nothingAccepted, unprovenWork } from "subfen";
 *
 * unprovenWork(nothingAccepted); // 0n
 */
export function unprovenWork(accepted: AcceptedStatement): unprovenWork.ReturnType {
  return accepted.payments.reduce((sum, { work, due }) => sum + max(0n, work - due), accepted.lost);
}

export declare namespace unprovenWork {
  type ReturnType = bigint;
}
