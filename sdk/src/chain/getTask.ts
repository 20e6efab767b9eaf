import type { Hex } from "viem";

import { taskEscrowAbi } from "./abis/taskEscrowAbi.ts";
import { readContract } from "./actions.ts";
import type { OnContract } from "./callChannels.ts";
import type { ChainClient } from "./write.ts";

/** A task as the contract stores it. Amounts in base units. */
export type TaskState = {
  /** The task's amount; 0 before it is funded. */
  readonly funded: bigint;
  /** Everything paid to the provider so far. */
  readonly released: bigint;
  /** For good, once everything is released or the rest is refunded. */
  readonly closed: boolean;
};

/**
 * Reads what became of a task.
 *
 * @param client - A viem client.
 * @param parameters - The contract, the task's id, and the block to read it at, the newest by default.
 * @returns The state; all zeros when there is no task with this id.
 * @example
 * const taskId = computeTaskId({ task, contract, chainId });
 * const { funded, released, closed } = await getTask(client, { contract, taskId });
 */
export async function getTask(
  client: ChainClient,
  parameters: OnContract<{ taskId: Hex; blockNumber?: bigint | undefined }>,
): Promise<TaskState> {
  return readContract(client, {
    address: parameters.contract,
    abi: taskEscrowAbi,
    functionName: "getTask",
    args: [parameters.taskId],
    blockNumber: parameters.blockNumber,
  } as const);
}
