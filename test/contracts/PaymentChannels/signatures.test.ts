import { expect } from "chai";
import { concat, dataSlice, type Signer, ZeroAddress } from "ethers";
import { network } from "hardhat";

import {
  authorizeOpen,
  channelIdOf,
  channelOf,
  type Claim,
  claimOf,
  DEPOSIT,
  deployChannels,
  expectEffects,
  GRACE_PERIOD,
  LATER,
  openChannel,
  openState,
  saltOf,
  sendOpen,
  sign,
  termsOf,
  toBatchClaim,
  TYPES,
  type World,
} from "../helpers/channels.ts";
import { asCompact, withBareV, withHighS } from "../helpers/token.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, setCode, time } = connection.networkHelpers;

async function openedOn(chain: typeof connection) {
  const world = await deployChannels(chain);
  return { ...world, ...(await openChannel(world)) };
}

async function opened() {
  return openedOn(connection);
}

type Opened = Awaited<ReturnType<typeof opened>>;

/** A channel whose vouchers a wallet signs; the wallet's owner is the sponsor. */
async function walletSigned() {
  const world = await deployChannels(connection);
  const wallet = await ethers.deployContract("ERC1271Wallet", [world.sponsor]);
  const authorizedSigner = await wallet.getAddress();
  return { ...world, wallet, authorizedSigner, ...(await openChannel(world, { authorizedSigner })) };
}

/** What the payer signed before it gains code. */
async function signed() {
  const world = await opened();
  const { payer, channelId, terms } = world;
  return {
    ...world,
    claims: [await claimOf(world, terms, 40n), await claimOf(world, terms, 50n), await claimOf(world, terms, 60n)],
    request: await sign(world, payer, "CloseRequest", { channelId, deadline: LATER }),
  };
}

type Signed = Awaited<ReturnType<typeof signed>>;

type Type = keyof typeof TYPES;

/** A message of each type about one channel, all with the same numbers. */
const messageOf = (channelId: string, amount: bigint): Record<string, unknown> => ({
  channelId,
  cumulativeAmount: amount,
  nonce: 7n,
  deadline: LATER,
});

/** Signs only the fields that the type has. */
const signType = (world: World, signer: Signer, type: Type, channelId: string, domain = world.domain) => {
  const message = messageOf(channelId, 40n);
  const fields = Object.fromEntries(TYPES[type].map(({ name }) => [name, message[name]]));
  return sign(world, signer, type, fields, domain);
};

/** Uses a signature as one of a type, whoever made it; what else is needed is right. */
const uses: Record<Type, (world: Opened, signature: string) => Promise<unknown>> = {
  Voucher: ({ channels, payee, terms }, signature) =>
    channels.connect(payee).settle({ terms, amount: 40n, cumulativeAmount: 40n, signature }),
  SettleAuthorization: async (world, signature) =>
    world.channels.settleWithAuthorization(await claimOf(world, world.terms, 40n), 7n, LATER, signature),
  CloseAuthorization: async (world, signature) =>
    world.channels.closeWithAuthorization(await claimOf(world, world.terms, 40n), 7n, LATER, signature),
  CloseRequest: ({ channels, terms }, signature) => channels.requestCloseWithAuthorization(terms, LATER, signature),
};

const types = Object.keys(TYPES) as Type[];

/** Who must sign what. */
const signerOf = ({ payer, payee }: World, type: Type): { address: string } & Signer =>
  type.endsWith("Authorization") ? payee : payer;

const expectInvalid = (world: World, promise: Promise<unknown>, signer: string, message = "") =>
  expect(promise, message).to.be.revertedWithCustomError(world.channels, "InvalidSignature").withArgs(signer);

describe("PaymentChannels: what a signature is good for", () => {
  for (const type of types) {
    it(`${type}: serves where it belongs`, async () => {
      const world = await loadFixture(opened);
      await uses[type](world, await signType(world, signerOf(world, type), type, world.channelId));
    });

    it(`F001: ${type}: works on one channel only`, async () => {
      const world = await loadFixture(opened);
      const { channelId } = await openChannel(world, { salt: saltOf(2) });
      const signer = signerOf(world, type);
      await expectInvalid(world, uses[type](world, await signType(world, signer, type, channelId)), signer.address);
    });

    it(`F001: ${type}: works under one domain only`, async () => {
      const world = await loadFixture(opened);
      const signer = signerOf(world, type);
      for (const change of [
        { name: "EVM Payment Channels" },
        { version: "2" },
        { chainId: 1n },
        { verifyingContract: world.tokenAddress },
      ]) {
        const domain = { ...world.domain, ...change };
        const signature = await signType(world, signer, type, world.channelId, domain);
        await expectInvalid(world, uses[type](world, signature), signer.address, JSON.stringify(Object.keys(change)));
      }
    });

    it(`F003: ${type}: no other type takes its place`, async () => {
      // Payer and payee are one, so nothing but the type tells the signatures apart.
      const world = await loadFixture(opened);
      const own = await openChannel(world, { payee: world.parties.payer });
      const ownWorld = { ...world, ...own, payee: world.payer as unknown as Opened["payee"] };
      for (const other of types.filter((candidate) => candidate !== type)) {
        const signature = await signType(world, world.payer, other, own.channelId);
        await expectInvalid(world, uses[type](ownWorld, signature), world.payer.address, other);
      }
      await uses[type](ownWorld, await signType(world, world.payer, type, own.channelId));
    });

    it(`F014, F110: ${type}: has one form, 65 bytes with low s and v of 27 or 28`, async () => {
      const world = await loadFixture(opened);
      const signer = signerOf(world, type);
      const signature = await signType(world, signer, type, world.channelId);
      const forms = {
        "high s": withHighS(signature),
        "v of 0 or 1": withBareV(signature),
        "64 bytes": asCompact(signature),
        "no v": dataSlice(signature, 0, 64),
        "66 bytes": concat([signature, "0x00"]),
        "v of 29": concat([dataSlice(signature, 0, 64), "0x1d"]),
        "the other v": concat([dataSlice(signature, 0, 64), signature.endsWith("1b") ? "0x1c" : "0x1b"]),
        "s before r": concat([dataSlice(signature, 32, 64), dataSlice(signature, 0, 32), dataSlice(signature, 64)]),
        zeros: `0x${"00".repeat(65)}`,
        nothing: "0x",
      };
      for (const [form, changed] of Object.entries(forms))
        await expectInvalid(world, uses[type](world, changed), signer.address, form);
      await uses[type](world, signature);
    });
  }

  it("F001: a voucher is worthless at another contract of the same chain, with the same terms", async () => {
    const world = await loadFixture(opened);
    const { payer, payee, token, terms } = world;
    const second = await ethers.deployContract("PaymentChannels", [GRACE_PERIOD]);
    await token.connect(payer).approve(second, DEPOSIT);
    await second.connect(payer).open(payee, token, DEPOSIT, terms.salt, terms.authorizedSigner);
    const claim = await claimOf(world, terms, 40n);
    await expectInvalid(world, second.connect(payee).settle(claim), payer.address);

    // Neither does it help to name the other's channel in it.
    const channelId = await second.computeChannelId(terms);
    const signature = await sign(world, payer, "Voucher", { channelId, cumulativeAmount: 40n });
    await expectInvalid(world, second.connect(payee).settle({ ...claim, signature }), payer.address);
    await world.channels.connect(payee).settle(claim);
  });

  it("F001: a voucher is worthless on another chain, at the same address with the same terms", async () => {
    const [here, elsewhere] = [await network.create(), await network.create({ override: { chainId: 31338 } })];
    const [world, there] = [await openedOn(here), await openedOn(elsewhere)];
    expect(there.parties).to.deep.equal(world.parties);
    expect(there.terms).to.deep.equal(world.terms);
    expect(there.channelId).not.to.equal(world.channelId);

    const claim = await claimOf(world, world.terms, 40n);
    await expectInvalid(there, there.channels.connect(there.payee).settle(claim), there.payer.address);
    for (const [channelId, domain] of [
      [there.channelId, world.domain],
      [world.channelId, there.domain],
    ] as const) {
      const signature = await signType(world, world.payer, "Voucher", channelId, domain);
      await expectInvalid(there, uses.Voucher(there, signature), there.payer.address);
    }
    await uses.Voucher(there, await signType(there, there.payer, "Voucher", there.channelId));
    await Promise.all([here.close(), elsewhere.close()]);
  });

  it("F003: signatures of two channels in opposite directions do not cross", async () => {
    const world = await loadFixture(opened);
    const { channels, token, payer, payee, parties } = world;
    await token.faucet(payee, DEPOSIT);
    await token.connect(payee).approve(channels, DEPOSIT);
    await channels.connect(payee).open(payer, token, DEPOSIT, saltOf(1), ZeroAddress);
    const backTerms = termsOf(world, { payer: parties.payee, payee: parties.payer });
    const back = { ...world, terms: backTerms, channelId: channelIdOf(world, backTerms), payer: payee, payee: payer };
    const backWorld = back as unknown as Opened;
    for (const type of types)
      for (const made of types) {
        const signature = await signType(world, signerOf(world, made), made, world.channelId);
        await expectInvalid(world, uses[type](backWorld, signature), signerOf(backWorld, type).address, type + made);
      }
  });

  it("F014: what was paid for is not paid again in another form", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, payer, terms } = world;
    const claim = await claimOf(world, terms, 40n);
    await channels.connect(payee).settle(claim);
    await expect(channels.connect(payee).settle(claim))
      .to.be.revertedWithCustomError(channels, "AmountNotIncreasing")
      .withArgs(40n, 40n);
    for (const change of [withHighS, withBareV, asCompact]) {
      const signature = change(claim.signature);
      await expectInvalid(world, channels.connect(payee).settle({ ...claim, signature }), payer.address);
    }
  });

  it("a payer that is nobody signs nothing", async () => {
    const world = await loadFixture(opened);
    const { channels, payee } = world;
    // Only a token that does not care who pays lets such a channel be.
    const token = await (await ethers.deployContract("PlainToken")).getAddress();
    const terms = termsOf(world, { token, payer: ZeroAddress });
    await sendOpen(world, await authorizeOpen(world, DEPOSIT, { token, from: ZeroAddress }));
    for (const signature of ["0x", `0x${"00".repeat(65)}`, withHighS((await claimOf(world, terms, 40n)).signature)]) {
      const claim = { terms, amount: 40n, cumulativeAmount: 40n, signature };
      await expectInvalid(world, channels.connect(payee).settle(claim), ZeroAddress);
    }
    const claim = { ...toBatchClaim(await claimOf(world, terms, 40n)), r: saltOf(0), vs: saltOf(0) };
    const { selector } = channels.interface.getError("InvalidSignature")!;
    await expectEffects(world, channels.connect(payee).settleBatch(payee, token, [claim]), {
      events: [["ClaimSkipped", channelIdOf(world, terms), selector]],
    });
  });
});

describe("PaymentChannels: contracts that sign", () => {
  const NO = "0xffffffff".padEnd(66, "0");
  const YES = "0x1626ba7e".padEnd(66, "0");

  it("a wallet signs vouchers, by its owner", async () => {
    const world = await loadFixture(walletSigned);
    const { channels, payee, payer, sponsor, terms, channelId, authorizedSigner } = world;
    await expectInvalid(world, channels.connect(payee).settle(await claimOf(world, terms, 40n)), authorizedSigner);
    await expectEffects(world, channels.connect(payee).settle(await claimOf(world, terms, 40n, { signer: sponsor })), {
      events: [["ChannelSettled", channelId, 40n]],
      balances: { contract: -40n, payee: 40n },
    });
    await expectEffects(world, channels.connect(payee).close(await claimOf(world, terms, 50n, { signer: sponsor })), {
      events: [["ChannelClosed", channelId, 50n, DEPOSIT - 50n]],
      balances: { contract: 40n - DEPOSIT, payee: 10n, payer: DEPOSIT - 50n },
    });
    expect(terms.payer).to.equal(payer.address);
  });

  it("a wallet pays: it opens, signs vouchers and asks to close, without a transaction of its own", async () => {
    const world = await loadFixture(walletSigned);
    const { channels, token, payee, sponsor, wallet } = world;
    const payer = await wallet.getAddress();
    await token.faucet(wallet, DEPOSIT);
    await sendOpen(world, await authorizeOpen(world, DEPOSIT, { signer: sponsor, from: payer }));
    const terms = termsOf(world, { payer });
    const channelId = channelIdOf(world, terms);
    expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT));

    await channels.connect(payee).settle(await claimOf(world, terms, 40n, { signer: sponsor }));
    const request = await sign(world, sponsor, "CloseRequest", { channelId, deadline: LATER });
    await channels.requestCloseWithAuthorization(terms, LATER, request);
    await time.increase(GRACE_PERIOD);
    await channels.withdraw(terms);
    expect(await token.balanceOf(wallet)).to.equal(DEPOSIT - 40n);
  });

  it("a wallet is paid: it signs what others settle and close for it", async () => {
    const world = await loadFixture(walletSigned);
    const { channels, token, relayer, sponsor, wallet } = world;
    const { terms, channelId } = await openChannel(world, { payee: await wallet.getAddress() });
    const settle = await sign(world, sponsor, "SettleAuthorization", messageOf(channelId, 40n));
    await channels.connect(relayer).settleWithAuthorization(await claimOf(world, terms, 40n), 7n, LATER, settle);
    expect(await token.balanceOf(wallet)).to.equal(40n);
    const close = await sign(world, sponsor, "CloseAuthorization", messageOf(channelId, 50n));
    await channels.connect(relayer).closeWithAuthorization(await claimOf(world, terms, 50n), 7n, LATER, close);
    expect(await token.balanceOf(wallet)).to.equal(50n);
  });

  it("a wallet's signature is no better than its last answer", async () => {
    const world = await loadFixture(walletSigned);
    const { channels, payee, sponsor, wallet, terms, authorizedSigner } = world;
    const claim = await claimOf(world, terms, 40n, { signer: sponsor });
    await wallet.setAnswer(NO, false);
    await expectInvalid(world, channels.connect(payee).settle(claim), authorizedSigner);
    await wallet.setAnswer(YES, false);
    await channels.connect(payee).settle({ ...claim, signature: "0x" });
  });

  it("only the right answer counts, in 32 bytes or more", async () => {
    const world = await loadFixture(walletSigned);
    const { channels, payee, wallet, terms, authorizedSigner } = world;
    const claim = { terms, amount: 40n, cumulativeAmount: 40n, signature: "0x" };
    for (const [answer, reverts] of [
      ["0x", false],
      [NO, false],
      [saltOf(1), false],
      ["0x1626ba7e", false],
      [dataSlice(YES, 0, 31), false],
      [`${YES.slice(0, -1)}1`, false],
      [`0x${"00".repeat(28)}1626ba7e`, false],
      [YES, true],
      ["0x", true],
    ] as const) {
      await wallet.setAnswer(answer, reverts);
      await expectInvalid(world, channels.connect(payee).settle(claim), authorizedSigner, `${answer} ${reverts}`);
    }
    await wallet.setAnswer(concat([YES, "0x1234"]), false);
    await channels.connect(payee).settle(claim);
  });

  it("an answer that costs too much, or is too long, harms only the claim that asks for it", async () => {
    const world = await loadFixture(opened);
    const { channels, payee } = world;
    const [burnGas, longNo, longYes] = await Promise.all(
      [0, 1, 2].map(async (behaviour) => (await ethers.deployContract("HostileSigner", [behaviour])).getAddress()),
    );
    const gasLimit = 3_200_000n;
    for (const [authorizedSigner, isRefused] of [
      [burnGas!, true],
      [longNo!, true],
      // The signer needs 2.2 million for its megabyte; whoever copied it would need as much again.
      [longYes!, false],
    ] as const) {
      const { terms, channelId } = await openChannel(world, { authorizedSigner });
      const claim = { terms, amount: 40n, cumulativeAmount: 40n, signature: "0x" };
      const transaction = channels.connect(payee).settle(claim, { gasLimit });
      if (isRefused) await expectInvalid(world, transaction, authorizedSigner);
      else
        await expectEffects(world, transaction, {
          events: [["ChannelSettled", channelId, 40n]],
          balances: { contract: -40n, payee: 40n },
        });
    }
  });

  it("a precompiled contract signs nothing, though it answers", async () => {
    const world = await loadFixture(opened);
    const { channels, payee } = world;
    for (const number of [2, 4]) {
      const authorizedSigner = ethers.toBeHex(number, 20);
      const { terms } = await openChannel(world, { authorizedSigner });
      const claim = { terms, amount: 40n, cumulativeAmount: 40n, signature: "0x" };
      await expectInvalid(world, channels.connect(payee).settle(claim), authorizedSigner);
    }
  });

  it("a batch asks no contract: it leaves such claims out at no cost to the others", async () => {
    const world = await loadFixture(walletSigned);
    const { channels, payee, token, sponsor, terms, channelId } = world;
    const burner = await (await ethers.deployContract("HostileSigner", [0])).getAddress();
    const burning = await openChannel(world, { authorizedSigner: burner });
    const plain = await openChannel(world);
    const claims = [
      await claimOf(world, burning.terms, 40n),
      await claimOf(world, terms, 40n, { signer: sponsor }),
      await claimOf(world, plain.terms, 40n),
    ];
    const { selector } = channels.interface.getError("InvalidSignature")!;
    await expectEffects(
      world,
      channels.connect(payee).settleBatch(payee, token, claims.map(toBatchClaim), { gasLimit: 300_000n }),
      {
        events: [
          ["ClaimSkipped", burning.channelId, selector],
          ["ClaimSkipped", channelId, selector],
          ["ChannelSettled", plain.channelId, 40n],
        ],
        balances: { contract: -40n, payee: 40n },
      },
    );
  });
});

describe("PaymentChannels: signers that gain code (EIP-7702)", () => {
  const NO = "0xffffffff".padEnd(66, "0");

  /** Ways in which an account comes to answer for itself, and to deny what it signed. */
  const gains: Record<string, (world: Signed, account: { address: string } & Signer) => Promise<void>> = {
    "a delegation": async ({ stranger }, { address }) => {
      const wallet = await ethers.deployContract("ERC1271Wallet", [stranger]);
      await setCode(address, concat(["0xef0100", await wallet.getAddress()]));
    },
    "a delegation to a contract that burns gas": async (_world, { address }) => {
      const burner = await ethers.deployContract("HostileSigner", [0]);
      await setCode(address, concat(["0xef0100", await burner.getAddress()]));
    },
    "code of its own that says no": async ({ stranger }, { address }) => {
      const wallet = await ethers.deployContract("ERC1271Wallet", [stranger]);
      await setCode(address, await ethers.provider.getCode(wallet));
      await ethers.getContractAt("ERC1271Wallet", address).then((account) => account.setAnswer(NO, false));
    },
    "code of its own that answers garbage": async ({ stranger }, { address }) => {
      const wallet = await ethers.deployContract("ERC1271Wallet", [stranger]);
      await setCode(address, await ethers.provider.getCode(wallet));
      await ethers.getContractAt("ERC1271Wallet", address).then((account) => account.setAnswer("0x1234", false));
    },
    "code that only fails": async (_world, { address }) => setCode(address, "0xfe"),
  };

  for (const [name, gain] of Object.entries(gains)) {
    it(`a payer with ${name} cannot disown what it signed before`, async () => {
      const world = await loadFixture(signed);
      const { channels, payer, payee, token, channelId, terms, request } = world;
      const [first, second, third] = world.claims as [Claim, Claim, Claim];
      await gain(world, payer);
      expect(await ethers.provider.getCode(payer)).not.to.equal("0x");

      await expectEffects(world, channels.connect(payee).settle(first), {
        events: [["ChannelSettled", channelId, 40n]],
        balances: { contract: -40n, payee: 40n },
      });
      await expectEffects(world, channels.connect(payee).settleBatch(payee, token, [toBatchClaim(second)]), {
        events: [["ChannelSettled", channelId, 50n]],
        balances: { contract: -10n, payee: 10n },
      });
      await channels.requestCloseWithAuthorization(terms, LATER, request);
      await expectEffects(world, channels.connect(payee).close(third), {
        events: [["ChannelClosed", channelId, 60n, DEPOSIT - 60n]],
        balances: { contract: 50n - DEPOSIT, payee: 10n, payer: DEPOSIT - 60n },
      });
    });

    it(`a payee with ${name} cannot disown what it signed before`, async () => {
      const world = await loadFixture(signed);
      const { channels, relayer, payee, channelId, terms } = world;
      const settle = await sign(world, payee, "SettleAuthorization", messageOf(channelId, 40n));
      const close = await sign(world, payee, "CloseAuthorization", messageOf(channelId, 60n));
      await gain(world, payee);
      const sender = channels.connect(relayer);
      await sender.settleWithAuthorization(world.claims[0]!, 7n, LATER, settle);
      await expectEffects(world, sender.closeWithAuthorization(await claimOf(world, terms, 60n), 7n, LATER, close), {
        events: [["ChannelClosed", channelId, 60n, DEPOSIT - 60n]],
        balances: { contract: 40n - DEPOSIT, payee: 20n, payer: DEPOSIT - 60n },
      });
    });
  }

  it("holds for a delegation that the payer sent itself, too", async () => {
    const world = await loadFixture(signed);
    const { channels, relayer, payer, payee, stranger, channelId } = world;
    const wallet = await ethers.deployContract("ERC1271Wallet", [stranger]);
    const authorization = await payer.authorize({ address: await wallet.getAddress() });
    await relayer.sendTransaction({ type: 4, to: ZeroAddress, authorizationList: [authorization] });
    expect(await ethers.provider.getCode(payer)).to.equal(
      concat(["0xef0100", await wallet.getAddress()]).toLowerCase(),
    );
    await expectEffects(world, channels.connect(payee).settle(world.claims[0]!), {
      events: [["ChannelSettled", channelId, 40n]],
      balances: { contract: -40n, payee: 40n },
    });
  });

  it("lets an account's code sign for it as well", async () => {
    const world = await loadFixture(signed);
    const { channels, payee, payer, stranger, terms, channelId } = world;
    const claim = await claimOf(world, terms, 40n, { signer: stranger });
    await expectInvalid(world, channels.connect(payee).settle(claim), payer.address);
    await gains["a delegation"]!(world, payer);
    await expectEffects(world, channels.connect(payee).settle(claim), {
      events: [["ChannelSettled", channelId, 40n]],
      balances: { contract: -40n, payee: 40n },
    });
  });
});
