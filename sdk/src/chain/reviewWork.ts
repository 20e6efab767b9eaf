import type { Account, Address, Hex } from "viem";

import { reviewConditionAbi } from "./abis/reviewConditionAbi.ts";
import { readContract } from "./actions.ts";
import { type ChainClient, simulateAndWrite } from "./write.ts";

/** Parameters of an action on ReviewCondition; `account` replaces the client's own. */
export type Reviewing<parameters = unknown> = parameters & {
  /** ReviewCondition: the task's `condition`. */
  condition: Address;
  /** The task's id. */
  paymentId: Hex;
  /** The encoded parameters of the review, as `review({...})` gives them. */
  parameters: Hex;
  account?: Account | undefined;
};

/** What became of delivered work. */
export type Review = {
  /** Unix time in seconds; 0 before the provider submitted. */
  readonly submittedAt: number;
  /** Unix time in seconds; 0 if the reviewer did not object. */
  readonly objectedAt: number;
  readonly arbitrated: boolean;
  /** What the arbiter said is due, in base units. */
  readonly amount: bigint;
};

/**
 * Says that a task's work is delivered, once: the reviewer's time to object begins.
 *
 * @param client - A viem client with the provider's account.
 * @param parameters - The condition, the task's id, the review's parameters and the digest of what was delivered.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses: with `SubmittedTooLate` where review, arbitration and a day to
 * claim do not end by the deadline.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const paymentId = computeTaskId({ task, contract, chainId });
 * const review = { condition: task.condition, paymentId, parameters };
 * const hash = await submitWork(client, { ...review, deliverableHash: hashDeliverable(deliverable) });
 */
export async function submitWork(client: ChainClient, parameters: Reviewing<{ deliverableHash: Hex }>): Promise<Hex> {
  return callReview(client, parameters, "submit", parameters.deliverableHash);
}

/**
 * Objects to delivered work within the review period: the arbiter's time to decide begins. Without an objection everything
 * is due.
 *
 * @param client - A viem client with the reviewer's account.
 * @param parameters - The condition, the task's id, the review's parameters and the digest of the reasons.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses: with `ReviewEnded` after the review period.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const hash = await objectToWork(client, { ...review, reasonHash: keccak256(stringToHex("It does not compile.")) });
 */
export async function objectToWork(client: ChainClient, parameters: Reviewing<{ reasonHash: Hex }>): Promise<Hex> {
  return callReview(client, parameters, "object", parameters.reasonHash);
}

/**
 * Decides an objection within the arbitration period, once.
 *
 * @param client - A viem client with the arbiter's account.
 * @param parameters - The condition, the task's id, the review's parameters and what is due in base units; above the task's
 * amount it counts as that.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses: with `ArbitrationEnded` after the arbitration period.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const hash = await arbitrateWork(client, { ...review, amount: task.amount / 2n });
 */
export async function arbitrateWork(client: ChainClient, parameters: Reviewing<{ amount: bigint }>): Promise<Hex> {
  return callReview(client, parameters, "arbitrate", parameters.amount);
}

/**
 * Reads what became of a task's work.
 *
 * @param client - A viem client.
 * @param parameters - The condition, the task's id and the hash of the review's parameters: the task's `parametersHash`.
 * @returns The review; all zeros before the submission.
 * @example
 * const { condition, parametersHash } = task;
 * const { submittedAt, objectedAt } = await getReview(client, { condition, parametersHash, paymentId });
 */
export async function getReview(
  client: ChainClient,
  parameters: {
    /** ReviewCondition: the task's `condition`. */
    condition: Address;
    /** The task's id. */
    paymentId: Hex;
    parametersHash: Hex;
  },
): Promise<Review> {
  return readContract(client, {
    address: parameters.condition,
    abi: reviewConditionAbi,
    functionName: "getReview",
    args: [parameters.paymentId, parameters.parametersHash],
  });
}

function callReview(
  client: ChainClient,
  { condition, paymentId, parameters, account }: Reviewing,
  functionName: string,
  word: Hex | bigint,
): Promise<Hex> {
  const args = [paymentId, parameters, word];
  return simulateAndWrite(client, { address: condition, abi: reviewConditionAbi, functionName, args, account });
}
