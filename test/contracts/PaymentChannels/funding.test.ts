import { expect } from "chai";
import { Interface, ZeroAddress } from "ethers";
import { network } from "hardhat";

import {
  authorizeOpen,
  authorizeTopUp,
  channelIdOf,
  channelOf,
  claimOf,
  DEPOSIT,
  deployChannels,
  expectEffects,
  GRACE_PERIOD,
  issue,
  MAX_DEPOSIT,
  openChannel,
  openNonceOf,
  openState,
  saltOf,
  sendOpen,
  sendTopUp,
  termsOf,
  topUpNonceOf,
  type World,
} from "../helpers/channels.ts";
import { forms, sendAuthorization } from "../helpers/token.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, setCode, time } = connection.networkHelpers;

async function deployed() {
  return deployChannels(connection);
}

async function opened() {
  const world = await deployChannels(connection);
  return { ...world, ...(await openChannel(world)) };
}

describe("PaymentChannels: constructor", () => {
  it("takes a grace period from 10 minutes to 30 days", async () => {
    for (const period of [600n, 2_592_000n]) {
      const channels = await ethers.deployContract("PaymentChannels", [period]);
      expect(await channels.CLOSE_GRACE_PERIOD()).to.equal(period);
    }
  });

  it("refuses a second less and a second more", async () => {
    const { channels } = await loadFixture(deployed);
    for (const period of [0n, 599n, 2_592_001n, 2n ** 40n - 1n])
      await expect(ethers.deployContract("PaymentChannels", [period]))
        .to.be.revertedWithCustomError(channels, "InvalidGracePeriod")
        .withArgs(period, 600n, 2_592_000n);
  });
});

describe("PaymentChannels: open", () => {
  it("locks the deposit and tells all the terms", async () => {
    const world = await loadFixture(deployed);
    const { channels, payer, parties, sponsor } = world;
    const terms = termsOf(world, { authorizedSigner: sponsor.address });
    const channelId = channelIdOf(world, terms);
    const { payee, token, salt, authorizedSigner } = terms;

    expect(await channels.connect(payer).open.staticCall(payee, token, DEPOSIT, salt, authorizedSigner)).to.equal(
      channelId,
    );
    await expectEffects(world, channels.connect(payer).open(payee, token, DEPOSIT, salt, authorizedSigner), {
      events: [["ChannelOpened", channelId, parties.payer, payee, token, authorizedSigner, salt, DEPOSIT]],
      balances: { payer: -DEPOSIT, contract: DEPOSIT },
    });
    expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT));
  });

  it("keeps channels apart that differ in one term", async () => {
    const world = await loadFixture(opened);
    const other = await ethers.deployContract("MockDigitalYuan", [world.parties.relayer]);
    await other.faucet(world.payer, DEPOSIT);
    await other.connect(world.payer).approve(world.channels, DEPOSIT);
    const ids = new Set([world.channelId]);
    for (const change of [
      { payee: world.parties.relayer },
      { token: await other.getAddress() },
      { salt: saltOf(2) },
      { authorizedSigner: world.parties.payer },
    ]) {
      const { channelId } = await openChannel(world, { ...change, deposit: 7n });
      expect(await channelOf(world, channelId)).to.deep.equal(openState(7n));
      ids.add(channelId);
    }

    const { payee, token, salt, authorizedSigner } = world.terms;
    await world.channels.connect(world.sponsor).open(payee, token, 9n, salt, authorizedSigner);
    const channelId = channelIdOf(world, { ...world.terms, payer: world.parties.sponsor });
    expect(await channelOf(world, channelId)).to.deep.equal(openState(9n));
    expect(ids.add(channelId).size).to.equal(6);
    expect(await channelOf(world, world.channelId)).to.deep.equal(openState(DEPOSIT));
  });

  it("lets a payer be its own payee", async () => {
    const world = await loadFixture(deployed);
    const { channels, payer } = world;
    const { terms, channelId } = await openChannel(world, { payee: payer.address });
    await expectEffects(world, channels.connect(payer).settle(await claimOf(world, terms, 40n)), {
      events: [["ChannelSettled", channelId, 40n]],
      balances: { contract: -40n, payer: 40n },
    });
  });

  it("F042: refuses a payee that could never be paid", async () => {
    const { channels, payer, token, parties } = await loadFixture(deployed);
    for (const payee of [ZeroAddress, parties.contract])
      await expect(channels.connect(payer).open(payee, token, DEPOSIT, saltOf(1), ZeroAddress))
        .to.be.revertedWithCustomError(channels, "InvalidPayee")
        .withArgs(payee);
  });

  it("refuses terms that are in use, or ever were", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, payee, channelId, terms } = world;
    const again = () => channels.connect(payer).open(payee, terms.token, 1n, terms.salt, ZeroAddress);
    await expect(again()).to.be.revertedWithCustomError(channels, "ChannelAlreadyExists").withArgs(channelId);

    await channels.connect(payee).close(await claimOf(world, terms, 0n));
    await expect(again()).to.be.revertedWithCustomError(channels, "ChannelAlreadyExists").withArgs(channelId);
  });

  it("fails as the token does when allowance or balance fall short by one", async () => {
    const { channels, payer, payee, token, parties } = await loadFixture(deployed);
    const open = () => channels.connect(payer).open(payee, token, DEPOSIT, saltOf(1), ZeroAddress);

    await token.connect(payer).approve(channels, DEPOSIT - 1n);
    await expect(open())
      .to.be.revertedWithCustomError(token, "ERC20InsufficientAllowance")
      .withArgs(parties.contract, DEPOSIT - 1n, DEPOSIT);

    await token.connect(payer).approve(channels, DEPOSIT);
    await token.connect(payer).transfer(parties.stranger, 9n * DEPOSIT + 1n);
    await expect(open())
      .to.be.revertedWithCustomError(token, "ERC20InsufficientBalance")
      .withArgs(parties.payer, DEPOSIT - 1n, DEPOSIT);
  });
});

describe("PaymentChannels: openWithAuthorization", () => {
  it("makes the signer the payer, whoever sends it", async () => {
    for (const sender of ["relayer", "stranger", "payee", "payer"] as const) {
      const world = await loadFixture(deployed);
      const { parties } = world;
      const authorized = await authorizeOpen(world, DEPOSIT, { authorizedSigner: world.operator.address });
      const { payee, token, salt, authorizedSigner } = authorized;
      const channelId = channelIdOf(world, { payer: parties.payer, payee, token, salt, authorizedSigner });

      await expectEffects(world, sendOpen(world, authorized, world[sender]), {
        events: [["ChannelOpened", channelId, parties.payer, payee, token, authorizedSigner, salt, DEPOSIT]],
        balances: { payer: -DEPOSIT, contract: DEPOSIT },
      });
      expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT));
    }
  });

  it("returns the channel's id", async () => {
    const world = await loadFixture(deployed);
    const a = await authorizeOpen(world, DEPOSIT);
    expect(
      await world.channels.openWithAuthorization.staticCall(
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
      ),
    ).to.equal(channelIdOf(world, termsOf(world)));
  });

  it("refuses a nonce that is not the hash of the terms", async () => {
    const world = await loadFixture(deployed);
    const authorized = await authorizeOpen(world, DEPOSIT);
    const nonce = saltOf(5);
    await expect(sendOpen(world, { ...authorized, nonce }))
      .to.be.revertedWithCustomError(world.channels, "NonceMismatch")
      .withArgs(nonce, authorized.nonce);
  });

  it("refuses every change that a relayer makes to a term", async () => {
    const world = await loadFixture(deployed);
    const { channels, parties, token } = world;
    const other = await ethers.deployContract("MockDigitalYuan", [parties.relayer]);
    await other.faucet(parties.payer, DEPOSIT);
    const authorized = await authorizeOpen(world, DEPOSIT);

    for (const change of [
      { payee: parties.relayer },
      { token: await other.getAddress() },
      { salt: saltOf(2) },
      { authorizedSigner: parties.relayer },
      { from: parties.sponsor },
    ]) {
      const changed = { ...authorized, ...change };
      const expected = openNonceOf(changed.from, changed);
      await expect(sendOpen(world, changed), JSON.stringify(change))
        .to.be.revertedWithCustomError(channels, "NonceMismatch")
        .withArgs(authorized.nonce, expected);
      await expect(sendOpen(world, { ...changed, nonce: expected }), JSON.stringify(change))
        .to.be.revertedWithCustomError(token, "InvalidSignature")
        .withArgs(changed.from);
    }

    for (const change of [
      { deposit: DEPOSIT - 1n },
      { deposit: DEPOSIT + 1n },
      { validAfter: authorized.validAfter + 1n },
      { validBefore: authorized.validBefore + 1n },
    ])
      await expect(sendOpen(world, { ...authorized, ...change }))
        .to.be.revertedWithCustomError(token, "InvalidSignature")
        .withArgs(parties.payer);

    // Nothing of it spent the authorization.
    await sendOpen(world, authorized);
  });

  it("opens once, even after the channel is closed", async () => {
    const world = await loadFixture(deployed);
    const { channels, payee } = world;
    const authorized = await authorizeOpen(world, DEPOSIT);
    await sendOpen(world, authorized);
    const terms = termsOf(world);
    const refused = async () =>
      expect(sendOpen(world, authorized))
        .to.be.revertedWithCustomError(channels, "ChannelAlreadyExists")
        .withArgs(channelIdOf(world, terms));
    await refused();
    await channels.connect(payee).close(await claimOf(world, terms, 0n));
    await refused();
  });

  it("hands both ends of the authorization's time to the token", async () => {
    const world = await loadFixture(deployed);
    const now = BigInt(await time.latest());
    const [validAfter, validBefore] = [now + 100n, now + 200n];
    const authorized = await authorizeOpen(world, DEPOSIT, { validAfter, validBefore });

    for (const [timestamp, error, bound] of [
      [validAfter, "AuthorizationNotYetValid", validAfter],
      [validBefore, "AuthorizationExpired", validBefore],
    ] as const) {
      await time.setNextBlockTimestamp(timestamp);
      await expect(sendOpen(world, authorized)).to.be.revertedWithCustomError(world.token, error).withArgs(bound);
    }
  });

  it("F042: refuses a payee that could never be paid", async () => {
    const world = await loadFixture(deployed);
    for (const payee of [ZeroAddress, world.parties.contract])
      await expect(sendOpen(world, await authorizeOpen(world, DEPOSIT, { payee })))
        .to.be.revertedWithCustomError(world.channels, "InvalidPayee")
        .withArgs(payee);
  });

  it("F005: leaves a stranger nothing to do with the authorization at the token itself", async () => {
    const world = await loadFixture(deployed);
    const { token, stranger, parties } = world;
    const authorized = await authorizeOpen(world, DEPOSIT);
    const { from, validAfter, validBefore, nonce, signature } = authorized;
    const message = { from, to: parties.contract, value: DEPOSIT, validAfter, validBefore, nonce };
    for (const form of forms) {
      await expect(sendAuthorization(token.connect(stranger), "receiveWithAuthorization", form, message, signature))
        .to.be.revertedWithCustomError(token, "NotRecipient")
        .withArgs(parties.stranger, parties.contract);
      await expect(sendAuthorization(token.connect(stranger), "transferWithAuthorization", form, message, signature))
        .to.be.revertedWithCustomError(token, "InvalidSignature")
        .withArgs(from);
    }

    expect(await token.balanceOf(parties.contract)).to.equal(0n);
    await sendOpen(world, authorized);
    expect(await token.balanceOf(parties.contract)).to.equal(DEPOSIT);
  });
});

describe("PaymentChannels: topUp", () => {
  it("adds to the deposit and leaves the rest as it is", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, payee, terms, channelId } = world;
    await channels.connect(payee).settle(await claimOf(world, terms, 30n));
    await expectEffects(world, channels.connect(payer).topUp(terms, 5n), {
      events: [["ChannelToppedUp", channelId, DEPOSIT + 5n]],
      balances: { payer: -5n, contract: 5n },
    });
    expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT + 5n, 30n));
  });

  it("takes a pending request to close back", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, terms, channelId } = world;
    await channels.connect(payer).requestClose(terms);
    await expectEffects(world, channels.connect(payer).topUp(terms, 1n), {
      events: [
        ["ChannelToppedUp", channelId, DEPOSIT + 1n],
        ["CloseRequestCancelled", channelId],
      ],
      balances: { payer: -1n, contract: 1n },
    });
    expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT + 1n));
    await expect(channels.withdraw(terms))
      .to.be.revertedWithCustomError(channels, "CloseNotRequested")
      .withArgs(channelId);
  });

  it("is the payer's alone", async () => {
    const world = await loadFixture(opened);
    const { channels, terms, parties } = world;
    for (const caller of [world.payee, world.relayer, world.sponsor])
      await expect(channels.connect(caller).topUp(terms, 1n))
        .to.be.revertedWithCustomError(channels, "NotPayer")
        .withArgs(caller.address, parties.payer);
  });

  it("refuses a channel that is not there, or no more", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, payee, terms, channelId } = world;
    const unknown = termsOf(world, { salt: saltOf(9) });
    await expect(channels.connect(payer).topUp(unknown, 1n))
      .to.be.revertedWithCustomError(channels, "ChannelNotFound")
      .withArgs(channelIdOf(world, unknown));

    await channels.connect(payee).close(await claimOf(world, terms, 0n));
    await expect(channels.connect(payer).topUp(terms, 1n))
      .to.be.revertedWithCustomError(channels, "ChannelFinalized")
      .withArgs(channelId);
  });
});

describe("PaymentChannels: topUpWithAuthorization", () => {
  it("adds the payer's money, sent by anybody", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    await channels.connect(payee).settle(await claimOf(world, terms, 30n));
    await expectEffects(world, sendTopUp(world, await authorizeTopUp(world, terms, 5n)), {
      events: [["ChannelToppedUp", channelId, DEPOSIT + 5n]],
      balances: { payer: -5n, contract: 5n },
    });
    expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT + 5n, 30n));
  });

  it("adds anybody's money, which goes back to the payer", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, sponsor, terms, channelId } = world;
    await expectEffects(world, sendTopUp(world, await authorizeTopUp(world, terms, 5n, { signer: sponsor })), {
      events: [["ChannelToppedUp", channelId, DEPOSIT + 5n]],
      balances: { sponsor: -5n, contract: 5n },
    });
    await expectEffects(world, channels.connect(payee).close(await claimOf(world, terms, 2n)), {
      events: [["ChannelClosed", channelId, 2n, DEPOSIT + 3n]],
      balances: { contract: -DEPOSIT - 5n, payee: 2n, payer: DEPOSIT + 3n },
    });
  });

  it("never takes a pending request to close back, not even by the payer's signature", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, sponsor, terms, channelId } = world;
    await channels.connect(payer).requestClose(terms);
    const closeRequestedAt = BigInt(await time.latest());

    for (const signer of [payer, sponsor]) await sendTopUp(world, await authorizeTopUp(world, terms, 5n, { signer }));
    const deposit = DEPOSIT + 10n;
    expect(await channelOf(world, channelId)).to.deep.equal({ ...openState(deposit), closeRequestedAt });

    await time.setNextBlockTimestamp(closeRequestedAt + GRACE_PERIOD);
    await expectEffects(world, channels.withdraw(terms), {
      events: [["ChannelClosed", channelId, 0n, deposit]],
      balances: { contract: -deposit, payer: deposit },
    });
  });

  it("refuses a nonce that is not the hash of what it binds", async () => {
    const world = await loadFixture(opened);
    const { channels, token, parties } = world;
    const { terms: otherTerms } = await openChannel(world, { salt: saltOf(2) });
    const authorized = await authorizeTopUp(world, world.terms, 5n);
    for (const change of [
      { terms: otherTerms },
      { additionalDeposit: 6n },
      { from: parties.sponsor },
      { topUpSalt: saltOf(2) },
    ]) {
      const changed = { ...authorized, ...change };
      const { from, topUpSalt, additionalDeposit } = changed;
      const expected = topUpNonceOf(channelIdOf(world, changed.terms), additionalDeposit, from, topUpSalt);
      await expect(sendTopUp(world, changed))
        .to.be.revertedWithCustomError(channels, "NonceMismatch")
        .withArgs(authorized.nonce, expected);
      await expect(sendTopUp(world, { ...changed, nonce: expected }))
        .to.be.revertedWithCustomError(token, "InvalidSignature")
        .withArgs(from);
    }
    for (const change of [{ validAfter: 1n }, { validBefore: authorized.validBefore + 1n }])
      await expect(sendTopUp(world, { ...authorized, ...change }))
        .to.be.revertedWithCustomError(token, "InvalidSignature")
        .withArgs(parties.payer);
    await sendTopUp(world, authorized);
  });

  it("takes an authorization once, and a like one with another salt", async () => {
    const world = await loadFixture(opened);
    const { token, terms, channelId } = world;
    const authorized = await authorizeTopUp(world, terms, 5n);
    await sendTopUp(world, authorized);
    await expect(sendTopUp(world, authorized))
      .to.be.revertedWithCustomError(token, "AuthorizationAlreadyUsed")
      .withArgs(authorized.from, authorized.nonce);
    await sendTopUp(world, await authorizeTopUp(world, terms, 5n, { topUpSalt: saltOf(2) }));
    expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT + 10n));
  });

  it("refuses a channel that is not there, or no more", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    const unknown = termsOf(world, { salt: saltOf(9) });
    await expect(sendTopUp(world, await authorizeTopUp(world, unknown, 5n)))
      .to.be.revertedWithCustomError(channels, "ChannelNotFound")
      .withArgs(channelIdOf(world, unknown));

    const authorized = await authorizeTopUp(world, terms, 5n);
    await channels.connect(payee).close(await claimOf(world, terms, 0n));
    await expect(sendTopUp(world, authorized))
      .to.be.revertedWithCustomError(channels, "ChannelFinalized")
      .withArgs(channelId);
  });
});

describe("PaymentChannels: what every way of funding shares", () => {
  /** Each way funds by a token of the tester's choice; the top-ups go to a channel that is open in that token. */
  const ways = {
    open: ({ channels, payer, payee }: World, token: string, amount: bigint) =>
      channels.connect(payer).open(payee, token, amount, saltOf(2), ZeroAddress),
    openWithAuthorization: async (world: World, token: string, amount: bigint) =>
      sendOpen(world, await authorizeOpen(world, amount, { token, salt: saltOf(2) })),
    topUp: (world: World, token: string, amount: bigint) =>
      world.channels.connect(world.payer).topUp(termsOf(world, { token }), amount),
    topUpWithAuthorization: async (world: World, token: string, amount: bigint) =>
      sendTopUp(world, await authorizeTopUp(world, termsOf(world, { token }), amount)),
  };

  for (const [name, fund] of Object.entries(ways)) {
    const held = name.startsWith("topUp") ? 5n : 0n;

    describe(name, () => {
      it("refuses nothing", async () => {
        const world = await loadFixture(opened);
        await expect(fund(world, world.terms.token, 0n)).to.be.revertedWithCustomError(world.channels, "ZeroDeposit");
      });

      it("F012: holds 2^104 - 1 and not one more, nor what would wrap to little", async () => {
        const world = await loadFixture(deployed);
        const token = await issue(world, await ethers.deployContract("PlainToken"), 2n ** 128n - 1n);
        const address = await token.getAddress();
        await openChannel(world, { token: address, deposit: 5n });

        for (const tooMuch of [MAX_DEPOSIT - held + 1n, 2n ** 104n + 5n, 2n ** 128n - 1n - held])
          await expect(fund(world, address, tooMuch))
            .to.be.revertedWithCustomError(world.channels, "DepositOverflow")
            .withArgs(tooMuch + held, MAX_DEPOSIT);

        await fund(world, address, MAX_DEPOSIT - held);
        const terms = termsOf(world, { token: address, salt: saltOf(name.startsWith("topUp") ? 1 : 2) });
        expect(await channelOf(world, channelIdOf(world, terms))).to.deep.equal(openState(MAX_DEPOSIT));
      });

      it("F019: refuses a token that moves another amount than asked", async () => {
        const world = await loadFixture(deployed);
        const token = await issue(world, await ethers.deployContract("SkewedToken"));
        const address = await token.getAddress();
        await openChannel(world, { token: address, deposit: 5n });

        for (const [skew, received] of [
          [-1n, 99n],
          [1n, 101n],
          [-100n, 0n],
          // The contract ends with less than it had.
          [-103n, 0n],
        ] as const) {
          await token.setSkew(skew);
          await expect(fund(world, address, 100n), `skew ${skew}`)
            .to.be.revertedWithCustomError(world.channels, "UnexpectedTransferAmount")
            .withArgs(received, 100n);
        }
        expect(await token.balanceOf(world.channels)).to.equal(5n);
      });

      it("F020: refuses a token that moves nothing and does not say so by an error", async () => {
        const world = await loadFixture(deployed);
        const token = await issue(world, await ethers.deployContract("FalseToken"));
        const address = await token.getAddress();
        await token.setRefusing(false);
        await openChannel(world, { token: address, deposit: 5n });
        await token.setRefusing(true);

        const refused = expect(fund(world, address, 100n)).to.be;
        if (name.endsWith("WithAuthorization"))
          await refused.revertedWithCustomError(world.channels, "UnexpectedTransferAmount").withArgs(0n, 100n);
        else
          await refused
            .revertedWithCustomError(
              { interface: Interface.from(["error SafeERC20FailedOperation(address token)"]) },
              "SafeERC20FailedOperation",
            )
            .withArgs(address);
      });

      it("F020: refuses a token that is not there", async () => {
        const world = await loadFixture(deployed);
        const token = await issue(world, await ethers.deployContract("PlainToken"));
        const address = await token.getAddress();
        await openChannel(world, { token: address, deposit: 5n });
        await setCode(address, "0x");
        await expect(fund(world, address, 100n))
          .to.be.revertedWithCustomError(world.channels, "InvalidToken")
          .withArgs(address);
      });
    });
  }

  it("F020: refuses a contract that is no token", async () => {
    const world = await loadFixture(deployed);
    const { parties, stranger } = world;
    await expect(ways.open(world, parties.contract, 100n))
      .to.be.revertedWithCustomError(world.channels, "InvalidToken")
      .withArgs(parties.contract);

    // Codes that revert with 32 bytes, and that return 31.
    for (const code of ["0x60206000fd", "0x601f6000f3"]) {
      await setCode(stranger.address, code);
      await expect(ways.open(world, stranger.address, 100n), code)
        .to.be.revertedWithCustomError(world.channels, "InvalidToken")
        .withArgs(stranger.address);
    }
  });

  it("F020: works with a token that returns nothing, to the end", async () => {
    const world = await loadFixture(deployed);
    const { channels, payer, payee } = world;
    const token = await ethers.deployContract("VoidToken");
    await token.mint(payer, 101n);
    await token.connect(payer).approve(channels, 101n);
    const terms = termsOf(world, { token: await token.getAddress() });
    const channelId = channelIdOf(world, terms);
    await expectEffects(world, channels.connect(payer).open(payee, token, 100n, terms.salt, ZeroAddress), {
      events: [["ChannelOpened", channelId, terms.payer, terms.payee, terms.token, ZeroAddress, terms.salt, 100n]],
      balances: { payer: -100n, contract: 100n },
      token,
    });
    await expectEffects(world, channels.connect(payer).topUp(terms, 1n), {
      events: [["ChannelToppedUp", channelId, 101n]],
      balances: { payer: -1n, contract: 1n },
      token,
    });
    await expectEffects(world, channels.connect(payee).settle(await claimOf(world, terms, 30n)), {
      events: [["ChannelSettled", channelId, 30n]],
      balances: { contract: -30n, payee: 30n },
      token,
    });
    await expectEffects(world, channels.connect(payee).close(await claimOf(world, terms, 50n)), {
      events: [["ChannelClosed", channelId, 50n, 51n]],
      balances: { contract: -71n, payee: 20n, payer: 51n },
      token,
    });
  });
});
