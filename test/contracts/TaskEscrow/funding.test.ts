import { expect } from "chai";
import { dataSlice, keccak256, ZeroAddress, ZeroHash } from "ethers";
import { network } from "hardhat";

import { LATER, saltOf } from "../helpers/channels.ts";
import {
  AMOUNT,
  authorizeFund,
  deployEscrow,
  expectTaskEffects,
  fundedEvent,
  fundTask,
  issueTo,
  MAX_AMOUNT,
  MAX_DURATION,
  sendFund,
  type Task,
  taskIdOf,
  taskOf,
  taskStateOf,
} from "../helpers/tasks.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, takeSnapshot, time } = connection.networkHelpers;

async function deployed() {
  return deployEscrow(connection);
}

type World = Awaited<ReturnType<typeof deployed>>;

/** The ways to fund one task. */
const ways = {
  fund: async ({ escrow, client }: World, task: Task) => escrow.connect(client).fund(task),
  fundWithAuthorization: async (world: World, task: Task) => sendFund(world, await authorizeFund(world, task)),
  fundBatch: async ({ escrow, client }: World, task: Task) => escrow.connect(client).fundBatch([task]),
};

const names = Object.keys(ways) as (keyof typeof ways)[];

describe("TaskEscrow: funding", () => {
  for (const way of names) {
    it(`${way}: takes the money and tells all terms`, async () => {
      const world = await loadFixture(deployed);
      const task = taskOf(world, {
        condition: world.parties.stranger,
        parametersHash: keccak256("0x12"),
        salt: saltOf(9),
      });
      const taskId = taskIdOf(world, task);
      expect(await taskStateOf(world, taskId)).to.deep.equal({ funded: 0n, released: 0n, closed: false });
      await expectTaskEffects(world, ways[way](world, task), {
        events: [fundedEvent(taskId, task)],
        balances: { client: -AMOUNT, contract: AMOUNT },
      });
      expect(await taskStateOf(world, taskId)).to.deep.equal({ funded: AMOUNT, released: 0n, closed: false });
    });

    it(`${way}: takes a deadline from now to 365 days, and none beside`, async () => {
      const world = await loadFixture(deployed);
      const { escrow } = world;
      const start = await takeSnapshot();
      const now = BigInt(await time.latest()) + 100n;
      const latest = now + MAX_DURATION;
      for (const deadline of [0n, now - 1n, latest + 1n, 2n ** 64n - 1n]) {
        const task = taskOf(world, { deadline });
        await time.setNextBlockTimestamp(now);
        await expect(ways[way](world, task))
          .to.be.revertedWithCustomError(escrow, "InvalidDeadline")
          .withArgs(deadline, now, latest);
        await start.restore();
      }
      for (const deadline of [now, latest]) {
        const task = taskOf(world, { deadline });
        await time.setNextBlockTimestamp(now);
        await ways[way](world, task);
        expect((await taskStateOf(world, taskIdOf(world, task))).funded).to.equal(AMOUNT);
        await start.restore();
      }
    });

    it(`${way}: takes an amount from 1 to the largest of 104 bits, and none beside`, async () => {
      const world = await loadFixture(deployed);
      const { escrow, parties } = world;
      const token = await issueTo(world, await ethers.deployContract("PlainToken"), 2n ** 128n);
      const changes = { token: await token.getAddress() };
      const fund = async (task: Task) =>
        // This token looks at no signature.
        way === "fundWithAuthorization" ? escrow.fundWithAuthorization(task, 0n, LATER, "0x") : ways[way](world, task);
      await expect(fund(taskOf(world, { ...changes, amount: 0n }))).to.be.revertedWithCustomError(escrow, "ZeroAmount");
      for (const amount of [MAX_AMOUNT + 1n, 2n ** 104n + 5n, 2n ** 128n - 1n])
        await expect(fund(taskOf(world, { ...changes, amount })), `${amount}`)
          .to.be.revertedWithCustomError(escrow, "AmountOverflow")
          .withArgs(amount, MAX_AMOUNT);
      for (const amount of [1n, MAX_AMOUNT]) {
        const task = taskOf(world, { ...changes, amount });
        await expectTaskEffects(world, fund(task), {
          events: [fundedEvent(taskIdOf(world, task), task)],
          balances: { client: -amount, contract: amount },
          token,
        });
        expect(await taskStateOf(world, taskIdOf(world, task))).to.deep.equal({
          funded: amount,
          released: 0n,
          closed: false,
        });
      }
      expect(await token.balanceOf(parties.contract)).to.equal(MAX_AMOUNT + 1n);
    });

    it(`F042: ${way}: refuses a provider that could never be paid`, async () => {
      const world = await loadFixture(deployed);
      const { escrow, parties } = world;
      for (const provider of [ZeroAddress, parties.contract])
        await expect(ways[way](world, taskOf(world, { provider })))
          .to.be.revertedWithCustomError(escrow, "InvalidProvider")
          .withArgs(provider);
    });

    it(`${way}: opens an id once, whatever became of its task`, async () => {
      const world = await loadFixture(deployed);
      const { escrow, client, provider } = world;
      const { task, taskId } = await fundTask(world);
      const expectExists = () =>
        expect(ways[way](world, task)).to.be.revertedWithCustomError(escrow, "TaskAlreadyExists").withArgs(taskId);
      const start = await takeSnapshot();
      await expectExists();
      await escrow.connect(client).release(task, AMOUNT);
      await expectExists();
      await start.restore();
      await escrow.connect(provider).refund(task);
      await expectExists();
      await ways[way](world, { ...task, salt: saltOf(2) });
    });

    it(`${way}: refuses a token that is none, or moves another amount`, async () => {
      const world = await loadFixture(deployed);
      const { escrow, parties, stranger } = world;
      for (const token of [ZeroAddress, stranger.address, parties.contract])
        await expect(ways[way](world, taskOf(world, { token })))
          .to.be.revertedWithCustomError(escrow, "InvalidToken")
          .withArgs(token);

      const skewed = await issueTo(world, await ethers.deployContract("SkewedToken"));
      const task = taskOf(world, { token: await skewed.getAddress() });
      const fund = () =>
        way === "fundWithAuthorization" ? escrow.fundWithAuthorization(task, 0n, LATER, "0x") : ways[way](world, task);
      for (const [skew, received] of [
        [-1n, AMOUNT - 1n],
        [1n, AMOUNT + 1n],
        [-AMOUNT, 0n],
      ] as const) {
        await skewed.setSkew(skew);
        await expect(fund(), `${skew}`)
          .to.be.revertedWithCustomError(escrow, "UnexpectedTransferAmount")
          .withArgs(received, AMOUNT);
      }
      // The contract has something to lose.
      await skewed.setSkew(0n);
      await skewed.mint(escrow, 10n);
      await skewed.setSkew(-AMOUNT - 5n);
      await expect(fund()).to.be.revertedWithCustomError(escrow, "UnexpectedTransferAmount").withArgs(0n, AMOUNT);
    });
  }

  for (const way of ["fund", "fundBatch"] as const)
    it(`${way}: is for the client alone`, async () => {
      const world = await loadFixture(deployed);
      const { escrow, client, provider, relayer, parties } = world;
      const task = taskOf(world);
      for (const sender of [provider, relayer])
        await expect(ways[way]({ ...world, client: sender }, task))
          .to.be.revertedWithCustomError(escrow, "NotClient")
          .withArgs(sender.address, parties.client);
      await ways[way]({ ...world, client }, task);
    });

  it("fund: refuses money that is not there or not allowed, by the token's own error", async () => {
    const world = await loadFixture(deployed);
    const { escrow, client, token, parties } = world;
    await token.connect(client).approve(escrow, AMOUNT - 1n);
    await expect(escrow.connect(client).fund(taskOf(world)))
      .to.be.revertedWithCustomError(token, "ERC20InsufficientAllowance")
      .withArgs(parties.contract, AMOUNT - 1n, AMOUNT);
    await token.connect(client).approve(escrow, 200n * AMOUNT);
    await expect(escrow.connect(client).fund(taskOf(world, { amount: 101n * AMOUNT })))
      .to.be.revertedWithCustomError(token, "ERC20InsufficientBalance")
      .withArgs(parties.client, 100n * AMOUNT, 101n * AMOUNT);
  });

  it("fund: takes a token whose calls return nothing", async () => {
    const world = await loadFixture(deployed);
    const { escrow, client } = world;
    const token = await ethers.deployContract("VoidToken");
    await token.mint(client, AMOUNT);
    await token.connect(client).approve(escrow, AMOUNT);
    const task = taskOf(world, { token: await token.getAddress() });
    await expectTaskEffects(world, escrow.connect(client).fund(task), {
      events: [fundedEvent(taskIdOf(world, task), task)],
      balances: { client: -AMOUNT, contract: AMOUNT },
      token,
    });
  });

  it("returns the id that it is computed to, of every term, contract and chain", async () => {
    const world = await loadFixture(deployed);
    const { escrow, client, parties } = world;
    const changes: Partial<Task>[] = [
      {},
      { client: parties.relayer },
      { provider: parties.relayer },
      { token: parties.relayer },
      { amount: AMOUNT + 1n },
      { condition: parties.relayer },
      { parametersHash: ZeroHash },
      { deadline: world.deadline + 1n },
      { salt: saltOf(9) },
    ];
    const ids = await Promise.all(
      changes.map(async (change) => {
        const task = taskOf(world, change);
        const taskId = await escrow.computeTaskId(task);
        expect(taskId).to.equal(taskIdOf(world, task));
        return taskId;
      }),
    );
    const second = await ethers.deployContract("TaskEscrow");
    expect(new Set([...ids, await second.computeTaskId(taskOf(world))]).size).to.equal(10);
    const elsewhere = await network.create({ override: { chainId: 31338 } });
    const there = await deployEscrow(elsewhere);
    expect(there.parties.contract).to.equal(parties.contract);
    expect(await there.escrow.computeTaskId(taskOf(world))).not.to.equal(ids[0]);
    await elsewhere.close();

    expect(await escrow.connect(client).fund.staticCall(taskOf(world))).to.equal(ids[0]);
    const { task, validAfter, validBefore, signature } = await authorizeFund(world, taskOf(world));
    expect(await escrow.fundWithAuthorization.staticCall(task, validAfter, validBefore, signature)).to.equal(ids[0]);
    expect([...(await escrow.connect(client).fundBatch.staticCall([task, taskOf(world, changes[8])]))]).to.deep.equal([
      ids[0],
      ids[8],
    ]);
  });

  it("a task with set bits beside a field is no task", async () => {
    const world = await loadFixture(deployed);
    const { escrow, client, parties } = world;
    const { task } = await fundTask(world);
    // Where each field has room: the first byte of its word.
    const dirty = (data: string, field: number) =>
      `${dataSlice(data, 0, 4 + 32 * field)}01${dataSlice(data, 5 + 32 * field).slice(2)}`;
    const send = (from: string, data: string) =>
      ethers.provider.send("eth_call", [{ from, to: parties.contract, data }, "latest"]);
    const fund = escrow.interface.encodeFunctionData("fund", [{ ...task, salt: saltOf(2) }]);
    const claim = escrow.interface.encodeFunctionData("claim", [task, "0x", "0x"]);
    await send(client.address, fund);
    for (const field of [0, 1, 2, 3, 4, 6]) {
      await expect(send(client.address, dirty(fund, field)), `${field}`).to.be.revertedWithoutReason(ethers);
      await expect(send(client.address, dirty(claim, field)), `${field}`).to.be.revertedWithCustomError(
        escrow,
        "TaskNotFound",
      );
    }
  });
});

describe("TaskEscrow: fundWithAuthorization", () => {
  it("can be sent by anyone, who pays and gets nothing", async () => {
    for (const sender of ["relayer", "client", "provider"] as const) {
      const world = await loadFixture(deployed);
      const task = taskOf(world);
      await expectTaskEffects(world, sendFund(world, await authorizeFund(world, task), world[sender]), {
        events: [fundedEvent(taskIdOf(world, task), task)],
        balances: { client: -AMOUNT, contract: AMOUNT },
      });
    }
  });

  it("INV15, F036: no term can be changed that the client signed", async () => {
    const world = await loadFixture(deployed);
    const { token, parties } = world;
    const authorized = await authorizeFund(world, taskOf(world));
    const changes: Partial<Task>[] = [
      { provider: parties.relayer },
      { amount: AMOUNT + 1n },
      { amount: AMOUNT - 1n },
      { condition: parties.relayer },
      { parametersHash: ZeroHash },
      { deadline: world.deadline + 1n },
      { deadline: world.deadline - 1n },
      { salt: saltOf(2) },
      { client: parties.sponsor },
    ];
    for (const change of changes)
      await expect(sendFund(world, { ...authorized, task: taskOf(world, change) }), JSON.stringify(Object.keys(change)))
        .to.be.revertedWithCustomError(token, "InvalidSignature")
        .withArgs(change.client ?? parties.client);
    for (const change of [{ validAfter: 1n }, { validBefore: LATER - 1n }])
      await expect(sendFund(world, { ...authorized, ...change }))
        .to.be.revertedWithCustomError(token, "InvalidSignature")
        .withArgs(parties.client);
    await sendFund(world, authorized);
  });

  it("is good within its times, and once", async () => {
    const world = await loadFixture(deployed);
    const { token, parties } = world;
    const now = BigInt(await time.latest()) + 100n;
    const task = taskOf(world);
    const start = await takeSnapshot();
    await time.setNextBlockTimestamp(now);
    await expect(sendFund(world, await authorizeFund(world, task, { validAfter: now })))
      .to.be.revertedWithCustomError(token, "AuthorizationNotYetValid")
      .withArgs(now);
    await start.restore();
    await time.setNextBlockTimestamp(now);
    await expect(sendFund(world, await authorizeFund(world, task, { validBefore: now })))
      .to.be.revertedWithCustomError(token, "AuthorizationExpired")
      .withArgs(now);
    await start.restore();

    const authorized = await authorizeFund(world, task, { validAfter: now - 1n, validBefore: now + 1n });
    await time.setNextBlockTimestamp(now);
    await sendFund(world, authorized);
    await expect(sendFund(world, authorized))
      .to.be.revertedWithCustomError(world.escrow, "TaskAlreadyExists")
      .withArgs(taskIdOf(world, task));
    expect(await token.authorizationState(parties.client, taskIdOf(world, task))).to.equal(true);
  });

  it("INV15: another token than the signed one takes nothing", async () => {
    const world = await loadFixture(deployed);
    const { client, parties } = world;
    const other = await ethers.deployContract("MockDigitalYuan", [parties.provider]);
    await other.faucet(client, AMOUNT);
    const authorized = await authorizeFund(world, taskOf(world));
    await expect(sendFund(world, { ...authorized, task: taskOf(world, { token: await other.getAddress() }) }))
      .to.be.revertedWithCustomError(other, "InvalidSignature")
      .withArgs(parties.client);
  });

  it("F005: an authorization cannot be sent to the token beside the escrow", async () => {
    const world = await loadFixture(deployed);
    const { token, relayer, parties } = world;
    const { task, validAfter, validBefore, signature } = await authorizeFund(world, taskOf(world));
    const args = [task.client, parties.contract, task.amount, validAfter, validBefore, taskIdOf(world, task)] as const;
    const receive = "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)";
    const transfer = "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)";
    await expect(token.connect(relayer)[receive](...args, signature))
      .to.be.revertedWithCustomError(token, "NotRecipient")
      .withArgs(parties.relayer, parties.contract);
    await expect(token.connect(relayer)[transfer](...args, signature))
      .to.be.revertedWithCustomError(token, "InvalidSignature")
      .withArgs(parties.client);
  });

  it("F042: the escrow itself is no client, even where a token asks for no signature", async () => {
    const world = await loadFixture(deployed);
    const { escrow, parties } = world;
    const token = await issueTo(world, await ethers.deployContract("PlainToken"));
    await token.mint(escrow, AMOUNT);
    const task = taskOf(world, { client: parties.contract, token: await token.getAddress() });
    await expect(escrow.fundWithAuthorization(task, 0n, LATER, "0x"))
      .to.be.revertedWithCustomError(escrow, "UnexpectedTransferAmount")
      .withArgs(0n, AMOUNT);
  });
});
