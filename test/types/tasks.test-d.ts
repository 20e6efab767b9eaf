// Checked by the compiler alone: `npm run check`.
import { expectTypeOf } from "expect-type";

import {
  checkTask,
  type ClaimedConditionally,
  computeTaskId,
  type ConditionalClaim,
  type ConditionalPayment,
  explainTaskProblem,
  fundTask,
  hashRefund,
  hashRelease,
  type LeftReason,
  NothingToGainError,
  planConditionalClaim,
  type Refund,
  type Release,
  type Review,
  type SignedConditionalVoucher,
  type SignedPayment,
  type SigningAccount,
  signRefund,
  signRelease,
  type StatedPayment,
  type SubfenActions,
  type Task,
  type TaskEvent,
  type TaskProblem,
  type TaskState,
  verifyRefund,
  verifyRelease,
} from "../../sdk/src/index.ts";

type Hex = `0x${string}`;
type At = { contract: Hex; chainId: number };
type Signed = { signature: Hex; signer: Hex };

expectTypeOf<Task>().toEqualTypeOf<{
  client: Hex;
  provider: Hex;
  token: Hex;
  amount: bigint;
  condition: Hex;
  parametersHash: Hex;
  deadline: bigint;
  salt: Hex;
}>();
expectTypeOf(computeTaskId).parameters.toEqualTypeOf<[At & { task: Task }]>();
expectTypeOf(computeTaskId).returns.toEqualTypeOf<Hex>();
expectTypeOf<Release>().toEqualTypeOf<{ taskId: Hex; cumulativeAmount: bigint; deadline: bigint }>();
expectTypeOf(hashRelease).parameters.toEqualTypeOf<[At & Release]>();
expectTypeOf(signRelease).parameters.toEqualTypeOf<[At & Release & { account: SigningAccount }]>();
expectTypeOf(verifyRelease).parameters.toEqualTypeOf<[At & Release & Signed]>();
expectTypeOf<Refund>().toEqualTypeOf<{ taskId: Hex; deadline: bigint }>();
expectTypeOf(hashRefund).parameters.toEqualTypeOf<[At & Refund]>();
expectTypeOf(signRefund).parameters.toEqualTypeOf<[At & Refund & { account: SigningAccount }]>();
expectTypeOf(verifyRefund).returns.resolves.toEqualTypeOf<boolean>();

expectTypeOf<TaskState>().toEqualTypeOf<{
  readonly funded: bigint;
  readonly released: bigint;
  readonly closed: boolean;
}>();
expectTypeOf<Review>().toEqualTypeOf<{
  readonly submittedAt: number;
  readonly objectedAt: number;
  readonly arbitrated: boolean;
  readonly amount: bigint;
}>();
expectTypeOf(fundTask).returns.resolves.toEqualTypeOf<Hex>();
expectTypeOf<SubfenActions["getTask"]>().returns.resolves.toEqualTypeOf<TaskState>();
expectTypeOf<SubfenActions["settleChannelConditionally"]>().returns.resolves.toEqualTypeOf<ClaimedConditionally>();
expectTypeOf<TaskEvent["eventName"]>().toEqualTypeOf<
  "TaskFunded" | "TaskReleased" | "TaskRefunded" | "CreditAdded" | "CreditClaimed"
>();
expectTypeOf<Extract<TaskEvent, { eventName: "TaskReleased" }>["args"]>().toEqualTypeOf<{
  taskId: Hex;
  released: bigint;
}>();

// A payment as it was signed, and as it is stated over the wire.
expectTypeOf<ConditionalPayment>().toExtend<SignedPayment>();
expectTypeOf<StatedPayment>().toExtend<SignedPayment>();
expectTypeOf<ClaimedConditionally["proven"][number]>().toEqualTypeOf<{ readonly ref: Hex; readonly due: bigint }>();
expectTypeOf<ClaimedConditionally["left"][number]>().toEqualTypeOf<{
  readonly ref: Hex;
  readonly reason: LeftReason;
}>();
expectTypeOf(planConditionalClaim).returns.resolves.toExtend<{
  readonly claim: ConditionalClaim;
  readonly amount: bigint;
  readonly entitlement: bigint;
}>();
expectTypeOf<NothingToGainError["code"]>().toEqualTypeOf<"nothing-to-gain">();
expectTypeOf<NothingToGainError["settled"]>().toEqualTypeOf<bigint>();

expectTypeOf(checkTask).returns.resolves.toEqualTypeOf<readonly TaskProblem[]>();
expectTypeOf(explainTaskProblem).parameters.toEqualTypeOf<[TaskProblem]>();
expectTypeOf<Extract<TaskProblem, { code: "role-overlap" }>["account"]>().toEqualTypeOf<Hex>();

/** What the compiler refuses. */
export function refused(actions: SubfenActions, at: At, task: Task, statement: SignedConditionalVoucher): void {
  // @ts-expect-error: amounts are bigint
  computeTaskId({ ...at, task: { ...task, amount: 1 } });
  // @ts-expect-error: times that are signed are bigint
  hashRefund({ ...at, taskId: task.salt, deadline: 9 });
  // @ts-expect-error: the total is named, never guessed
  void actions.releaseTask({ contract: at.contract, task });
  // @ts-expect-error: a payment has parameters or their hash
  statement.payments satisfies readonly { parameters: Hex }[];
  // @ts-expect-error: what was signed does not change
  statement.cumulativeAmount = 0n;
}
