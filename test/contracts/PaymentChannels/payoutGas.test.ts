import { expect } from "chai";
import { network } from "hardhat";

import {
  claimOf,
  DEPOSIT,
  deployChannels,
  GRACE_PERIOD,
  issue,
  LATER,
  openChannel,
  sign,
  toBatchClaim,
} from "../helpers/channels.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, time } = connection.networkHelpers;

/** What must be left after a failed payout. */
const REQUIRED = 200_000n;

/** A token whose transfers take a chosen amount of gas, and a contract that makes a call with many amounts of gas. */
async function climbing() {
  const world = await deployChannels(connection);
  const { channels, payee } = world;
  const hungryToken = await issue(world, await ethers.deployContract("HungryToken"));
  const channel = await openChannel(world, { token: await hungryToken.getAddress() });
  const ladder = await ethers.deployContract("GasLadder");
  await channels.connect(payee).setOperator(ladder, true);
  return { ...world, ...channel, hungryToken, ladder };
}

type Climbing = Awaited<ReturnType<typeof climbing>>;

/** The calls that pay, all of which the ladder may make. */
const calls: Record<string, (world: Climbing) => Promise<string>> = {
  settle: async (world) =>
    world.channels.interface.encodeFunctionData("settle", [await claimOf(world, world.terms, 40n)]),
  settleWithAuthorization: async (world) => {
    const message = { channelId: world.channelId, cumulativeAmount: 40n, nonce: 7n, deadline: LATER };
    const signature = await sign(world, world.payee, "SettleAuthorization", message);
    const claim = await claimOf(world, world.terms, 40n);
    return world.channels.interface.encodeFunctionData("settleWithAuthorization", [claim, 7n, LATER, signature]);
  },
  settleBatch: async (world) => {
    const { payee, token } = world.terms;
    const claim = toBatchClaim(await claimOf(world, world.terms, 40n));
    return world.channels.interface.encodeFunctionData("settleBatch", [payee, token, [claim, claim]]);
  },
  closeWithAuthorization: async (world) => {
    const message = { channelId: world.channelId, cumulativeAmount: 40n, nonce: 7n, deadline: LATER };
    const signature = await sign(world, world.payee, "CloseAuthorization", message);
    const claim = await claimOf(world, world.terms, 40n);
    return world.channels.interface.encodeFunctionData("closeWithAuthorization", [claim, 7n, LATER, signature]);
  },
  withdraw: async (world) => {
    await world.channels.connect(world.payer).requestClose(world.terms);
    await time.increase(GRACE_PERIOD);
    return world.channels.interface.encodeFunctionData("withdraw", [world.terms]);
  },
};

/** How much memory makes a transfer take this much gas more. */
const wordsFor = (gas: bigint): bigint => BigInt(Math.floor(Math.sqrt(768 ** 2 + 512 * Number(gas)) - 768));

const climb = (
  { ladder, channels, parties, terms }: Climbing,
  data: string,
  from: bigint,
  step: bigint,
  count: bigint,
) =>
  ladder.climb.staticCall(channels, data, terms.token, [parties.payer, parties.payee], from, step, count, {
    gasLimit: 10_000_000_000n,
  });

/** Which ends the calls came to, and how often. */
async function climbAndCount(world: Climbing, data: string, from: bigint, to: bigint, step = 2_000n) {
  const { selector } = world.channels.interface.getError("InsufficientPayoutGas")!;
  const counts = { paid: 0, credited: 0, refused: 0, outOfGas: 0 };
  const atOnce = 50n;
  for (let first = from; first < to; first += atOnce * step)
    for (const { success, creditAdded, result } of await climb(world, data, first, step, atOnce)) {
      if (success) counts[creditAdded === 0n ? "paid" : "credited"]++;
      else if (result.startsWith(selector)) counts.refused++;
      else {
        expect(result).to.equal("0x");
        counts.outOfGas++;
      }
    }
  return counts;
}

describe("PaymentChannels: gas of payouts", () => {
  for (const [name, encode] of Object.entries(calls))
    it(`F018: ${name}: no amount of gas makes credit of a payout that could be made`, async () => {
      const world = await loadFixture(climbing);
      const data = await encode(world);
      const ofCheap = await climbAndCount(world, data, 20_000n, 220_000n);
      expect(ofCheap.credited).to.equal(0);
      expect(ofCheap.outOfGas).to.be.greaterThan(0);
      expect(ofCheap.paid).to.be.greaterThan(0);

      // Dear enough for the 64th part that a failed transfer leaves to pay for the credit.
      const appetite = 2_000_000n;
      await world.hungryToken.setAppetite(wordsFor(appetite));
      const payouts = name.startsWith("close") ? 2n : 1n;
      const ofDear = await climbAndCount(world, data, 1_500_000n, payouts * appetite + 300_000n);
      expect(ofDear.credited).to.equal(0);
      expect(ofDear.refused).to.be.greaterThan(200);
      expect(ofDear.paid).to.be.greaterThan(0);
    });

  it("F018: credits a payout that cannot be made with 200,000 gas left, and refuses with one less", async () => {
    const world = await loadFixture(climbing);
    const { channels, hungryToken, parties } = world;
    const data = await calls["settle"]!(world);
    await hungryToken.burn(channels, DEPOSIT);

    const gasLeftOf = (result: string): bigint => {
      const error = channels.interface.parseError(result)!;
      expect(error.name).to.equal("InsufficientPayoutGas");
      expect(error.args[1]).to.equal(REQUIRED);
      return error.args[0] as bigint;
    };
    const [probe] = await climb(world, data, 200_000n, 1n, 1n);
    const enough = 200_000n + REQUIRED - gasLeftOf(probe!.result);

    const [below, at] = await climb(world, data, enough - 1n, 1n, 2n);
    expect(below!.success).to.equal(false);
    expect(gasLeftOf(below!.result)).to.equal(REQUIRED - 1n);
    expect([...at!]).to.deep.equal([true, 40n, "0x"]);

    await channels.connect(world.payee).settle(await claimOf(world, world.terms, 40n));
    expect(await channels.credit(hungryToken, parties.payee)).to.equal(40n);
  });

  // A transfer that fails two calls deep leaves twice as much, so that for it the bound is half as high.
  it("F018: can be starved of only where a transfer, by itself, needs more than 63 times that", async () => {
    const world = await loadFixture(climbing);
    const { hungryToken } = world;
    const data = await calls["settle"]!(world);
    for (const [need, isSafe] of [
      [63n * REQUIRED - 50_000n, true],
      [63n * REQUIRED + 50_000n, false],
    ] as const) {
      // Besides its appetite, a transfer to a new account takes about 30,000.
      await hungryToken.setAppetite(wordsFor(need - 30_000n));
      const counts = await climbAndCount(world, data, 12_600_000n, 13_000_000n);
      expect(counts.credited === 0, `${need}`).to.equal(isSafe);
      expect(counts.paid).to.be.greaterThan(0);
    }
  });
});
