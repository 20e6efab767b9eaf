import { expect } from "chai";
import type { ContractTransactionResponse } from "ethers";
import { network } from "hardhat";

import { LATER, saltOf } from "../helpers/channels.ts";
import {
  AMOUNT,
  deployEscrow,
  evidenceOf,
  expectTaskEffects,
  fundTask,
  issueTo,
  MAX_AMOUNT,
  PARAMETERS,
  signTask,
  taskIdOf,
  taskOf,
  taskStateOf,
} from "../helpers/tasks.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, takeSnapshot, time } = connection.networkHelpers;

async function funded() {
  const world = await deployEscrow(connection);
  // Another task of the same client: what must not be touched.
  await fundTask(world, { salt: saltOf(2) });
  return { ...world, ...(await fundTask(world)) };
}

type Funded = Awaited<ReturnType<typeof funded>>;

/** The ways to pay the provider up to an amount. */
const ways: Record<string, (world: Funded, amount: bigint) => Promise<ContractTransactionResponse>> = {
  release: ({ escrow, client, task }, amount) => escrow.connect(client).release(task, amount),
  releaseWithAuthorization: async (world, cumulativeAmount) => {
    const { escrow, client, relayer, task, taskId } = world;
    const signature = await signTask(world, client, "Release", { taskId, cumulativeAmount, deadline: LATER });
    return escrow.connect(relayer).releaseWithAuthorization(task, cumulativeAmount, LATER, signature);
  },
  claim: ({ escrow, relayer, task }, amount) => escrow.connect(relayer).claim(task, PARAMETERS, evidenceOf(amount)),
};

const isClaim = (way: string): boolean => way === "claim";

for (const [way, pay] of Object.entries(ways))
  describe(`TaskEscrow: ${way}`, () => {
    it("pays the growth of the total, and closes when everything is released", async () => {
      const world = await loadFixture(funded);
      const { taskId } = world;
      let released = 0n;
      for (const amount of [1n, 2n, 400n, AMOUNT - 1n, AMOUNT]) {
        await expectTaskEffects(world, pay(world, amount), {
          events: [["TaskReleased", taskId, amount]],
          balances: { contract: released - amount, provider: amount - released },
        });
        released = amount;
        expect(await taskStateOf(world, taskId)).to.deep.equal({
          funded: AMOUNT,
          released,
          closed: released === AMOUNT,
        });
      }
      await expect(pay(world, AMOUNT))
        .to.be.revertedWithCustomError(world.escrow, "TaskAlreadyClosed")
        .withArgs(taskId);
    });

    it("refuses what releases nothing beyond what is released", async () => {
      const world = await loadFixture(funded);
      const { escrow } = world;
      const expectRefused = (amount: bigint, released: bigint) =>
        expect(pay(world, amount))
          .to.be.revertedWithCustomError(escrow, "ReleaseNotIncreasing")
          .withArgs(amount, released);
      await expectRefused(0n, 0n);
      await pay(world, 40n);
      for (const amount of [0n, 39n, 40n]) await expectRefused(amount, 40n);
      await pay(world, 41n);
    });

    it("knows no task that was not funded, and none that was refunded", async () => {
      const world = await loadFixture(funded);
      const { escrow, provider, task, taskId } = world;
      const unknown = { ...task, salt: saltOf(9) };
      const unknownId = taskIdOf(world, unknown);
      await expect(pay({ ...world, task: unknown, taskId: unknownId }, 40n))
        .to.be.revertedWithCustomError(escrow, "TaskNotFound")
        .withArgs(unknownId);
      await escrow.connect(provider).refund(task);
      await expect(pay(world, 40n)).to.be.revertedWithCustomError(escrow, "TaskAlreadyClosed").withArgs(taskId);
    });

    it("pays the largest amount that there is", async () => {
      const world = await loadFixture(funded);
      const token = await issueTo(world, await ethers.deployContract("PlainToken"), MAX_AMOUNT);
      const large = await fundTask(world, { token: await token.getAddress(), amount: MAX_AMOUNT });
      await expectTaskEffects(world, pay({ ...world, ...large }, MAX_AMOUNT - 1n), {
        events: [["TaskReleased", large.taskId, MAX_AMOUNT - 1n]],
        balances: { contract: 1n - MAX_AMOUNT, provider: MAX_AMOUNT - 1n },
        token,
      });
      await expectTaskEffects(world, pay({ ...world, ...large }, MAX_AMOUNT), {
        events: [["TaskReleased", large.taskId, MAX_AMOUNT]],
        balances: { contract: -1n, provider: 1n },
        token,
      });
    });

    if (!isClaim(way)) {
      it("refuses more than the task's amount", async () => {
        const world = await loadFixture(funded);
        for (const amount of [AMOUNT + 1n, 2n ** 104n + 40n, 2n ** 128n - 1n])
          await expect(pay(world, amount))
            .to.be.revertedWithCustomError(world.escrow, "AmountExceedsFunded")
            .withArgs(amount, AMOUNT);
      });

      it("is possible after the deadline, until the task is closed", async () => {
        const world = await loadFixture(funded);
        const { escrow, stranger, task, taskId } = world;
        await time.increaseTo(task.deadline + 1n);
        await expectTaskEffects(world, pay(world, 40n), {
          events: [["TaskReleased", taskId, 40n]],
          balances: { contract: -40n, provider: 40n },
        });
        await escrow.connect(stranger).refund(task);
        await expect(pay(world, 41n)).to.be.revertedWithCustomError(escrow, "TaskAlreadyClosed").withArgs(taskId);
      });

      it("does not ask the condition, and needs none", async () => {
        const world = await loadFixture(funded);
        for (const condition of [world.parties.stranger, await world.token.getAddress()]) {
          const task = await fundTask(world, { condition });
          await pay({ ...world, ...task }, AMOUNT);
          expect((await taskStateOf(world, task.taskId)).closed).to.equal(true);
        }
      });
    }

    it("adds to what the other ways released", async () => {
      const world = await loadFixture(funded);
      for (const [other, payOther] of Object.entries(ways)) {
        const restore = await takeSnapshot();
        await payOther(world, 30n);
        await expect(pay(world, 30n), other)
          .to.be.revertedWithCustomError(world.escrow, "ReleaseNotIncreasing")
          .withArgs(30n, 30n);
        await expectTaskEffects(world, pay(world, 50n), {
          events: [["TaskReleased", world.taskId, 50n]],
          balances: { contract: -20n, provider: 20n },
        });
        await restore.restore();
      }
    });
  });

describe("TaskEscrow: who releases, and until when", () => {
  it("release is for the client alone", async () => {
    const world = await loadFixture(funded);
    const { escrow, provider, stranger, relayer, task, parties } = world;
    for (const sender of [provider, stranger, relayer])
      await expect(escrow.connect(sender).release(task, 40n))
        .to.be.revertedWithCustomError(escrow, "NotClient")
        .withArgs(sender.address, parties.client);
  });

  it("a signed release can be sent by anyone, up to its last second", async () => {
    const world = await loadFixture(funded);
    const { escrow, client, task, taskId } = world;
    const deadline = BigInt(await time.latest()) + 100n;
    const signature = await signTask(world, client, "Release", { taskId, cumulativeAmount: 40n, deadline });
    const start = await takeSnapshot();
    for (const sender of ["relayer", "provider", "client", "stranger"] as const) {
      await time.setNextBlockTimestamp(deadline);
      const sent = escrow.connect(world[sender]).releaseWithAuthorization(task, 40n, deadline, signature);
      await expectTaskEffects(world, sent, {
        events: [["TaskReleased", taskId, 40n]],
        balances: { contract: -40n, provider: 40n },
      });
      await start.restore();
    }
    await time.setNextBlockTimestamp(deadline + 1n);
    await expect(escrow.releaseWithAuthorization(task, 40n, deadline, signature))
      .to.be.revertedWithCustomError(escrow, "AuthorizationExpired")
      .withArgs(deadline);
  });

  it("a signed release is good once: the total does not grow by it again", async () => {
    const world = await loadFixture(funded);
    const { escrow, client, task, taskId } = world;
    const signature = await signTask(world, client, "Release", { taskId, cumulativeAmount: 40n, deadline: LATER });
    await escrow.releaseWithAuthorization(task, 40n, LATER, signature);
    await expect(escrow.releaseWithAuthorization(task, 40n, LATER, signature))
      .to.be.revertedWithCustomError(escrow, "ReleaseNotIncreasing")
      .withArgs(40n, 40n);
  });

  it("a claim is possible for anyone, up to the last second, and not after", async () => {
    const world = await loadFixture(funded);
    const { escrow, task, taskId } = world;
    const start = await takeSnapshot();
    for (const sender of ["client", "provider", "stranger"] as const) {
      await time.setNextBlockTimestamp(task.deadline);
      await expectTaskEffects(world, escrow.connect(world[sender]).claim(task, PARAMETERS, evidenceOf(40n)), {
        events: [["TaskReleased", taskId, 40n]],
        balances: { contract: -40n, provider: 40n },
      });
      await start.restore();
    }
    await time.setNextBlockTimestamp(task.deadline + 1n);
    await expect(escrow.claim(task, PARAMETERS, evidenceOf(40n)))
      .to.be.revertedWithCustomError(escrow, "DeadlinePassed")
      .withArgs(task.deadline);
  });

  it("claims of one task do not touch another", async () => {
    const world = await loadFixture(funded);
    const other = taskOf(world, { salt: saltOf(2) });
    await ways["claim"]!(world, AMOUNT);
    expect(await taskStateOf(world, taskIdOf(world, other))).to.deep.equal({
      funded: AMOUNT,
      released: 0n,
      closed: false,
    });
  });
});
