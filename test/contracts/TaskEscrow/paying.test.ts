import { expect } from "chai";
import { type ContractTransactionResponse, Interface } from "ethers";
import { network } from "hardhat";

import { encodeValues, LATER, saltOf } from "../helpers/channels.ts";
import {
  AMOUNT,
  deployEscrow,
  evidenceOf,
  expectTaskEffects,
  fundTask,
  issueTo,
  PARAMETERS,
  signTask,
  taskOf,
  taskStateOf,
} from "../helpers/tasks.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, setCode, takeSnapshot, time } = connection.networkHelpers;

const safeErc20 = { interface: Interface.from(["error SafeERC20FailedOperation(address token)"]) };

/** A task in a token that can block whom it likes. */
async function blockable() {
  const world = await deployEscrow(connection);
  const blocklist = await issueTo(world, await ethers.deployContract("BlocklistToken"));
  const address = await blocklist.getAddress();
  return { ...world, blocklist, address, ...(await fundTask(world, { token: address })) };
}

type Blockable = Awaited<ReturnType<typeof blockable>>;

/** The ways to pay the provider up to an amount. */
const payments: Record<string, (world: Blockable, amount: bigint) => Promise<ContractTransactionResponse>> = {
  release: ({ escrow, client, task }, amount) => escrow.connect(client).release(task, amount),
  releaseWithAuthorization: async (world, cumulativeAmount) => {
    const { escrow, client, relayer, task, taskId } = world;
    const signature = await signTask(world, client, "Release", { taskId, cumulativeAmount, deadline: LATER });
    return escrow.connect(relayer).releaseWithAuthorization(task, cumulativeAmount, LATER, signature);
  },
  claim: ({ escrow, relayer, task }, amount) => escrow.connect(relayer).claim(task, PARAMETERS, evidenceOf(amount)),
};

/** The ways to pay the rest to the client. */
const refunds: Record<string, (world: Blockable) => Promise<ContractTransactionResponse>> = {
  refund: ({ escrow, provider, task }) => escrow.connect(provider).refund(task),
  refundWithAuthorization: async (world) => {
    const { escrow, provider, relayer, task, taskId } = world;
    const signature = await signTask(world, provider, "Refund", { taskId, deadline: LATER });
    return escrow.connect(relayer).refundWithAuthorization(task, LATER, signature);
  },
  "refund by anyone": async ({ escrow, stranger, task }) => {
    await time.increaseTo(task.deadline + 1n);
    return escrow.connect(stranger).refund(task);
  },
};

describe("TaskEscrow: payouts that fail", () => {
  for (const [way, pay] of Object.entries(payments))
    it(`F038: ${way}: what a blocked provider earned becomes its credit, and adds up`, async () => {
      const world = await loadFixture(blockable);
      const { escrow, blocklist, address, taskId, parties } = world;
      await blocklist.setBlocked(parties.provider, true);
      for (const [amount, growth] of [
        [400n, 400n],
        [AMOUNT, AMOUNT - 400n],
      ] as const)
        await expectTaskEffects(world, pay(world, amount), {
          events: [
            ["TaskReleased", taskId, amount],
            ["CreditAdded", address, parties.provider, growth],
          ],
          token: blocklist,
        });
      expect(await taskStateOf(world, taskId)).to.deep.equal({ funded: AMOUNT, released: AMOUNT, closed: true });
      expect(await escrow.credit(blocklist, parties.provider)).to.equal(AMOUNT);
    });

  for (const [way, refund] of Object.entries(refunds))
    it(`F038: ${way}: what a blocked client gets back becomes its credit; the provider is paid`, async () => {
      const world = await loadFixture(blockable);
      const { escrow, blocklist, address, taskId, parties } = world;
      await blocklist.setBlocked(parties.client, true);
      await expectTaskEffects(world, payments["claim"]!(world, 400n), {
        events: [["TaskReleased", taskId, 400n]],
        balances: { contract: -400n, provider: 400n },
        token: blocklist,
      });
      await expectTaskEffects(world, refund(world), {
        events: [
          ["TaskRefunded", taskId, AMOUNT - 400n],
          ["CreditAdded", address, parties.client, AMOUNT - 400n],
        ],
        token: blocklist,
      });
      expect(await taskStateOf(world, taskId)).to.deep.equal({ funded: AMOUNT, released: 400n, closed: true });
      expect(await escrow.credit(blocklist, parties.client)).to.equal(AMOUNT - 400n);
    });

  it("F038: an arbiter that is blocked, or the escrow itself, stops nobody", async () => {
    const world = await loadFixture(blockable);
    const { escrow, blocklist, address, taskId, parties, stranger } = world;
    await blocklist.setBlocked(stranger, true);
    await payments["claim"]!(world, 100n);
    await blocklist.setBlocked(escrow, true);
    await expectTaskEffects(world, payments["claim"]!(world, 400n), {
      events: [
        ["TaskReleased", taskId, 400n],
        ["CreditAdded", address, parties.provider, 300n],
      ],
      token: blocklist,
    });
    await expectTaskEffects(world, refunds["refund"]!(world), {
      events: [
        ["TaskRefunded", taskId, 600n],
        ["CreditAdded", address, parties.client, 600n],
      ],
      token: blocklist,
    });
    await blocklist.setBlocked(escrow, false);
    for (const party of ["provider", "client"] as const) await escrow.claimCredit(blocklist, parties[party]);
    expect(await blocklist.balanceOf(escrow)).to.equal(0n);
  });

  it("keeps what a token refuses by returning false, or by being gone", async () => {
    const world = await loadFixture(blockable);
    const { escrow, client, parties } = world;
    const token = await issueTo(world, await ethers.deployContract("FalseToken"));
    const address = await token.getAddress();
    await token.setRefusing(false);
    const { task, taskId } = await fundTask(world, { token: address });
    await token.setRefusing(true);
    await expectTaskEffects(world, escrow.connect(client).release(task, 40n), {
      events: [
        ["TaskReleased", taskId, 40n],
        ["CreditAdded", address, parties.provider, 40n],
      ],
      token,
    });
    const code = await ethers.provider.getCode(address);
    await setCode(address, "0x");
    await escrow.connect(client).release(task, 50n);
    await expect(escrow.claimCredit(token, parties.provider))
      .to.be.revertedWithCustomError(safeErc20, "SafeERC20FailedOperation")
      .withArgs(address);
    await setCode(address, code);
    await token.setRefusing(false);
    await expectTaskEffects(world, escrow.claimCredit(token, parties.provider), {
      events: [["CreditClaimed", address, parties.provider, 50n]],
      balances: { contract: -50n, provider: 50n },
      token,
    });
  });

  it("refuses money of a token that returns false when it is to come in", async () => {
    const world = await loadFixture(blockable);
    const token = await issueTo(world, await ethers.deployContract("FalseToken"));
    const address = await token.getAddress();
    await expect(fundTask(world, { token: address }))
      .to.be.revertedWithCustomError(safeErc20, "SafeERC20FailedOperation")
      .withArgs(address);
  });

  it("does not pay for the reasons that a token gives", async () => {
    const world = await loadFixture(blockable);
    const { escrow, client, parties } = world;
    const token = await issueTo(world, await ethers.deployContract("BombToken"));
    const address = await token.getAddress();
    const { task, taskId } = await fundTask(world, { token: address });
    await expectTaskEffects(world, escrow.connect(client).release(task, 40n, { gasLimit: 3_000_000n }), {
      events: [
        ["TaskReleased", taskId, 40n],
        ["CreditAdded", address, parties.provider, 40n],
      ],
      token,
    });
  });
});

describe("TaskEscrow: who may be a party", () => {
  it("F042: every client and provider that a task can be funded with can be paid in the end", async () => {
    const world = await loadFixture(blockable);
    const { escrow, parties } = world;
    const token = await issueTo(world, await ethers.deployContract("PlainToken"));
    const address = await token.getAddress();
    const addresses = [parties.client, parties.provider, address, world.conditionAddress, world.tokenAddress];
    for (const [i, client] of addresses.entries())
      for (const [j, provider] of addresses.entries()) {
        await token.mint(client, AMOUNT);
        // This token takes money by anybody's word.
        const task = taskOf(world, { client, provider, token: address, salt: saltOf(10 * i + j) });
        await escrow.fundWithAuthorization(task, 0n, LATER, "0x");
        const before = await Promise.all([client, provider].map((party) => token.balanceOf(party)));
        await escrow.claim(task, PARAMETERS, evidenceOf(400n));
        const start = await takeSnapshot();
        await time.increaseTo(task.deadline + 1n);
        await escrow.refund(task);
        const after = await Promise.all([client, provider].map((party) => token.balanceOf(party)));
        const gains = after.map((balance, k) => balance - before[k]!);
        expect(gains, `${i} ${j}`).to.deep.equal(client === provider ? [AMOUNT, AMOUNT] : [AMOUNT - 400n, 400n]);
        await start.restore();
      }
  });
});

describe("TaskEscrow: claimCredit", () => {
  it("pays the account once, whoever sends it", async () => {
    for (const sender of ["relayer", "provider", "client"] as const) {
      const world = await loadFixture(blockable);
      const { escrow, blocklist, address, parties } = world;
      await blocklist.setBlocked(parties.provider, true);
      await payments["release"]!(world, 400n);
      await expect(escrow.connect(world[sender]).claimCredit(blocklist, parties.provider))
        .to.be.revertedWithCustomError(blocklist, "Blocked")
        .withArgs(parties.provider);
      await blocklist.setBlocked(parties.provider, false);
      await expectTaskEffects(world, escrow.connect(world[sender]).claimCredit(blocklist, parties.provider), {
        events: [["CreditClaimed", address, parties.provider, 400n]],
        balances: { contract: -400n, provider: 400n },
        token: blocklist,
      });
      await expect(escrow.connect(world[sender]).claimCredit(blocklist, parties.provider))
        .to.be.revertedWithCustomError(escrow, "NoCredit")
        .withArgs(address, parties.provider);
    }
  });

  it("knows the credit of one token and account from that of another", async () => {
    const world = await loadFixture(blockable);
    const { escrow, blocklist, address, token, tokenAddress, parties } = world;
    await fundTask(world);
    await blocklist.setBlocked(parties.provider, true);
    await payments["release"]!(world, 400n);
    for (const [asked, who, args] of [
      [token, parties.provider, [tokenAddress, parties.provider]],
      [blocklist, parties.client, [address, parties.client]],
    ] as const)
      await expect(escrow.claimCredit(asked, who))
        .to.be.revertedWithCustomError(escrow, "NoCredit")
        .withArgs(...args);
  });

  it("credit of one task is not money of another", async () => {
    const world = await loadFixture(blockable);
    const { escrow, blocklist, address, client, parties } = world;
    const other = await fundTask(world, { token: address, salt: saltOf(2) });
    await blocklist.setBlocked(parties.provider, true);
    await payments["release"]!(world, AMOUNT);
    await blocklist.setBlocked(parties.provider, false);
    await escrow.connect(client).release(other.task, AMOUNT);
    expect(await blocklist.balanceOf(escrow)).to.equal(AMOUNT);
    await escrow.claimCredit(blocklist, parties.provider);
    expect(await blocklist.balanceOf(escrow)).to.equal(0n);
  });
});

describe("TaskEscrow: gas of payouts", () => {
  /** What must be left after a failed payout. */
  const REQUIRED = 200_000n;

  /** A token whose transfers take a chosen amount of gas, and a contract that makes a call with many amounts of gas. */
  async function climbing() {
    const world = await deployEscrow(connection);
    const hungryToken = await issueTo(world, await ethers.deployContract("HungryToken"));
    const ladder = await ethers.deployContract("GasLadder");
    const task = await fundTask(world, { token: await hungryToken.getAddress(), provider: await ladder.getAddress() });
    return { ...world, hungryToken, ladder, ...task };
  }

  type Climbing = Awaited<ReturnType<typeof climbing>>;

  const climb = (
    { ladder, escrow, parties, task }: Climbing,
    data: string,
    from: bigint,
    step: bigint,
    count: bigint,
  ) =>
    ladder.climb.staticCall(escrow, data, task.token, [parties.client, task.provider], from, step, count, {
      gasLimit: 10_000_000_000n,
    });

  const calls: Record<string, (world: Climbing) => string> = {
    claim: ({ escrow, task }) =>
      escrow.interface.encodeFunctionData("claim", [task, PARAMETERS, encodeValues(["uint256"], [40n])]),
    refund: ({ escrow, task }) => escrow.interface.encodeFunctionData("refund", [task]),
  };

  for (const [name, encode] of Object.entries(calls)) {
    it(`F018: ${name}: no amount of gas makes credit of a payout that could be made`, async () => {
      const world = await loadFixture(climbing);
      // A transfer of two million: dear enough for the 64th part that it leaves, when it fails, to pay for the credit.
      await world.hungryToken.setAppetite(31_000n);
      const { selector } = world.escrow.interface.getError("InsufficientPayoutGas")!;
      const counts = { paid: 0, refused: 0, other: 0 };
      for (const { success, creditAdded, result } of await climb(world, encode(world), 1_600_000n, 16_000n, 50n)) {
        expect(creditAdded).to.equal(0n);
        counts[success ? "paid" : result.startsWith(selector) ? "refused" : "other"]++;
      }
      expect(counts.paid).to.be.greaterThan(0);
      expect(counts.refused).to.be.greaterThan(10);
    });

    it(`F018: ${name}: credits a payout that cannot be made with 200,000 gas left, and refuses with one less`, async () => {
      const world = await loadFixture(climbing);
      const { escrow, hungryToken } = world;
      const data = encode(world);
      await hungryToken.burn(escrow, AMOUNT);
      const gasLeftOf = (result: string): bigint => {
        const error = escrow.interface.parseError(result)!;
        expect(error.name).to.equal("InsufficientPayoutGas");
        expect(error.args[1]).to.equal(REQUIRED);
        return error.args[0] as bigint;
      };
      const [probe] = await climb(world, data, 200_000n, 1n, 1n);
      const enough = 200_000n + REQUIRED - gasLeftOf(probe!.result);
      const [below, at] = await climb(world, data, enough - 1n, 1n, 2n);
      expect(below!.success).to.equal(false);
      expect(gasLeftOf(below!.result)).to.equal(REQUIRED - 1n);
      expect([...at!]).to.deep.equal([true, name === "claim" ? 40n : AMOUNT, "0x"]);
    });
  }
});
