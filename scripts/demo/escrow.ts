// The second act, in the escrow: tasks worth a transaction, each with a condition and a deadline.
import { type Address, type Hex, keccak256, toHex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { attestation, type Condition, computeTaskId, explainTaskProblem, parseYuan, review, type Task } from "subfen";
import { createEvaluator, createMemoryRecord, hashSpec, testCommand } from "subfen/evaluator";

import { type Milestone, milestones, milestoneTests } from "../../examples/tasks/milestones.ts";
import { type DemoChain, type DemoClient, randomBytes32 } from "./chain.ts";

const money = parseYuan("10");
const pricePerMilestone = parseYuan("1.5");
const priceOfReviewed = parseYuan("2.25");
const [hour, day] = [3_600n, 86_400n];

/** Where the money of one task went, in base units. */
export type TaskOutcome = {
  readonly name: string;
  readonly why: string;
  readonly paid: bigint;
  readonly refunded: bigint;
};

/** What the tasks came to. Amounts in base units. */
export type EscrowResult = {
  readonly outcomes: readonly TaskOutcome[];
  readonly providerGain: bigint;
  readonly clientLoss: bigint;
  /** What the escrow still holds. */
  readonly held: bigint;
  readonly transactions: number;
  readonly gas: bigint;
};

/**
 * Lets a client have one task done in three milestones, which an evaluator tests, and one that a reviewer may object
 * to.
 *
 * @param chain - Where the contracts are.
 * @param onOutcome - Told where the money of each task went.
 * @returns What it came to.
 */
export async function payByEscrow(chain: DemoChain, onOutcome: (outcome: TaskOutcome) => void): Promise<EscrowResult> {
  const [client, provider] = [chain.newClient(), chain.newClient()];
  await chain.faucet(client.account.address, money);
  for (const { account } of [client, provider]) await chain.giveGas(account.address);
  const fromBlock = await chain.nextBlock();
  const approval = await client.approveToken({ token: chain.token, spender: chain.escrow, amount: money });
  await client.confirmTransaction({ hash: approval });

  const outcomes: TaskOutcome[] = [];
  const tell = (outcome: TaskOutcome): void => {
    outcomes.push(outcome);
    onOutcome(outcome);
  };
  for (const outcome of await buildInMilestones(chain, client, provider)) tell(outcome);
  tell(await workUnderReview(chain, client, provider));

  return {
    outcomes,
    providerGain: await chain.balanceOf(provider.account.address),
    clientLoss: money - (await chain.balanceOf(client.account.address)),
    held: await chain.balanceOf(chain.escrow),
    ...(await chain.gasOf(chain.escrow, fromBlock)),
  };
}

/** All milestones are funded by one transaction; what passes its test is claimed, what fails the provider gives back. */
async function buildInMilestones(chain: DemoChain, client: DemoClient, provider: DemoClient): Promise<TaskOutcome[]> {
  const { attestation: address, chainId, escrow: contract } = chain;
  const account = privateKeyToAccount(generatePrivateKey());
  const checks = [testCommand(milestoneTests)];
  // The record of a demo may end with it; a service keeps it in a file.
  const evaluator = createEvaluator({ account, condition: address, chainId, checks, record: createMemoryRecord() });
  const judgeBy = (await chain.now()) + day;

  const conditionOf = ({ spec }: Milestone) =>
    attestation({
      condition: address,
      chainId,
      evaluators: [account.address],
      threshold: 1,
      specHash: hashSpec(spec),
      judgeBy,
    });
  const terms = { client: client.account.address, provider: provider.account.address, amount: pricePerMilestone };
  const pieces = milestones.map((milestone) => {
    const condition = conditionOf(milestone);
    return { milestone, condition, task: newTask(chain, { ...terms, condition, deadline: judgeBy + day }) };
  });
  await client.confirmTransaction({
    hash: await client.fundTasks({ contract, tasks: pieces.map(({ task }) => task) }),
  });

  const outcomes: TaskOutcome[] = [];
  for (const { milestone, condition, task } of pieces) {
    const { name, spec, deliverable } = milestone;
    const { amount } = task;
    await requireSound(chain, provider, task, condition.parameters);
    const paymentId = computeTaskId({ contract, chainId, task });
    const { verdict, signature, report } = await evaluator.evaluate({ paymentId, amount, spec, deliverable, judgeBy });
    if (verdict.amount === 0n) {
      await provider.confirmTransaction({ hash: await provider.refundTask({ contract, task }) });
      const { code } = report.saw as { code?: number };
      outcomes.push({ name, why: `its test exits with ${code}: given back`, paid: 0n, refunded: amount });
      continue;
    }
    const { deliverableHash, issuedAt } = verdict;
    const evidence = condition.encodeEvidence({
      deliverableHash,
      attestations: [{ evaluator: 0, amount: verdict.amount, issuedAt, signature }],
    });
    const { parameters } = condition;
    await provider.confirmTransaction({ hash: await provider.claimTask({ contract, task, parameters, evidence }) });
    outcomes.push({
      name,
      why: "passes its test: paid by the evaluator's verdict",
      paid: verdict.amount,
      refunded: 0n,
    });
  }
  await evaluator.close();
  return outcomes;
}

/** The reviewer never answers: its silence pays. */
async function workUnderReview(chain: DemoChain, client: DemoClient, provider: DemoClient): Promise<TaskOutcome> {
  const { escrow: contract, chainId } = chain;
  const deadline = (await chain.now()) + 3n * day;
  const condition = review({
    condition: chain.review,
    provider: provider.account.address,
    reviewer: newAddress(),
    arbiter: newAddress(),
    reviewPeriod: hour,
    arbitrationPeriod: hour,
    deadline,
    silentArbiterPays: true,
  });
  const parties = { client: client.account.address, provider: provider.account.address };
  const task = newTask(chain, { ...parties, amount: priceOfReviewed, condition, deadline });
  await client.confirmTransaction({ hash: await client.fundTask({ contract, task }) });

  const { parameters } = condition;
  await requireSound(chain, provider, task, parameters);
  const paymentId = computeTaskId({ contract, chainId, task });
  const deliverableHash = keccak256(toHex("An essay on the first chapter."));
  const submitted = await provider.submitWork({ condition: chain.review, paymentId, parameters, deliverableHash });
  await provider.confirmTransaction({ hash: submitted });
  await chain.passTime(Number(hour) + 1);
  await provider.confirmTransaction({
    hash: await provider.claimTask({ contract, task, parameters, evidence: condition.encodeEvidence() }),
  });
  return { name: "an essay", why: "the reviewer stays silent for an hour: paid", paid: task.amount, refunded: 0n };
}

/** A provider looks before it works: is the money there, the condition known, the time enough? */
async function requireSound(
  { escrow: contract, token }: DemoChain,
  provider: DemoClient,
  task: Task,
  parameters: Hex,
): Promise<void> {
  const agreed = { provider: provider.account.address, token };
  const [problem] = await provider.checkTask({ contract, task, parameters, agreed, workTime: hour });
  if (problem) throw new Error(explainTaskProblem(problem).message);
}

/** Somebody who never answers. */
function newAddress(): Address {
  return privateKeyToAccount(generatePrivateKey()).address;
}

function newTask(
  { token }: DemoChain,
  {
    condition: { address, parametersHash },
    ...terms
  }: { client: Address; provider: Address; amount: bigint; condition: Condition; deadline: bigint },
): Task {
  return { ...terms, token, condition: address, parametersHash, salt: randomBytes32() };
}
