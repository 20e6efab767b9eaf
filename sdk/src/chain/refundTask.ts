import type { Hex } from "viem";

import type { Task } from "../protocol/taskId.ts";
import type { Sending } from "./callChannels.ts";
import { callEscrow } from "./callEscrow.ts";
import type { ChainClient } from "./write.ts";

/**
 * Gives a task's client back what is not released, and closes the task. The provider may at any time, anybody once the
 * deadline has passed.
 *
 * @param client - A viem client with the provider's account, or any after the deadline.
 * @param parameters - The contract and the task.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses: with `NotProvider` before the deadline has passed.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const hash = await refundTask(client, { contract, task });
 */
export async function refundTask(client: ChainClient, parameters: Sending<{ task: Task }>): Promise<Hex> {
  return callEscrow(client, parameters, "refund", [parameters.task]);
}

/**
 * As `refundTask`, sent by anybody with the provider's signature.
 *
 * @param client - A viem client with the relayer's account.
 * @param parameters - The contract, the task, and `signRefund`'s signature with its deadline (Unix time in seconds, the
 * last at which it is good).
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const taskId = computeTaskId({ task, contract, chainId });
 * const deadline = 1_900_000_000n;
 * const signature = await signRefund({ account, contract, chainId, taskId, deadline });
 * const hash = await refundTaskWithAuthorization(relayer, { contract, task, deadline, signature });
 */
export async function refundTaskWithAuthorization(
  client: ChainClient,
  parameters: Sending<{ task: Task; deadline: bigint; signature: Hex }>,
): Promise<Hex> {
  const { task, deadline, signature } = parameters;
  return callEscrow(client, parameters, "refundWithAuthorization", [task, deadline, signature]);
}
