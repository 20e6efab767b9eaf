import type { Address, Hex } from "viem";

import type { Condition } from "../protocol/conditions/condition.ts";
import type { MalformedParametersError } from "../protocol/conditions/errors.ts";
import type { Task } from "../protocol/taskId.ts";

/** Who may have a say in a task. */
export type TaskRole = "client" | "provider" | "evaluator" | "reviewer" | "arbiter";

/** What speaks against working for a task, with the numbers. Amounts in base units, times in Unix seconds. */
export type TaskProblem =
  | { readonly code: "escrow-unknown"; readonly contract: Address }
  | { readonly code: "not-funded" | "task-closed"; readonly taskId: Hex }
  | { readonly code: "released-before"; readonly released: bigint; readonly amount: bigint }
  | {
      readonly code: "term-mismatch";
      readonly field: keyof Task;
      readonly given: Address | bigint;
      readonly expected: Address | bigint;
    }
  | { readonly code: "deadline-too-soon" | "judge-by-too-soon"; readonly deadline: bigint; readonly earliest: bigint }
  | { readonly code: "parameters-mismatch"; readonly parametersHash: Hex; readonly expected: Hex }
  | { readonly code: "condition-unknown"; readonly condition: Address }
  | { readonly code: "parameters-malformed"; readonly reason: MalformedParametersError["reason"] }
  | { readonly code: "condition-never-pays"; readonly kind: Condition["kind"] }
  | { readonly code: "review-provider-mismatch"; readonly given: Address; readonly expected: Address }
  | { readonly code: "review-deadline-mismatch"; readonly given: bigint; readonly expected: bigint }
  /** `claimableUntil` is when review, arbitration and a day to claim would end. */
  | { readonly code: "review-too-long"; readonly claimableUntil: bigint; readonly deadline: bigint }
  | { readonly code: "role-overlap"; readonly roles: readonly [TaskRole, TaskRole]; readonly account: Address };

type Explain<problem> = (problem: problem) => { message: string; remedy: string };

const explanations: { [code in TaskProblem["code"]]: Explain<Extract<TaskProblem, { code: code }>> } = {
  "escrow-unknown": ({ contract }) => ({
    message: `The escrow ${contract} has code that is not known.`,
    remedy: "ask the client to fund the task in an escrow that you know.",
  }),
  "not-funded": ({ taskId }) => ({
    message: `No confirmed money is locked for task ${taskId}, as these terms make its id.`,
    remedy: "wait until it is funded, with exactly these terms.",
  }),
  "task-closed": ({ taskId }) => ({
    message: `Task ${taskId} is closed: nothing more can be paid.`,
    remedy: "ask the client for another task.",
  }),
  "released-before": ({ released, amount }) => ({
    message: `${released} of ${amount} are released already: evidence pays what is due above that.`,
    remedy: "make sure that this is what you agreed on.",
  }),
  "term-mismatch": ({ field, given, expected }) => ({
    message: `The task's ${field} is ${given} and not ${expected}.`,
    remedy: "ask the client for a task with the terms that were agreed.",
  }),
  "deadline-too-soon": ({ deadline, earliest }) => ({
    message: `Evidence counts up to ${deadline}, but the work takes until ${earliest}.`,
    remedy: "ask for a later deadline.",
  }),
  "judge-by-too-soon": ({ deadline, earliest }) => ({
    message: `Verdicts count up to ${deadline}, but the work takes until ${earliest}.`,
    remedy: "ask for a condition with a later judgeBy.",
  }),
  "parameters-mismatch": ({ parametersHash, expected }) => ({
    message: `The parameters hash to ${parametersHash}, but the task was funded under ${expected}.`,
    remedy: "ask the client for the parameters that the task has.",
  }),
  "condition-unknown": ({ condition }) => ({
    message: `The condition ${condition} has code that is not known: it may never pay.`,
    remedy: "ask for a task under a condition that you know.",
  }),
  "parameters-malformed": ({ reason }) => ({
    message: `The condition's parameters cannot be used: ${reason}.`,
    remedy: "ask for a task whose parameters the condition's own function encoded.",
  }),
  "condition-never-pays": ({ kind }) => ({
    message: `A task under a condition of kind ${kind} can never be proven: its evidence would have to name the task's id, which names the condition.`,
    remedy: "use this condition in a channel.",
  }),
  "review-provider-mismatch": ({ given, expected }) => ({
    message: `The review lets ${given} submit work, but the task's provider is ${expected}.`,
    remedy: "ask for a review with the task's provider.",
  }),
  "review-deadline-mismatch": ({ given, expected }) => ({
    message: `The review goes by the deadline ${given}, but the task's is ${expected}: what is due could come too late.`,
    remedy: "ask for a review with the task's deadline.",
  }),
  "review-too-long": ({ claimableUntil, deadline }) => ({
    message: `Review, arbitration and a day to claim would end at ${claimableUntil}, after the deadline ${deadline}: the contract would refuse the submission.`,
    remedy: "ask for a later deadline or shorter periods.",
  }),
  "role-overlap": ({ roles: [one, other], account }) => ({
    message: `${account} is both ${one} and ${other}: a judge in its own cause.`,
    remedy: "go on only if you meant this.",
  }),
};

/**
 * Puts into words what speaks against working for a task.
 *
 * @param problem - One of those that `checkTask` found.
 * @returns A sentence with the numbers, and what the provider can do.
 * @example
 * import { explainTaskProblem } from "subfen";
 * import { zeroHash } from "viem";
 *
 * explainTaskProblem({ code: "task-closed", taskId: zeroHash }).remedy; // "ask the client for another task."
 */
export function explainTaskProblem(problem: TaskProblem): explainTaskProblem.ReturnType {
  return (explanations[problem.code] as Explain<TaskProblem>)(problem);
}

export declare namespace explainTaskProblem {
  type ReturnType = { message: string; remedy: string };
}
