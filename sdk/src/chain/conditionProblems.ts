import type { Address } from "viem";
import { isAddressEqual } from "viem/utils";

import type { Condition } from "../protocol/conditions/condition.ts";
import type { ReviewCondition } from "../protocol/conditions/review.ts";
import type { Task } from "../protocol/taskId.ts";
import type { TaskProblem, TaskRole } from "./taskProblem.ts";

/** What ReviewCondition keeps free between the end of the arbitration and the deadline, in seconds. */
const claimPeriod = 86_400n;

/**
 * What in a condition, its children included, speaks against working for a task.
 *
 * @param condition - The task's condition.
 * @param task - The task.
 * @param readyAt - When the work will be done, in Unix seconds.
 * @internal
 */
export function conditionProblems(condition: Condition, task: Task, readyAt: bigint): TaskProblem[] {
  switch (condition.kind) {
    case "hashlock":
      return [];
    case "ticks":
      return [{ code: "condition-never-pays", kind: "ticks" }];
    case "kth":
      return condition.children.flatMap((child) => conditionProblems(child, task, readyAt));
    case "attestation": {
      const { judgeBy: deadline, evaluators } = condition;
      const overlaps = evaluators.flatMap((account) => [
        ...overlap(["client", task.client], ["evaluator", account]),
        ...overlap(["provider", task.provider], ["evaluator", account]),
      ]);
      return deadline < readyAt ? [{ code: "judge-by-too-soon", deadline, earliest: readyAt }, ...overlaps] : overlaps;
    }
    case "review":
      return reviewProblems(condition, task, readyAt);
  }
}

function reviewProblems(condition: ReviewCondition, task: Task, readyAt: bigint): TaskProblem[] {
  const { provider, reviewer, arbiter, reviewPeriod, arbitrationPeriod, deadline } = condition;
  const problems: TaskProblem[] = [];
  if (!isAddressEqual(provider, task.provider))
    problems.push({ code: "review-provider-mismatch", given: provider, expected: task.provider });
  if (deadline !== task.deadline)
    problems.push({ code: "review-deadline-mismatch", given: deadline, expected: task.deadline });
  const claimableUntil = readyAt + reviewPeriod + arbitrationPeriod + claimPeriod;
  if (claimableUntil > deadline) problems.push({ code: "review-too-long", claimableUntil, deadline });
  // A client that reviews is what a review is for; one that arbitrates decides its own objection.
  return [
    ...problems,
    ...overlap(["client", task.client], ["arbiter", arbiter]),
    ...overlap(["provider", task.provider], ["reviewer", reviewer]),
    ...overlap(["provider", task.provider], ["arbiter", arbiter]),
    ...overlap(["reviewer", reviewer], ["arbiter", arbiter]),
  ];
}

/** @internal */
export function overlap(one: [TaskRole, Address], other: [TaskRole, Address]): TaskProblem[] {
  return isAddressEqual(one[1], other[1]) ? [{ code: "role-overlap", roles: [one[0], other[0]], account: one[1] }] : [];
}
