import { expect } from "chai";
import { Interface } from "ethers";
import { network } from "hardhat";

import {
  channelOf,
  claimOf,
  DEPOSIT,
  deployChannels,
  expectEffects,
  GRACE_PERIOD,
  issue,
  LATER,
  openChannel,
  openState,
  saltOf,
  sign,
  toBatchClaim,
  type World,
} from "../helpers/channels.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, setCode, time } = connection.networkHelpers;

const safeErc20 = { interface: Interface.from(["error SafeERC20FailedOperation(address token)"]) };

async function opened() {
  const world = await deployChannels(connection);
  return { ...world, ...(await openChannel(world)) };
}

async function closing() {
  const world = await opened();
  await world.channels.connect(world.payee).settle(await claimOf(world, world.terms, 100n));
  await world.channels.connect(world.payer).requestClose(world.terms);
  return { ...world, readyAt: BigInt(await time.latest()) + GRACE_PERIOD };
}

type Freezable = "payer" | "payee" | "contract";

const setFrozen = async ({ token, deployer, parties }: World, frozen: boolean, ...who: Freezable[]) => {
  for (const party of who) await token.connect(deployer).setFrozen(parties[party], frozen);
};

async function credited() {
  const world = await opened();
  await setFrozen(world, true, "payee");
  await world.channels.connect(world.payee).settle(await claimOf(world, world.terms, 100n));
  return world;
}

describe("PaymentChannels: payouts that fail", () => {
  it("settle: what a frozen payee captured becomes its credit, and adds up", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, token, tokenAddress, terms, channelId, parties } = world;
    await setFrozen(world, true, "payee");
    for (const [amount, growth] of [
      [40n, 40n],
      [100n, 60n],
    ] as const)
      await expectEffects(world, channels.connect(payee).settle(await claimOf(world, terms, amount)), {
        events: [
          ["ChannelSettled", channelId, amount],
          ["CreditAdded", tokenAddress, parties.payee, growth],
        ],
      });
    expect(await channels.credit(token, payee)).to.equal(100n);
    expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT, 100n));
  });

  it("settleWithAuthorization: likewise, and the relayer gets nothing", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, relayer, tokenAddress, terms, channelId, parties } = world;
    await setFrozen(world, true, "payee");
    const message = { channelId, cumulativeAmount: 40n, nonce: 7n, deadline: LATER };
    const signature = await sign(world, payee, "SettleAuthorization", message);
    const claim = await claimOf(world, terms, 40n);
    await expectEffects(world, channels.connect(relayer).settleWithAuthorization(claim, 7n, LATER, signature), {
      events: [
        ["ChannelSettled", channelId, 40n],
        ["CreditAdded", tokenAddress, parties.payee, 40n],
      ],
    });
  });

  it("settleBatch: the sum becomes one credit", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, token, tokenAddress, terms, channelId, parties } = world;
    const other = await openChannel(world, { salt: saltOf(2) });
    await setFrozen(world, true, "payee");
    const claims = [await claimOf(world, terms, 40n), await claimOf(world, other.terms, 2n)].map(toBatchClaim);
    await expectEffects(world, channels.connect(payee).settleBatch(payee, token, claims), {
      events: [
        ["ChannelSettled", channelId, 40n],
        ["ChannelSettled", other.channelId, 2n],
        ["CreditAdded", tokenAddress, parties.payee, 42n],
      ],
    });
  });

  it("F038: close: who is blocked gets credit, and the other side its money", async () => {
    for (const [frozen, balances] of [
      [["payee"], { contract: 250n - DEPOSIT, payer: DEPOSIT - 250n }],
      [["payer"], { contract: -250n, payee: 250n }],
      [["payer", "payee"], {}],
      [["contract"], {}],
    ] as [Freezable[], Parameters<typeof expectEffects>[2]["balances"]][]) {
      const world = await loadFixture(opened);
      const { channels, payee, token, tokenAddress, terms, channelId, parties } = world;
      await setFrozen(world, true, ...frozen);
      const isFrozen = (party: Freezable) => frozen.includes(party) || frozen.includes("contract");
      await expectEffects(world, channels.connect(payee).close(await claimOf(world, terms, 250n)), {
        events: [
          ["ChannelClosed", channelId, 250n, DEPOSIT - 250n],
          ...(isFrozen("payee") ? [["CreditAdded", tokenAddress, parties.payee, 250n]] : []),
          ...(isFrozen("payer") ? [["CreditAdded", tokenAddress, parties.payer, DEPOSIT - 250n]] : []),
        ] as [string, ...unknown[]][],
        balances: balances!,
      });
      expect(await channels.credit(token, parties.payee)).to.equal(isFrozen("payee") ? 250n : 0n);
      expect(await channels.credit(token, parties.payer)).to.equal(isFrozen("payer") ? DEPOSIT - 250n : 0n);

      // Once nobody is frozen, everybody has what a close without a freeze would have brought.
      await setFrozen(world, false, "payer", "payee", "contract");
      for (const party of ["payer", "payee"] as const)
        if (isFrozen(party)) await channels.claimCredit(token, parties[party]);
      expect(await token.balanceOf(parties.payee)).to.equal(250n);
      expect(await token.balanceOf(parties.payer)).to.equal(10n * DEPOSIT - 250n);
      expect(await token.balanceOf(parties.contract)).to.equal(0n);
    }
  });

  it("withdraw: a frozen payer gets credit", async () => {
    const world = await loadFixture(closing);
    const { channels, token, tokenAddress, terms, channelId, parties, readyAt } = world;
    await setFrozen(world, true, "payer");
    await time.setNextBlockTimestamp(readyAt);
    await expectEffects(world, channels.withdraw(terms), {
      events: [
        ["ChannelClosed", channelId, 100n, DEPOSIT - 100n],
        ["CreditAdded", tokenAddress, parties.payer, DEPOSIT - 100n],
      ],
    });
    expect(await channels.credit(token, parties.payer)).to.equal(DEPOSIT - 100n);
  });

  it("adds refund to capture where payer and payee are the same", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, token, tokenAddress, parties } = world;
    const { terms, channelId } = await openChannel(world, { payee: payer.address });
    await setFrozen(world, true, "payer");
    await expectEffects(world, channels.connect(payer).close(await claimOf(world, terms, 40n)), {
      events: [
        ["ChannelClosed", channelId, 40n, DEPOSIT - 40n],
        ["CreditAdded", tokenAddress, parties.payer, 40n],
        ["CreditAdded", tokenAddress, parties.payer, DEPOSIT - 40n],
      ],
    });
    expect(await channels.credit(token, payer)).to.equal(DEPOSIT);
  });

  it("makes no credit of nothing", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, tokenAddress, terms, channelId, parties } = world;
    const other = await openChannel(world, { salt: saltOf(2) });
    await channels.connect(payee).settle(await claimOf(world, other.terms, DEPOSIT));
    await setFrozen(world, true, "payer", "payee");
    const close = channels.connect(payee).close;
    await expectEffects(world, close(await claimOf(world, terms, 0n)), {
      events: [
        ["ChannelClosed", channelId, 0n, DEPOSIT],
        ["CreditAdded", tokenAddress, parties.payer, DEPOSIT],
      ],
    });
    await expectEffects(world, close(await claimOf(world, other.terms, DEPOSIT)), {
      events: [["ChannelClosed", other.channelId, DEPOSIT, 0n]],
    });
    await expectEffects(world, channels.connect(payee).settleBatch(payee, tokenAddress, []), { events: [] });
  });

  it("lets the payee capture a frozen payer's deposit", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    await setFrozen(world, true, "payer");
    await expectEffects(world, channels.connect(payee).settle(await claimOf(world, terms, DEPOSIT)), {
      events: [["ChannelSettled", channelId, DEPOSIT]],
      balances: { contract: -DEPOSIT, payee: DEPOSIT },
    });
  });

  it("keeps what a full wallet cannot hold, until it can", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, token, tokenAddress, terms, channelId, parties } = world;
    const limit = await token.FAUCET_LIMIT();
    await token.faucet(payee, limit - 5n);
    await expectEffects(world, channels.connect(payee).settle(await claimOf(world, terms, 5n)), {
      events: [["ChannelSettled", channelId, 5n]],
      balances: { contract: -5n, payee: 5n },
    });
    await expectEffects(world, channels.connect(payee).settle(await claimOf(world, terms, 6n)), {
      events: [
        ["ChannelSettled", channelId, 6n],
        ["CreditAdded", tokenAddress, parties.payee, 1n],
      ],
    });
    await expect(channels.claimCredit(token, payee))
      .to.be.revertedWithCustomError(token, "BalanceLimitExceeded")
      .withArgs(parties.payee, limit + 1n, limit);
    await token.connect(payee).transfer(parties.stranger, 1n);
    await expectEffects(world, channels.claimCredit(token, payee), {
      events: [["CreditClaimed", tokenAddress, parties.payee, 1n]],
      balances: { contract: -1n, payee: 1n },
    });
  });

  it("F020: keeps what a token refuses by returning false, or by being gone", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, parties } = world;
    const token = await issue(world, await ethers.deployContract("FalseToken"));
    const address = await token.getAddress();
    await token.setRefusing(false);
    const { terms, channelId } = await openChannel(world, { token: address });

    await token.setRefusing(true);
    await expectEffects(world, channels.connect(payee).settle(await claimOf(world, terms, 40n)), {
      events: [
        ["ChannelSettled", channelId, 40n],
        ["CreditAdded", address, parties.payee, 40n],
      ],
      token,
    });
    await expect(channels.claimCredit(token, payee))
      .to.be.revertedWithCustomError(safeErc20, "SafeERC20FailedOperation")
      .withArgs(address);

    const code = await ethers.provider.getCode(address);
    await setCode(address, "0x");
    const transaction = channels.connect(payee).settle(await claimOf(world, terms, 50n));
    await expect(transaction).to.emit(channels, "CreditAdded").withArgs(address, parties.payee, 10n);
    await expect(channels.claimCredit(token, payee))
      .to.be.revertedWithCustomError(safeErc20, "SafeERC20FailedOperation")
      .withArgs(address);

    await setCode(address, code);
    await token.setRefusing(false);
    await expectEffects(world, channels.claimCredit(token, payee), {
      events: [["CreditClaimed", address, parties.payee, 50n]],
      balances: { contract: -50n, payee: 50n },
      token,
    });
  });

  it("does not pay for the reasons that a token gives", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, parties } = world;
    const token = await issue(world, await ethers.deployContract("BombToken"));
    const address = await token.getAddress();
    const { terms, channelId } = await openChannel(world, { token: address });
    // The token needs 2.2 million for its megabyte; whoever copied it would need as much again.
    const claim = await claimOf(world, terms, 40n);
    await expectEffects(world, channels.connect(payee).settle(claim, { gasLimit: 3_000_000n }), {
      events: [
        ["ChannelSettled", channelId, 40n],
        ["CreditAdded", address, parties.payee, 40n],
      ],
      token,
    });
  });

  it("F019: after a rebase, whoever comes last gets credit and blocks nobody", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, parties } = world;
    const token = await issue(world, await ethers.deployContract("PlainToken"));
    const address = await token.getAddress();
    const first = await openChannel(world, { token: address, deposit: 100n });
    const second = await openChannel(world, { token: address, deposit: 100n, salt: saltOf(2) });
    await token.burn(channels, 100n);

    await expectEffects(world, channels.connect(payee).settle(await claimOf(world, first.terms, 100n)), {
      events: [["ChannelSettled", first.channelId, 100n]],
      balances: { contract: -100n, payee: 100n },
      token,
    });
    await expectEffects(world, channels.connect(payee).close(await claimOf(world, second.terms, 60n)), {
      events: [
        ["ChannelClosed", second.channelId, 60n, 40n],
        ["CreditAdded", address, parties.payee, 60n],
        ["CreditAdded", address, parties.payer, 40n],
      ],
      token,
    });
  });
});

describe("PaymentChannels: claimCredit", () => {
  it("pays the account, whoever sends it", async () => {
    for (const sender of ["relayer", "payee", "payer"] as const) {
      const world = await loadFixture(credited);
      const { channels, payee, token, tokenAddress, channelId, parties } = world;
      await setFrozen(world, false, "payee");
      await expectEffects(world, channels.connect(world[sender]).claimCredit(token, payee), {
        events: [["CreditClaimed", tokenAddress, parties.payee, 100n]],
        balances: { contract: -100n, payee: 100n },
      });
      expect(await channels.credit(token, payee)).to.equal(0n);
      expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT, 100n));
    }
  });

  it("pays once", async () => {
    const world = await loadFixture(credited);
    const { channels, payee, token, tokenAddress, parties } = world;
    await setFrozen(world, false, "payee");
    await channels.claimCredit(token, payee);
    await expect(channels.claimCredit(token, payee))
      .to.be.revertedWithCustomError(channels, "NoCredit")
      .withArgs(tokenAddress, parties.payee);
  });

  it("knows the credit of one token and account from that of another", async () => {
    const world = await loadFixture(credited);
    const { channels, payee, payer, token, tokenAddress, parties } = world;
    const plain = await issue(world, await ethers.deployContract("PlainToken"));
    const address = await plain.getAddress();
    await openChannel(world, { token: address });
    await setFrozen(world, false, "payee");
    await expect(channels.claimCredit(plain, payee))
      .to.be.revertedWithCustomError(channels, "NoCredit")
      .withArgs(address, parties.payee);
    await expect(channels.connect(payer).claimCredit(token, payer))
      .to.be.revertedWithCustomError(channels, "NoCredit")
      .withArgs(tokenAddress, parties.payer);
    expect(await channels.credit(token, payee)).to.equal(100n);
  });

  it("keeps the credit while the account still cannot be paid", async () => {
    const world = await loadFixture(credited);
    const { channels, payee, token, parties } = world;
    await expect(channels.claimCredit(token, payee))
      .to.be.revertedWithCustomError(token, "AccountFrozen")
      .withArgs(parties.payee);
    expect(await channels.credit(token, payee)).to.equal(100n);
  });
});
