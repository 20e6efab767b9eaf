import { expect } from "chai";
import { ZeroAddress } from "ethers";
import { network } from "hardhat";

import { saltOf } from "../helpers/channels.ts";
import {
  DAY,
  deployEscrow,
  expectTaskEffects,
  fundedEvent,
  fundTask,
  issueTo,
  type Task,
  taskIdOf,
  taskOf,
  taskStateOf,
} from "../helpers/tasks.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture } = connection.networkHelpers;

async function deployed() {
  return deployEscrow(connection);
}

describe("TaskEscrow: fundBatch", () => {
  it("funds milestones of one token by one transfer", async () => {
    const world = await loadFixture(deployed);
    const { escrow, client, token, parties } = world;
    const tasks = [1n, 2n, 3n].map((amount, i) =>
      taskOf(world, { amount, salt: saltOf(i), deadline: world.deadline + DAY }),
    );
    const transaction = escrow.connect(client).fundBatch(tasks);
    await expectTaskEffects(world, transaction, {
      events: tasks.map((task) => fundedEvent(taskIdOf(world, task), task)),
      balances: { client: -6n, contract: 6n },
    });
    const logs = await token.queryFilter(token.filters.Transfer(), (await transaction).blockNumber!);
    expect(logs.map(({ args }) => [...args])).to.deep.equal([[parties.client, parties.contract, 6n]]);
  });

  it("funds tasks of several tokens, in any order", async () => {
    const world = await loadFixture(deployed);
    const { escrow, client, token: first } = world;
    const second = await issueTo(world, await ethers.deployContract("PlainToken"));
    const [one, two] = [world.tokenAddress, await second.getAddress()];
    const [client0, contract0] = await Promise.all([client, escrow].map((account) => first.balanceOf(account)));
    for (const [round, order] of [
      [one, one, two],
      [two, one, two],
      [one, two, two, one],
      [two, two],
    ].entries()) {
      const tasks = order.map((token, i) =>
        taskOf(world, { token, amount: 2n ** BigInt(i), salt: saltOf(10 * round + i) }),
      );
      const sumOf = (token: string) =>
        tasks.filter((task) => task.token === token).reduce((sum, { amount }) => sum + amount, 0n);
      const before = await first.balanceOf(client);
      await expectTaskEffects(world, escrow.connect(client).fundBatch(tasks), {
        events: tasks.map((task) => fundedEvent(taskIdOf(world, task), task)),
        balances: { client: -sumOf(two), contract: sumOf(two) },
        token: second,
      });
      expect(before - (await first.balanceOf(client))).to.equal(sumOf(one));
    }
    expect(await first.balanceOf(escrow)).to.equal(contract0! + client0! - (await first.balanceOf(client)));
  });

  it("an empty one does nothing", async () => {
    const world = await loadFixture(deployed);
    const { escrow, client } = world;
    await expectTaskEffects(world, escrow.connect(client).fundBatch([]), { events: [] });
    expect([...(await escrow.connect(client).fundBatch.staticCall([]))]).to.deep.equal([]);
  });

  it("one bad task refuses all, wherever it stands", async () => {
    const world = await loadFixture(deployed);
    const { escrow, client, parties } = world;
    const good = [taskOf(world, { salt: saltOf(1) }), taskOf(world, { salt: saltOf(2) })];
    const { taskId, task: existing } = await fundTask(world, { salt: saltOf(3) });
    const bad: [Task, string, unknown[]][] = [
      [taskOf(world, { amount: 0n }), "ZeroAmount", []],
      [taskOf(world, { provider: ZeroAddress }), "InvalidProvider", [ZeroAddress]],
      [taskOf(world, { client: parties.sponsor }), "NotClient", [parties.client, parties.sponsor]],
      [existing, "TaskAlreadyExists", [taskId]],
      [taskOf(world, { token: parties.stranger }), "InvalidToken", [parties.stranger]],
    ];
    for (const [task, error, args] of bad)
      for (const place of [0, 1, 2])
        await expect(escrow.connect(client).fundBatch(good.toSpliced(place, 0, task)), `${error} at ${place}`)
          .to.be.revertedWithCustomError(escrow, error)
          .withArgs(...args);
    for (const task of good) expect((await taskStateOf(world, taskIdOf(world, task))).funded).to.equal(0n);
    await escrow.connect(client).fundBatch(good);
  });

  it("the same task twice is refused", async () => {
    const world = await loadFixture(deployed);
    const { escrow, client } = world;
    const task = taskOf(world);
    await expect(escrow.connect(client).fundBatch([task, task]))
      .to.be.revertedWithCustomError(escrow, "TaskAlreadyExists")
      .withArgs(taskIdOf(world, task));
  });
});
