import { expect } from "chai";
import { keccak256, toBeHex, ZeroAddress } from "ethers";
import { network } from "hardhat";

import { encodeValues, LATER, saltOf } from "../helpers/channels.ts";
import {
  attestationEvidence,
  attestationParameters,
  HOSTILE,
  signVerdict,
  verdictDomain,
} from "../helpers/conditions.ts";
import {
  AMOUNT,
  deployEscrow,
  evidenceOf,
  expectTaskEffects,
  fundTask,
  PARAMETERS,
  signTask,
  taskStateOf,
} from "../helpers/tasks.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, setCode, takeSnapshot, time } = connection.networkHelpers;

async function funded() {
  const world = await deployEscrow(connection);
  return { ...world, ...(await fundTask(world)) };
}

/** A task whose condition misbehaves. */
async function held() {
  const world = await deployEscrow(connection);
  const hostile = await ethers.deployContract("HostileCondition");
  return { ...world, hostile, ...(await fundTask(world, { condition: await hostile.getAddress() })) };
}

type Held = Awaited<ReturnType<typeof held>>;

/** All ways out of a task that ask no condition. */
const waysOut: Record<string, (world: Held) => Promise<unknown>> = {
  release: ({ escrow, client, task }) => escrow.connect(client).release(task, AMOUNT),
  releaseWithAuthorization: async (world) => {
    const message = { taskId: world.taskId, cumulativeAmount: AMOUNT, deadline: LATER };
    const signature = await signTask(world, world.client, "Release", message);
    return world.escrow.releaseWithAuthorization(world.task, AMOUNT, LATER, signature);
  },
  refund: ({ escrow, provider, task }) => escrow.connect(provider).refund(task),
  refundWithAuthorization: async (world) => {
    const signature = await signTask(world, world.provider, "Refund", { taskId: world.taskId, deadline: LATER });
    return world.escrow.refundWithAuthorization(world.task, LATER, signature);
  },
  "refund by anyone": async ({ escrow, stranger, task }) => {
    await time.increaseTo(task.deadline + 1n);
    return escrow.connect(stranger).refund(task);
  },
};

/** Gas of a claim that a condition may burn. */
const gasLimit = 5_000_000n;

describe("TaskEscrow: claim and its condition", () => {
  it("asks about this task, this amount, these parameters and this evidence", async () => {
    const world = await loadFixture(funded);
    const { escrow, relayer } = world;
    // An attestation binds all four: the task's id, its amount as the limit, the specification, the deliverable.
    const attestation = await ethers.deployContract("AttestationCondition");
    const parameters = attestationParameters([world.sponsor.address], 1, saltOf(5), LATER);
    const { task, taskId } = await fundTask(world, {
      condition: await attestation.getAddress(),
      parametersHash: keccak256(parameters),
    });
    const verdict = { paymentId: taskId, specHash: saltOf(5), deliverableHash: saltOf(6), amount: 600n, issuedAt: 1n };
    const signature = await signVerdict(world.sponsor, verdictDomain(task.condition), verdict);
    const evidence = attestationEvidence(verdict.deliverableHash, [{ evaluator: 0, ...verdict, signature }]);
    await expectTaskEffects(world, escrow.connect(relayer).claim(task, parameters, evidence), {
      events: [["TaskReleased", taskId, 600n]],
      balances: { contract: -600n, provider: 600n },
    });
    const twin = await fundTask(world, { ...task, salt: saltOf(2) });
    await expect(escrow.claim(twin.task, parameters, evidence))
      .to.be.revertedWithCustomError(escrow, "ReleaseNotIncreasing")
      .withArgs(0n, 0n);
  });

  it("refuses other parameters than those of the task", async () => {
    const world = await loadFixture(funded);
    const { escrow, task } = world;
    for (const parameters of ["0x", `${PARAMETERS}00`, encodeValues(["uint256"], [1n])])
      await expect(escrow.claim(task, parameters, evidenceOf(40n)))
        .to.be.revertedWithCustomError(escrow, "ParametersMismatch")
        .withArgs(keccak256(parameters), task.parametersHash);
  });

  it("counts what is above the amount as the amount", async () => {
    for (const due of [AMOUNT, AMOUNT + 1n, 2n ** 104n + 5n, 2n ** 128n, 2n ** 256n - 1n]) {
      const world = await loadFixture(funded);
      await expectTaskEffects(world, world.escrow.claim(world.task, PARAMETERS, evidenceOf(due)), {
        events: [["TaskReleased", world.taskId, AMOUNT]],
        balances: { contract: -AMOUNT, provider: AMOUNT },
      });
    }
  });

  for (const { name, behaviour } of HOSTILE)
    it(`F033: a condition that ${name} proves nothing, and blocks neither release nor refund`, async () => {
      const world = await loadFixture(held);
      const { escrow, hostile, task, taskId } = world;
      await hostile.setBehaviour(behaviour);
      await expect(escrow.claim(task, PARAMETERS, "0x", { gasLimit }))
        .to.be.revertedWithCustomError(escrow, "ReleaseNotIncreasing")
        .withArgs(0n, 0n);
      const start = await takeSnapshot();
      for (const [way, leave] of Object.entries(waysOut)) {
        await leave(world);
        expect((await taskStateOf(world, taskId)).closed, way).to.equal(true);
        await start.restore();
      }
    });

  it("F033: an answer of a megabyte is read for its first word alone, and not copied", async () => {
    const world = await loadFixture(held);
    const { escrow, hostile, task, taskId } = world;
    await hostile.setBehaviour(5);
    // The condition needs 2.2 million for its megabyte; whoever copied it would need as much again.
    await expectTaskEffects(world, escrow.claim(task, PARAMETERS, "0x", { gasLimit: 2_500_000n }), {
      events: [["TaskReleased", taskId, AMOUNT]],
      balances: { contract: -AMOUNT, provider: AMOUNT },
    });
  });

  it("F033: a condition that changes after the funding keeps nobody's money from going on", async () => {
    const world = await loadFixture(held);
    const { escrow, hostile, task, taskId } = world;
    await hostile.setBehaviour(7);
    await expect(escrow.claim(task, PARAMETERS, "0x", { gasLimit }))
      .to.be.revertedWithCustomError(escrow, "ReleaseNotIncreasing")
      .withArgs(0n, 0n);
    // Neither does one that is gone, or whose code destroys itself when it is asked.
    const start = await takeSnapshot();
    for (const code of ["0x", "0x33ff"]) {
      await setCode(task.condition, code);
      await expect(escrow.claim(task, PARAMETERS, "0x", { gasLimit }))
        .to.be.revertedWithCustomError(escrow, "ReleaseNotIncreasing")
        .withArgs(0n, 0n);
      for (const [way, leave] of Object.entries(waysOut)) {
        const before = await takeSnapshot();
        await leave(world);
        expect((await taskStateOf(world, taskId)).closed, way).to.equal(true);
        await before.restore();
      }
      await start.restore();
    }
  });

  it("a precompiled contract and an account without code prove nothing, though the former answers", async () => {
    const world = await loadFixture(funded);
    const { escrow } = world;
    for (const condition of [
      ZeroAddress,
      world.parties.stranger,
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => toBeHex(n, 20)),
    ]) {
      const { task } = await fundTask(world, { condition, parametersHash: keccak256("0x") });
      await expect(escrow.claim(task, "0x", evidenceOf(AMOUNT)), condition)
        .to.be.revertedWithCustomError(escrow, "ReleaseNotIncreasing")
        .withArgs(0n, 0n);
    }
  });

  it("the escrow and the token are no conditions", async () => {
    const world = await loadFixture(funded);
    for (const condition of [world.parties.contract, world.tokenAddress]) {
      const { task } = await fundTask(world, { condition });
      await expect(world.escrow.claim(task, PARAMETERS, evidenceOf(AMOUNT)))
        .to.be.revertedWithCustomError(world.escrow, "ReleaseNotIncreasing")
        .withArgs(0n, 0n);
    }
  });

  it("a condition that runs out of gas lowers nothing for good: the claim is made again with more", async () => {
    const world = await loadFixture(funded);
    const { escrow } = world;
    const parameters = encodeValues(["uint256"], [20_000n]);
    const { task, taskId } = await fundTask(world, { parametersHash: keccak256(parameters), salt: saltOf(2) });
    // The condition's memory takes 840,000.
    await expect(escrow.claim(task, parameters, evidenceOf(40n), { gasLimit: 800_000n }))
      .to.be.revertedWithCustomError(escrow, "ReleaseNotIncreasing")
      .withArgs(0n, 0n);
    await escrow.claim(task, parameters, evidenceOf(40n), { gasLimit: 1_100_000n });
    expect((await taskStateOf(world, taskId)).released).to.equal(40n);
  });

  it("F034: whoever judges stands in the parameters that the client funded, and nobody else has a say", async () => {
    const world = await loadFixture(funded);
    const { escrow, provider, sponsor } = world;
    const condition = await (await ethers.deployContract("AttestationCondition")).getAddress();
    const agreed = attestationParameters([sponsor.address], 1, saltOf(5), LATER);
    const own = attestationParameters([provider.address], 1, saltOf(5), LATER);
    const { task, taskId } = await fundTask(world, { condition, parametersHash: keccak256(agreed) });
    const verdict = {
      paymentId: taskId,
      specHash: saltOf(5),
      deliverableHash: saltOf(6),
      amount: AMOUNT,
      issuedAt: 1n,
    };
    const signature = await signVerdict(provider, verdictDomain(condition), verdict);
    const evidence = attestationEvidence(verdict.deliverableHash, [{ evaluator: 0, ...verdict, signature }]);
    await expect(escrow.connect(provider).claim(task, own, evidence))
      .to.be.revertedWithCustomError(escrow, "ParametersMismatch")
      .withArgs(keccak256(own), keccak256(agreed));
    await expect(escrow.connect(provider).claim(task, agreed, evidence))
      .to.be.revertedWithCustomError(escrow, "ReleaseNotIncreasing")
      .withArgs(0n, 0n);
  });
});
