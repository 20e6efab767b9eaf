import type { Address, Hex } from "viem";

import { inGroups } from "../inGroups.ts";
import type { Task } from "../protocol/taskId.ts";
import { taskEscrowAbi } from "./abis/taskEscrowAbi.ts";
import { getContractEvents } from "./actions.ts";
import type { OnContract } from "./callChannels.ts";
import { getTask, type TaskState } from "./getTask.ts";
import { logsInRanges } from "./logsInRanges.ts";
import type { ChainClient } from "./write.ts";

/** States asked for at once. */
const readsAtOnce = 20;

/** A task found on the chain, with what it needs to be claimed, released or refunded. */
export type FoundTask = { readonly taskId: Hex; readonly task: Task; readonly state: TaskState };

function queryEvents(client: ChainClient, contract: Address, range: { fromBlock: bigint; toBlock: bigint }) {
  return getContractEvents(client, { address: contract, abi: taskEscrowAbi, ...range, strict: true });
}

/** An event of the escrow, typed by its `eventName`. */
export type TaskEvent = Exclude<
  Awaited<ReturnType<typeof queryEvents>>[number],
  // ERC-5267 has it in the interface; this contract's domain never changes.
  { eventName: "EIP712DomainChanged" }
>;

/**
 * Iterates over the events of the escrow in the order of the chain, each once, however few blocks the node lets one
 * query cover.
 *
 * @param client - A viem client.
 * @param parameters.contract - The contract.
 * @param parameters.fromBlock - The first block, such as that of the deployment.
 * @param parameters.toBlock - The last block; by default the newest when it starts. What is newer can still be
 * reorganised.
 * @returns An async iterator of typed events.
 * @throws {LogQueryError} when the node does not answer for a single block.
 * @example
 * for await (const event of taskEvents(client, { contract, fromBlock })) {
 *   if (event.eventName === "TaskReleased") console.log(event.args.taskId, event.args.released);
 * }
 */
export async function* taskEvents(
  client: ChainClient,
  parameters: OnContract<{ fromBlock: bigint; toBlock?: bigint | undefined }>,
): AsyncGenerator<TaskEvent, void, undefined> {
  const events = logsInRanges(client, parameters, (range) => queryEvents(client, parameters.contract, range));
  yield* events as AsyncGenerator<TaskEvent, void, undefined>;
}

/**
 * Finds the tasks of a client or a provider from the chain alone: for a party that lost its state, and for a provider
 * that looks for work it was given.
 *
 * @param client - A viem client.
 * @param parameters.contract - The contract.
 * @param parameters.client - Who pays; anybody if left out.
 * @param parameters.provider - Who is paid; anybody if left out.
 * @param parameters.fromBlock - The first block to look at, such as that of the deployment.
 * @param parameters.toBlock - The last block; the newest by default.
 * @returns The tasks, oldest first, with their terms and their state now, closed ones included.
 * @throws {LogQueryError} when the node does not answer for a single block.
 * @example
 * const tasks = await findTasks(client, { contract, provider: account.address, fromBlock });
 * const open = tasks.filter(({ state }) => !state.closed);
 */
export async function findTasks(
  client: ChainClient,
  parameters: OnContract<{
    client?: Address | undefined;
    provider?: Address | undefined;
    fromBlock: bigint;
    toBlock?: bigint | undefined;
  }>,
): Promise<FoundTask[]> {
  const { contract, client: payer, provider } = parameters;
  const args = { ...(payer ? { client: payer } : {}), ...(provider ? { provider } : {}) };
  const query = { address: contract, abi: taskEscrowAbi, eventName: "TaskFunded", args, strict: true } as const;
  const funded = logsInRanges(client, parameters, (range) => getContractEvents(client, { ...query, ...range }));
  const found: FoundTask[] = [];
  for await (const group of inGroups(funded, readsAtOnce)) {
    const states = group.map(async ({ args: { taskId, ...task } }) => ({
      taskId,
      task,
      state: await getTask(client, { contract, taskId }),
    }));
    found.push(...(await Promise.all(states)));
  }
  return found;
}
