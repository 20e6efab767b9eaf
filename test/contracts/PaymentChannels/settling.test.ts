import { expect } from "chai";
import { concat, dataSlice, MaxUint256, type Signer, toBeHex } from "ethers";
import { network } from "hardhat";

import {
  channelIdOf,
  channelOf,
  claimOf,
  DEPOSIT,
  deployChannels,
  expectEffects,
  GRACE_PERIOD,
  LATER,
  openChannel,
  openState,
  saltOf,
  sign,
  termsOf,
} from "../helpers/channels.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, time } = connection.networkHelpers;

async function opened() {
  const world = await deployChannels(connection);
  return { ...world, ...(await openChannel(world)) };
}

async function settled() {
  const world = await opened();
  await world.channels.connect(world.payee).settle(await claimOf(world, world.terms, 100n));
  return world;
}

const authorizeSettle = async (
  world: Awaited<ReturnType<typeof opened>>,
  cumulativeAmount: bigint,
  { nonce = 7n, deadline = LATER, signer = world.payee as Signer } = {},
) => {
  const { channelId } = world;
  return sign(world, signer, "SettleAuthorization", { channelId, cumulativeAmount, nonce, deadline });
};

describe("PaymentChannels: setOperator", () => {
  it("allows and forbids, for the caller only", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, stranger, operator, parties } = world;

    for (const approved of [true, false]) {
      await expectEffects(world, channels.connect(payee).setOperator(operator, approved), {
        events: [["OperatorSet", parties.payee, parties.operator, approved]],
      });
      expect(await channels.isOperator(payee, operator)).to.equal(approved);
      expect(await channels.isOperator(stranger, operator)).to.equal(false);
      expect(await channels.isOperator(payee, stranger)).to.equal(false);
      expect(await channels.isOperator(operator, payee)).to.equal(false);
    }
  });

  it("gives no power over another payee's channels", async () => {
    const world = await loadFixture(opened);
    const { channels, stranger, operator, payee, terms } = world;
    await channels.connect(stranger).setOperator(operator, true);
    const claim = await claimOf(world, terms, 1n);
    for (const caller of [operator, stranger])
      await expect(channels.connect(caller).settle(claim))
        .to.be.revertedWithCustomError(channels, "NotPayee")
        .withArgs(caller.address, payee.address);
  });
});

describe("PaymentChannels: settle", () => {
  it("pays what a claim adds, again and again", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    let before = 0n;
    for (const amount of [1n, 100n, 101n, DEPOSIT - 1n, DEPOSIT]) {
      await expectEffects(world, channels.connect(payee).settle(await claimOf(world, terms, amount)), {
        events: [["ChannelSettled", channelId, amount]],
        balances: { contract: before - amount, payee: amount - before },
      });
      expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT, amount));
      before = amount;
    }
  });

  it("captures up to the voucher's ceiling and not one more", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    const cumulativeAmount = 500n;
    await expectEffects(
      world,
      channels.connect(payee).settle(await claimOf(world, terms, 499n, { cumulativeAmount })),
      {
        events: [["ChannelSettled", channelId, 499n]],
        balances: { contract: -499n, payee: 499n },
      },
    );
    await expect(channels.connect(payee).settle(await claimOf(world, terms, 501n, { cumulativeAmount })))
      .to.be.revertedWithCustomError(channels, "AmountExceedsEntitlement")
      .withArgs(501n, 500n);
    await expectEffects(
      world,
      channels.connect(payee).settle(await claimOf(world, terms, 500n, { cumulativeAmount })),
      {
        events: [["ChannelSettled", channelId, 500n]],
        balances: { contract: -1n, payee: 1n },
      },
    );
  });

  it("takes a lower voucher after a higher one, for what it is worth", async () => {
    const world = await loadFixture(settled);
    const { channels, payee, terms, channelId } = world;
    await channels.connect(payee).settle(await claimOf(world, terms, 150n, { cumulativeAmount: 1_000n }));
    await expectEffects(
      world,
      channels.connect(payee).settle(await claimOf(world, terms, 160n, { cumulativeAmount: 200n })),
      { events: [["ChannelSettled", channelId, 160n]], balances: { contract: -10n, payee: 10n } },
    );
  });

  it("F012: captures the deposit and not one more, whatever the voucher allows", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    const cumulativeAmount = 2n ** 128n - 1n;
    for (const amount of [DEPOSIT + 1n, 2n ** 104n, 2n ** 104n + 5n, cumulativeAmount])
      await expect(channels.connect(payee).settle(await claimOf(world, terms, amount, { cumulativeAmount })))
        .to.be.revertedWithCustomError(channels, "AmountExceedsDeposit")
        .withArgs(amount, DEPOSIT);
    await expectEffects(
      world,
      channels.connect(payee).settle(await claimOf(world, terms, DEPOSIT, { cumulativeAmount })),
      {
        events: [["ChannelSettled", channelId, DEPOSIT]],
        balances: { contract: -DEPOSIT, payee: DEPOSIT },
      },
    );
  });

  it("F012: never cuts a number that is too wide down to a small one", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms } = world;
    const claim = await claimOf(world, terms, 5n);
    const data = channels.interface.encodeFunctionData("settle", [claim]);
    // The selector, the offset of the claim, five words of terms; then amount and cumulativeAmount.
    const [amountAt, cumulativeAmountAt] = [4 + 6 * 32, 4 + 7 * 32];
    const widened = (at: number, number: bigint) =>
      concat([dataSlice(data, 0, at), toBeHex(number, 32), dataSlice(data, at + 32)]);

    for (const at of [amountAt, cumulativeAmountAt]) {
      for (const number of [2n ** 128n, 2n ** 128n + 5n, MaxUint256])
        await expect(payee.sendTransaction({ to: channels, data: widened(at, number) })).to.be.revertedWithoutReason(
          ethers,
        );
      expect(widened(at, 5n)).to.equal(data);
    }
  });

  it("F011: gains nothing by a claim that is equal or lower", async () => {
    const world = await loadFixture(settled);
    const { channels, payee, terms } = world;
    for (const amount of [100n, 99n, 1n, 0n])
      await expect(channels.connect(payee).settle(await claimOf(world, terms, amount, { cumulativeAmount: 500n })))
        .to.be.revertedWithCustomError(channels, "AmountNotIncreasing")
        .withArgs(amount, 100n);
    await channels.connect(payee).settle(await claimOf(world, terms, 101n));
  });

  it("refuses to capture nothing", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms } = world;
    await expect(channels.connect(payee).settle(await claimOf(world, terms, 0n)))
      .to.be.revertedWithCustomError(channels, "AmountNotIncreasing")
      .withArgs(0n, 0n);
  });

  it("is for the payee and its operator, until that one is dismissed; the payee gets the money", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, payee, operator, relayer, stranger, terms, channelId, parties } = world;
    const claim = await claimOf(world, terms, 10n);
    for (const caller of [payer, operator, relayer, stranger])
      await expect(channels.connect(caller).settle(claim))
        .to.be.revertedWithCustomError(channels, "NotPayee")
        .withArgs(caller.address, parties.payee);

    await channels.connect(payee).setOperator(operator, true);
    await expectEffects(world, channels.connect(operator).settle(claim), {
      events: [["ChannelSettled", channelId, 10n]],
      balances: { contract: -10n, payee: 10n },
    });

    await channels.connect(payee).setOperator(operator, false);
    await expect(channels.connect(operator).settle(await claimOf(world, terms, 11n)))
      .to.be.revertedWithCustomError(channels, "NotPayee")
      .withArgs(parties.operator, parties.payee);
  });

  it("wants the voucher signed by the payer where no other signer is named", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, parties } = world;
    for (const signer of [payee, world.stranger])
      await expect(channels.connect(payee).settle(await claimOf(world, terms, 10n, { signer })))
        .to.be.revertedWithCustomError(channels, "InvalidSignature")
        .withArgs(parties.payer);
  });

  it("wants the voucher signed by the named signer, and then not by the payer", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, sponsor: authorizedSigner } = world;
    const { terms, channelId } = await openChannel(world, { authorizedSigner: authorizedSigner.address });
    await expect(channels.connect(payee).settle(await claimOf(world, terms, 10n)))
      .to.be.revertedWithCustomError(channels, "InvalidSignature")
      .withArgs(authorizedSigner.address);
    await expectEffects(
      world,
      channels.connect(payee).settle(await claimOf(world, terms, 10n, { signer: authorizedSigner })),
      { events: [["ChannelSettled", channelId, 10n]], balances: { contract: -10n, payee: 10n } },
    );
  });

  it("refuses a signature over another amount", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, parties } = world;
    const claim = await claimOf(world, terms, 10n);
    await expect(channels.connect(payee).settle({ ...claim, cumulativeAmount: 11n }))
      .to.be.revertedWithCustomError(channels, "InvalidSignature")
      .withArgs(parties.payer);
  });

  it("goes on after a request to close, and after its grace period, until somebody withdraws", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, payee, terms, channelId } = world;
    await channels.connect(payer).requestClose(terms);
    const closeRequestedAt = BigInt(await time.latest());

    for (const [timestamp, amount] of [
      [closeRequestedAt + 1n, 10n],
      [closeRequestedAt + GRACE_PERIOD + 1_000n, 20n],
    ] as const) {
      await time.setNextBlockTimestamp(timestamp);
      await channels.connect(payee).settle(await claimOf(world, terms, amount));
      expect(await channelOf(world, channelId)).to.deep.equal({ ...openState(DEPOSIT, amount), closeRequestedAt });
    }

    await channels.withdraw(terms);
    await expect(channels.connect(payee).settle(await claimOf(world, terms, 30n)))
      .to.be.revertedWithCustomError(channels, "ChannelFinalized")
      .withArgs(channelId);
  });

  it("refuses a channel that is not there", async () => {
    const world = await loadFixture(opened);
    const { channels, payee } = world;
    const terms = termsOf(world, { salt: saltOf(9) });
    await expect(channels.connect(payee).settle(await claimOf(world, terms, 1n)))
      .to.be.revertedWithCustomError(channels, "ChannelNotFound")
      .withArgs(channelIdOf(world, terms));
  });

  it("refuses terms that differ from the channel's in any place", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, parties } = world;
    const claim = await claimOf(world, terms, 1n);
    for (const change of [
      { payer: parties.sponsor },
      { token: parties.sponsor },
      { salt: saltOf(9) },
      { authorizedSigner: parties.payer },
    ]) {
      const changed = { ...terms, ...change };
      await expect(channels.connect(payee).settle({ ...claim, terms: changed }))
        .to.be.revertedWithCustomError(channels, "ChannelNotFound")
        .withArgs(channelIdOf(world, changed));
    }
    const changed = { ...terms, payee: parties.stranger };
    await expect(channels.connect(world.stranger).settle({ ...claim, terms: changed }))
      .to.be.revertedWithCustomError(channels, "ChannelNotFound")
      .withArgs(channelIdOf(world, changed));
  });
});

describe("PaymentChannels: settleWithAuthorization", () => {
  it("pays the payee, whoever sends it", async () => {
    for (const sender of ["relayer", "payer", "payee", "operator"] as const) {
      const world = await loadFixture(opened);
      const { channels, terms, channelId } = world;
      const claim = await claimOf(world, terms, 40n, { cumulativeAmount: 50n });
      const signature = await authorizeSettle(world, 40n);
      await expectEffects(world, channels.connect(world[sender]).settleWithAuthorization(claim, 7n, LATER, signature), {
        events: [["ChannelSettled", channelId, 40n]],
        balances: { contract: -40n, payee: 40n },
      });
      expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT, 40n));
    }
  });

  it("is good in its last second and not one later", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, terms, channelId } = world;
    const deadline = BigInt(await time.latest()) + 100n;
    const claim = await claimOf(world, terms, 40n);
    const signature = await authorizeSettle(world, 40n, { deadline });
    const send = () => channels.connect(relayer).settleWithAuthorization(claim, 7n, deadline, signature);

    const snapshot = await connection.networkHelpers.takeSnapshot();
    await time.setNextBlockTimestamp(deadline + 1n);
    await expect(send()).to.be.revertedWithCustomError(channels, "AuthorizationExpired").withArgs(deadline);

    await snapshot.restore();
    await time.setNextBlockTimestamp(deadline);
    await expectEffects(world, send(), {
      events: [["ChannelSettled", channelId, 40n]],
      balances: { contract: -40n, payee: 40n },
    });
  });

  it("binds the amount, the nonce, the deadline and the channel", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, terms, parties } = world;
    const claim = await claimOf(world, terms, 40n, { cumulativeAmount: 50n });
    const { terms: otherTerms } = await openChannel(world, { salt: saltOf(2) });
    const signature = await authorizeSettle(world, 40n);

    for (const [changed, nonce, deadline] of [
      [{ ...claim, amount: 41n }, 7n, LATER],
      [{ ...claim, amount: 39n }, 7n, LATER],
      [claim, 8n, LATER],
      [claim, 7n, LATER + 1n],
      [claim, 7n, LATER - 1n],
      [await claimOf(world, otherTerms, 40n), 7n, LATER],
    ] as const)
      await expect(channels.connect(relayer).settleWithAuthorization(changed, nonce, deadline, signature))
        .to.be.revertedWithCustomError(channels, "InvalidSignature")
        .withArgs(parties.payee);
  });

  it("binds no voucher: any that is worth the amount will do", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, terms, channelId } = world;
    const signature = await authorizeSettle(world, 40n);
    await expect(
      channels
        .connect(relayer)
        .settleWithAuthorization({ ...(await claimOf(world, terms, 39n)), amount: 40n }, 7n, LATER, signature),
    )
      .to.be.revertedWithCustomError(channels, "AmountExceedsEntitlement")
      .withArgs(40n, 39n);
    const claim = await claimOf(world, terms, 40n, { cumulativeAmount: 1_000n });
    await expectEffects(world, channels.connect(relayer).settleWithAuthorization(claim, 7n, LATER, signature), {
      events: [["ChannelSettled", channelId, 40n]],
      balances: { contract: -40n, payee: 40n },
    });
  });

  it("is the payee's to sign, not its operator's, not the payer's", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, operator, terms, parties } = world;
    await channels.connect(payee).setOperator(operator, true);
    const claim = await claimOf(world, terms, 40n);
    for (const signer of [operator, world.payer, world.relayer])
      await expect(
        channels
          .connect(operator)
          .settleWithAuthorization(claim, 7n, LATER, await authorizeSettle(world, 40n, { signer })),
      )
        .to.be.revertedWithCustomError(channels, "InvalidSignature")
        .withArgs(parties.payee);
  });

  it("F057: pays once", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, terms } = world;
    const claim = await claimOf(world, terms, 40n);
    const signature = await authorizeSettle(world, 40n);
    const send = () => channels.connect(relayer).settleWithAuthorization(claim, 7n, LATER, signature);
    await send();
    await expect(send()).to.be.revertedWithCustomError(channels, "AmountNotIncreasing").withArgs(40n, 40n);
  });

  it("needs the payer's voucher as well", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, payee, terms, parties } = world;
    const claim = await claimOf(world, terms, 40n, { signer: payee });
    await expect(channels.connect(relayer).settleWithAuthorization(claim, 7n, LATER, await authorizeSettle(world, 40n)))
      .to.be.revertedWithCustomError(channels, "InvalidSignature")
      .withArgs(parties.payer);
  });

  it("refuses a channel that is not there, or no more", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, payee, terms, channelId } = world;
    const unknown = { ...world, terms: { ...terms, salt: saltOf(9) } };
    const unknownId = channelIdOf(world, unknown.terms);
    await expect(
      channels
        .connect(relayer)
        .settleWithAuthorization(
          await claimOf(world, unknown.terms, 1n),
          7n,
          LATER,
          await authorizeSettle({ ...unknown, channelId: unknownId }, 1n),
        ),
    )
      .to.be.revertedWithCustomError(channels, "ChannelNotFound")
      .withArgs(unknownId);

    await channels.connect(payee).close(await claimOf(world, terms, 0n));
    await expect(
      channels
        .connect(relayer)
        .settleWithAuthorization(await claimOf(world, terms, 1n), 7n, LATER, await authorizeSettle(world, 1n)),
    )
      .to.be.revertedWithCustomError(channels, "ChannelFinalized")
      .withArgs(channelId);
  });
});
