import { expect } from "chai";
import { keccak256, ZeroHash } from "ethers";
import { network } from "hardhat";

import {
  channelOf,
  claimOf,
  DEPOSIT,
  deployChannels,
  expectEffects,
  GRACE_PERIOD,
  openChannel,
  openState,
  saltOf,
  toBatchClaim,
} from "../helpers/channels.ts";
import {
  conditionalClaimOf,
  type ConditionalClaim,
  echoParameters,
  hashPayment,
  says,
  signConditional,
} from "../helpers/conditionalClaims.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, takeSnapshot, time } = connection.networkHelpers;

/** An open channel, and three payments of 100, 200 and 400 under a condition that says what it is told. */
async function opened() {
  const world = await deployChannels(connection);
  const echo = await ethers.deployContract("EchoCondition");
  const condition = await echo.getAddress();
  const payments = [100n, 200n, 400n].map((amount, i) => ({
    ref: saltOf(i + 1),
    condition,
    amount,
    parameters: echoParameters(BigInt(i)),
  }));
  return { ...world, condition, payments, ...(await openChannel(world)) };
}

type Opened = Awaited<ReturnType<typeof opened>>;

/** A claim by a voucher of 1,000 and the three payments; `due` says how much of each is proven. */
const claim = (world: Opened, amount: bigint, due: (bigint | undefined)[] = [], cumulativeAmount = 1_000n) =>
  conditionalClaimOf(
    world,
    world.terms,
    amount,
    world.payments.map((payment, i) => (due[i] === undefined ? payment : { ...payment, evidence: says(due[i]) })),
    { cumulativeAmount },
  );

const ways = ["settleConditional", "closeConditional"] as const;
type Way = (typeof ways)[number];

const send = ({ channels, payee }: Opened, way: Way, claimed: ConditionalClaim) =>
  channels.connect(payee)[way](claimed);

/** Expects that a claim captures its amount, by which the payee gets `growth`. */
const expectCaptured = (world: Opened, way: Way, claimed: ConditionalClaim, growth = claimed.amount) => {
  const { channelId } = world;
  const rest = DEPOSIT - claimed.amount;
  return expectEffects(
    world,
    send(world, way, claimed),
    way === "settleConditional"
      ? { events: [["ChannelSettled", channelId, claimed.amount]], balances: { contract: -growth, payee: growth } }
      : {
          events: [["ChannelClosed", channelId, claimed.amount, rest]],
          balances: { contract: -growth - rest, payee: growth, payer: rest },
        },
  );
};

const expectRefused = (world: Opened, sent: Promise<unknown>, error: string, args: unknown[], message = "") =>
  expect(sent, message)
    .to.be.revertedWithCustomError(world.channels, error)
    .withArgs(...args);

for (const way of ways)
  describe(`PaymentChannels: ${way}`, () => {
    it("captures the unconditional total and what is due of the proven payments, and no more", async () => {
      const world = await loadFixture(opened);
      const start = await takeSnapshot();
      for (const [due, entitlement] of [
        [[], 1_000n],
        [[100n], 1_100n],
        [[undefined, 200n], 1_200n],
        [[undefined, undefined, 400n], 1_400n],
        [[100n, undefined, 400n], 1_500n],
        [[100n, 200n, 400n], 1_700n],
        // Part of an amount, and nothing of it.
        [[1n, 199n, 0n], 1_200n],
        // What is said beyond an amount counts as that.
        [[101n, 2n ** 128n, 2n ** 256n - 1n], 1_700n],
      ] as const) {
        await expectRefused(
          world,
          send(world, way, await claim(world, entitlement + 1n, [...due])),
          "AmountExceedsEntitlement",
          [entitlement + 1n, entitlement],
          `${due}`,
        );
        await expectCaptured(world, way, await claim(world, entitlement, [...due]));
        await start.restore();
      }
      // A claim names what it captures: less is right as well.
      await expectCaptured(world, way, await claim(world, 1_099n, [100n]));
    });

    it("a voucher without payments is one of its total", async () => {
      const world = await loadFixture(opened);
      const claimed = await conditionalClaimOf(world, world.terms, 1_000n, [], { cumulativeAmount: 1_000n });
      await expectRefused(world, send(world, way, { ...claimed, amount: 1_001n }), "AmountExceedsEntitlement", [
        1_001n,
        1_000n,
      ]);
      await expectCaptured(world, way, claimed);
    });

    it("is not a plain voucher, nor the other way round", async () => {
      const world = await loadFixture(opened);
      const { channels, payee, payer, terms } = world;
      const plain = await claimOf(world, terms, 1_000n);
      await expectRefused(
        world,
        send(world, way, { ...plain, paymentHashes: [], proven: [] }),
        "InvalidSignature",
        [payer.address],
        "plain as conditional",
      );
      const { signature } = await conditionalClaimOf(world, terms, 1_000n, [], { cumulativeAmount: 1_000n });
      const sent = channels.connect(payee)[way === "settleConditional" ? "settle" : "close"]({ ...plain, signature });
      await expectRefused(world, sent, "InvalidSignature", [payer.address]);
      await expectEffects(
        world,
        channels.connect(payee).settleBatch(payee, world.token, [toBatchClaim({ ...plain, signature })]),
        { events: [["ClaimSkipped", world.channelId, channels.interface.getError("InvalidSignature")!.selector]] },
      );
    });

    it("is at most the deposit, however much the statement is worth", async () => {
      const world = await loadFixture(opened);
      const most = 2n ** 128n - 1n;
      const payments = world.payments.map((payment) => ({ ...payment, amount: most, evidence: says(most) }));
      const claimOfAmount = (amount: bigint) =>
        conditionalClaimOf(world, world.terms, amount, payments, { cumulativeAmount: most });
      for (const amount of [DEPOSIT + 1n, 2n ** 104n + 1n, most])
        await expectRefused(world, send(world, way, await claimOfAmount(amount)), "AmountExceedsDeposit", [
          amount,
          DEPOSIT,
        ]);
      // The sum is 2^130 - 4: nothing of it wraps around.
      await expectCaptured(world, way, await claimOfAmount(DEPOSIT));
    });

    it("order: refused where indexes or refs of the proven do not ascend", async () => {
      const world = await loadFixture(opened);
      const good = await claim(world, 1_300n, [100n, 200n]);
      const [first, second] = good.proven as [ConditionalClaim["proven"][0], ConditionalClaim["proven"][0]];
      for (const [proven, args] of [
        [
          [second, first],
          [0, first.ref],
        ],
        [
          [first, first],
          [0, first.ref],
        ],
        [
          [first, { ...second, index: 0 }],
          [0, second.ref],
        ],
        [
          [first, { ...second, ref: first.ref }],
          [1, first.ref],
        ],
        [
          [first, { ...second, ref: ZeroHash }],
          [1, ZeroHash],
        ],
        [
          [{ ...first, index: 2 }, second],
          [1, second.ref],
        ],
      ] as const)
        await expectRefused(world, send(world, way, { ...good, proven: [...proven] }), "ProvenPaymentsNotAscending", [
          ...args,
        ]);
      await expectCaptured(world, way, good);
    });

    it("the same ref twice is proven once, though the payer signed it twice", async () => {
      const world = await loadFixture(opened);
      const [one] = world.payments as [Opened["payments"][0]];
      const twice = [one, { ...one, amount: 50n }].map((payment) => ({ ...payment, evidence: says(payment.amount) }));
      const claimed = await conditionalClaimOf(world, world.terms, 150n, twice);
      await expectRefused(world, send(world, way, claimed), "ProvenPaymentsNotAscending", [1, one.ref]);
      for (const proven of claimed.proven)
        await expectRefused(world, send(world, way, { ...claimed, proven: [proven] }), "AmountExceedsEntitlement", [
          150n,
          proven.amount,
        ]);
    });

    it("index: refused beyond the payments, and where the statement has none", async () => {
      const world = await loadFixture(opened);
      const good = await claim(world, 1_400n, [undefined, undefined, 400n]);
      const [last] = good.proven as [ConditionalClaim["proven"][0]];
      for (const index of [3, 255])
        await expectRefused(
          world,
          send(world, way, { ...good, proven: [{ ...last, index }] }),
          "ProvenPaymentNotFound",
          [index, 3],
        );
      await expectRefused(world, send(world, way, { ...good, paymentHashes: [] }), "ProvenPaymentNotFound", [2, 0]);
    });

    it("only what was signed can be proven: no field, place or neighbour can be another", async () => {
      const world = await loadFixture(opened);
      const { payer, payments, parties } = world;
      const good = await claim(world, 1_300n, [100n, 200n]);
      const [first, second] = good.proven as [ConditionalClaim["proven"][0], ConditionalClaim["proven"][0]];
      const changes: [string, Partial<ConditionalClaim>][] = [
        ["amount", { proven: [first, { ...second, amount: 201n }] }],
        ["condition", { proven: [first, { ...second, condition: parties.stranger }] }],
        ["parameters", { proven: [first, { ...second, parameters: `${second.parameters}00` }] }],
        ["no parameters", { proven: [first, { ...second, parameters: "0x" }] }],
        ["ref", { proven: [first, { ...second, ref: saltOf(9) }] }],
        ["place", { proven: [first, { ...second, index: 2 }] }],
        ["a hash beside", { paymentHashes: good.paymentHashes.with(2, ZeroHash) }],
        ["hashes swapped", { paymentHashes: [0, 2, 1].map((i) => good.paymentHashes[i]!), proven: [first] }],
        ["one hash less", { paymentHashes: good.paymentHashes.slice(0, 2) }],
        ["one hash more", { paymentHashes: [...good.paymentHashes, ZeroHash] }],
        ["the total", { cumulativeAmount: 1_001n }],
        ["the channel", { terms: { ...world.terms, authorizedSigner: payer.address } }],
      ];
      for (const [name, change] of changes) {
        if (name === "the channel") await openChannel(world, { authorizedSigner: payer.address });
        await expectRefused(world, send(world, way, { ...good, ...change }), "InvalidSignature", [payer.address], name);
      }
      // At proven places the hash may be anything.
      const paymentHashes = [ZeroHash, saltOf(9), hashPayment(payments[2]!)];
      await expectCaptured(world, way, { ...good, paymentHashes });
    });

    it("an unknown or finalized channel is refused before anything is looked at", async () => {
      const world = await loadFixture(opened);
      const { channels, payee, terms, channelId } = world;
      const empty = { amount: 5n, cumulativeAmount: 5n, paymentHashes: [], proven: [], signature: "0x" };
      const unknown = { ...terms, salt: saltOf(9) };
      await expectRefused(world, send(world, way, { ...empty, terms: unknown }), "ChannelNotFound", [
        await channels.computeChannelId(unknown),
      ]);
      const good = await claim(world, 1_100n, [100n]);
      await channels.connect(payee).close({ terms, amount: 0n, cumulativeAmount: 0n, signature: "0x" });
      await expectRefused(world, send(world, way, good), "ChannelFinalized", [channelId]);
    });

    it("is good while a close is pending, until the channel is paid out", async () => {
      const world = await loadFixture(opened);
      const { channels, payer, terms, channelId } = world;
      await channels.connect(payer).requestClose(terms);
      await time.increase(GRACE_PERIOD + 10n);
      const start = await takeSnapshot();
      await expectCaptured(world, way, await claim(world, 1_100n, [100n]));
      await start.restore();
      await channels.withdraw(terms);
      await expectRefused(world, send(world, way, await claim(world, 1_100n, [100n])), "ChannelFinalized", [channelId]);
    });
  });

describe("PaymentChannels: conditional claims one after another", () => {
  it("INV6: an older statement, less evidence or a plain voucher never lowers what is settled", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms, channelId } = world;
    await expectCaptured(world, "settleConditional", await claim(world, 1_100n, [100n]));
    for (const [due, amount] of [
      [[], 1_000n],
      [[100n], 1_100n],
      [[40n], 1_040n],
    ] as const)
      await expectRefused(
        world,
        send(world, "settleConditional", await claim(world, amount, [...due])),
        "AmountNotIncreasing",
        [amount, 1_100n],
      );
    await expectCaptured(world, "settleConditional", await claim(world, 1_300n, [100n, 200n]), 200n);
    const plain = await claimOf(world, terms, 1_350n);
    await channels.connect(payee).settle(plain);
    await expectCaptured(world, "settleConditional", await claim(world, 1_700n, [100n, 200n, 400n]), 350n);
    expect(await channelOf(world, channelId)).to.deep.equal(openState(DEPOSIT, 1_700n));
  });

  it("partial evidence, then better evidence: each captures the growth, and nothing is paid twice", async () => {
    const world = await loadFixture(opened);
    let settled = 0n;
    for (const due of [0n, 1n, 50n, 99n, 100n, 101n]) {
      const entitlement = 1_000n + (due > 100n ? 100n : due);
      const claimed = await claim(world, entitlement, [due]);
      if (entitlement > settled) await expectCaptured(world, "settleConditional", claimed, entitlement - settled);
      else
        await expectRefused(world, send(world, "settleConditional", claimed), "AmountNotIncreasing", [
          settled,
          settled,
        ]);
      settled = entitlement;
    }
  });

  it("a payment that was folded into the total counts there and not again", async () => {
    const world = await loadFixture(opened);
    await expectCaptured(world, "settleConditional", await claim(world, 1_100n, [100n]));
    const [, second, third] = world.payments as [never, Opened["payments"][0], Opened["payments"][0]];
    const folded = await conditionalClaimOf(world, world.terms, 1_300n, [{ ...second, evidence: says(200n) }, third], {
      cumulativeAmount: 1_100n,
    });
    await expectCaptured(world, "settleConditional", folded, 200n);
  });

  it("what is not proven at the close is forfeited", async () => {
    const world = await loadFixture(opened);
    await expectCaptured(world, "settleConditional", await claim(world, 1_100n, [100n]));
    await expectCaptured(world, "closeConditional", await claim(world, 1_300n, [100n, 200n]), 200n);
    await expectRefused(
      world,
      send(world, "settleConditional", await claim(world, 1_700n, [100n, 200n, 400n])),
      "ChannelFinalized",
      [world.channelId],
    );
  });

  it("close: at the settled amount the statement is not looked at, below it is refused", async () => {
    const world = await loadFixture(opened);
    const { channels, payee, terms } = world;
    const nothing = { terms, cumulativeAmount: 0n, paymentHashes: [], proven: [], signature: "0x" };
    const start = await takeSnapshot();
    await expectCaptured(world, "closeConditional", { ...nothing, amount: 0n });
    await start.restore();

    await channels.connect(payee).settle(await claimOf(world, terms, 500n));
    const settled = await takeSnapshot();
    await expectRefused(world, send(world, "closeConditional", { ...nothing, amount: 499n }), "AmountBelowSettled", [
      499n,
      500n,
    ]);
    const garbage = { ref: ZeroHash, condition: world.parties.stranger, amount: 1n, parameters: "0x", evidence: "0x" };
    for (const rest of [
      {},
      {
        proven: [
          { index: 7, ...garbage },
          { index: 7, ...garbage },
        ],
      },
      { signature: "0x1234" },
    ]) {
      await expectCaptured(world, "closeConditional", { ...nothing, ...rest, amount: 500n }, 0n);
      await settled.restore();
    }
    await expectRefused(world, send(world, "closeConditional", { ...nothing, amount: 501n }), "InvalidSignature", [
      world.payer.address,
    ]);
  });

  it("INV13: evidence is asked for by the channel and the ref: no other payment's will do", async () => {
    const world = await loadFixture(opened);
    const { channels, channelId, payments } = world;
    const lock = await ethers.deployContract("TickCondition");
    const { encode } = {
      encode: (types: string[], values: unknown[]) => ethers.AbiCoder.defaultAbiCoder().encode(types, values),
    };
    const x = saltOf(44);
    const paymentIdOf = (id: string, ref: string) => keccak256(encode(["bytes32", "bytes32"], [id, ref]));
    const rootOf = (paymentId: string) => keccak256(ethers.concat([x, paymentId]));
    const other = await openChannel(world, { salt: saltOf(2) });
    const evidence = encode(["uint32", "bytes32"], [1, x]);
    for (const [paymentId, isDue] of [
      [paymentIdOf(channelId, payments[0]!.ref), true],
      [paymentIdOf(channelId, payments[1]!.ref), false],
      [paymentIdOf(other.channelId, payments[0]!.ref), false],
      [channelId, false],
      [payments[0]!.ref, false],
    ] as const) {
      const parameters = encode(["bytes32", "uint128", "uint32"], [rootOf(paymentId), 100n, 1]);
      const payment = { ...payments[0]!, condition: await lock.getAddress(), parameters, evidence };
      const claimed = await conditionalClaimOf(world, world.terms, 100n, [payment]);
      if (isDue) await channels.connect(world.payee).settleConditional.staticCall(claimed);
      else
        await expectRefused(world, send(world, "settleConditional", claimed), "AmountExceedsEntitlement", [100n, 0n]);
    }
  });

  it("INV13: a statement works under one domain only", async () => {
    const world = await loadFixture(opened);
    const good = await claim(world, 1_100n, [100n]);
    for (const change of [
      { name: "subfen TaskEscrow" },
      { version: "2" },
      { chainId: 1n },
      { verifyingContract: world.tokenAddress },
    ]) {
      const domain = { ...world.domain, ...change };
      const signature = await signConditional(world, world.terms, 1_000n, world.payments, { domain });
      await expectRefused(
        world,
        send(world, "settleConditional", { ...good, signature }),
        "InvalidSignature",
        [world.payer.address],
        JSON.stringify(Object.keys(change)),
      );
    }
    await expectCaptured(world, "settleConditional", good);
  });
});
