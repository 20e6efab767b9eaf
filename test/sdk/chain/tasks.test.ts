import { expect } from "chai";
import type { Hex } from "viem";

import {
  computeTaskId,
  parseYuan,
  review,
  signReceiveWithAuthorization,
  signRefund,
  signRelease,
  type Task,
} from "../../../sdk/src/index.ts";
import { rejection } from "../client/helpers.ts";
import { bytes32, chainId, createStage, later, preimage, type Stage } from "./helpers.ts";

describe("actions for tasks", () => {
  let stage: Stage;
  let contract: Hex;
  const idOf = (task: Task): Hex => computeTaskId({ task, contract, chainId });
  const stateOf = (task: Task) => stage.thirdSdk.getTask({ contract, taskId: idOf(task) });

  beforeEach(async () => {
    stage = await createStage();
    contract = stage.escrow;
    await stage.payerSdk.approveToken({ token: stage.token.address, spender: contract, amount: 10n ** 9n });
  });

  async function fund(text: string, changes: Partial<Task> = {}): Promise<Task> {
    const task = stage.taskOf(text, changes);
    await stage.payerSdk.fundTask({ contract, task });
    return task;
  }

  it("fund, claim in part by evidence, release in full", async () => {
    const { payerSdk, thirdSdk, lock, seller, ethers } = stage;
    const task = await fund("claimed");
    const deployed = await ethers.getContractAt("TaskEscrow", contract);
    expect(idOf(task)).to.equal(await deployed.computeTaskId(task));
    expect(await stateOf(task)).to.deep.equal({ funded: 1000n, released: 0n, closed: false });

    await payerSdk.releaseTask({ contract, task, cumulativeAmount: 300n });
    expect(await stateOf(task)).to.deep.equal({ funded: 1000n, released: 300n, closed: false });
    const before = await thirdSdk.getBlockNumber({ cacheTime: 0 });
    const evidence = lock.encodeEvidence({ preimage });
    await thirdSdk.claimTask({ contract, task, parameters: lock.parameters, evidence });
    expect(await stateOf(task)).to.deep.equal({ funded: 1000n, released: 1000n, closed: true });
    expect(await stage.balanceOf(seller.address)).to.equal(1000n);
    const taskId = idOf(task);
    expect(await thirdSdk.getTask({ contract, taskId, blockNumber: before })).to.include({ released: 300n });
  });

  it("fund by an authorization whose nonce is the task's id, for this task alone", async () => {
    const { thirdSdk, payer, token } = stage;
    const task = stage.taskOf("relayed");
    const domain = await thirdSdk.getTokenDomain({ token: token.address, chainId });
    const authorization = { validAfter: 0n, validBefore: later };
    const signature = await signReceiveWithAuthorization({
      account: payer,
      domain,
      from: task.client,
      to: contract,
      value: task.amount,
      nonce: idOf(task),
      ...authorization,
    });
    const changed = { ...task, provider: stage.third.address };
    const refused = await rejection(
      thirdSdk.fundTaskWithAuthorization({ contract, task: changed, authorization, signature }),
    );
    expect(refused).to.include({ code: "contract-refused", errorName: "InvalidSignature" });
    await thirdSdk.fundTaskWithAuthorization({ contract, task, authorization, signature });
    expect(await stateOf(task)).to.include({ funded: 1000n });
  });

  it("release and refund by signatures that somebody else sends", async () => {
    const { thirdSdk, payer, seller } = stage;
    const task = await fund("signed");
    const at = { contract, chainId, taskId: idOf(task), deadline: later };
    const release = { contract, task, cumulativeAmount: 400n, deadline: later };
    const signature = await signRelease({ account: payer, ...at, cumulativeAmount: 400n });
    const wrong = await rejection(
      thirdSdk.releaseTaskWithAuthorization({ ...release, cumulativeAmount: 401n, signature }),
    );
    expect([wrong.errorName, wrong.args]).to.deep.equal(["InvalidSignature", [payer.address]]);
    await thirdSdk.releaseTaskWithAuthorization({ ...release, signature });
    await thirdSdk.refundTaskWithAuthorization({
      contract,
      task,
      deadline: later,
      signature: await signRefund({ account: seller, ...at }),
    });
    expect(await stateOf(task)).to.deep.equal({ funded: 1000n, released: 400n, closed: true });
    expect(await stage.balanceOf(seller.address)).to.equal(400n);
    expect(await stage.balanceOf(payer.address)).to.equal(parseYuan("100") - 400n);
  });

  it("fund milestones in one transaction, all or none, and refund after the deadline", async () => {
    const { payerSdk, sellerSdk, thirdSdk, networkHelpers } = stage;
    const tasks = [stage.taskOf("one"), stage.taskOf("two", { amount: 500n })];
    const bad = stage.taskOf("three", { amount: 0n });
    const refused = await rejection(payerSdk.fundTasks({ contract, tasks: [...tasks, bad] }));
    expect(refused).to.include({ errorName: "ZeroAmount" });
    await payerSdk.fundTasks({ contract, tasks });
    await sellerSdk.refundTask({ contract, task: tasks[0]! });
    const early = await rejection(thirdSdk.refundTask({ contract, task: tasks[1]! }));
    expect([early.errorName, early.args]).to.deep.equal([
      "NotProvider",
      [stage.third.address, stage.seller.address, stage.deadline],
    ]);
    await networkHelpers.time.increaseTo(stage.deadline + 1n);
    await thirdSdk.refundTask({ contract, task: tasks[1]! });
    for (const task of tasks) expect(await stateOf(task)).to.include({ released: 0n, closed: true });
  });

  it("tell every refusal by the contract's own error with its arguments, and send nothing", async () => {
    const { payerSdk, sellerSdk, thirdSdk, lock, seller, third } = stage;
    const task = await fund("refused");
    const before = await thirdSdk.getTransactionCount({ address: third.address });
    const claim = { contract, task, parameters: lock.parameters, evidence: "0x" as Hex };
    const cases: [() => Promise<unknown>, string, unknown[]][] = [
      [() => thirdSdk.fundTask({ contract, task }), "NotClient", [third.address, task.client]],
      [() => payerSdk.fundTask({ contract, task }), "TaskAlreadyExists", [idOf(task)]],
      [() => thirdSdk.claimTask(claim), "ReleaseNotIncreasing", [0n, 0n]],
      [
        () => thirdSdk.claimTask({ ...claim, parameters: "0x" }),
        "ParametersMismatch",
        ["0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470", lock.parametersHash],
      ],
      [() => payerSdk.releaseTask({ contract, task, cumulativeAmount: 1001n }), "AmountExceedsFunded", [1001n, 1000n]],
      [
        () => sellerSdk.releaseTask({ contract, task, cumulativeAmount: 1n }),
        "NotClient",
        [seller.address, task.client],
      ],
      [
        () => sellerSdk.refundTask({ contract, task: stage.taskOf("none") }),
        "TaskNotFound",
        [idOf(stage.taskOf("none"))],
      ],
    ];
    for (const [send, errorName, args] of cases) {
      const error = await rejection(send());
      expect([error.code, error.errorName, error.args]).to.deep.equal(["contract-refused", errorName, args]);
    }
    expect(await thirdSdk.getTransactionCount({ address: third.address })).to.equal(before);
    const noMoney = await rejection(sellerSdk.fundTask({ contract, task: { ...task, client: seller.address } }));
    expect(noMoney).to.include({ errorName: "ERC20InsufficientAllowance" });
  });

  it("keep and deliver the credit of the escrow apart from that of the channels", async () => {
    const { token, payerSdk, seller, channels } = stage;
    const task = await fund("frozen");
    await token.contract.setFrozen(seller.address, true);
    await payerSdk.releaseTask({ contract, task, cumulativeAmount: 8n });
    const owed = { token: token.address, account: seller.address };
    expect(await payerSdk.getCredit({ contract, ...owed })).to.equal(8n);
    expect(await payerSdk.getCredit({ contract: channels.address, ...owed })).to.equal(0n);
    await token.contract.setFrozen(seller.address, false);
    await payerSdk.claimCredit({ contract, token: token.address, creditor: seller.address });
    expect(await stage.balanceOf(seller.address)).to.equal(8n);
    const again = await rejection(payerSdk.claimCredit({ contract, token: token.address, creditor: seller.address }));
    expect([again.errorName, again.args]).to.deep.equal(["NoCredit", [token.address, seller.address]]);
  });

  it("find tasks again by either party, and tell what happened in order", async () => {
    const { payerSdk, sellerSdk, thirdSdk, payer, seller, third } = stage;
    const first = await fund("first");
    const other = await fund("for another", { provider: third.address });
    await payerSdk.releaseTask({ contract, task: first, cumulativeAmount: 5n });
    await sellerSdk.refundTask({ contract, task: first });
    const find = async (parties: object) =>
      (await thirdSdk.findTasks({ contract, fromBlock: 0n, ...parties })).map(({ task }) => task);
    const [found] = await thirdSdk.findTasks({ contract, fromBlock: 0n, provider: seller.address });
    expect(found).to.deep.equal({
      taskId: idOf(first),
      task: first,
      state: { funded: 1000n, released: 5n, closed: true },
    });
    expect(await find({ client: payer.address })).to.deep.equal([first, other]);
    expect(await find({})).to.deep.equal([first, other]);
    expect(await find({ provider: third.address, client: payer.address })).to.deep.equal([other]);
    expect(await find({ client: seller.address })).to.deep.equal([]);
    const told: unknown[] = [];
    for await (const { eventName, args } of thirdSdk.taskEvents({ contract, fromBlock: 0n }))
      told.push([eventName, "taskId" in args && args.taskId, "released" in args ? args.released : undefined]);
    expect(told).to.deep.equal([
      ["TaskFunded", idOf(first), undefined],
      ["TaskFunded", idOf(other), undefined],
      ["TaskReleased", idOf(first), 5n],
      ["TaskRefunded", idOf(first), undefined],
    ]);
    const toBlock = (await thirdSdk.getBlockNumber({ cacheTime: 0 })) - 3n;
    expect(await find({ client: payer.address, toBlock })).to.deep.equal([first]);
  });
});

describe("actions for reviews", () => {
  it("submit, object and decide; then what was decided is claimed", async () => {
    const stage = await createStage();
    const { payerSdk, sellerSdk, thirdSdk, payer, seller, third, oneDay, deadline, escrow: contract } = stage;
    const condition = await stage.deploy("ReviewCondition");

    const terms = review({
      condition,
      provider: seller.address,
      reviewer: payer.address,
      arbiter: third.address,
      reviewPeriod: oneDay,
      arbitrationPeriod: oneDay,
      deadline,
      silentArbiterPays: true,
    });
    const { parameters, parametersHash } = terms;
    const task = stage.taskOf("reviewed", { condition, parametersHash });
    const paymentId = computeTaskId({ task, contract, chainId });
    const at = { condition, paymentId, parameters };
    const read = () => thirdSdk.getReview({ condition, paymentId, parametersHash });
    await payerSdk.approveToken({ token: task.token, spender: contract, amount: 1000n });
    await payerSdk.fundTask({ contract, task });

    const early = await rejection(payerSdk.objectToWork({ ...at, reasonHash: bytes32("why") }));
    expect([early.errorName, early.args]).to.deep.equal(["NotSubmitted", [paymentId]]);
    const stranger = await rejection(payerSdk.submitWork({ ...at, deliverableHash: bytes32("work") }));
    expect([stranger.errorName, stranger.args]).to.deep.equal(["NotProvider", [payer.address, seller.address]]);
    expect(await read()).to.deep.equal({ submittedAt: 0, objectedAt: 0, arbitrated: false, amount: 0n });

    await sellerSdk.submitWork({ ...at, deliverableHash: bytes32("work") });
    await payerSdk.objectToWork({ ...at, reasonHash: bytes32("why") });
    expect(await rejection(payerSdk.arbitrateWork({ ...at, amount: 1n }))).to.include({ errorName: "NotArbiter" });
    await thirdSdk.arbitrateWork({ ...at, amount: 600n });
    const { submittedAt, objectedAt, ...decided } = await read();
    expect(decided).to.deep.equal({ arbitrated: true, amount: 600n });
    expect([submittedAt > 0, objectedAt > submittedAt]).to.deep.equal([true, true]);
    await thirdSdk.claimTask({ contract, task, parameters, evidence: terms.encodeEvidence() });
    expect(await stage.balanceOf(seller.address)).to.equal(600n);
  });
});
