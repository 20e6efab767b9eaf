import { expect } from "chai";

import { createTickPayer, isSubfenError, type TickPayer, type TickPayerState } from "../../../sdk/src/index.ts";
import { type Conditions, createConditionalWorld, openTickStall } from "../../server/conditionalStall.ts";
import type { World } from "../../server/helpers.ts";
import { type Channel, price, type Reply, type Stall } from "../../server/stall.ts";

const deposit = 1_000n * price;
const tickAmount = price / 4n;

describe("createTickPayer", () => {
  let world: World;
  let conditions: Conditions;
  let stall: Stall;
  let channel: Channel;
  before(async () => {
    ({ world, conditions } = await createConditionalWorld());
  });
  beforeEach(async () => {
    stall = await openTickStall(world, conditions.ticks, { window: 32 });
    channel = await stall.open({ deposit });
  });
  afterEach(() => stall.close());

  const payerOf = (options: Partial<createTickPayer.Parameters> = {}): TickPayer =>
    createTickPayer({
      account: world.payer,
      contract: stall.contract,
      chainId: world.chainId,
      channelId: channel.channelId,
      deposit,
      condition: conditions.ticks,
      tickAmount,
      tickCount: 100,
      mostLiability: deposit,
      window: 32,
      ...options,
    });
  /** One call, paid and booked. */
  async function call(payer: TickPayer, body: string): Promise<Reply> {
    const tick = await payer.begin(price);
    const reply = await stall.pay(tick, { body });
    payer.end(tick, reply.receipt?.amount ?? 0n);
    return reply;
  }
  const start = async (payer: TickPayer): Promise<void> => {
    const reply = await stall.pay(await payer.renew(), { method: "HEAD" });
    if (reply.status !== 204) throw new Error(`not accepted: ${reply.status}`);
  };
  const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => "resolved",
      (error: unknown) => isSubfenError(error) && error.code,
    );

  it("pays call after call, folds, and closes with what was charged", async () => {
    const payer = payerOf();
    await start(payer);
    for (let i = 1; i <= 5; i++) expect((await call(payer, `${i}`)).text).to.equal(`did ${i}`);
    expect(payer.due).to.equal(5n * price);
    expect(payer.left).to.equal(80);
    const before = await world.balanceOf(world.seller.address);
    expect((await stall.pay(await payer.fold("close"), { body: undefined })).status).to.equal(204);
    expect((await world.balanceOf(world.seller.address)) - before).to.equal(5n * price);
    expect(payer.due).to.equal(0n);
  });

  it("pays parallel calls, each by its own tick, up to the window", async () => {
    const payer = payerOf();
    await start(payer);
    const replies = await Promise.all(Array.from({ length: 8 }, (_, i) => call(payer, `${i}`)));
    expect(replies.map(({ text }) => text)).to.deep.equal(Array.from({ length: 8 }, (_, i) => `did ${i}`));
    const open = await Promise.all(Array.from({ length: 8 }, () => payer.begin(price)));
    expect(new Set(open.map(({ n }) => n)).size).to.equal(8);
    expect(await codeOf(payer.begin(price))).to.equal("tick-window");
    payer.end(open[0]!, price);
    expect(await codeOf(payer.begin(price))).to.equal("resolved");
  });

  it("takes no more for a call than its ceiling, and lets what was not charged pay for the next", async () => {
    const payer = payerOf();
    await start(payer);
    const failed = await payer.begin(price);
    stall.work = () => new Response("no", { status: 500 });
    const reply = await stall.pay(failed);
    expect([reply.status, reply.receipt]).to.deep.equal([500, undefined]);
    payer.end(failed, 0n);
    stall.work = () => new Response("yes");
    const next = await payer.begin(price);
    expect([failed.n, next.n]).to.deep.equal([4, 5]);
    expect((await stall.pay(next)).text).to.equal("yes");
    // Booked twice, or above what was agreed, it would pay for what it never bought.
    payer.end(next, 100n * price);
    payer.end(next, price);
    expect((await payer.begin(price)).n).to.equal(8);
  });

  it("goes on with another chain when one is used up, the first being folded", async () => {
    const payer = payerOf({ tickCount: 8 });
    await start(payer);
    await call(payer, "1");
    await call(payer, "2");
    expect(await codeOf(payer.begin(price))).to.equal("ticks-used-up");
    await start(payer);
    expect((await call(payer, "3")).text).to.equal("did 3");
    const row = await stall.record(channel);
    expect(row).to.include({ accepted: 2n * price + 1n });
    expect(row.payments).to.have.lengthOf(1);
  });

  it("never signs for more than is allowed, counting everything ever signed", async () => {
    const tight = payerOf({ tickCount: 8, mostLiability: 2n * price + 1n });
    await start(tight);
    await call(tight, "1");
    const error = await tight.renew().catch((cause: unknown) => cause);
    expect(error).to.include({ code: "statement-not-planned" });
    expect(error).to.have.nested.property("refusal.code", "exceeds-limit");
    // What stood goes on.
    expect((await call(tight, "2")).status).to.equal(200);
    const poor = payerOf({ deposit: price });
    expect(await codeOf(poor.renew())).to.equal("statement-not-planned");
  });

  it("saves before anything leaves that hangs on it, and goes on after a restart", async () => {
    const saved: TickPayerState[] = [];
    const payer = payerOf({ save: async (state) => void saved.push(state) });
    await start(payer);
    expect(saved).to.have.lengthOf(1);
    for (let i = 1; i <= 4; i++) await call(payer, `${i}`);
    // Ticks 4, 8, 12 and 16 under one more state, since half a window is counted as shown before.
    expect(saved.map(({ shown }) => shown)).to.deep.equal([0, 20]);
    const again = payerOf({ kept: structuredClone(saved.at(-1)!) });
    expect((await call(again, "5")).text).to.equal("did 5");
    expect((await stall.pay(await again.fold("voucher"), { method: "HEAD" })).status).to.equal(204);
    expect(await stall.record(channel)).to.include({ spent: 5n * price, accepted: 6n * price + 1n });
  });

  it("shows no tick that could not be saved", async () => {
    let isFull = false;
    const save = async (): Promise<void> => {
      if (isFull) throw new Error("the disk is full");
    };
    const payer = payerOf({ save });
    await start(payer);
    isFull = true;
    expect(await codeOf(payer.begin(price))).to.equal(false);
    expect(await codeOf(payer.renew())).to.equal(false);
    isFull = false;
    expect((await payer.begin(price)).n).to.be.greaterThan(4);
  });
});
