import { expect } from "chai";
import { dataSlice, keccak256, ZeroHash } from "ethers";
import { network } from "hardhat";

import { encodeValues, saltOf } from "../helpers/channels.ts";
import { deployConditions, dueOf, PAYMENT, reviewParameters, type ReviewParameters } from "../helpers/conditions.ts";
import { emittedBy } from "../helpers/effects.ts";
import { DAY } from "../helpers/tasks.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture, takeSnapshot, time } = connection.networkHelpers;

const AMOUNT = 1_000n;
const REVIEW = 100n;
const ARBITRATION = 200n;
const WORK = saltOf(1);
const REASON = saltOf(2);

async function agreed() {
  const conditions = await deployConditions(connection);
  const [, provider, reviewer, arbiter, stranger] = await ethers.getSigners();
  const terms: ReviewParameters = {
    provider: provider!.address,
    reviewer: reviewer!.address,
    arbiter: arbiter!.address,
    reviewPeriod: REVIEW,
    arbitrationPeriod: ARBITRATION,
    deadline: BigInt(await time.latest()) + 30n * DAY,
    silentArbiterPays: true,
  };
  const people = { provider: provider!, reviewer: reviewer!, arbiter: arbiter!, stranger: stranger! };
  return { ...conditions, ...people, terms, ...parametersOf(terms) };
}

type World = Awaited<ReturnType<typeof agreed>>;

function parametersOf(terms: ReviewParameters) {
  const parameters = reviewParameters(terms);
  return { parameters, parametersHash: keccak256(parameters) };
}

/** The same, but for parameters that were agreed otherwise. */
const withTerms = (world: World, changes: Partial<ReviewParameters>): World => {
  const terms = { ...world.terms, ...changes };
  return { ...world, terms, ...parametersOf(terms) };
};

const submit = ({ review, provider, parameters }: World, paymentId = PAYMENT) =>
  review.connect(provider).submit(paymentId, parameters, WORK);
const object = ({ review, reviewer, parameters }: World, paymentId = PAYMENT) =>
  review.connect(reviewer).object(paymentId, parameters, REASON);
const arbitrate = ({ review, arbiter, parameters }: World, amount: bigint, paymentId = PAYMENT) =>
  review.connect(arbiter).arbitrate(paymentId, parameters, amount);

const due = (world: World, { paymentId = PAYMENT, amount = AMOUNT } = {}): Promise<bigint> =>
  dueOf(world, world.review, world.parameters, "0x", { paymentId, amount });

const reviewOf = async ({ review, parametersHash }: World, paymentId = PAYMENT) => {
  const { submittedAt, objectedAt, arbitrated, amount } = await review.getReview(paymentId, parametersHash);
  return { submittedAt, objectedAt, arbitrated, amount };
};
const NOTHING = { submittedAt: 0n, objectedAt: 0n, arbitrated: false, amount: 0n };

/** Sends at exactly this time, and expects exactly this event. */
async function expectEvent(
  { review }: World,
  at: bigint,
  send: () => ReturnType<typeof submit>,
  event: [string, ...unknown[]],
): Promise<void> {
  await time.setNextBlockTimestamp(at);
  expect(await emittedBy(review, send())).to.deep.equal([event]);
}

const soon = async (): Promise<bigint> => BigInt(await time.latest()) + 10n;

async function submitted() {
  const world = await agreed();
  const submittedAt = await soon();
  await time.setNextBlockTimestamp(submittedAt);
  await submit(world);
  return { ...world, submittedAt, reviewUntil: submittedAt + REVIEW };
}

async function objected() {
  const world = await submitted();
  const objectedAt = world.submittedAt + 50n;
  await time.setNextBlockTimestamp(objectedAt);
  await object(world);
  return { ...world, objectedAt, arbitrationUntil: objectedAt + ARBITRATION };
}

describe("ReviewCondition", () => {
  it("submit, object, arbitrate: each tells what happened and until when the next may act", async () => {
    const world = await loadFixture(agreed);
    const { parametersHash } = world;
    const at = await soon();
    expect(await reviewOf(world)).to.deep.equal(NOTHING);
    await expectEvent(world, at, () => submit(world), ["WorkSubmitted", PAYMENT, parametersHash, WORK, at + REVIEW]);
    expect(await reviewOf(world)).to.deep.equal({ ...NOTHING, submittedAt: at });

    const objectedAt = at + 50n;
    const until = objectedAt + ARBITRATION;
    await expectEvent(world, objectedAt, () => object(world), ["WorkObjected", PAYMENT, parametersHash, REASON, until]);
    expect(await reviewOf(world)).to.deep.equal({ ...NOTHING, submittedAt: at, objectedAt });

    const decided = ["ObjectionArbitrated", PAYMENT, parametersHash, 400n] as [string, ...unknown[]];
    await expectEvent(world, objectedAt + 50n, () => arbitrate(world, 400n), decided);
    expect(await reviewOf(world)).to.deep.equal({ submittedAt: at, objectedAt, arbitrated: true, amount: 400n });
    expect(await due(world)).to.equal(400n);
  });

  it("nothing is due before the work is submitted, nor while it may be objected to", async () => {
    const world = await loadFixture(agreed);
    expect(await due(world)).to.equal(0n);
    await time.increase(10n * DAY);
    expect(await due(world)).to.equal(0n);
    await submit(world);
    expect(await due(world)).to.equal(0n);
  });

  it("silence of the reviewer pays, from the second after the review period on", async () => {
    const world = await loadFixture(submitted);
    await time.increaseTo(world.reviewUntil);
    expect(await due(world)).to.equal(0n);
    await time.increaseTo(world.reviewUntil + 1n);
    expect(await due(world)).to.equal(AMOUNT);
    expect(await due(world, { amount: 7n })).to.equal(7n);
    await time.increaseTo(world.terms.deadline + 1n);
    expect(await due(world)).to.equal(AMOUNT);
  });

  it("the reviewer may object up to the last second of its period, and not after", async () => {
    const world = await loadFixture(submitted);
    const { review, reviewUntil, submittedAt } = world;
    const start = await takeSnapshot();
    await time.setNextBlockTimestamp(reviewUntil + 1n);
    await expect(object(world)).to.be.revertedWithCustomError(review, "ReviewEnded").withArgs(reviewUntil);
    await start.restore();
    await time.setNextBlockTimestamp(reviewUntil);
    await object(world);
    expect(await reviewOf(world)).to.deep.equal({ ...NOTHING, submittedAt, objectedAt: reviewUntil });
    await time.increaseTo(reviewUntil + 1n);
    expect(await due(world)).to.equal(0n);
  });

  it("the arbiter may decide up to the last second of its period, and not after", async () => {
    const world = await loadFixture(objected);
    const { review, arbitrationUntil } = world;
    const start = await takeSnapshot();
    await time.setNextBlockTimestamp(arbitrationUntil + 1n);
    await expect(arbitrate(world, 400n))
      .to.be.revertedWithCustomError(review, "ArbitrationEnded")
      .withArgs(arbitrationUntil);
    await start.restore();
    await time.setNextBlockTimestamp(arbitrationUntil);
    await arbitrate(world, 400n);
    expect(await due(world)).to.equal(400n);
  });

  it("silence of the arbiter falls as the parameters say, from the second after its period on", async () => {
    for (const silentArbiterPays of [true, false]) {
      const world = withTerms(await loadFixture(agreed), { silentArbiterPays });
      await submit(world);
      await object(world);
      const until = BigInt(await time.latest()) + ARBITRATION;
      await time.increaseTo(until);
      expect(await due(world)).to.equal(0n);
      await time.increaseTo(until + 1n);
      expect(await due(world)).to.equal(silentArbiterPays ? AMOUNT : 0n);
      await time.increaseTo(world.terms.deadline);
      expect(await due(world)).to.equal(silentArbiterPays ? AMOUNT : 0n);
    }
  });

  it("what the arbiter names is due at once, at most the amount, and for good", async () => {
    const world = await loadFixture(objected);
    const start = await takeSnapshot();
    for (const [named, expected] of [
      [0n, 0n],
      [1n, 1n],
      [AMOUNT - 1n, AMOUNT - 1n],
      [AMOUNT, AMOUNT],
      [AMOUNT + 1n, AMOUNT],
      [2n ** 128n - 1n, AMOUNT],
    ] as const) {
      await arbitrate(world, named);
      expect(await due(world), `${named}`).to.equal(expected);
      await time.increaseTo(world.arbitrationUntil + 1n);
      expect(await due(world), `${named}, later`).to.equal(expected);
      await start.restore();
    }
  });

  it("each role is refused to everybody else", async () => {
    const world = await loadFixture(objected);
    const { review, parameters, terms } = world;
    for (const sender of ["provider", "reviewer", "arbiter", "stranger"] as const) {
      const { address } = world[sender];
      const asSender = review.connect(world[sender]);
      if (sender !== "provider")
        await expect(asSender.submit(saltOf(3), parameters, WORK))
          .to.be.revertedWithCustomError(review, "NotProvider")
          .withArgs(address, terms.provider);
      if (sender !== "reviewer")
        await expect(asSender.object(PAYMENT, parameters, REASON))
          .to.be.revertedWithCustomError(review, "NotReviewer")
          .withArgs(address, terms.reviewer);
      if (sender !== "arbiter")
        await expect(asSender.arbitrate(PAYMENT, parameters, 400n))
          .to.be.revertedWithCustomError(review, "NotArbiter")
          .withArgs(address, terms.arbiter);
    }
  });

  it("F030: each step is taken once, and in its turn", async () => {
    const world = await loadFixture(agreed);
    const { review } = world;
    const expectRefused = (sent: Promise<unknown>, error: string) =>
      expect(sent, error).to.be.revertedWithCustomError(review, error).withArgs(PAYMENT);
    await expectRefused(object(world), "NotSubmitted");
    await expectRefused(arbitrate(world, 400n), "NotObjected");
    await submit(world);
    await expectRefused(submit(world), "AlreadySubmitted");
    await expectRefused(arbitrate(world, 400n), "NotObjected");
    await object(world);
    await expectRefused(submit(world), "AlreadySubmitted");
    await expectRefused(object(world), "AlreadyObjected");
    await arbitrate(world, 400n);
    await expectRefused(submit(world), "AlreadySubmitted");
    await expectRefused(object(world), "AlreadyObjected");
    await expectRefused(arbitrate(world, 500n), "AlreadyArbitrated");
    await time.increase(DAY);
    await expectRefused(object(world), "AlreadyObjected");
    await expectRefused(arbitrate(world, 500n), "AlreadyArbitrated");
    expect(await due(world)).to.equal(400n);
  });

  it("work is submitted as long as review, arbitration and a day to claim end by the deadline", async () => {
    const world = await loadFixture(agreed);
    const { review, terms } = world;
    const latest = terms.deadline - REVIEW - ARBITRATION - DAY;
    const start = await takeSnapshot();
    await time.setNextBlockTimestamp(latest + 1n);
    await expect(submit(world))
      .to.be.revertedWithCustomError(review, "SubmittedTooLate")
      .withArgs(terms.deadline + 1n, terms.deadline);
    await start.restore();
    await time.setNextBlockTimestamp(latest);
    await submit(world);
    // At the worst moments of all three, what is due can be claimed for a day up to the deadline.
    await time.setNextBlockTimestamp(latest + REVIEW);
    await object(world);
    await time.increaseTo(terms.deadline - DAY + 1n);
    expect(await due(world)).to.equal(AMOUNT);
  });

  it("periods of no length, and of the greatest, are taken at their word", async () => {
    const none = withTerms(await loadFixture(agreed), { reviewPeriod: 0n, arbitrationPeriod: 0n });
    const at = await soon();
    await time.setNextBlockTimestamp(at);
    await submit(none);
    expect(await due(none)).to.equal(0n);
    await time.increaseTo(at + 1n);
    expect(await due(none)).to.equal(AMOUNT);

    const most = 2n ** 64n - 1n;
    for (const changes of [
      { reviewPeriod: most },
      { arbitrationPeriod: most },
      { reviewPeriod: most, arbitrationPeriod: most },
    ]) {
      const world = withTerms(none, { ...changes, deadline: most });
      const now = await soon();
      await time.setNextBlockTimestamp(now);
      const { reviewPeriod, arbitrationPeriod } = world.terms;
      await expect(submit(world))
        .to.be.revertedWithCustomError(world.review, "SubmittedTooLate")
        .withArgs(now + reviewPeriod + arbitrationPeriod + DAY, most);
    }
  });

  it("is kept under the payment and the parameters: nobody can have a say by others", async () => {
    const world = await loadFixture(submitted);
    const { stranger, reviewUntil } = world;
    // A stranger names itself in everything; it reviews its own work.
    const own = withTerms(world, { provider: stranger.address, reviewer: stranger.address, arbiter: stranger.address });
    const asStranger = { ...own, provider: stranger, reviewer: stranger, arbiter: stranger };
    await submit(asStranger);
    await object(asStranger);
    await arbitrate(asStranger, AMOUNT);
    expect(await due(asStranger)).to.equal(AMOUNT);
    expect(await reviewOf(world)).to.deep.equal({ ...NOTHING, submittedAt: world.submittedAt });
    expect(await due(world)).to.equal(0n);

    // The same parameters under another payment are another matter.
    const other = saltOf(78);
    expect(await reviewOf(world, other)).to.deep.equal(NOTHING);
    await expect(object(world, other)).to.be.revertedWithCustomError(world.review, "NotSubmitted").withArgs(other);
    await time.increaseTo(reviewUntil + 1n);
    expect([await due(world), await due(world, { paymentId: other })]).to.deep.equal([AMOUNT, 0n]);
    // So are longer parameters that read the same.
    const longer = {
      ...world,
      parameters: `${world.parameters}00`,
      parametersHash: keccak256(`${world.parameters}00`),
    };
    expect(await due(longer)).to.equal(0n);
  });

  it("looks at no evidence", async () => {
    const world = await loadFixture(submitted);
    await time.increaseTo(world.reviewUntil + 1n);
    for (const evidence of ["0x", "0x00", ZeroHash, `0x${"ff".repeat(100)}`])
      expect(await dueOf(world, world.review, world.parameters, evidence)).to.equal(AMOUNT);
  });

  it("malformed parameters are refused, and prove nothing", async () => {
    const world = await loadFixture(submitted);
    const { review, parameters, provider } = world;
    await time.increaseTo(world.reviewUntil + 1n);
    const types = ["address", "address", "address", "uint256", "uint64", "uint64", "uint256"];
    const { terms } = world;
    const values = [terms.provider, terms.reviewer, terms.arbiter, 2n ** 64n, ARBITRATION, terms.deadline, 1n];
    for (const bad of [
      "0x",
      dataSlice(parameters, 0, 223),
      encodeValues(types, values),
      encodeValues(types, values.with(3, REVIEW).with(6, 2n)),
    ]) {
      await expect(review.connect(provider).submit(PAYMENT, bad, WORK)).to.be.revertedWithoutReason(ethers);
      expect(await dueOf(world, review, bad, "0x")).to.equal(0n);
    }
  });

  it("F034: roles may be one and the same, where the parameters say so", async () => {
    const world = await loadFixture(agreed);
    const { provider } = world;
    // The client agreed to a reviewer that is the provider: nothing but the arbiter's period can be lost by it.
    const own = { ...withTerms(world, { reviewer: provider.address }), reviewer: provider };
    await submit(own);
    await object(own);
    await arbitrate(own, 1n);
    expect(await due(own)).to.equal(1n);
  });
});
