import type { Address, Hex } from "viem";
import { keccak256 } from "viem/utils";

import { isSubfenError } from "../errors.ts";
import { computeTaskId, type Task } from "../protocol/taskId.ts";
import { getBlock, getChainId } from "./actions.ts";
import type { OnContract } from "./callChannels.ts";
import { conditionProblems, overlap } from "./conditionProblems.ts";
import { getTask, type TaskState } from "./getTask.ts";
import { requireKnownContract } from "./knownContracts.ts";
import { readCondition } from "./readCondition.ts";
import type { TaskProblem } from "./taskProblem.ts";
import type { ChainClient } from "./write.ts";

/**
 * Looks, before a provider works, whether a task will pay it: whether the money is locked under exactly these terms in an
 * escrow that is known, whether there is time enough, whether the condition is known, can pay, fits the task, and who judges.
 * Changes nothing and sends nothing.
 *
 * @param client - A viem client; needs no account.
 * @param parameters.contract - TaskEscrow.
 * @param parameters.task - The task.
 * @param parameters.parameters - The condition's parameters, as the client gave them.
 * @param parameters.agreed - What the provider agreed to: each term named here must be the task's, `provider` above all.
 * @param parameters.workTime - Seconds from now until the work is done and its evidence at hand.
 * @param parameters.confirmations - Blocks the funding must have on top of its own; 0 by default.
 * @returns What speaks against it, in the order of these questions; empty when nothing does. `explainTaskProblem` puts each
 * into words. A `role-overlap` is a warning: it may be meant.
 * @throws {InvalidFieldError} when a field of the task is malformed.
 * @example
 * const agreed = { provider: account.address, token, amount: parseYuan("5") };
 * const problems = await checkTask(client, { contract, task, parameters, agreed, workTime: 3_600n });
 * for (const problem of problems) console.log(explainTaskProblem(problem).message);
 */
export async function checkTask(client: ChainClient, parameters: checkTask.Parameters): Promise<checkTask.ReturnType> {
  const { contract, task, agreed, workTime, confirmations = 0 } = parameters;
  const chainId = await getChainId(client);
  const taskId = computeTaskId({ task, contract, chainId });
  const { number, timestamp } = await getBlock(client);
  const confirmed = number > BigInt(confirmations) ? number - BigInt(confirmations) : 0n;
  const readyAt = timestamp + workTime;

  const problems: TaskProblem[] = [];
  if (!(await isEscrow(client, contract))) problems.push({ code: "escrow-unknown", contract });
  else
    problems.push(...stateProblems(taskId, task, await getTask(client, { contract, taskId, blockNumber: confirmed })));
  problems.push(...termProblems(task, agreed));
  if (task.deadline < readyAt) problems.push({ code: "deadline-too-soon", deadline: task.deadline, earliest: readyAt });
  problems.push(...overlap(["client", task.client], ["provider", task.provider]));

  const parametersHash = keccak256(parameters.parameters);
  if (parametersHash !== task.parametersHash.toLowerCase())
    return [...problems, { code: "parameters-mismatch", parametersHash, expected: task.parametersHash }];
  const condition = await readCondition(client, {
    condition: task.condition,
    parameters: parameters.parameters,
    chainId,
  });
  return [...problems, ...("code" in condition ? [condition] : conditionProblems(condition, task, readyAt))];
}

export declare namespace checkTask {
  type Parameters = OnContract<{
    task: Task;
    /** The condition's parameters, encoded. */
    parameters: Hex;
    /** The terms that were agreed, as far as they were. */
    agreed: { provider: Address; client?: Address; token?: Address; amount?: bigint; condition?: Address };
    /** Seconds. */
    workTime: bigint;
    confirmations?: number | undefined;
  }>;
  type ReturnType = readonly TaskProblem[];
}

async function isEscrow(client: ChainClient, address: Address): Promise<boolean> {
  try {
    await requireKnownContract(client, { address, contract: "TaskEscrow" });
    return true;
  } catch (error) {
    if (isSubfenError(error, "unknown-contract")) return false;
    throw error;
  }
}

function stateProblems(taskId: Hex, { amount }: Task, { funded, released, closed }: TaskState): TaskProblem[] {
  if (funded === 0n) return [{ code: "not-funded", taskId }];
  if (closed) return [{ code: "task-closed", taskId }];
  return released > 0n ? [{ code: "released-before", released, amount }] : [];
}

function termProblems(task: Task, agreed: checkTask.Parameters["agreed"]): TaskProblem[] {
  return (["provider", "client", "token", "amount", "condition"] as const).flatMap((field) => {
    const [given, expected] = [task[field], agreed[field]];
    const isAgreed = expected === undefined || String(given).toLowerCase() === String(expected).toLowerCase();
    return isAgreed ? [] : [{ code: "term-mismatch" as const, field, given, expected }];
  });
}
