import { expect } from "chai";
import { concat, id, keccak256, type Signer, toBeHex, TypedDataEncoder, Wallet, ZeroAddress } from "ethers";
import { network } from "hardhat";

import {
  channelIdOf,
  channelOf,
  claimOf,
  DEPOSIT,
  deployChannels,
  expectEffects,
  hashValues,
  issue,
  LATER,
  openChannel,
  openState,
  saltOf,
  type Terms,
  vectors as readVectors,
} from "../helpers/channels.ts";
import {
  CONDITIONAL_TYPES,
  conditionalClaimOf,
  echoParameters,
  hashPayment,
  says,
} from "../helpers/conditionalClaims.ts";
import {
  attestationEvidence,
  attestationParameters,
  HOSTILE,
  signVerdict,
  verdictDomain,
} from "../helpers/conditions.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, setCode, takeSnapshot } = connection.networkHelpers;

async function opened() {
  const world = await deployChannels(connection);
  const echo = await ethers.deployContract("EchoCondition");
  const hostile = await ethers.deployContract("HostileCondition");
  const condition = await echo.getAddress();
  /** A payment of 100 that the condition says what it is told about. */
  const payment = { ref: saltOf(5), condition, amount: 100n, parameters: echoParameters() };
  const hostileAddress = await hostile.getAddress();
  return { ...world, condition, payment, hostile, hostileAddress, ...(await openChannel(world)) };
}

type Opened = Awaited<ReturnType<typeof opened>>;

const provenClaim = (world: Opened, terms: Terms = world.terms, signer: Signer = world.payer) =>
  conditionalClaimOf(world, terms, 1_100n, [{ ...world.payment, evidence: says(100n) }], {
    cumulativeAmount: 1_000n,
    signer,
  });

const settled = (world: Opened) => ({
  events: [["ChannelSettled", world.channelId, 1_100n]] as [string, ...unknown[]][],
  balances: { contract: -1_100n, payee: 1_100n },
});

describe("PaymentChannels: who may use a conditional claim", () => {
  it("INV8: the payee and its operator settle, the payee alone closes, others neither", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, payer, operator, stranger, parties } = world;
    const claim = await provenClaim(world);
    const expectNotPayee = (way: "settleConditional" | "closeConditional", sender: { address: string } & Signer) =>
      expect(channels.connect(sender)[way](claim))
        .to.be.revertedWithCustomError(channels, "NotPayee")
        .withArgs(sender.address, parties.payee);
    for (const sender of [payer, operator, stranger]) {
      await expectNotPayee("settleConditional", sender);
      await expectNotPayee("closeConditional", sender);
    }
    await channels.connect(payee).setOperator(operator, true);
    await expectNotPayee("closeConditional", operator);
    await expectNotPayee("settleConditional", stranger);
    await expectEffects(world, channels.connect(operator).settleConditional(claim), settled(world));
    await channels.connect(payee).setOperator(operator, false);
    await expectNotPayee("settleConditional", operator);
  });

  it("INV12: ECDSA first: a payer that gains code cannot disown its statement", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, payer, stranger } = world;
    const claim = await provenClaim(world);
    const wallet = await ethers.deployContract("ERC1271Wallet", [stranger]);
    const start = await takeSnapshot();
    for (const code of ["0xfe", concat(["0xef0100", await wallet.getAddress()])]) {
      await setCode(payer.address, code);
      await expectEffects(world, channels.connect(payee).settleConditional(claim), settled(world));
      await start.restore();
    }
  });

  it("a wallet signs by ERC-1271, as long as it says so", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, sponsor } = world;
    const wallet = await ethers.deployContract("ERC1271Wallet", [sponsor]);
    const authorizedSigner = await wallet.getAddress();
    const { terms, channelId } = await openChannel(world, { authorizedSigner });
    const [good, bad] = [await provenClaim(world, terms, sponsor), await provenClaim(world, terms)];
    const expectInvalid = (claim: typeof good) =>
      expect(channels.connect(payee).settleConditional(claim))
        .to.be.revertedWithCustomError(channels, "InvalidSignature")
        .withArgs(authorizedSigner);
    await expectInvalid(bad);
    const start = await takeSnapshot();
    await wallet.setAnswer("0xffffffff".padEnd(66, "0"), false);
    await expectInvalid(good);
    await start.restore();
    await expectEffects(world, channels.connect(payee).settleConditional(good), settled({ ...world, channelId }));
  });

  it("the signature is checked before any condition is asked", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, payer, hostile, hostileAddress } = world;
    await hostile.setBehaviour(7);
    const payment = { ...world.payment, condition: hostileAddress, evidence: "0x" };
    const claim = await conditionalClaimOf(world, world.terms, 100n, [payment]);
    await expect(channels.connect(payee).settleConditional({ ...claim, signature: "0x" }, { gasLimit: 200_000n }))
      .to.be.revertedWithCustomError(channels, "InvalidSignature")
      .withArgs(payer.address);
  });
});

describe("PaymentChannels: conditions that misbehave", () => {
  for (const { name, behaviour } of HOSTILE)
    it(`F033: a payment whose condition ${name} counts nothing, and the others as before`, async () => {
      const world = await loadFixture(opened);
      const { channels, payee, hostile, hostileAddress, payment, terms } = world;
      await hostile.setBehaviour(behaviour);
      const payments = [
        { ...payment, ref: saltOf(1), evidence: says(60n) },
        { ...payment, ref: saltOf(2), condition: hostileAddress, evidence: "0x" },
        { ...payment, ref: saltOf(3), evidence: says(40n) },
      ];
      const claimOfAmount = (amount: bigint) =>
        conditionalClaimOf(world, terms, amount, payments, { cumulativeAmount: 1_000n });
      const gasLimit = 6_000_000n;
      await expect(channels.connect(payee).settleConditional(await claimOfAmount(1_101n), { gasLimit }))
        .to.be.revertedWithCustomError(channels, "AmountExceedsEntitlement")
        .withArgs(1_101n, 1_100n);
      await expectEffects(
        world,
        channels.connect(payee).settleConditional(await claimOfAmount(1_100n), { gasLimit }),
        settled(world),
      );
    });

  it("F033: no code, a precompiled contract or code that is gone counts nothing; a megabyte for its first word", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, hostile, hostileAddress, payment, terms, parties } = world;
    const entitlementOf = async (condition: string): Promise<bigint> => {
      const claim = await conditionalClaimOf(world, terms, 200n, [{ ...payment, condition, evidence: says(100n) }]);
      const sent = channels.connect(payee).settleConditional.staticCall(claim, { gasLimit: 5_000_000n });
      const error = await sent.then(
        () => undefined,
        (reason: { data: string }) => channels.interface.parseError(reason.data),
      );
      expect(error?.name).to.equal("AmountExceedsEntitlement");
      return error!.args[1] as bigint;
    };
    const precompiled = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => toBeHex(number, 20));
    for (const condition of [ZeroAddress, parties.stranger, parties.contract, world.tokenAddress, ...precompiled])
      expect(await entitlementOf(condition), condition).to.equal(0n);
    expect(await entitlementOf(hostileAddress)).to.equal(100n);
    await hostile.setBehaviour(5);
    expect(await entitlementOf(hostileAddress)).to.equal(100n);
    for (const code of ["0x", "0x33ff"]) {
      await setCode(hostileAddress, code);
      expect(await entitlementOf(hostileAddress), code).to.equal(0n);
    }
  });

  it("F018: a condition without enough gas makes the claim fail, and never capture less", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, payment, terms, channelId, tokenAddress, parties } = world;
    // The condition's memory takes 840,000 gas.
    const parameters = echoParameters(20_000n);
    const payments = [
      { ...payment, ref: saltOf(1), parameters, evidence: says(60n) },
      { ...payment, ref: saltOf(2), evidence: says(40n) },
    ];
    const claim = await conditionalClaimOf(world, terms, 1_100n, payments, { cumulativeAmount: 1_000n });
    const ladder = await ethers.deployContract("GasLadder");
    await channels.connect(payee).setOperator(ladder, true);
    const data = channels.interface.encodeFunctionData("settleConditional", [claim]);
    const outcomes = await ladder.climb.staticCall(
      channels,
      data,
      tokenAddress,
      [parties.payee],
      60_000n,
      10_000n,
      120n,
      {
        gasLimit: 10_000_000_000n,
      },
    );
    const counts = { captured: 0, starved: 0, unpaid: 0, outOfGas: 0 };
    const selectorOf = (error: string): string => channels.interface.getError(error)!.selector;
    for (const { success, creditAdded, result } of outcomes) {
      expect(creditAdded).to.equal(0n);
      if (success) counts.captured++;
      else if (result.startsWith(selectorOf("AmountExceedsEntitlement"))) {
        counts.starved++;
        const [amount, entitlement] = channels.interface.parseError(result)!.args as unknown as [bigint, bigint];
        expect([amount, entitlement === 1_040n || entitlement === 1_000n]).to.deep.equal([1_100n, true]);
      } else if (result.startsWith(selectorOf("InsufficientPayoutGas"))) counts.unpaid++;
      else {
        expect(result).to.equal("0x");
        counts.outOfGas++;
      }
    }
    expect([counts.captured, counts.starved, counts.outOfGas].every((count) => count > 0)).to.equal(true);
    await channels.connect(payee).closeConditional(claim);
    expect((await channelOf(world, channelId)).settled).to.equal(1_100n);
  });
});

describe("PaymentChannels: sizes of conditional claims", () => {
  it("the 256th payment can be proven; what stands behind it counts by its hash alone", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, payment, terms } = world;
    const payments = Array.from({ length: 258 }, (_, i) => ({ ...payment, ref: saltOf(i) }));
    const withEvidence = payments.map((one, i) => (i === 0 || i === 255 ? { ...one, evidence: says(50n) } : one));
    const claim = await conditionalClaimOf(world, terms, 1_100n, withEvidence, { cumulativeAmount: 1_000n });
    expect(claim.proven.map(({ index }) => index)).to.deep.equal([0, 255]);
    await expectEffects(world, channels.connect(payee).settleConditional(claim), settled(world));
  });

  it("16 payments, all proven by an evaluator's verdict, cost less than 3,000,000 gas", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    const attestation = await ethers.deployContract("AttestationCondition");
    const condition = await attestation.getAddress();
    const evaluator = new Wallet(keccak256("0x01"));
    const [specHash, deliverableHash, amount, issuedAt] = [saltOf(5), saltOf(6), 100n, 1n];
    const payments = await Promise.all(
      Array.from({ length: 16 }, async (_, i) => {
        const ref = saltOf(i + 1);
        const paymentId = hashValues(["bytes32", "bytes32"], [channelId, ref]);
        const verdict = { paymentId, specHash, deliverableHash, amount, issuedAt };
        const signature = await signVerdict(evaluator, verdictDomain(condition), verdict);
        return {
          ref,
          condition,
          amount,
          parameters: attestationParameters([evaluator.address], 1, specHash, LATER),
          evidence: attestationEvidence(deliverableHash, [{ evaluator: 0, amount, issuedAt, signature }]),
        };
      }),
    );
    const claim = await conditionalClaimOf(world, terms, 1_600n, payments);
    expect(claim.proven).to.have.length(16);
    const receipt = (await (await channels.connect(payee).settleConditional(claim)).wait())!;
    expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT, 1_600n));
    expect(receipt.gasUsed < 3_000_000n).to.equal(true);
  });
});

describe("PaymentChannels: conditional claims made outside the project", () => {
  const { conditionalVouchers, terms, channelId } = readVectors();

  it("have the same digests and ids, and settle, with all and with nothing proven", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, domain, condition } = world;
    await openChannel(world, terms);
    expect(channelIdOf(world, terms)).to.equal(channelId);
    const code = await ethers.provider.getCode(condition);
    const start = await takeSnapshot();
    for (const vector of conditionalVouchers) {
      const { digest, signature, payments, paymentIds, structHashes } = vector;
      const cumulativeAmount = BigInt(vector.cumulativeAmount);
      const message = { channelId, cumulativeAmount, payments };
      expect(TypedDataEncoder.hash(domain, CONDITIONAL_TYPES, message)).to.equal(digest);
      const proven = payments.map(({ ref, condition: asked, amount }, index) => {
        const parameters = echoParameters(BigInt(index + 1));
        const payment = { ref, condition: asked, amount: BigInt(amount), parameters };
        expect(hashPayment(payment)).to.equal(structHashes[index]);
        expect(hashValues(["bytes32", "bytes32"], [channelId, ref])).to.equal(paymentIds[index]);
        return { index, ...payment, evidence: says(BigInt(amount)) };
      });
      const all = proven.reduce((sum, { amount }) => sum + amount, cumulativeAmount);
      // The contract at the vectors' condition is one that says what it is told.
      for (const { condition: asked } of proven) await setCode(asked, code);
      const ready = await takeSnapshot();
      for (const [claimed, amount] of [
        [{ proven, paymentHashes: structHashes.map(() => saltOf(0)) }, all],
        [{ proven: [], paymentHashes: structHashes }, cumulativeAmount],
      ] as const) {
        const sent = channels
          .connect(payee)
          .settleConditional({ terms, amount, cumulativeAmount, signature, ...claimed } as Parameters<
            typeof channels.settleConditional
          >[0]);
        await expectEffects(world, sent, {
          events: [["ChannelSettled", channelId, amount]],
          balances: { contract: -amount, payee: amount },
        });
        await ready.restore();
      }
      await start.restore();
    }
  });
});

describe("PaymentChannels: tokens that call back into conditional claims", () => {
  const GUARD = id("ReentrancyGuardReentrantCall()").slice(0, 10);

  it("F013, F028: nothing that moves tokens can be called from their transfers, nor they from others", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, payee, payment } = world;
    const hook = await issue(world, await ethers.deployContract("HookToken"));
    const token = await hook.getAddress();
    await channels.connect(payee).setOperator(hook, true);
    const main = await openChannel(world, { token });
    // The token is payee here, and may close.
    const toToken = await openChannel(world, { token, payee: token });
    const claimFor = ({ terms }: { terms: Terms }, amount: bigint) =>
      conditionalClaimOf(world, terms, amount, [{ ...payment, evidence: says(100n) }]);

    const outer = [
      async () => channels.connect(payee).settleConditional(await claimFor(main, 40n)),
      async () => channels.connect(payee).closeConditional(await claimFor(main, 40n)),
      () => channels.connect(payer).topUp(main.terms, 5n),
    ];
    const inner = [
      channels.interface.encodeFunctionData("settleConditional", [await claimFor(main, 30n)]),
      channels.interface.encodeFunctionData("closeConditional", [await claimFor(toToken, 30n)]),
      channels.interface.encodeFunctionData("settle", [await claimOf(world, main.terms, 30n)]),
    ];
    const start = await takeSnapshot();
    for (const data of inner) await hook.execute.staticCall(channels, data);
    for (const send of outer)
      for (const data of inner)
        for (const isBeforeMove of [true, false]) {
          await hook.arm(channels, data, isBeforeMove);
          await send();
          expect([await hook.hookSucceeded(), await hook.hookResult()]).to.deep.equal([false, GUARD]);
          await start.restore();
        }
  });
});
