import { expect } from "chai";
import { MaxUint256, type Signer, toBeHex, ZeroAddress, ZeroHash } from "ethers";
import { network } from "hardhat";

import {
  channelIdOf,
  channelOf,
  type Claim,
  claimOf,
  DEPOSIT,
  deployChannels,
  expectEffects,
  issue,
  MAX_DEPOSIT,
  openChannel,
  openState,
  saltOf,
  sign,
  type Terms,
  termsOf,
  toBatchClaim,
  type World,
} from "../helpers/channels.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, takeSnapshot } = connection.networkHelpers;

const CHANNELS = 6;

/** Six channels of one payee and token, the last closed; the second has a signer of its own, the third is settled at 100. */
async function opened() {
  const world = await deployChannels(connection);
  const list: { terms: Terms; channelId: string }[] = [];
  for (let i = 0; i < CHANNELS; i++) {
    const authorizedSigner = i === 1 ? world.sponsor.address : ZeroAddress;
    list.push(await openChannel(world, { salt: saltOf(i), authorizedSigner }));
  }
  const settler = world.channels.connect(world.payee);
  await settler.settle(await claimOf(world, list[2]!.terms, 100n));
  await settler.close(await claimOf(world, list[CHANNELS - 1]!.terms, 10n));
  return { ...world, list };
}

const settleBatch = (world: World, claims: Claim[], caller: Signer = world.payee) =>
  world.channels.connect(caller).settleBatch(world.payee, world.token, claims.map(toBatchClaim));

const selectorOf = ({ channels }: World, error: string): string => channels.interface.getError(error)!.selector;

describe("PaymentChannels: settleBatch", () => {
  it("settles many channels and pays once", async () => {
    const world = await loadFixture(opened);
    const { list, token, parties } = world;
    const claims = [
      await claimOf(world, list[0]!.terms, 10n),
      await claimOf(world, list[1]!.terms, 20n, { cumulativeAmount: 25n, signer: world.sponsor }),
      await claimOf(world, list[2]!.terms, 130n),
      await claimOf(world, list[3]!.terms, DEPOSIT, { cumulativeAmount: 2n ** 128n - 1n }),
    ];
    const transaction = settleBatch(world, claims);
    await expectEffects(world, transaction, {
      events: claims.map(({ amount }, i) => ["ChannelSettled", list[i]!.channelId, amount]),
      balances: { contract: -DEPOSIT - 60n, payee: DEPOSIT + 60n },
    });
    const transfers = await token.queryFilter(token.filters.Transfer(), (await transaction).blockNumber!);
    expect(transfers.map(({ args }) => [...args])).to.deep.equal([[parties.contract, parties.payee, DEPOSIT + 60n]]);
    for (const [i, { amount }] of claims.entries())
      expect(await channelOf(world, list[i]!.channelId)).to.deep.equal(openState(DEPOSIT, amount));
  });

  it("is for the payee and its operator; the payee gets the money", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, payee, operator, relayer, list, parties } = world;
    const claims = [await claimOf(world, list[0]!.terms, 10n)];
    for (const caller of [payer, operator, relayer])
      await expect(settleBatch(world, claims, caller))
        .to.be.revertedWithCustomError(channels, "NotPayee")
        .withArgs(caller.address, parties.payee);

    await channels.connect(payee).setOperator(operator, true);
    await expectEffects(world, settleBatch(world, claims, operator), {
      events: [["ChannelSettled", list[0]!.channelId, 10n]],
      balances: { contract: -10n, payee: 10n },
    });
  });

  it("does nothing for an empty batch, and refuses it from a stranger", async () => {
    const world = await loadFixture(opened);
    await expectEffects(world, settleBatch(world, []), { events: [] });
    await expect(settleBatch(world, [], world.stranger))
      .to.be.revertedWithCustomError(world.channels, "NotPayee")
      .withArgs(world.parties.stranger, world.parties.payee);
  });

  it("leaves out what settle refuses, for the reason that settle gives", async () => {
    const world = await loadFixture(opened);
    const { channels, payer, payee, stranger, list, parties } = world;
    const settler = channels.connect(payee);
    const [plain, withSigner, settled] = list as [(typeof list)[0], (typeof list)[0], (typeof list)[0]];
    const closed = list[CHANNELS - 1]!;
    const unknown = termsOf(world, { salt: saltOf(99) });
    const ofOtherChannel = await claimOf(world, settled.terms, 200n);
    const wrongType = await sign(world, payer, "SettleAuthorization", {
      channelId: plain.channelId,
      cumulativeAmount: 10n,
      nonce: 0n,
      deadline: 0n,
    });

    const refusals: [claim: Claim, error: string, ...values: unknown[]][] = [
      [await claimOf(world, unknown, 10n), "ChannelNotFound", channelIdOf(world, unknown)],
      [await claimOf(world, closed.terms, 20n), "ChannelFinalized", closed.channelId],
      [await claimOf(world, plain.terms, 10n, { signer: stranger }), "InvalidSignature", parties.payer],
      [await claimOf(world, withSigner.terms, 10n), "InvalidSignature", parties.sponsor],
      [{ ...ofOtherChannel, terms: plain.terms }, "InvalidSignature", parties.payer],
      [{ ...(await claimOf(world, plain.terms, 10n)), cumulativeAmount: 11n }, "InvalidSignature", parties.payer],
      [{ ...(await claimOf(world, plain.terms, 10n)), signature: wrongType }, "InvalidSignature", parties.payer],
      [await claimOf(world, plain.terms, 11n, { cumulativeAmount: 10n }), "AmountExceedsEntitlement", 11n, 10n],
      [await claimOf(world, plain.terms, DEPOSIT + 1n), "AmountExceedsDeposit", DEPOSIT + 1n, DEPOSIT],
      [await claimOf(world, plain.terms, 2n ** 104n + 5n), "AmountExceedsDeposit", 2n ** 104n + 5n, DEPOSIT],
      [await claimOf(world, plain.terms, 0n), "AmountNotIncreasing", 0n, 0n],
      [await claimOf(world, settled.terms, 100n), "AmountNotIncreasing", 100n, 100n],
      [await claimOf(world, settled.terms, 99n, { cumulativeAmount: 500n }), "AmountNotIncreasing", 99n, 100n],
      // Where more than one is wrong, both give the same first.
      [await claimOf(world, closed.terms, 20n, { signer: stranger }), "ChannelFinalized", closed.channelId],
      [await claimOf(world, plain.terms, DEPOSIT + 1n, { signer: stranger }), "InvalidSignature", parties.payer],
      [
        await claimOf(world, plain.terms, DEPOSIT + 2n, { cumulativeAmount: DEPOSIT + 1n }),
        "AmountExceedsEntitlement",
        DEPOSIT + 2n,
        DEPOSIT + 1n,
      ],
      [await claimOf(world, settled.terms, 50n, { cumulativeAmount: 40n }), "AmountExceedsEntitlement", 50n, 40n],
    ];
    for (const [claim, error, ...values] of refusals)
      await expect(settler.settle(claim), error)
        .to.be.revertedWithCustomError(channels, error)
        .withArgs(...values);

    const good = [await claimOf(world, list[3]!.terms, 10n), await claimOf(world, list[4]!.terms, 20n)] as const;
    const skipped = refusals.map(([{ terms }, error]) => [
      "ClaimSkipped" as const,
      channelIdOf(world, terms),
      selectorOf(world, error),
    ]);
    await expectEffects(world, settleBatch(world, [good[0], ...refusals.map(([claim]) => claim), good[1]]), {
      events: [
        ["ChannelSettled", list[3]!.channelId, 10n],
        ...(skipped as [string, ...unknown[]][]),
        ["ChannelSettled", list[4]!.channelId, 20n],
      ],
      balances: { contract: -30n, payee: 30n },
    });
    for (const [{ channelId }, amount] of [
      [plain, 0n],
      [withSigner, 0n],
      [settled, 100n],
    ] as const)
      expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT, amount));
  });

  it("takes the edges of entitlement and deposit", async () => {
    const world = await loadFixture(opened);
    const { list } = world;
    const claims = [
      await claimOf(world, list[0]!.terms, 10n, { cumulativeAmount: 10n }),
      await claimOf(world, list[2]!.terms, 101n, { cumulativeAmount: 101n }),
      await claimOf(world, list[3]!.terms, DEPOSIT, { cumulativeAmount: DEPOSIT }),
    ];
    await expectEffects(world, settleBatch(world, claims), {
      events: [
        ["ChannelSettled", list[0]!.channelId, 10n],
        ["ChannelSettled", list[2]!.channelId, 101n],
        ["ChannelSettled", list[3]!.channelId, DEPOSIT],
      ],
      balances: { contract: -DEPOSIT - 11n, payee: DEPOSIT + 11n },
    });
  });

  it("pays nothing where every claim is bad, and does not revert", async () => {
    const world = await loadFixture(opened);
    const { list, stranger } = world;
    const claims = [
      await claimOf(world, list[0]!.terms, 10n, { signer: stranger }),
      await claimOf(world, list[2]!.terms, 100n),
    ];
    await expectEffects(world, settleBatch(world, claims), {
      events: [
        ["ClaimSkipped", list[0]!.channelId, selectorOf(world, "InvalidSignature")],
        ["ClaimSkipped", list[2]!.channelId, selectorOf(world, "AmountNotIncreasing")],
      ],
    });
  });

  it("counts the claims of one channel after each other", async () => {
    const world = await loadFixture(opened);
    const { terms, channelId } = world.list[0]!;
    const [low, high] = [await claimOf(world, terms, 10n), await claimOf(world, terms, 25n)];
    const notIncreasing = selectorOf(world, "AmountNotIncreasing");
    await expectEffects(world, settleBatch(world, [low, low, high, low, high]), {
      events: [
        ["ChannelSettled", channelId, 10n],
        ["ClaimSkipped", channelId, notIncreasing],
        ["ChannelSettled", channelId, 25n],
        ["ClaimSkipped", channelId, notIncreasing],
        ["ClaimSkipped", channelId, notIncreasing],
      ],
      balances: { contract: -25n, payee: 25n },
    });
    expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT, 25n));
  });

  it("F012: sums up to more than a channel can hold", async () => {
    const world = await loadFixture(opened);
    const { channels, payee } = world;
    const token = await issue(world, await ethers.deployContract("PlainToken"), 2n ** 128n);
    const both: Awaited<ReturnType<typeof openChannel>>[] = [];
    for (const salt of [saltOf(1), saltOf(2)])
      both.push(await openChannel(world, { token: await token.getAddress(), deposit: MAX_DEPOSIT, salt }));
    const claims: Claim[] = [];
    for (const { terms } of both) claims.push(await claimOf(world, terms, MAX_DEPOSIT));
    await expectEffects(world, channels.connect(payee).settleBatch(payee, token, claims.map(toBatchClaim)), {
      events: both.map(({ channelId }) => ["ChannelSettled", channelId, MAX_DEPOSIT]),
      balances: { contract: -2n * MAX_DEPOSIT, payee: 2n * MAX_DEPOSIT },
      token,
    });
  });

  it("reads a claim as of the batch's payee and token, so those of others are not found", async () => {
    const world = await loadFixture(opened);
    const { stranger } = world;
    const plain = await issue(world, await ethers.deployContract("PlainToken"));
    const ofOtherToken = await openChannel(world, { token: await plain.getAddress(), salt: saltOf(50) });
    const ofOtherPayee = await openChannel(world, { payee: stranger.address, salt: saltOf(51) });
    const claims = [await claimOf(world, ofOtherToken.terms, 10n), await claimOf(world, ofOtherPayee.terms, 10n)];
    const notFound = selectorOf(world, "ChannelNotFound");
    await expectEffects(world, settleBatch(world, claims), {
      events: [saltOf(50), saltOf(51)].map((salt) => [
        "ClaimSkipped",
        channelIdOf(world, termsOf(world, { salt })),
        notFound,
      ]),
    });
    for (const { channelId } of [ofOtherToken, ofOtherPayee])
      expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT));
  });

  it("F014: leaves out signatures in any other form", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, token, list } = world;
    const claim = toBatchClaim(await claimOf(world, list[0]!.terms, 10n));
    const flipped = toBeHex(BigInt(claim.vs as string) ^ (1n << 255n), 32);
    for (const change of [
      { vs: flipped },
      { r: ZeroHash },
      { vs: ZeroHash },
      { r: claim.vs, vs: claim.r },
      { r: toBeHex(MaxUint256, 32) },
    ])
      await expectEffects(world, channels.connect(payee).settleBatch(payee, token, [{ ...claim, ...change }]), {
        events: [["ClaimSkipped", list[0]!.channelId, selectorOf(world, "InvalidSignature")]],
      });
  });

  it("leaves the state that its claims sent singly would leave, in any order", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, list, stranger, token } = world;
    // A small generator with a fixed seed: the same claims at every run.
    let seed = 0x5fn;
    const random = (below: number) => {
      seed = (seed * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n;
      return Number((seed >> 33n) % BigInt(below));
    };
    const outcome = async () => [
      ...(await channels.getChannels(list.map(({ channelId }) => channelId))).map((channel) => [...channel]),
      await token.balanceOf(payee),
      await token.balanceOf(channels),
    ];

    let paid = 0;
    for (let round = 0; round < 12; round++) {
      const claims: Claim[] = [];
      for (let i = 0; i < 12; i++) {
        const index = random(CHANNELS);
        const signer = random(5) === 0 ? stranger : index === 1 ? world.sponsor : world.payer;
        const amount = BigInt(random(10) === 0 ? Number(DEPOSIT) + random(2) : random(300));
        const cumulativeAmount = amount + BigInt(random(4) - 1);
        const terms = list[index]!.terms;
        claims.push(
          await claimOf(world, terms, amount, {
            cumulativeAmount: cumulativeAmount < 0n ? 0n : cumulativeAmount,
            signer,
          }),
        );
      }

      const snapshot = await takeSnapshot();
      const before = await outcome();
      await settleBatch(world, claims);
      const byBatch = await outcome();
      if (byBatch.at(-1) !== before.at(-1)) paid++;

      await snapshot.restore();
      for (const claim of claims) {
        const isAccepted = await channels
          .connect(payee)
          .settle.staticCall(claim)
          .then(
            () => true,
            () => false,
          );
        if (isAccepted) await channels.connect(payee).settle(claim);
      }
      expect(await outcome(), `round ${round}`).to.deep.equal(byBatch);
      await snapshot.restore();
    }
    expect(paid).to.equal(12);
  });
});
