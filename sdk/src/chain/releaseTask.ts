import type { Hex } from "viem";

import type { Task } from "../protocol/taskId.ts";
import type { Sending } from "./callChannels.ts";
import { callEscrow } from "./callEscrow.ts";
import type { ChainClient } from "./write.ts";

/**
 * Pays a task's provider up to a total, whatever the condition says, until the task is closed.
 *
 * @param client - A viem client with the account of the task's client.
 * @param parameters - The contract, the task and everything released once this is done, in base units.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses, for example because nothing is added.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const hash = await releaseTask(client, { contract, task, cumulativeAmount: task.amount });
 */
export async function releaseTask(
  client: ChainClient,
  parameters: Sending<{ task: Task; cumulativeAmount: bigint }>,
): Promise<Hex> {
  return callEscrow(client, parameters, "release", [parameters.task, parameters.cumulativeAmount]);
}

/**
 * As `releaseTask`, sent by anybody with the client's signature.
 *
 * @param client - A viem client with the relayer's account.
 * @param parameters - The contract, the task, and `signRelease`'s signature with its total in base units and its deadline
 * (Unix time in seconds, the last at which it is good).
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const release = { cumulativeAmount: task.amount, deadline: 1_900_000_000n };
 * const taskId = computeTaskId({ task, contract, chainId });
 * const signature = await signRelease({ account, contract, chainId, taskId, ...release });
 * const hash = await releaseTaskWithAuthorization(relayer, { contract, task, ...release, signature });
 */
export async function releaseTaskWithAuthorization(
  client: ChainClient,
  parameters: Sending<{ task: Task; cumulativeAmount: bigint; deadline: bigint; signature: Hex }>,
): Promise<Hex> {
  const { task, cumulativeAmount, deadline, signature } = parameters;
  return callEscrow(client, parameters, "releaseWithAuthorization", [task, cumulativeAmount, deadline, signature]);
}

/**
 * Pays a task's provider what the condition says is due by this evidence. Anybody may send it, up to the task's deadline.
 *
 * @param client - A viem client with any account.
 * @param parameters - The contract, the task, the condition's parameters and the evidence, both as the condition reads
 * them.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses: with `ReleaseNotIncreasing` where the evidence adds nothing.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const { parameters } = condition;
 * const hash = await claimTask(client, { contract, task, parameters, evidence: condition.encodeEvidence(preimage) });
 */
export async function claimTask(
  client: ChainClient,
  parameters: Sending<{ task: Task; parameters: Hex; evidence: Hex }>,
): Promise<Hex> {
  return callEscrow(client, parameters, "claim", [parameters.task, parameters.parameters, parameters.evidence]);
}
