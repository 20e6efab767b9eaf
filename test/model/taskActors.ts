// Random actors for the model test: everything that is done to TaskEscrow and ReviewCondition.
import { AbiCoder, type Interface, keccak256, ZeroAddress } from "ethers";

import type { Stage, Step } from "./channelActors.ts";
import { attempt } from "./moneyModel.ts";
import type { Condition } from "./payments.ts";
import type { ReviewModel, ReviewState, ReviewTerms, Task, TaskModel } from "./taskModel.ts";

/** A task, with what its parties know of its condition. */
export type KnownTask = { task: Task; condition?: Condition; review?: { terms: ReviewTerms; parameters: string } };

const coder = AbiCoder.defaultAbiCoder();
const releaseTypes = {
  Release: [
    { name: "taskId", type: "bytes32" },
    { name: "cumulativeAmount", type: "uint128" },
    { name: "deadline", type: "uint64" },
  ],
};
const refundTypes = {
  Refund: [
    { name: "taskId", type: "bytes32" },
    { name: "deadline", type: "uint64" },
  ],
};

/** Makes the draws of steps. `known` gets every task that was ever tried. */
export function createTaskActors(
  stage: Stage,
  subject: {
    model: TaskModel;
    escrow: Interface;
    address: string;
    reviewModel: ReviewModel;
    review: Interface;
    reviewAddress: string;
    known: KnownTask[];
  },
): (() => Step)[] {
  const { random, payers, payees, strangers, everybody, tokens, signing } = stage;
  const { model, escrow, address, reviewModel, review, reviewAddress, known } = subject;
  const domain = { name: "subfen TaskEscrow", version: "1", chainId: stage.chainId, verifyingContract: address };
  const getTask = escrow.getFunction("getTask")?.selector ?? "";
  const getReview = review.getFunction("getReview")?.selector ?? "";

  function newTask(client = random.pick(payers).address): KnownTask {
    const now = stage.now();
    const provider = random.chance(0.03) ? random.pick([ZeroAddress, address]) : random.pick(payees).address;
    const year = 365 * 86_400;
    const deadline = random.chance(0.06)
      ? now + random.pick([-1, 0, year, year + 1])
      : now + random.pick([60, 4000, 400_000, 400_000]);
    const amount = random.chance(0.05)
      ? random.pick([0n, 2n ** 104n - 1n, 2n ** 104n, 2n ** 128n - 1n])
      : BigInt(1 + random.below(20_000));
    const token = random.chance(0.03) ? stage.noToken : random.pick(tokens);
    const rest = { client, provider, token, amount, deadline, salt: random.bytes32() };
    if (random.chance(0.4)) {
      const terms = {
        provider: random.pick(payees).address,
        reviewer: random.chance(0.8) ? client : random.pick(strangers).address,
        arbiter: random.pick(strangers).address,
        reviewPeriod: random.pick([0, 300, 20_000]),
        arbitrationPeriod: random.pick([0, 300, 20_000]),
        deadline: random.chance(0.9) ? deadline : deadline + 1000,
        silentArbiterPays: random.chance(0.5),
      };
      const types = ["address", "address", "address", "uint64", "uint64", "uint64", "bool"];
      const parameters = coder.encode(types, Object.values(terms));
      const task = { ...rest, condition: reviewAddress, parametersHash: keccak256(parameters) };
      return { task, review: { terms, parameters } };
    }
    const condition = stage.payments.forTask();
    return {
      task: { ...rest, condition: condition.address, parametersHash: keccak256(condition.parameters) },
      condition,
    };
  }

  /** Whether a period of the review begins or ends about now. */
  function isRipe(task: Task, { reviewPeriod, arbitrationPeriod }: ReviewTerms): boolean {
    const { submittedAt, objectedAt } = reviewModel.read(model.idOf(task), task.parametersHash);
    if (submittedAt === 0) return stage.isNear(task.deadline - reviewPeriod - arbitrationPeriod - 86_400);
    return stage.isNear(objectedAt === 0 ? submittedAt + reviewPeriod : objectedAt + arbitrationPeriod);
  }

  /** Mostly a task that is open, else any that was ever tried, or one that never was. */
  function someTask(): KnownTask {
    if (known.length === 0 || random.chance(0.03)) return newTask();
    const open = known.slice(-40).filter(({ task }) => {
      const { funded, closed } = model.read(model.idOf(task));
      return funded > 0n && !closed;
    });
    const ripe = open.filter(({ task, review: of }) => stage.isNear(task.deadline) || (of && isRipe(task, of.terms)));
    if (ripe.length > 0 && random.chance(0.5)) return random.pick(ripe);
    return open.length > 0 && random.chance(0.85) ? random.pick(open.slice(-10)) : random.pick(known);
  }

  /** One under review, whatever became of it: mostly where `isTurn` says that something can happen. */
  function someReviewed(isTurn: (review: ReviewState) => boolean) {
    const reviewed = known.slice(-60).flatMap(({ task, review: of }) => (of ? [{ task, review: of }] : []));
    const ripe = reviewed.filter(({ task }) => isTurn(reviewModel.read(model.idOf(task), task.parametersHash)));
    if (reviewed.length === 0) return newReviewed();
    const near = reviewed.filter(({ task, review: of }) => isRipe(task, of.terms));
    if (near.length > 0 && random.chance(0.5)) return random.pick(near);
    if (ripe.length > 0 && random.chance(0.7)) return random.pick(ripe.slice(-6));
    // Where something happened already, it must not happen again.
    const begun = reviewed.filter(
      ({ task }) => reviewModel.read(model.idOf(task), task.parametersHash).submittedAt !== 0,
    );
    return begun.length > 0 && random.chance(0.7) ? random.pick(begun.slice(-6)) : random.pick(reviewed);
  }

  function newReviewed(): { task: Task; review: NonNullable<KnownTask["review"]> } {
    const { task, review: of } = newTask();
    return of ? { task, review: of } : newReviewed();
  }

  function readOf(task: Task): Step["reads"][number] {
    const id = model.idOf(task);
    return {
      data: getTask + id.slice(2),
      expected: () => {
        const { funded, released, closed } = model.read(id);
        return [funded, released, closed ? 1n : 0n];
      },
    };
  }

  function step(name: string, from: string, args: unknown[], touched: readonly Task[], expect: () => void): Step {
    const data = escrow.encodeFunctionData(name, args);
    return { name, to: address, from, data, expected: attempt(expect), reads: touched.map(readOf) };
  }

  const now = (): number => stage.now();
  const callerOf = (party: string, share = 0.9): string =>
    random.chance(share) && party !== ZeroAddress && party !== address ? party : random.pick(everybody).address;

  function someTotal(task: Task): bigint {
    const { funded, released } = model.read(model.idOf(task));
    return random.pick([released, released + 1n, funded, funded, funded + 1n, (released + funded) / 2n, 0n]);
  }

  /** A signature of `party` over `message`, now and then by somebody else, over something else or spoiled. */
  function someSigned(party: string, types: typeof releaseTypes | typeof refundTypes, message: object) {
    const isRight = random.chance(0.92);
    const signer = isRight ? signing.walletOf(party) : random.pick(everybody);
    const isSame = random.chance(0.95);
    const signed = isSame ? message : { ...message, taskId: random.bytes32() };
    const made = signing.sign(signer ?? random.pick(everybody), domain, types, signed);
    const { signature, isGood } = signing.spoil(made);
    return { signature, isSigned: isGood && isSame && signer?.address === party };
  }

  const turns = {
    submit: ({ submittedAt }: ReviewState) => submittedAt === 0,
    object: ({ submittedAt, objectedAt }: ReviewState) => submittedAt !== 0 && objectedAt === 0,
    arbitrate: ({ objectedAt, arbitrated }: ReviewState) => objectedAt !== 0 && !arbitrated,
  };

  function reviewStep(
    name: "submit" | "object" | "arbitrate",
    role: "provider" | "reviewer" | "arbiter",
    last: string | bigint,
  ): Step {
    const { task, review: of } = someReviewed(turns[name]);
    const paymentId = random.chance(0.97) ? model.idOf(task) : random.bytes32();
    const { terms, parameters } = of;
    const parametersHash = keccak256(parameters);
    const caller = callerOf(terms[role], 0.85);
    const at = { caller, paymentId, parametersHash, terms, now: now() };
    return {
      name,
      to: reviewAddress,
      from: caller,
      data: review.encodeFunctionData(name, [paymentId, parameters, last]),
      expected: attempt(() =>
        name === "arbitrate" ? reviewModel.arbitrate(at, last as bigint) : reviewModel[name](at),
      ),
      reads: [
        {
          data: getReview + paymentId.slice(2) + parametersHash.slice(2),
          expected: () => {
            const { submittedAt, objectedAt, arbitrated, amount } = reviewModel.read(paymentId, parametersHash);
            return [BigInt(submittedAt), BigInt(objectedAt), arbitrated ? 1n : 0n, amount];
          },
        },
      ],
    };
  }

  function fund(): Step {
    const one = random.chance(0.92) ? newTask() : someTask();
    known.push(one);
    const caller = callerOf(one.task.client);
    return step("fund", caller, [one.task], [one.task], () => model.actions.fundBatch(caller, [one.task], now()));
  }

  return [
    fund,
    fund,
    () => {
      const one = random.chance(0.92) ? newTask() : someTask();
      known.push(one);
      const { task } = one;
      const id = model.idOf(task);
      const bound = { from: task.client, to: address, isNonceBound: true };
      const { model: authorization, signature } = signing.someAuthorization(task.token, task.amount, id, bound);
      const args = [task, 0n, authorization.validBefore, signature];
      return step("fundWithAuthorization", random.pick(strangers).address, args, [task], () =>
        model.actions.fundWithAuthorization(task, authorization, now()),
      );
    },
    () => {
      const client = random.pick(payers).address;
      const batch = Array.from({ length: random.below(4) }, () => newTask(client));
      if (batch.length > 0 && random.chance(0.05)) batch.push(batch[0]!);
      known.push(...batch);
      const tasks = batch.map(({ task }) => task);
      const caller = callerOf(client);
      return step("fundBatch", caller, [tasks], tasks, () => model.actions.fundBatch(caller, tasks, now()));
    },
    () => {
      const { task } = someTask();
      const caller = callerOf(task.client);
      const total = someTotal(task);
      return step("release", caller, [task, total], [task], () => model.actions.release(caller, task, total));
    },
    () => {
      const { task } = someTask();
      const [total, deadline] = [someTotal(task), signing.someDeadline()];
      const message = { taskId: model.idOf(task), cumulativeAmount: total, deadline };
      const { signature, isSigned } = someSigned(task.client, releaseTypes, message);
      const args = [task, total, deadline, signature];
      return step("releaseWithAuthorization", random.pick(strangers).address, args, [task], () =>
        model.actions.releaseWithAuthorization(task, total, { deadline, isSigned }, now()),
      );
    },
    claim,
    claim,
    claim,
    () => {
      const { task } = someTask();
      const caller = callerOf(task.provider, 0.3);
      return step("refund", caller, [task], [task], () => model.actions.refund(caller, task, now()));
    },
    () => {
      const { task } = someTask();
      const deadline = signing.someDeadline();
      const message = { taskId: model.idOf(task), deadline };
      const { signature, isSigned } = someSigned(task.provider, refundTypes, message);
      const args = [task, deadline, signature];
      return step("refundWithAuthorization", random.pick(strangers).address, args, [task], () =>
        model.actions.refundWithAuthorization(task, { deadline, isSigned }, now()),
      );
    },
    () => {
      const [token, account] = [random.pick(tokens), random.pick([...payers, ...payees]).address];
      return step("claimCredit", random.pick(everybody).address, [token, account], [], () =>
        model.actions.claimCredit(token, account),
      );
    },
    () => reviewStep("submit", "provider", random.bytes32()),
    () => reviewStep("submit", "provider", random.bytes32()),
    () => reviewStep("object", "reviewer", random.bytes32()),
    () => reviewStep("object", "reviewer", random.bytes32()),
    () => reviewStep("arbitrate", "arbiter", random.pick([0n, 1n, 100n, 10_000n, 2n ** 128n - 1n])),
  ];

  function claim(): Step {
    const { task, condition, review: of } = someTask();
    const id = model.idOf(task);
    const isRight = random.chance(0.96);
    const agreed = condition?.parameters ?? of?.parameters ?? "0x";
    const parameters = isRight ? agreed : `${agreed}00`;
    const proof = condition
      ? condition.prove(id, task.amount)
      : {
          evidence: "0x",
          due: of ? reviewModel.due(id, task.parametersHash, of.terms, task.amount, now()) : 0n,
        };
    return step("claim", random.pick(everybody).address, [task, parameters, proof.evidence], [task], () =>
      model.actions.claim(task, keccak256(parameters), proof.due, now()),
    );
  }
}
