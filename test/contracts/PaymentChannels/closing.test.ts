import { expect } from "chai";
import type { Signer } from "ethers";
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
  type Terms,
  termsOf,
} from "../helpers/channels.ts";

const connection = await network.create();
const { loadFixture, takeSnapshot, time } = connection.networkHelpers;

async function opened() {
  const world = await deployChannels(connection);
  return { ...world, ...(await openChannel(world)) };
}

async function settled() {
  const world = await opened();
  await world.channels.connect(world.payee).settle(await claimOf(world, world.terms, 100n));
  return world;
}

type Opened = Awaited<ReturnType<typeof opened>>;

async function closing() {
  const world = await settled();
  await world.channels.connect(world.payer).requestClose(world.terms);
  return { ...world, readyAt: BigInt(await time.latest()) + GRACE_PERIOD };
}

const closed = (deposit: bigint, amount: bigint) => ({ ...openState(deposit, amount), finalized: true });

/** A claim of no more than what is settled needs no voucher. */
const withoutVoucher = (terms: Terms, amount: bigint, cumulativeAmount = 0n) => ({
  terms,
  amount,
  cumulativeAmount,
  signature: "0x",
});

const authorizeClose = async (
  world: Opened,
  cumulativeAmount: bigint,
  { nonce = 7n, deadline = LATER, signer = world.payee as Signer } = {},
) => sign(world, signer, "CloseAuthorization", { channelId: world.channelId, cumulativeAmount, nonce, deadline });

const authorizeRequest = async (
  world: Opened,
  { deadline = LATER, channelId = world.channelId, signer = world.payer as Signer } = {},
) => sign(world, signer, "CloseRequest", { channelId, deadline });

describe("PaymentChannels: close", () => {
  it("pays the payee, refunds the payer and ends the channel", async () => {
    const world = await loadFixture(settled);
    const { channels, payee, terms, channelId } = world;
    const claim = await claimOf(world, terms, 250n, { cumulativeAmount: 300n });
    await expectEffects(world, channels.connect(payee).close(claim), {
      events: [["ChannelClosed", channelId, 250n, DEPOSIT - 250n]],
      balances: { contract: 100n - DEPOSIT, payee: 150n, payer: DEPOSIT - 250n },
    });
    expect(await channelOf(world, channelId)).to.deep.equal(closed(DEPOSIT, 250n));
  });

  it("captures up to the voucher's ceiling and not one more", async () => {
    const world = await loadFixture(settled);
    const { channels, payee, terms, channelId } = world;
    const cumulativeAmount = 300n;
    await expect(channels.connect(payee).close(await claimOf(world, terms, 301n, { cumulativeAmount })))
      .to.be.revertedWithCustomError(channels, "AmountExceedsEntitlement")
      .withArgs(301n, 300n);
    await expectEffects(world, channels.connect(payee).close(await claimOf(world, terms, 300n, { cumulativeAmount })), {
      events: [["ChannelClosed", channelId, 300n, DEPOSIT - 300n]],
      balances: { contract: 100n - DEPOSIT, payee: 200n, payer: DEPOSIT - 300n },
    });
  });

  it("captures the deposit and not one more, and then refunds nothing", async () => {
    const world = await loadFixture(settled);
    const { channels, payee, terms, channelId } = world;
    const cumulativeAmount = 2n ** 128n - 1n;
    await expect(channels.connect(payee).close(await claimOf(world, terms, DEPOSIT + 1n, { cumulativeAmount })))
      .to.be.revertedWithCustomError(channels, "AmountExceedsDeposit")
      .withArgs(DEPOSIT + 1n, DEPOSIT);
    await expectEffects(
      world,
      channels.connect(payee).close(await claimOf(world, terms, DEPOSIT, { cumulativeAmount })),
      {
        events: [["ChannelClosed", channelId, DEPOSIT, 0n]],
        balances: { contract: 100n - DEPOSIT, payee: DEPOSIT - 100n },
      },
    );
    expect(await channelOf(world, channelId)).to.deep.equal(closed(DEPOSIT, DEPOSIT));
  });

  it("ends an unused channel without a voucher", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    await expectEffects(world, channels.connect(payee).close(withoutVoucher(terms, 0n)), {
      events: [["ChannelClosed", channelId, 0n, DEPOSIT]],
      balances: { contract: -DEPOSIT, payer: DEPOSIT },
    });
    expect(await channelOf(world, channelId)).to.deep.equal(closed(DEPOSIT, 0n));
  });

  it("forfeits at what is settled, whatever the statement says; below it refuses, above it wants a voucher", async () => {
    const world = await loadFixture(settled);
    const { channels, payee, terms, channelId, parties } = world;
    const settler = channels.connect(payee);
    for (const amount of [99n, 0n])
      await expect(settler.close(withoutVoucher(terms, amount)))
        .to.be.revertedWithCustomError(channels, "AmountBelowSettled")
        .withArgs(amount, 100n);
    await expect(settler.close(await claimOf(world, terms, 99n, { cumulativeAmount: 1_000n })))
      .to.be.revertedWithCustomError(channels, "AmountBelowSettled")
      .withArgs(99n, 100n);
    await expect(settler.close(withoutVoucher(terms, 101n, 101n)))
      .to.be.revertedWithCustomError(channels, "InvalidSignature")
      .withArgs(parties.payer);

    for (const cumulativeAmount of [0n, 99n, 2n ** 128n - 1n]) {
      const snapshot = await takeSnapshot();
      await expectEffects(world, settler.close(withoutVoucher(terms, 100n, cumulativeAmount)), {
        events: [["ChannelClosed", channelId, 100n, DEPOSIT - 100n]],
        balances: { contract: 100n - DEPOSIT, payer: DEPOSIT - 100n },
      });
      await snapshot.restore();
    }
  });

  it("F023: is the payee's alone: not the operator's, which could forfeit, not the payer's", async () => {
    const world = await loadFixture(settled);
    const { channels, payer, payee, operator, stranger, terms, parties } = world;
    await channels.connect(payee).setOperator(operator, true);
    for (const claim of [withoutVoucher(terms, 100n), await claimOf(world, terms, 200n)])
      for (const caller of [payer, operator, stranger])
        await expect(channels.connect(caller).close(claim))
          .to.be.revertedWithCustomError(channels, "NotPayee")
          .withArgs(caller.address, parties.payee);
  });

  it("keeps the time of a pending request to close", async () => {
    const world = await loadFixture(settled);
    const { channels, payer, payee, terms, channelId } = world;
    await channels.connect(payer).requestClose(terms);
    const closeRequestedAt = BigInt(await time.latest());
    await channels.connect(payee).close(await claimOf(world, terms, 250n));
    expect(await channelOf(world, channelId)).to.deep.equal({ ...closed(DEPOSIT, 250n), closeRequestedAt });
  });

  it("ends a channel once, and refuses one that is not there", async () => {
    const world = await loadFixture(settled);
    const { channels, payee, terms, channelId } = world;
    await channels.connect(payee).close(withoutVoucher(terms, 100n));
    for (const claim of [withoutVoucher(terms, 100n), await claimOf(world, terms, 200n)])
      await expect(channels.connect(payee).close(claim))
        .to.be.revertedWithCustomError(channels, "ChannelFinalized")
        .withArgs(channelId);

    const unknown = termsOf(world, { salt: saltOf(9) });
    await expect(channels.connect(payee).close(withoutVoucher(unknown, 0n)))
      .to.be.revertedWithCustomError(channels, "ChannelNotFound")
      .withArgs(channelIdOf(world, unknown));
  });

  it("F024: refunds all that was signed ahead and not earned", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    const claim = await claimOf(world, terms, 3n, { cumulativeAmount: 10n });
    await expectEffects(world, channels.connect(payee).close(claim), {
      events: [["ChannelClosed", channelId, 3n, DEPOSIT - 3n]],
      balances: { contract: -DEPOSIT, payee: 3n, payer: DEPOSIT - 3n },
    });
  });
});

describe("PaymentChannels: closeWithAuthorization", () => {
  it("does what close does, whoever sends it", async () => {
    for (const sender of ["relayer", "payer", "payee", "operator"] as const) {
      const world = await loadFixture(settled);
      const { channels, terms, channelId } = world;
      const claim = await claimOf(world, terms, 250n, { cumulativeAmount: 300n });
      await expectEffects(
        world,
        channels.connect(world[sender]).closeWithAuthorization(claim, 7n, LATER, await authorizeClose(world, 250n)),
        {
          events: [["ChannelClosed", channelId, 250n, DEPOSIT - 250n]],
          balances: { contract: 100n - DEPOSIT, payee: 150n, payer: DEPOSIT - 250n },
        },
      );
      expect(await channelOf(world, channelId)).to.deep.equal(closed(DEPOSIT, 250n));
    }
  });

  it("needs no voucher at what is settled", async () => {
    const world = await loadFixture(settled);
    const { channels, relayer, terms, channelId } = world;
    const signature = await authorizeClose(world, 100n);
    await expectEffects(
      world,
      channels.connect(relayer).closeWithAuthorization(withoutVoucher(terms, 100n), 7n, LATER, signature),
      {
        events: [["ChannelClosed", channelId, 100n, DEPOSIT - 100n]],
        balances: { contract: 100n - DEPOSIT, payer: DEPOSIT - 100n },
      },
    );
  });

  it("is good in its last second and not one later", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, terms, channelId } = world;
    const deadline = BigInt(await time.latest()) + 100n;
    const signature = await authorizeClose(world, 0n, { deadline });
    const send = () =>
      channels.connect(relayer).closeWithAuthorization(withoutVoucher(terms, 0n), 7n, deadline, signature);

    const snapshot = await takeSnapshot();
    await time.setNextBlockTimestamp(deadline + 1n);
    await expect(send()).to.be.revertedWithCustomError(channels, "AuthorizationExpired").withArgs(deadline);
    await snapshot.restore();
    await time.setNextBlockTimestamp(deadline);
    await expectEffects(world, send(), {
      events: [["ChannelClosed", channelId, 0n, DEPOSIT]],
      balances: { contract: -DEPOSIT, payer: DEPOSIT },
    });
  });

  it("binds the amount, the nonce, the deadline and the channel", async () => {
    const world = await loadFixture(settled);
    const { channels, relayer, terms, parties } = world;
    const claim = await claimOf(world, terms, 250n, { cumulativeAmount: 300n });
    const { terms: otherTerms } = await openChannel(world, { salt: saltOf(2) });
    const signature = await authorizeClose(world, 250n);
    for (const [changed, nonce, deadline] of [
      [{ ...claim, amount: 251n }, 7n, LATER],
      [{ ...claim, amount: 249n }, 7n, LATER],
      [withoutVoucher(terms, 100n), 7n, LATER],
      [claim, 8n, LATER],
      [claim, 7n, LATER + 1n],
      [claim, 7n, LATER - 1n],
      [await claimOf(world, otherTerms, 250n), 7n, LATER],
    ] as const)
      await expect(channels.connect(relayer).closeWithAuthorization(changed, nonce, deadline, signature))
        .to.be.revertedWithCustomError(channels, "InvalidSignature")
        .withArgs(parties.payee);
  });

  it("F023: is the payee's to sign, even for nothing", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, payer, operator, relayer, terms, parties } = world;
    await channels.connect(payee).setOperator(operator, true);
    for (const signer of [operator, payer, relayer])
      await expect(
        channels
          .connect(operator)
          .closeWithAuthorization(withoutVoucher(terms, 0n), 7n, LATER, await authorizeClose(world, 0n, { signer })),
      )
        .to.be.revertedWithCustomError(channels, "InvalidSignature")
        .withArgs(parties.payee);
    await expect(channels.connect(relayer).closeWithAuthorization(withoutVoucher(terms, 0n), 7n, LATER, "0x"))
      .to.be.revertedWithCustomError(channels, "InvalidSignature")
      .withArgs(parties.payee);
  });

  it("needs the payer's voucher above what is settled", async () => {
    const world = await loadFixture(settled);
    const { channels, relayer, payee, terms, parties } = world;
    const claim = await claimOf(world, terms, 101n, { signer: payee });
    await expect(channels.connect(relayer).closeWithAuthorization(claim, 7n, LATER, await authorizeClose(world, 101n)))
      .to.be.revertedWithCustomError(channels, "InvalidSignature")
      .withArgs(parties.payer);
  });

  it("refuses an amount below what was settled since, and closes once", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, payee, terms, channelId } = world;
    const send = async (amount: bigint) =>
      channels
        .connect(relayer)
        .closeWithAuthorization(await claimOf(world, terms, amount), 7n, LATER, await authorizeClose(world, amount));
    await channels.connect(payee).settle(await claimOf(world, terms, 100n));
    await expect(send(99n)).to.be.revertedWithCustomError(channels, "AmountBelowSettled").withArgs(99n, 100n);
    await send(100n);
    await expect(send(100n)).to.be.revertedWithCustomError(channels, "ChannelFinalized").withArgs(channelId);
  });
});

describe("PaymentChannels: requestClose", () => {
  it("starts the timer", async () => {
    const world = await loadFixture(settled);
    const { channels, payer, terms, channelId } = world;
    const timestamp = BigInt(await time.latest()) + 50n;
    await time.setNextBlockTimestamp(timestamp);
    await expectEffects(world, channels.connect(payer).requestClose(terms), {
      events: [["CloseRequested", channelId, timestamp + GRACE_PERIOD]],
    });
    expect(await channelOf(world, channelId)).to.deep.equal({
      ...openState(DEPOSIT, 100n),
      closeRequestedAt: timestamp,
    });
  });

  it("is the payer's alone, whoever signs its vouchers", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, sponsor, relayer, parties } = world;
    const { terms } = await openChannel(world, { salt: saltOf(2), authorizedSigner: sponsor.address });
    for (const caller of [payee, sponsor, relayer])
      await expect(channels.connect(caller).requestClose(terms))
        .to.be.revertedWithCustomError(channels, "NotPayer")
        .withArgs(caller.address, parties.payer);
  });

  it("does not start the timer again", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, terms, channelId } = world;
    await channels.connect(payer).requestClose(terms);
    const closeRequestedAt = BigInt(await time.latest());
    const readyAt = closeRequestedAt + GRACE_PERIOD;
    for (const timestamp of [closeRequestedAt + 1n, readyAt + 1_000n]) {
      await time.setNextBlockTimestamp(timestamp);
      await expect(channels.connect(payer).requestClose(terms))
        .to.be.revertedWithCustomError(channels, "CloseAlreadyRequested")
        .withArgs(readyAt);
    }
    expect(await channelOf(world, channelId)).to.deep.equal({ ...openState(DEPOSIT), closeRequestedAt });
  });

  it("starts a full new timer after a top-up took the first back", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, terms, channelId } = world;
    await channels.connect(payer).requestClose(terms);
    await channels.connect(payer).topUp(terms, 1n);
    const timestamp = BigInt(await time.latest()) + 500n;
    await time.setNextBlockTimestamp(timestamp);
    await expectEffects(world, channels.connect(payer).requestClose(terms), {
      events: [["CloseRequested", channelId, timestamp + GRACE_PERIOD]],
    });
  });

  it("refuses a channel that is not there, or no more", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, payee, terms, channelId } = world;
    const unknown = termsOf(world, { salt: saltOf(9) });
    await expect(channels.connect(payer).requestClose(unknown))
      .to.be.revertedWithCustomError(channels, "ChannelNotFound")
      .withArgs(channelIdOf(world, unknown));
    await channels.connect(payee).close(withoutVoucher(terms, 0n));
    await expect(channels.connect(payer).requestClose(terms))
      .to.be.revertedWithCustomError(channels, "ChannelFinalized")
      .withArgs(channelId);
  });
});

describe("PaymentChannels: requestCloseWithAuthorization", () => {
  it("starts the timer, whoever sends it", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, terms, channelId } = world;
    const signature = await authorizeRequest(world);
    const timestamp = BigInt(await time.latest()) + 50n;
    await time.setNextBlockTimestamp(timestamp);
    await expectEffects(world, channels.connect(relayer).requestCloseWithAuthorization(terms, LATER, signature), {
      events: [["CloseRequested", channelId, timestamp + GRACE_PERIOD]],
    });
    expect(await channelOf(world, channelId)).to.deep.equal({ ...openState(DEPOSIT), closeRequestedAt: timestamp });
  });

  it("is good in its last second and not one later", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, terms, channelId } = world;
    const deadline = BigInt(await time.latest()) + 100n;
    const signature = await authorizeRequest(world, { deadline });
    const send = () => channels.connect(relayer).requestCloseWithAuthorization(terms, deadline, signature);

    const snapshot = await takeSnapshot();
    await time.setNextBlockTimestamp(deadline + 1n);
    await expect(send()).to.be.revertedWithCustomError(channels, "AuthorizationExpired").withArgs(deadline);
    await snapshot.restore();
    await time.setNextBlockTimestamp(deadline);
    await expectEffects(world, send(), { events: [["CloseRequested", channelId, deadline + GRACE_PERIOD]] });
  });

  it("is the payer's to sign, and binds deadline and channel", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, payee, sponsor, parties } = world;
    const { terms, channelId } = await openChannel(world, { salt: saltOf(2), authorizedSigner: sponsor.address });
    for (const [signature, deadline] of [
      [await authorizeRequest(world, { channelId, signer: payee }), LATER],
      [await authorizeRequest(world, { channelId, signer: sponsor }), LATER],
      [await authorizeRequest(world, { channelId }), LATER + 1n],
      [await authorizeRequest(world, { channelId }), LATER - 1n],
      [await authorizeRequest(world), LATER],
      ["0x", LATER],
    ] as const)
      await expect(channels.connect(relayer).requestCloseWithAuthorization(terms, deadline, signature))
        .to.be.revertedWithCustomError(channels, "InvalidSignature")
        .withArgs(parties.payer);
    await channels.requestCloseWithAuthorization(terms, LATER, await authorizeRequest(world, { channelId }));
  });

  it("does not start the timer again, but stays good until its deadline after a top-up took the request back", async () => {
    const world = await loadFixture(opened);
    const { channels, relayer, payer, terms, channelId } = world;
    const signature = await authorizeRequest(world);
    const send = () => channels.connect(relayer).requestCloseWithAuthorization(terms, LATER, signature);
    await send();
    const readyAt = BigInt(await time.latest()) + GRACE_PERIOD;
    await expect(send()).to.be.revertedWithCustomError(channels, "CloseAlreadyRequested").withArgs(readyAt);

    await channels.connect(payer).topUp(terms, 1n);
    const timestamp = readyAt + 50n;
    await time.setNextBlockTimestamp(timestamp);
    await expectEffects(world, send(), { events: [["CloseRequested", channelId, timestamp + GRACE_PERIOD]] });
  });

  it("refuses a channel that is not there, or no more", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    const unknown = termsOf(world, { salt: saltOf(9) });
    const unknownId = channelIdOf(world, unknown);
    await expect(
      channels.requestCloseWithAuthorization(unknown, LATER, await authorizeRequest(world, { channelId: unknownId })),
    )
      .to.be.revertedWithCustomError(channels, "ChannelNotFound")
      .withArgs(unknownId);
    await channels.connect(payee).close(withoutVoucher(terms, 0n));
    await expect(channels.requestCloseWithAuthorization(terms, LATER, await authorizeRequest(world)))
      .to.be.revertedWithCustomError(channels, "ChannelFinalized")
      .withArgs(channelId);
  });
});

describe("PaymentChannels: withdraw", () => {
  it("refunds what is not settled, from the first second on, whoever sends it", async () => {
    for (const sender of ["payer", "payee", "relayer"] as const) {
      const world = await loadFixture(closing);
      const { channels, terms, channelId, readyAt } = world;
      await time.setNextBlockTimestamp(readyAt);
      await expectEffects(world, channels.connect(world[sender]).withdraw(terms), {
        events: [["ChannelClosed", channelId, 100n, DEPOSIT - 100n]],
        balances: { contract: 100n - DEPOSIT, payer: DEPOSIT - 100n },
      });
      expect(await channelOf(world, channelId)).to.deep.equal({
        ...closed(DEPOSIT, 100n),
        closeRequestedAt: readyAt - GRACE_PERIOD,
      });
    }
  });

  it("refuses a second before", async () => {
    const { channels, payer, terms, readyAt } = await loadFixture(closing);
    await time.setNextBlockTimestamp(readyAt - 1n);
    await expect(channels.connect(payer).withdraw(terms))
      .to.be.revertedWithCustomError(channels, "CloseNotReady")
      .withArgs(readyAt);
  });

  it("keeps to the grace period that the contract was deployed with", async () => {
    const world = await loadFixture(closing);
    const { payer, payee, token } = world;
    const channels = await connection.ethers.deployContract("PaymentChannels", [600n]);
    await token.connect(payer).approve(channels, 10n);
    const terms = termsOf(world);
    await channels.connect(payer).open(payee, token, 10n, terms.salt, terms.authorizedSigner);
    await channels.connect(payer).requestClose(terms);
    const readyAt = BigInt(await time.latest()) + 600n;
    await time.setNextBlockTimestamp(readyAt - 1n);
    await expect(channels.withdraw(terms)).to.be.revertedWithCustomError(channels, "CloseNotReady").withArgs(readyAt);
    await time.setNextBlockTimestamp(readyAt);
    await channels.withdraw(terms);
    expect(await token.balanceOf(channels)).to.equal(0n);
  });

  it("wants a request to close, however old the channel", async () => {
    const { channels, payer, terms, channelId } = await loadFixture(opened);
    await time.increase(365 * 86_400);
    await expect(channels.connect(payer).withdraw(terms))
      .to.be.revertedWithCustomError(channels, "CloseNotRequested")
      .withArgs(channelId);
  });

  it("ends a channel once, and refuses one that is not there", async () => {
    const world = await loadFixture(closing);
    const { channels, payee, terms, channelId, readyAt } = world;
    await time.setNextBlockTimestamp(readyAt);
    await channels.withdraw(terms);
    await expect(channels.withdraw(terms))
      .to.be.revertedWithCustomError(channels, "ChannelFinalized")
      .withArgs(channelId);
    await expect(channels.connect(payee).close(withoutVoucher(terms, 100n)))
      .to.be.revertedWithCustomError(channels, "ChannelFinalized")
      .withArgs(channelId);

    const unknown = termsOf(world, { salt: saltOf(9) });
    await expect(channels.withdraw(unknown))
      .to.be.revertedWithCustomError(channels, "ChannelNotFound")
      .withArgs(channelIdOf(world, unknown));
  });

  it("refunds nothing where all is settled", async () => {
    const world = await loadFixture(closing);
    const { channels, payee, terms, channelId, readyAt } = world;
    await channels.connect(payee).settle(await claimOf(world, terms, DEPOSIT));
    await time.setNextBlockTimestamp(readyAt);
    await expectEffects(world, channels.withdraw(terms), { events: [["ChannelClosed", channelId, DEPOSIT, 0n]] });
  });
});
