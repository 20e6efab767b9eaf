import type { Hex } from "viem";

import type { Task } from "../protocol/taskId.ts";
import type { Funding, Sending } from "./callChannels.ts";
import { callEscrow } from "./callEscrow.ts";
import { requireKnownContract } from "./knownContracts.ts";
import type { ChainClient } from "./write.ts";

/**
 * Funds a task from the sender's own tokens. Needs an allowance to the contract: see `approveToken`.
 *
 * @param client - A viem client with the account of the task's client.
 * @param parameters - The contract and the task, its amount in base units.
 * @returns The hash of the transaction. The task's id is `computeTaskId`'s.
 * @throws {UnknownContractError} when the escrow is not one that is known, nor named in `trustedContracts`.
 * @throws {ContractRefusedError} when the contract or the token refuses, for example because the deadline is more than 365
 * days away.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * await approveToken(client, { token: task.token, spender: contract, amount: task.amount });
 * const hash = await fundTask(client, { contract, task });
 */
export async function fundTask(client: ChainClient, parameters: Funding<{ task: Task }>): Promise<Hex> {
  const { contract: address, trustedContracts } = parameters;
  await requireKnownContract(client, { address, contract: "TaskEscrow", trustedContracts });
  return callEscrow(client, parameters, "fund", [parameters.task]);
}

/**
 * Funds a task by the client's EIP-3009 authorization; anybody may send it and nobody can change a term.
 *
 * @param client - A viem client with the relayer's account.
 * @param parameters - The contract, the task and the client's authorization to the contract over the task's amount. Its
 * nonce is `computeTaskId(...)`, its times are in Unix seconds.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract or the token refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const nonce = computeTaskId({ task, contract, chainId });
 * const authorization = { validAfter: 0n, validBefore: 1_900_000_000n };
 * const transfer = { from: task.client, to: contract, value: task.amount, nonce, ...authorization };
 * const domain = await getTokenDomain(client, { token: task.token, chainId });
 * const signature = await signReceiveWithAuthorization({ account, domain, ...transfer });
 * const hash = await fundTaskWithAuthorization(client, { contract, task, authorization, signature });
 */
export async function fundTaskWithAuthorization(
  client: ChainClient,
  parameters: Sending<{ task: Task; authorization: { validAfter: bigint; validBefore: bigint }; signature: Hex }>,
): Promise<Hex> {
  const { task, authorization, signature } = parameters;
  const { validAfter, validBefore } = authorization;
  return callEscrow(client, parameters, "fundWithAuthorization", [task, validAfter, validBefore, signature]);
}

/**
 * Funds many tasks, such as milestones, in one transaction: all or none. Tasks of one token that follow one another are
 * paid by one transfer.
 *
 * @param client - A viem client with the account of the client of each task.
 * @param parameters - The contract and the tasks.
 * @returns The hash of the transaction.
 * @throws {UnknownContractError} when the escrow is not one that is known, nor named in `trustedContracts`.
 * @throws {ContractRefusedError} when the contract or a token refuses one of them.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const hash = await fundTasks(client, { contract, tasks: [draft, review, release] });
 */
export async function fundTasks(client: ChainClient, parameters: Funding<{ tasks: readonly Task[] }>): Promise<Hex> {
  const { contract: address, trustedContracts } = parameters;
  await requireKnownContract(client, { address, contract: "TaskEscrow", trustedContracts });
  return callEscrow(client, parameters, "fundBatch", [parameters.tasks]);
}
