import { expect } from "chai";
import { type ContractTransactionResponse, id, Interface, ZeroAddress } from "ethers";
import { network } from "hardhat";

import type { HookToken } from "../../../types/index.ts";
import {
  authorizeOpen,
  authorizeTopUp,
  channelIdOf,
  channelOf,
  claimOf,
  deployChannels,
  GRACE_PERIOD,
  issue,
  LATER,
  openChannel,
  openState,
  saltOf,
  sendOpen,
  sendTopUp,
  sign,
  termsOf,
  toBatchClaim,
} from "../helpers/channels.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, takeSnapshot, time } = connection.networkHelpers;

const GUARD = id("ReentrancyGuardReentrantCall()").slice(0, 10);
const OPEN_SALT = saltOf(80);

/**
 * A token that calls back, and is a party itself: so its call meets no other obstacle than the guard. `main` goes from
 * payer to payee, `fromToken` is paid by the token, `toToken` pays it, `overdue` can be withdrawn; the payee has a credit.
 */
async function hooked() {
  const world = await deployChannels(connection);
  const { channels, payer, payee, parties } = world;
  const hook = await issue(world, await ethers.deployContract("HookToken"));
  const token = await hook.getAddress();
  await hook.mint(hook, 1_000n);
  await hook.execute(hook, hook.interface.encodeFunctionData("approve", [parties.contract, 1_000n]));
  await channels.connect(payee).setOperator(hook, true);

  const main = await openChannel(world, { token, deposit: 1_000n });
  const overdue = await openChannel(world, { token, deposit: 1_000n, salt: saltOf(2) });
  const toToken = await openChannel(world, { token, deposit: 1_000n, payee: token });
  const authorizedSigner = parties.sponsor;
  await sendOpen(world, await authorizeOpen(world, 500n, { token, from: token, authorizedSigner }));
  const terms = termsOf(world, { token, payer: token, authorizedSigner });
  const fromToken = { terms, channelId: channelIdOf(world, terms) };

  await hook.burn(parties.contract, 3_500n);
  await channels.connect(payee).settle(await claimOf(world, main.terms, 10n));
  await hook.mint(parties.contract, 3_500n);
  await channels.connect(payer).requestClose(overdue.terms);
  await time.increase(GRACE_PERIOD);
  return { ...world, hook, hookAddress: token, main, overdue, toToken, fromToken };
}

type Hooked = Awaited<ReturnType<typeof hooked>>;

const authorizationOf = (world: Hooked, type: "SettleAuthorization" | "CloseAuthorization") =>
  sign(world, world.payee, type, {
    channelId: world.main.channelId,
    cumulativeAmount: 40n,
    nonce: 7n,
    deadline: LATER,
  });

/** Everything that moves tokens, sent by whom it belongs to. */
const outer: Record<string, (world: Hooked) => Promise<ContractTransactionResponse>> = {
  open: ({ channels, payer, payee, hook }) => channels.connect(payer).open(payee, hook, 100n, OPEN_SALT, ZeroAddress),
  openWithAuthorization: async (world) =>
    sendOpen(world, await authorizeOpen(world, 100n, { token: world.hookAddress, salt: OPEN_SALT })),
  topUp: ({ channels, payer, main }) => channels.connect(payer).topUp(main.terms, 100n),
  topUpWithAuthorization: async (world) => sendTopUp(world, await authorizeTopUp(world, world.main.terms, 100n)),
  settle: async (world) => world.channels.connect(world.payee).settle(await claimOf(world, world.main.terms, 40n)),
  settleWithAuthorization: async (world) =>
    world.channels.settleWithAuthorization(
      await claimOf(world, world.main.terms, 40n),
      7n,
      LATER,
      await authorizationOf(world, "SettleAuthorization"),
    ),
  settleBatch: async (world) =>
    world.channels
      .connect(world.payee)
      .settleBatch(world.payee, world.hook, [toBatchClaim(await claimOf(world, world.main.terms, 40n))]),
  close: async (world) => world.channels.connect(world.payee).close(await claimOf(world, world.main.terms, 40n)),
  closeWithAuthorization: async (world) =>
    world.channels.closeWithAuthorization(
      await claimOf(world, world.main.terms, 40n),
      7n,
      LATER,
      await authorizationOf(world, "CloseAuthorization"),
    ),
  withdraw: ({ channels, overdue }) => channels.withdraw(overdue.terms),
  claimCredit: ({ channels, hook, payee }) => channels.claimCredit(hook, payee),
};

/** The same functions, as the token calls them; each would work outside of a transfer. */
const inner: Record<string, (world: Hooked) => Promise<unknown[]>> = {
  open: async ({ payee, hookAddress }) => [payee.address, hookAddress, 5n, saltOf(90), ZeroAddress],
  openWithAuthorization: async (world) => {
    const { sponsor: signer, hookAddress: token } = world;
    const a = await authorizeOpen(world, 5n, { signer, token, salt: saltOf(91) });
    return [
      a.payee,
      a.token,
      a.deposit,
      a.salt,
      a.authorizedSigner,
      a.from,
      a.validAfter,
      a.validBefore,
      a.nonce,
      a.signature,
    ];
  },
  topUp: async ({ fromToken }) => [fromToken.terms, 5n],
  topUpWithAuthorization: async (world) => {
    const a = await authorizeTopUp(world, world.main.terms, 5n, { signer: world.sponsor });
    return [a.terms, a.additionalDeposit, a.from, a.topUpSalt, a.validAfter, a.validBefore, a.nonce, a.signature];
  },
  settle: async (world) => [await claimOf(world, world.main.terms, 30n)],
  settleWithAuthorization: async (world) => [
    await claimOf(world, world.main.terms, 40n),
    7n,
    LATER,
    await authorizationOf(world, "SettleAuthorization"),
  ],
  settleBatch: async (world) => [
    world.payee.address,
    world.hookAddress,
    [toBatchClaim(await claimOf(world, world.main.terms, 30n))],
  ],
  close: async (world) => [await claimOf(world, world.toToken.terms, 30n)],
  closeWithAuthorization: async (world) => [
    await claimOf(world, world.main.terms, 40n),
    7n,
    LATER,
    await authorizationOf(world, "CloseAuthorization"),
  ],
  withdraw: async ({ overdue }) => [overdue.terms],
  claimCredit: async ({ payee, hookAddress }) => [hookAddress, payee.address],
};

const encodeInner = async (world: Hooked, name: string): Promise<string> =>
  (world.channels.interface as Interface).encodeFunctionData(name, await inner[name]!(world));

/** Balances, channels and credit: all that a call could change. */
async function outcomeOf(world: Hooked) {
  const { channels, hook, parties, hookAddress: token } = world;
  const opening = channelIdOf(world, termsOf(world, { token, salt: OPEN_SALT }));
  const ids = [world.main, world.overdue, world.toToken, world.fromToken].map(({ channelId }) => channelId);
  const accounts = [...Object.values(parties), token];
  return {
    balances: await Promise.all(accounts.map((account) => hook.balanceOf(account))),
    credit: await Promise.all(accounts.map((account) => channels.credit(token, account))),
    channels: (await channels.getChannels([...ids, opening])).map((channel) => [...channel]),
  };
}

const resultOf = async (hook: HookToken) => ({
  count: await hook.hookCount(),
  succeeded: await hook.hookSucceeded(),
  result: await hook.hookResult(),
});

describe("PaymentChannels: tokens that call back", () => {
  it("have calls to make that work outside of a transfer", async () => {
    const world = await loadFixture(hooked);
    for (const name of Object.keys(inner))
      await world.hook.execute.staticCall(world.channels, await encodeInner(world, name));
  });

  for (const [name, send] of Object.entries(outer)) {
    it(`F013: ${name}: nothing that moves tokens can be called from its transfer`, async () => {
      const world = await loadFixture(hooked);
      const start = await takeSnapshot();
      await send(world);
      const expected = await outcomeOf(world);
      await start.restore();

      for (const innerName of Object.keys(inner)) {
        const data = await encodeInner(world, innerName);
        for (const isBeforeMove of [true, false]) {
          await world.hook.arm(world.channels, data, isBeforeMove);
          await send(world);
          expect(await resultOf(world.hook), innerName).to.deep.equal({ count: 1n, succeeded: false, result: GUARD });
          expect(await outcomeOf(world), innerName).to.deep.equal(expected);
          await start.restore();
        }
      }
    });

    it(`F013: ${name}: its transfer sees the state as it will be`, async () => {
      const world = await loadFixture(hooked);
      const { channels, hook, main, overdue, payee, hookAddress: token } = world;
      const opening = { channelId: channelIdOf(world, termsOf(world, { token, salt: OPEN_SALT })) };
      const { channelId } = name.startsWith("open") ? opening : name === "withdraw" ? overdue : main;
      const start = await takeSnapshot();
      for (const isBeforeMove of [true, false]) {
        await hook.arm(channels, channels.interface.encodeFunctionData("getChannel", [channelId]), isBeforeMove);
        await send(world);
        const seen = channels.interface.decodeFunctionResult("getChannel", await hook.hookResult())[0] as unknown[];
        expect([...seen]).to.deep.equal([...(await channels.getChannel(channelId))]);
        await start.restore();

        await hook.arm(channels, channels.interface.encodeFunctionData("credit", [token, payee.address]), isBeforeMove);
        await send(world);
        const credit = channels.interface.decodeFunctionResult("credit", await hook.hookResult())[0] as bigint;
        expect(credit).to.equal(await channels.credit(token, payee));
        await start.restore();
      }
    });
  }

  it("F013: a payer may ask to close from inside a transfer, and nothing of either call is lost", async () => {
    const world = await loadFixture(hooked);
    const { channels, payee, sponsor: signer, hook, hookAddress, fromToken } = world;
    const { terms, channelId } = fromToken;
    const topUp = channels.interface.encodeFunctionData("topUp", [terms, 100n]);
    const claim = await claimOf(world, terms, 40n, { signer });
    const calls: [send: () => Promise<unknown>, deposit: bigint, settled: bigint][] = [
      [() => hook.execute(channels, topUp), 600n, 0n],
      [async () => sendTopUp(world, await authorizeTopUp(world, terms, 100n, { from: hookAddress })), 600n, 0n],
      [() => channels.connect(payee).settle(claim), 500n, 40n],
      [() => channels.connect(payee).settleBatch(payee, hook, [toBatchClaim(claim)]), 500n, 40n],
    ];
    const request = channels.interface.encodeFunctionData("requestClose", [terms]);
    const start = await takeSnapshot();
    for (const [send, deposit, settled] of calls)
      for (const isBeforeMove of [true, false]) {
        await hook.arm(channels, request, isBeforeMove);
        await send();
        const closeRequestedAt = BigInt(await time.latest());
        expect(await resultOf(hook)).to.deep.equal({ count: 1n, succeeded: true, result: "0x" });
        expect(await channelOf(world, channelId)).to.deep.equal({ ...openState(deposit, settled), closeRequestedAt });
        await start.restore();
      }

    for (const isBeforeMove of [true, false]) {
      await hook.arm(channels, request, isBeforeMove);
      await channels.connect(payee).close(claim);
      const result = channels.interface.encodeErrorResult("ChannelFinalized", [channelId]);
      expect(await resultOf(hook)).to.deep.equal({ count: 1n, succeeded: false, result });
      await start.restore();
    }
  });

  it("F028: a transfer within a transfer is not counted as a deposit", async () => {
    const world = await loadFixture(hooked);
    const { channels, hook, parties } = world;
    const gift = hook.interface.encodeFunctionData("transfer", [parties.contract, 5n]);
    for (const name of ["open", "openWithAuthorization", "topUp", "topUpWithAuthorization"])
      for (const isBeforeMove of [true, false]) {
        await hook.arm(hook, gift, isBeforeMove);
        await expect(outer[name]!(world), name)
          .to.be.revertedWithCustomError(channels, "UnexpectedTransferAmount")
          .withArgs(105n, 100n);
      }
  });
});
