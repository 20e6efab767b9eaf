import { expect } from "chai";
import { network } from "hardhat";

import { LATER, saltOf } from "../helpers/channels.ts";
import {
  AMOUNT,
  deployEscrow,
  evidenceOf,
  expectTaskEffects,
  fundTask,
  PARAMETERS,
  signTask,
  taskIdOf,
  taskStateOf,
} from "../helpers/tasks.ts";

const connection = await network.create();
const { loadFixture, takeSnapshot, time } = connection.networkHelpers;

async function funded() {
  const world = await deployEscrow(connection);
  await fundTask(world, { salt: saltOf(2) });
  return { ...world, ...(await fundTask(world)) };
}

type Funded = Awaited<ReturnType<typeof funded>>;

/** The ways to end a task; the first two at any time. */
const ways = {
  "by the provider": ({ escrow, provider, task }: Funded) => escrow.connect(provider).refund(task),
  "by the provider's signature": async (world: Funded) => {
    const { escrow, provider, relayer, task, taskId } = world;
    const signature = await signTask(world, provider, "Refund", { taskId, deadline: LATER });
    return escrow.connect(relayer).refundWithAuthorization(task, LATER, signature);
  },
  "by anyone after the deadline": async ({ escrow, stranger, task }: Funded) => {
    if (BigInt(await time.latest()) <= task.deadline) await time.increaseTo(task.deadline + 1n);
    return escrow.connect(stranger).refund(task);
  },
};

describe("TaskEscrow: refunding", () => {
  for (const [name, refund] of Object.entries(ways)) {
    it(`${name}: gives the client everything where nothing was released`, async () => {
      const world = await loadFixture(funded);
      const { taskId } = world;
      await expectTaskEffects(world, refund(world), {
        events: [["TaskRefunded", taskId, AMOUNT]],
        balances: { contract: -AMOUNT, client: AMOUNT },
      });
      expect(await taskStateOf(world, taskId)).to.deep.equal({ funded: AMOUNT, released: 0n, closed: true });
    });

    it(`INV16: ${name}: gives the client exactly what was not released`, async () => {
      const world = await loadFixture(funded);
      const { escrow, client, task, taskId } = world;
      const start = await takeSnapshot();
      for (const released of [1n, 400n, AMOUNT - 1n]) {
        await escrow.connect(client).release(task, released);
        await expectTaskEffects(world, refund(world), {
          events: [["TaskRefunded", taskId, AMOUNT - released]],
          balances: { contract: released - AMOUNT, client: AMOUNT - released },
        });
        expect(await taskStateOf(world, taskId)).to.deep.equal({ funded: AMOUNT, released, closed: true });
        await start.restore();
      }
    });

    it(`INV16: ${name}: ends a task once, and nothing comes after`, async () => {
      const world = await loadFixture(funded);
      const { escrow, client, task, taskId } = world;
      const expectClosed = (transaction: Promise<unknown>) =>
        expect(transaction).to.be.revertedWithCustomError(escrow, "TaskAlreadyClosed").withArgs(taskId);
      const start = await takeSnapshot();
      for (const end of [() => refund(world), () => escrow.connect(client).release(task, AMOUNT)]) {
        await end();
        await expectClosed(escrow.claim(task, PARAMETERS, evidenceOf(40n)));
        await expectClosed(escrow.connect(client).release(task, 40n));
        for (const again of Object.values(ways)) await expectClosed(again(world));
        await start.restore();
      }
    });

    it(`${name}: knows no task that was not funded`, async () => {
      const world = await loadFixture(funded);
      const task = { ...world.task, salt: saltOf(9) };
      const taskId = taskIdOf(world, task);
      await expect(refund({ ...world, task, taskId }))
        .to.be.revertedWithCustomError(world.escrow, "TaskNotFound")
        .withArgs(taskId);
    });

    it(`${name}: leaves other tasks alone`, async () => {
      const world = await loadFixture(funded);
      await refund(world);
      expect(await taskStateOf(world, taskIdOf(world, { ...world.task, salt: saltOf(2) }))).to.deep.equal({
        funded: AMOUNT,
        released: 0n,
        closed: false,
      });
    });
  }

  it("INV16: is for anyone from one second after the deadline on, and for the provider alone before", async () => {
    const world = await loadFixture(funded);
    const { escrow, task, taskId, parties } = world;
    const start = await takeSnapshot();
    for (const sender of ["client", "stranger", "relayer"] as const) {
      await time.setNextBlockTimestamp(task.deadline);
      await expect(escrow.connect(world[sender]).refund(task))
        .to.be.revertedWithCustomError(escrow, "NotProvider")
        .withArgs(parties[sender], parties.provider, task.deadline);
      await start.restore();
      await time.setNextBlockTimestamp(task.deadline + 1n);
      await expectTaskEffects(world, escrow.connect(world[sender]).refund(task), {
        events: [["TaskRefunded", taskId, AMOUNT]],
        balances: { contract: -AMOUNT, client: AMOUNT },
      });
      await start.restore();
    }
    await time.setNextBlockTimestamp(task.deadline);
    await escrow.connect(world.provider).refund(task);
    await start.restore();
    await time.setNextBlockTimestamp(task.deadline + 1n);
    await escrow.connect(world.provider).refund(task);
  });

  it("INV16: at no second both a claim and a stranger's refund are possible", async () => {
    const world = await loadFixture(funded);
    const { escrow, stranger, task } = world;
    const start = await takeSnapshot();
    const isPossible = async (timestamp: bigint, send: () => Promise<unknown>) => {
      await time.setNextBlockTimestamp(timestamp);
      const outcome = await send().then(
        () => true,
        () => false,
      );
      await start.restore();
      return outcome;
    };
    for (const offset of [-1n, 0n, 1n, 2n]) {
      const timestamp = task.deadline + offset;
      const claim = await isPossible(timestamp, () => escrow.claim(task, PARAMETERS, evidenceOf(40n)));
      const refund = await isPossible(timestamp, () => escrow.connect(stranger).refund(task));
      expect([claim, refund], `${offset}`).to.deep.equal(offset <= 0n ? [true, false] : [false, true]);
    }
  });

  it("a signed refund can be sent by anyone, up to its last second", async () => {
    const world = await loadFixture(funded);
    const { escrow, provider, task, taskId } = world;
    const deadline = BigInt(await time.latest()) + 100n;
    const signature = await signTask(world, provider, "Refund", { taskId, deadline });
    const start = await takeSnapshot();
    for (const sender of ["relayer", "client", "provider"] as const) {
      await time.setNextBlockTimestamp(deadline);
      await expectTaskEffects(world, escrow.connect(world[sender]).refundWithAuthorization(task, deadline, signature), {
        events: [["TaskRefunded", taskId, AMOUNT]],
        balances: { contract: -AMOUNT, client: AMOUNT },
      });
      await start.restore();
    }
    await time.setNextBlockTimestamp(deadline + 1n);
    await expect(escrow.refundWithAuthorization(task, deadline, signature))
      .to.be.revertedWithCustomError(escrow, "AuthorizationExpired")
      .withArgs(deadline);
  });

  it("F039: without anybody to judge, both parties' signatures split the money as they agree", async () => {
    const world = await loadFixture(funded);
    const { escrow, client, provider, stranger, parties } = world;
    const start = await takeSnapshot();
    for (const share of [1n, 400n, AMOUNT - 1n]) {
      // Nobody answers where the condition should be.
      const { task, taskId } = await fundTask(world, { condition: parties.stranger });
      const message = { taskId, deadline: LATER };
      const release = await signTask(world, client, "Release", { ...message, cumulativeAmount: share });
      const refund = await signTask(world, provider, "Refund", message);
      const asStranger = escrow.connect(stranger);
      await expectTaskEffects(world, asStranger.releaseWithAuthorization(task, share, LATER, release), {
        events: [["TaskReleased", taskId, share]],
        balances: { contract: -share, provider: share },
      });
      await expectTaskEffects(world, asStranger.refundWithAuthorization(task, LATER, refund), {
        events: [["TaskRefunded", taskId, AMOUNT - share]],
        balances: { contract: share - AMOUNT, client: AMOUNT - share },
      });
      await start.restore();
    }
  });
});
