import { expect } from "chai";
import { type ContractTransactionResponse, id, type Interface, ZeroAddress } from "ethers";
import { network } from "hardhat";

import type { HookToken } from "../../../types/index.ts";
import { GRACE_PERIOD, LATER, saltOf } from "../helpers/channels.ts";
import {
  AMOUNT,
  DAY,
  deployEscrow,
  evidenceOf,
  fundTask,
  issueTo,
  PARAMETERS,
  signTask,
  type Task,
  taskIdOf,
  taskOf,
} from "../helpers/tasks.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, takeSnapshot, time } = connection.networkHelpers;

const GUARD = id("ReentrancyGuardReentrantCall()").slice(0, 10);

/**
 * A token that calls back, and is a party itself: so its call meets no other obstacle than the guard. `main` goes from client
 * to provider, `fromToken` is paid by the token, `toToken` pays it, `overdue` can be refunded; the provider has a credit.
 */
async function hooked() {
  const world = await deployEscrow(connection);
  const { escrow, client, parties } = world;
  const channels = await ethers.deployContract("PaymentChannels", [GRACE_PERIOD]);
  const channelsAddress = await channels.getAddress();
  const hook = await issueTo(world, await ethers.deployContract("HookToken"));
  const token = await hook.getAddress();
  await hook.mint(hook, 100n * AMOUNT);
  for (const spender of [parties.contract, channelsAddress]) {
    await hook.connect(client).approve(spender, 100n * AMOUNT);
    await hook.execute(hook, hook.interface.encodeFunctionData("approve", [spender, 100n * AMOUNT]));
  }

  const main = await fundTask(world, { token });
  const toToken = await fundTask(world, { token, provider: token });
  const deadline = BigInt(await time.latest()) + 100n;
  const overdue = await fundTask(world, { token, deadline, salt: saltOf(2) });
  const fromToken = taskOf(world, { token, client: token });
  await escrow.fundWithAuthorization(fromToken, 0n, LATER, "0x");

  await hook.burn(escrow, 4n * AMOUNT);
  await escrow.connect(client).release(main.task, 10n);
  await hook.mint(escrow, 4n * AMOUNT);
  await time.increaseTo(deadline + 1n);
  return { ...world, channels, channelsAddress, hook, hookAddress: token, main, toToken, overdue, fromToken };
}

type Hooked = Awaited<ReturnType<typeof hooked>>;

/** Tasks that are new: as the client, and as the token may fund them. */
const newTask = (world: Hooked, changes: Partial<Task> = {}): Task =>
  taskOf(world, { token: world.hookAddress, salt: saltOf(80), ...changes });
const tokensTask = (world: Hooked): Task => newTask(world, { client: world.hookAddress, salt: saltOf(90) });

const strangersTask = (world: Hooked): Task => newTask(world, { salt: saltOf(91) });

const releaseOf = ({ main }: Hooked) => ({ taskId: main.taskId, cumulativeAmount: 40n, deadline: LATER });
const refundOf = ({ main }: Hooked) => ({ taskId: main.taskId, deadline: LATER });

/** Everything that moves tokens, sent by whom it belongs to. */
const outer: Record<string, (world: Hooked) => Promise<ContractTransactionResponse>> = {
  fund: (world) => world.escrow.connect(world.client).fund(newTask(world)),
  fundWithAuthorization: (world) => world.escrow.fundWithAuthorization(newTask(world), 0n, LATER, "0x"),
  fundBatch: (world) => world.escrow.connect(world.client).fundBatch([newTask(world)]),
  release: ({ escrow, client, main }) => escrow.connect(client).release(main.task, 40n),
  releaseWithAuthorization: async (world) => {
    const signature = await signTask(world, world.client, "Release", releaseOf(world));
    return world.escrow.releaseWithAuthorization(world.main.task, 40n, LATER, signature);
  },
  claim: ({ escrow, main }) => escrow.claim(main.task, PARAMETERS, evidenceOf(40n)),
  refund: ({ escrow, provider, main }) => escrow.connect(provider).refund(main.task),
  refundWithAuthorization: async (world) => {
    const signature = await signTask(world, world.provider, "Refund", refundOf(world));
    return world.escrow.refundWithAuthorization(world.main.task, LATER, signature);
  },
  claimCredit: ({ escrow, hook, provider }) => escrow.claimCredit(hook, provider),
};

/** The same functions, as the token calls them; each would work outside of a transfer. */
const inner: Record<string, (world: Hooked) => Promise<unknown[]>> = {
  fund: async (world) => [tokensTask(world)],
  fundWithAuthorization: async (world) => [strangersTask(world), 0n, LATER, "0x"],
  fundBatch: async (world) => [[tokensTask(world)]],
  release: async ({ fromToken }) => [fromToken, 30n],
  releaseWithAuthorization: async (world) => [
    world.main.task,
    40n,
    LATER,
    await signTask(world, world.client, "Release", releaseOf(world)),
  ],
  claim: async ({ main }) => [main.task, PARAMETERS, evidenceOf(30n)],
  refund: async ({ toToken }) => [toToken.task],
  "refund of the overdue": async ({ overdue }) => [overdue.task],
  refundWithAuthorization: async (world) => [
    world.main.task,
    LATER,
    await signTask(world, world.provider, "Refund", refundOf(world)),
  ],
  claimCredit: async ({ hookAddress, provider }) => [hookAddress, provider.address],
};

const encodeInner = async (world: Hooked, name: string): Promise<string> =>
  (world.escrow.interface as Interface).encodeFunctionData(name.split(" ")[0]!, await inner[name]!(world));

/** Balances, tasks and credit: all that a call could change. */
async function outcomeOf(world: Hooked) {
  const { escrow, hook, parties, hookAddress: token, main, toToken, overdue, fromToken } = world;
  const tasks = [
    main.task,
    toToken.task,
    overdue.task,
    fromToken,
    ...[newTask, tokensTask, strangersTask].map((make) => make(world)),
  ];
  const accounts = [parties.client, parties.provider, parties.contract, token];
  return {
    balances: await Promise.all(accounts.map((account) => hook.balanceOf(account))),
    credit: await Promise.all(accounts.map((account) => escrow.credit(token, account))),
    tasks: await Promise.all(tasks.map(async (task) => [...(await escrow.getTask(taskIdOf(world, task)))])),
  };
}

const resultOf = async (hook: HookToken) => ({
  count: await hook.hookCount(),
  succeeded: await hook.hookSucceeded(),
  result: await hook.hookResult(),
});

describe("TaskEscrow: tokens that call back", () => {
  it("have calls to make that work outside of a transfer", async () => {
    const world = await loadFixture(hooked);
    for (const name of Object.keys(inner))
      await world.hook.execute.staticCall(world.escrow, await encodeInner(world, name));
  });

  for (const [place, [name, send]] of Object.entries(outer).entries()) {
    it(`F028: ${name}: nothing that moves tokens can be called from its transfer`, async () => {
      const world = await loadFixture(hooked);
      const start = await takeSnapshot();
      await send(world);
      const expected = await outcomeOf(world);
      await start.restore();

      // The guard is set before any transfer, so that each call is tried at one of its two moments, in turn.
      for (const [i, innerName] of Object.keys(inner).entries()) {
        await world.hook.arm(world.escrow, await encodeInner(world, innerName), (i + place) % 2 === 0);
        await send(world);
        expect(await resultOf(world.hook), innerName).to.deep.equal({ count: 1n, succeeded: false, result: GUARD });
        expect(await outcomeOf(world), innerName).to.deep.equal(expected);
        await start.restore();
      }
    });

    it(`F013: ${name}: its transfer sees the state as it will be`, async () => {
      const world = await loadFixture(hooked);
      const { escrow, hook, main, hookAddress, provider } = world;
      const taskId = name.startsWith("fund") ? taskIdOf(world, newTask(world)) : main.taskId;
      const start = await takeSnapshot();
      for (const isBeforeMove of [true, false]) {
        await hook.arm(escrow, escrow.interface.encodeFunctionData("getTask", [taskId]), isBeforeMove);
        await send(world);
        const seen = escrow.interface.decodeFunctionResult("getTask", await hook.hookResult())[0] as unknown[];
        expect([...seen]).to.deep.equal([...(await escrow.getTask(taskId))]);
        await start.restore();

        await hook.arm(
          escrow,
          escrow.interface.encodeFunctionData("credit", [hookAddress, provider.address]),
          isBeforeMove,
        );
        await send(world);
        const credit = escrow.interface.decodeFunctionResult("credit", await hook.hookResult())[0] as bigint;
        expect(credit).to.equal(await escrow.credit(hookAddress, provider));
        await start.restore();
      }
    });
  }

  it("F028: a transfer within a transfer is not counted as funding", async () => {
    const world = await loadFixture(hooked);
    const { escrow, hook, parties } = world;
    const gift = hook.interface.encodeFunctionData("transfer", [parties.contract, 5n]);
    for (const name of ["fund", "fundWithAuthorization", "fundBatch"])
      for (const isBeforeMove of [true, false]) {
        await hook.arm(hook, gift, isBeforeMove);
        await expect(outer[name]!(world), name)
          .to.be.revertedWithCustomError(escrow, "UnexpectedTransferAmount")
          .withArgs(AMOUNT + 5n, AMOUNT);
      }
  });

  it("F028: what comes in during one transfer of a batch does not count for the next", async () => {
    const world = await loadFixture(hooked);
    const { escrow, client, hook } = world;
    // The second token takes back what it moves; its money came early, in the transfer of the first.
    const skewed = await issueTo(world, await ethers.deployContract("SkewedToken"));
    await skewed.setSkew(-AMOUNT);
    const other = newTask(world, { token: await skewed.getAddress(), salt: saltOf(81) });
    const early = skewed.interface.encodeFunctionData("mint", [await escrow.getAddress(), AMOUNT]);
    await hook.arm(skewed, early, true);
    await expect(escrow.connect(client).fundBatch([newTask(world), other]))
      .to.be.revertedWithCustomError(escrow, "UnexpectedTransferAmount")
      .withArgs(0n, AMOUNT);
  });
});

describe("TaskEscrow and PaymentChannels: tokens that call from the one into the other", () => {
  const CHANNEL_SALT = saltOf(5);

  /** What the token may do at the channels while the escrow waits for it. */
  const channelCalls: Record<string, (world: Hooked) => string> = {
    open: ({ channels, hookAddress, provider }) =>
      channels.interface.encodeFunctionData("open", [provider.address, hookAddress, AMOUNT, CHANNEL_SALT, ZeroAddress]),
    openWithAuthorization: ({ channels, hookAddress, client, provider }) => {
      const terms = [provider.address, hookAddress, AMOUNT, CHANNEL_SALT, ZeroAddress] as const;
      const nonce = ethers.keccak256(
        ethers.AbiCoder.defaultAbiCoder().encode(
          ["address", "address", "address", "bytes32", "address"],
          [client.address, provider.address, hookAddress, CHANNEL_SALT, ZeroAddress],
        ),
      );
      return channels.interface.encodeFunctionData("openWithAuthorization", [
        ...terms,
        client.address,
        0n,
        LATER,
        nonce,
        "0x",
      ]);
    },
  };

  /** Both hold what they owe, exactly: no transfer counted for both. */
  async function expectSolvent(world: Hooked, deposits: bigint) {
    const { escrow, channelsAddress, hook } = world;
    const { tasks, credit } = await outcomeOf(world);
    const open = tasks.reduce((sum, [funded, released, closed]) => {
      return closed ? sum : sum + (funded as bigint) - (released as bigint);
    }, 0n);
    expect(await hook.balanceOf(escrow)).to.equal(open + credit.reduce((sum, amount) => sum + amount, 0n));
    expect(await hook.balanceOf(channelsAddress)).to.equal(deposits);
  }

  for (const [name, send] of Object.entries(outer))
    it(`F028: ${name}: a channel opened from its transfer is paid for by itself`, async () => {
      const world = await loadFixture(hooked);
      const { channels, hook } = world;
      await expectSolvent(world, 0n);
      const start = await takeSnapshot();
      for (const encode of Object.values(channelCalls))
        for (const isBeforeMove of [true, false]) {
          await hook.arm(channels, encode(world), isBeforeMove);
          await send(world);
          expect((await resultOf(hook)).succeeded).to.equal(true);
          await expectSolvent(world, AMOUNT);
          await start.restore();
        }
    });

  it("F028: a task funded or paid from a channel's opening counts for the escrow alone", async () => {
    const world = await loadFixture(hooked);
    const { channels, escrow, client, provider, hook, hookAddress } = world;
    const open = () => channels.connect(client).open(provider, hookAddress, AMOUNT, CHANNEL_SALT, ZeroAddress);
    const start = await takeSnapshot();
    for (const name of Object.keys(inner))
      for (const isBeforeMove of [true, false]) {
        await hook.arm(escrow, await encodeInner(world, name), isBeforeMove);
        await open();
        expect((await resultOf(hook)).succeeded, name).to.equal(true);
        await expectSolvent(world, AMOUNT);
        await start.restore();
      }
  });

  it("F028: a task paid to the channels while they wait for a deposit is not counted as one", async () => {
    const world = await loadFixture(hooked);
    const { channels, channelsAddress, escrow, client, provider, hook, hookAddress } = world;
    const { task } = await fundTask(world, {
      token: hookAddress,
      provider: channelsAddress,
      deadline: world.deadline + DAY,
    });
    const claim = escrow.interface.encodeFunctionData("claim", [task, PARAMETERS, evidenceOf(7n)]);
    for (const isBeforeMove of [true, false]) {
      await hook.arm(escrow, claim, isBeforeMove);
      await expect(channels.connect(client).open(provider, hookAddress, AMOUNT, CHANNEL_SALT, ZeroAddress))
        .to.be.revertedWithCustomError(channels, "UnexpectedTransferAmount")
        .withArgs(AMOUNT + 7n, AMOUNT);
    }
  });
});
