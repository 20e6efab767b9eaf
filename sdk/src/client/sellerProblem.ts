import { type Problem, readProblem } from "../wire/problem.ts";

/**
 * Reads what the seller itself says against a payment. What its work has answered is no such word, whatever it looks
 * like: work that buys from others may pass theirs on.
 *
 * @param response - The answer; its body stays readable.
 * @returns The problem, or `undefined` where there is none.
 */
export async function readSellerProblem(response: Response): Promise<Problem | undefined> {
  return response.ok || isReleased(response) ? undefined : readProblem(response);
}

/** @returns Whether the seller says that the work has failed and cost nothing. */
export function isReleased({ headers }: Response): boolean {
  return headers.get("payment-status") === "released";
}
