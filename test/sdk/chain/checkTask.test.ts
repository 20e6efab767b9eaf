import { expect } from "chai";
import { type Address, type Hex, keccak256 } from "viem";

import {
  allOf,
  attestation,
  checkTask,
  computeTaskId,
  type Condition,
  explainTaskProblem,
  review,
  type Task,
  type TaskProblem,
  ticks,
} from "../../../sdk/src/index.ts";
import { bytes32, chainId, createStage, type Stage } from "./helpers.ts";

describe("checkTask", () => {
  let stage: Stage;
  let contract: Address;
  let conditions: { attestation: Address; ticks: Address; kth: Address; review: Address };
  const workTime = 3_600n;
  const seen = new Set<string>();

  before(async () => {
    stage = await createStage();
    contract = stage.escrow;
    conditions = {
      attestation: await stage.deploy("AttestationCondition"),
      ticks: await stage.deploy("TickCondition"),
      kth: await stage.deploy("KthCondition"),
      review: await stage.deploy("ReviewCondition"),
    };
    await stage.payerSdk.approveToken({ token: stage.token.address, spender: contract, amount: 10n ** 9n });
  });

  async function check(task: Task, parameters: Hex, changes: Partial<checkTask.Parameters> = {}) {
    const agreed = { provider: stage.seller.address, token: stage.token.address, amount: 1000n };
    const problems = await stage.thirdSdk.checkTask({ contract, task, parameters, agreed, workTime, ...changes });
    for (const problem of problems) {
      seen.add(problem.code);
      const { message, remedy } = explainTaskProblem(problem);
      expect(message)
        .to.match(/^[^{}]+\.$/)
        .and.not.include("undefined");
      expect(remedy).to.match(/^[a-z].+\.$/);
    }
    return problems;
  }

  /** A funded task under a condition, and what is found about it. */
  async function checked(condition: Condition, changes: Partial<Task> = {}): Promise<readonly TaskProblem[]> {
    const { address, parameters, parametersHash } = condition;
    const task = stage.taskOf(`${parametersHash}`, { condition: address, parametersHash, ...changes });
    await stage.payerSdk.fundTask({ contract, task });
    return check(task, parameters);
  }

  const attested = (changes: Partial<attestation.Parameters> = {}) =>
    attestation({
      condition: conditions.attestation,
      chainId,
      evaluators: [stage.third.address],
      threshold: 1,
      specHash: bytes32("specification"),
      judgeBy: stage.deadline,
      ...changes,
    });
  const reviewed = (changes: Partial<review.Parameters> = {}) =>
    review({
      condition: conditions.review,
      provider: stage.seller.address,
      reviewer: stage.payer.address,
      arbiter: stage.third.address,
      reviewPeriod: stage.oneDay,
      arbitrationPeriod: stage.oneDay,
      deadline: stage.deadline,
      silentArbiterPays: true,
      allowRoleOverlap: true,
      ...changes,
    });

  after(() => {
    const codes: Record<TaskProblem["code"], true> = {
      "escrow-unknown": true,
      "not-funded": true,
      "task-closed": true,
      "released-before": true,
      "term-mismatch": true,
      "deadline-too-soon": true,
      "judge-by-too-soon": true,
      "parameters-mismatch": true,
      "condition-unknown": true,
      "parameters-malformed": true,
      "condition-never-pays": true,
      "review-provider-mismatch": true,
      "review-deadline-mismatch": true,
      "review-too-long": true,
      "role-overlap": true,
    };
    expect([...seen].sort()).to.deep.equal(Object.keys(codes).sort());
  });

  it("finds nothing wrong with a good task under any condition made for the escrow", async () => {
    const all = allOf([stage.lock, attested(), reviewed()], { condition: conditions.kth });
    for (const condition of [stage.lock, attested(), reviewed(), all])
      expect(await checked(condition), condition.kind).to.deep.equal([]);
  });

  it("tells whether the money is locked under these terms", async () => {
    const { lock, payerSdk, sellerSdk } = stage;
    const { parameters } = lock;
    const task = stage.taskOf("locked");
    const taskId = computeTaskId({ task, contract, chainId });
    expect(await check(task, parameters)).to.deep.equal([{ code: "not-funded", taskId }]);
    await payerSdk.fundTask({ contract, task });
    expect(await check(task, parameters)).to.deep.equal([]);
    expect(await check(task, parameters, { confirmations: 1 })).to.deep.equal([{ code: "not-funded", taskId }]);
    const other = { ...task, deadline: task.deadline + 1n };
    const otherId = computeTaskId({ task: other, contract, chainId });
    expect(await check(other, parameters)).to.deep.equal([{ code: "not-funded", taskId: otherId }]);
    await payerSdk.releaseTask({ contract, task, cumulativeAmount: 30n });
    expect(await check(task, parameters)).to.deep.equal([{ code: "released-before", released: 30n, amount: 1000n }]);
    expect(await check(task, parameters, { confirmations: 1 })).to.deep.equal([]);
    await sellerSdk.refundTask({ contract, task });
    expect(await check(task, parameters)).to.deep.equal([{ code: "task-closed", taskId }]);
    for (const unknown of [stage.third.address, stage.channels.address])
      expect(await check(task, parameters, { contract: unknown })).to.deep.equal([
        { code: "escrow-unknown", contract: unknown },
      ]);
  });

  it("compares every term that was agreed, however addresses are written", async () => {
    const { payer, seller, third, token, lock } = stage;
    const task = stage.taskOf("agreed");
    await stage.payerSdk.fundTask({ contract, task });
    const lower = { provider: seller.address.toLowerCase() as Address, client: payer.address, token: token.address };
    const good = { ...lower, amount: 1000n, condition: lock.address };
    expect(await check(task, lock.parameters, { agreed: good })).to.deep.equal([]);
    const bad = { provider: third.address, client: third.address, token: contract, amount: 1001n, condition: contract };
    const expected = Object.entries(bad).map(([field, value]) => ({
      code: "term-mismatch",
      field,
      given: task[field as keyof Task],
      expected: value,
    }));
    expect(await check(task, lock.parameters, { agreed: bad })).to.deep.equal(expected);
  });

  it("wants the deadline, and the time for verdicts, after the work", async () => {
    const { lock, deadline } = stage;
    const task = stage.taskOf("timely");
    await stage.payerSdk.fundTask({ contract, task });
    const judged = attested({ judgeBy: deadline - 1n });
    const { address: condition, parameters, parametersHash } = judged;
    const judgedTask = stage.taskOf("judged", { condition, parametersHash });
    await stage.payerSdk.fundTask({ contract, task: judgedTask });
    const left = deadline - (await stage.now());
    expect(await check(task, lock.parameters, { workTime: left })).to.deep.equal([]);
    expect(await check(task, lock.parameters, { workTime: left + 1n })).to.deep.equal([
      { code: "deadline-too-soon", deadline, earliest: deadline + 1n },
    ]);
    expect(await check(judgedTask, parameters, { workTime: left - 1n })).to.deep.equal([]);
    expect(await check(judgedTask, parameters, { workTime: left })).to.deep.equal([
      { code: "judge-by-too-soon", deadline: deadline - 1n, earliest: deadline },
    ]);
  });

  it("knows conditions by their code, nested ones too, and reads parameters to the byte", async () => {
    const { lock, deploy, third } = stage;
    const foreign = await deploy("OddCondition");
    const known = stage.taskOf("parameters");
    await stage.payerSdk.fundTask({ contract, task: known });
    expect(await check(known, `${lock.parameters}00`)).to.deep.equal([
      { code: "parameters-mismatch", parametersHash: keccak256(`${lock.parameters}00`), expected: lock.parametersHash },
    ]);
    for (const address of [foreign, third.address])
      expect(await checked({ ...lock, address })).to.deep.equal([{ code: "condition-unknown", condition: address }]);
    const nested = allOf([{ ...lock, address: foreign }, attested()], { condition: conditions.kth });
    expect(await checked(nested)).to.deep.equal([{ code: "condition-unknown", condition: foreign }]);
    for (const [parameters, reason] of [
      [`${lock.parameters}00`, "not-canonical"],
      ["0x", "unreadable"],
    ] as const)
      expect(await checked({ ...lock, parameters, parametersHash: keccak256(parameters) })).to.deep.equal([
        { code: "parameters-malformed", reason },
      ]);
    const ticking = ticks({ condition: conditions.ticks, root: bytes32("root"), tickAmount: 10n, tickCount: 100 });
    const neverPays = [{ code: "condition-never-pays", kind: "ticks" }];
    expect(await checked(ticking)).to.deep.equal(neverPays);
    expect(await checked(allOf([ticking, lock], { condition: conditions.kth }))).to.deep.equal(neverPays);
  });

  it("wants a review that the contract will let this provider begin and finish", async () => {
    const { seller, deadline, oneDay, now } = stage;
    expect(await checked(reviewed({ deadline: deadline + 1n }))).to.deep.equal([
      { code: "review-deadline-mismatch", given: deadline + 1n, expected: deadline },
    ]);
    const stranger = "0x00000000000000000000000000000000000a11ce";
    const [problem] = await checked(reviewed({ provider: stranger }));
    expect(problem).to.deep.include({ code: "review-provider-mismatch", expected: seller.address });

    const agreed = reviewed({ silentArbiterPays: false });
    const { address: condition, parameters, parametersHash } = agreed;
    const task = stage.taskOf("windows", { condition, parametersHash });
    await stage.payerSdk.fundTask({ contract, task });
    const longest = deadline - (await now()) - 3n * oneDay;
    expect(await check(task, parameters, { workTime: longest })).to.deep.equal([]);
    expect(await check(task, parameters, { workTime: longest + 1n })).to.deep.equal([
      { code: "review-too-long", claimableUntil: deadline + 1n, deadline },
    ]);
    // What is found to fit is what the contract accepts, to the second.
    const snapshot = await stage.networkHelpers.takeSnapshot();
    await stage.networkHelpers.time.setNextBlockTimestamp(deadline - 3n * oneDay);
    const paymentId = computeTaskId({ task, contract, chainId });
    await stage.sellerSdk.submitWork({ condition, paymentId, parameters, deliverableHash: bytes32("work") });
    await snapshot.restore();
  });

  it("F034: surfaces every judge in its own cause, and no reviewing client", async () => {
    const { payer, seller, third } = stage;
    const other: Address = "0x00000000000000000000000000000000000a11ce";
    const overlap = (one: string, two: string, account: Address) => ({
      code: "role-overlap",
      roles: [one, two],
      account,
    });
    expect(await checked(attested({ evaluators: [other, payer.address, seller.address] }))).to.deep.equal([
      overlap("client", "evaluator", payer.address),
      overlap("provider", "evaluator", seller.address),
    ]);
    const cases: [Partial<review.Parameters>, object][] = [
      [{ arbiter: payer.address, reviewer: other }, overlap("client", "arbiter", payer.address)],
      [{ reviewer: seller.address }, overlap("provider", "reviewer", seller.address)],
      [{ arbiter: seller.address }, overlap("provider", "arbiter", seller.address)],
      [{ reviewer: third.address }, overlap("reviewer", "arbiter", third.address)],
    ];
    for (const [changes, expected] of cases) expect(await checked(reviewed(changes))).to.deep.equal([expected]);
    const own = await checked(attested({ specHash: bytes32("own") }), { provider: payer.address });
    expect(own[1]).to.deep.equal(overlap("client", "provider", payer.address));
    const nested = allOf([attested({ evaluators: [payer.address] }), stage.lock], { condition: conditions.kth });
    expect(await checked(nested)).to.deep.equal([overlap("client", "evaluator", payer.address)]);
  });
});
