// A plain reference model of TaskEscrow and ReviewCondition (docs/protocol.md).
import { AbiCoder, keccak256, ZeroAddress } from "ethers";

import { type ModelAuthorization, type ModelSignature, type MoneyModel, refuse } from "./moneyModel.ts";

export type Task = {
  client: string;
  provider: string;
  token: string;
  amount: bigint;
  condition: string;
  parametersHash: string;
  deadline: number;
  salt: string;
};
export type TaskState = { funded: bigint; released: bigint; closed: boolean };
export type ReviewState = { submittedAt: number; objectedAt: number; arbitrated: boolean; amount: bigint };
export type ReviewTerms = {
  provider: string;
  reviewer: string;
  arbiter: string;
  reviewPeriod: number;
  arbitrationPeriod: number;
  deadline: number;
  silentArbiterPays: boolean;
};

const coder = AbiCoder.defaultAbiCoder();
const maxAmount = 2n ** 104n - 1n;
const day = 86_400;

export function createTaskModel(parameters: { contract: string; chainId: bigint; money: MoneyModel }) {
  const { contract, chainId, money } = parameters;
  const tasks = new Map<string, TaskState>();
  const { pullAll, pullAuthorized, payOut, claimCredit, creditOf, credited } = money.createCustody(contract);

  const ids = new WeakMap<Task, string>();

  function idOf(task: Task): string {
    const known = ids.get(task);
    if (known !== undefined) return known;
    const { client, provider, token, amount, condition, parametersHash, deadline, salt } = task;
    const types = "address,address,address,uint128,address,bytes32,uint64,bytes32,address,uint256".split(",");
    const values = [client, provider, token, amount, condition, parametersHash, deadline, salt, contract, chainId];
    const id = keccak256(coder.encode(types, values));
    ids.set(task, id);
    return id;
  }

  const read = (id: string): TaskState => tasks.get(id) ?? { funded: 0n, released: 0n, closed: false };

  function requireOpen(id: string): TaskState {
    const state = read(id);
    if (state.funded === 0n) refuse("TaskNotFound", id);
    if (state.closed) refuse("TaskAlreadyClosed", id);
    return state;
  }

  function requireFundable(task: Task, now: number): string {
    if (task.amount === 0n) refuse("ZeroAmount");
    if (task.amount > maxAmount) refuse("AmountOverflow", task.amount, maxAmount);
    if (task.provider === ZeroAddress || task.provider === contract) refuse("InvalidProvider", task.provider);
    const latest = now + 365 * day;
    if (task.deadline < now || task.deadline > latest) refuse("InvalidDeadline", task.deadline, now, latest);
    const id = idOf(task);
    if (tasks.has(id)) refuse("TaskAlreadyExists", id);
    return id;
  }

  const record = (id: string, { amount }: Task): void =>
    void tasks.set(id, { funded: amount, released: 0n, closed: false });

  function requireClient(caller: string, { client }: Task): void {
    if (caller !== client) refuse("NotClient", caller, client);
  }

  function requireSigned({ deadline, isSigned }: ModelSignature, signer: string, now: number): void {
    if (now > deadline) refuse("AuthorizationExpired", deadline);
    if (!isSigned) refuse("InvalidSignature", signer);
  }

  function release(task: Task, total: bigint): void {
    const id = idOf(task);
    const { funded, released } = requireOpen(id);
    if (total > funded) refuse("AmountExceedsFunded", total, funded);
    if (total <= released) refuse("ReleaseNotIncreasing", total, released);
    tasks.set(id, { funded, released: total, closed: total === funded });
    payOut(task.token, task.provider, total - released);
  }

  function refund(task: Task): void {
    const id = idOf(task);
    const { funded, released } = requireOpen(id);
    tasks.set(id, { funded, released, closed: true });
    payOut(task.token, task.client, funded - released);
  }

  const actions = {
    fundBatch(caller: string, batch: readonly Task[], now: number): void {
      const seen = new Set<string>();
      const pulls: { token: string; amount: bigint }[] = [];
      for (const task of batch) {
        requireClient(caller, task);
        const id = requireFundable(task, now);
        if (seen.has(id)) refuse("TaskAlreadyExists", id);
        seen.add(id);
        const last = pulls.at(-1);
        if (last?.token === task.token) last.amount += task.amount;
        else pulls.push({ token: task.token, amount: task.amount });
      }
      pullAll(caller, pulls);
      for (const task of batch) record(idOf(task), task);
    },
    fundWithAuthorization(task: Task, authorization: ModelAuthorization, now: number): void {
      const id = requireFundable(task, now);
      pullAuthorized(task.token, task.amount, authorization, now);
      record(id, task);
    },
    release(caller: string, task: Task, total: bigint): void {
      requireClient(caller, task);
      release(task, total);
    },
    releaseWithAuthorization(task: Task, total: bigint, signed: ModelSignature, now: number): void {
      requireSigned(signed, task.client, now);
      release(task, total);
    },
    claim(task: Task, parametersHash: string, due: bigint, now: number): void {
      requireOpen(idOf(task));
      if (now > task.deadline) refuse("DeadlinePassed", task.deadline);
      if (parametersHash !== task.parametersHash) refuse("ParametersMismatch", parametersHash, task.parametersHash);
      release(task, due);
    },
    refund(caller: string, task: Task, now: number): void {
      if (caller !== task.provider && now <= task.deadline) {
        refuse("NotProvider", caller, task.provider, task.deadline);
      }
      refund(task);
    },
    refundWithAuthorization(task: Task, signed: ModelSignature, now: number): void {
      requireSigned(signed, task.provider, now);
      refund(task);
    },
    claimCredit,
  };

  return {
    actions,
    idOf,
    read,
    creditOf,
    /** What the contract must hold of a token: everything not released in open tasks, and all credit. */
    owed(token: string, of: Iterable<Task>): bigint {
      let sum = 0n;
      for (const task of of) {
        const { funded, released, closed } = read(idOf(task));
        if (task.token === token && !closed) sum += funded - released;
      }
      return sum + credited(token);
    },
  };
}

export type TaskModel = ReturnType<typeof createTaskModel>;

export function createReviewModel() {
  const reviews = new Map<string, ReviewState>();
  const none: ReviewState = { submittedAt: 0, objectedAt: 0, arbitrated: false, amount: 0n };
  const keyOf = (paymentId: string, parametersHash: string): string => `${paymentId} ${parametersHash}`;
  const read = (paymentId: string, parametersHash: string): ReviewState =>
    reviews.get(keyOf(paymentId, parametersHash)) ?? none;

  type At = { caller: string; paymentId: string; parametersHash: string; terms: ReviewTerms; now: number };

  return {
    read,
    submit({ caller, paymentId, parametersHash, terms, now }: At): void {
      if (caller !== terms.provider) refuse("NotProvider", caller, terms.provider);
      const review = read(paymentId, parametersHash);
      if (review.submittedAt !== 0) refuse("AlreadySubmitted", paymentId);
      const end = now + terms.reviewPeriod + terms.arbitrationPeriod + day;
      if (end > terms.deadline) refuse("SubmittedTooLate", end, terms.deadline);
      reviews.set(keyOf(paymentId, parametersHash), { ...none, submittedAt: now });
    },
    object({ caller, paymentId, parametersHash, terms, now }: At): void {
      if (caller !== terms.reviewer) refuse("NotReviewer", caller, terms.reviewer);
      const review = read(paymentId, parametersHash);
      if (review.submittedAt === 0) refuse("NotSubmitted", paymentId);
      if (review.objectedAt !== 0) refuse("AlreadyObjected", paymentId);
      const end = review.submittedAt + terms.reviewPeriod;
      if (now > end) refuse("ReviewEnded", end);
      reviews.set(keyOf(paymentId, parametersHash), { ...review, objectedAt: now });
    },
    arbitrate({ caller, paymentId, parametersHash, terms, now }: At, amount: bigint): void {
      if (caller !== terms.arbiter) refuse("NotArbiter", caller, terms.arbiter);
      const review = read(paymentId, parametersHash);
      if (review.objectedAt === 0) refuse("NotObjected", paymentId);
      if (review.arbitrated) refuse("AlreadyArbitrated", paymentId);
      const end = review.objectedAt + terms.arbitrationPeriod;
      if (now > end) refuse("ArbitrationEnded", end);
      reviews.set(keyOf(paymentId, parametersHash), { ...review, arbitrated: true, amount });
    },
    due(paymentId: string, parametersHash: string, terms: ReviewTerms, amount: bigint, now: number): bigint {
      const { submittedAt, objectedAt, arbitrated, amount: named } = read(paymentId, parametersHash);
      if (submittedAt === 0) return 0n;
      if (objectedAt === 0) return now > submittedAt + terms.reviewPeriod ? amount : 0n;
      if (arbitrated) return named < amount ? named : amount;
      return now > objectedAt + terms.arbitrationPeriod && terms.silentArbiterPays ? amount : 0n;
    },
  };
}

export type ReviewModel = ReturnType<typeof createReviewModel>;
