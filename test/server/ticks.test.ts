import { expect } from "chai";
import type { Hex } from "viem";

import { getChannel } from "../../sdk/src/index.ts";
import { createMemoryLedger, LedgerUnavailableError } from "../../sdk/src/ledger/index.ts";
import { parseChallenges, parseSessionRequest } from "../../sdk/src/wire/index.ts";
import {
  type Conditions,
  conditionalVoucher,
  createConditionalWorld,
  openTickStall,
  startTicks,
  tickAmount,
  tickPayment,
  type TickPayment,
} from "./conditionalStall.ts";
import type { World } from "./helpers.ts";
import { type Channel, openStall, price, type Stall } from "./stall.ts";

describe("ticks", () => {
  let world: World;
  let conditions: Conditions;
  let stall: Stall;
  let channel: Channel;
  let ticks: TickPayment;
  before(async () => {
    ({ world, conditions } = await createConditionalWorld());
  });
  beforeEach(async () => {
    stall = await openTickStall(world, conditions.ticks);
    ({ channel, ticks } = await startTicks(stall, conditions.ticks));
  });
  afterEach(() => stall.close());

  const code = async (reply: ReturnType<Stall["pay"]>) => (await reply).problem?.code;

  it("are offered with their condition and window, and taken only where they are", async () => {
    const [challenge] = parseChallenges((await stall.ask()).headers.get("www-authenticate"));
    const asked = parseSessionRequest(challenge!.request);
    expect(asked.ticks).to.deep.equal({ condition: conditions.ticks.toLowerCase(), window: 8 });
    const other = await openStall(world);
    const refused = await other.pay(ticks.tick(1));
    expect([refused.status, refused.problem?.code]).to.deep.equal([402, "ticks-not-offered"]);
    const theirs = await other.open();
    const voucher = await conditionalVoucher(other, theirs, 1n, [tickPayment(theirs, conditions.ticks).payment]);
    expect(await code(other.pay(voucher))).to.equal("conditional-not-offered");
    await other.close();
  });

  it("buy a request each, and the receipt says what it has cost", async () => {
    for (const n of [2, 4, 6]) {
      const reply = await stall.pay(ticks.tick(n), { body: `${n}` });
      expect([reply.status, reply.text]).to.deep.equal([200, `did ${n}`]);
      expect(reply.receipt).to.include({ amount: price, spent: (BigInt(n) / 2n) * price, acceptedCumulative: 1n });
    }
  });

  it("have to cover the request; the answer says which tick would", async () => {
    const reply = await stall.pay(ticks.tick(1));
    expect(reply.status).to.equal(402);
    expect(reply.problem?.code).to.equal("insufficient-balance");
    expect(reply.problem?.members).to.include({
      requiredTicks: 2,
      amount: String(price),
      available: String(tickAmount),
    });
    expect((await stall.pay(ticks.tick(2))).status).to.equal(200);
    expect((await stall.pay(ticks.tick(3))).problem?.members).to.include({ requiredTicks: 4 });
    expect(stall.worked).to.have.lengthOf(1);
  });

  it("are taken for no more requests of one channel at a time than the limit", async () => {
    const small = await openTickStall(world, conditions.ticks, { gateway: { maxHolds: 1 } });
    const { ticks: own } = await startTicks(small, conditions.ticks);
    const paused = small.pauseWork("done");
    const first = small.pay(own.tick(2));
    await paused.started;
    const refused = await small.pay(own.tick(4), { body: "y" });
    expect([refused.status, refused.problem?.code]).to.deep.equal([429, "too-many-holds"]);
    expect((await small.pay(own.tick(4), { method: "HEAD" })).status).to.equal(204);
    paused.finish();
    expect((await first).status).to.equal(200);
    small.work = () => new Response("next");
    expect((await small.pay(own.tick(6), { body: "y" })).status).to.equal(200);
    await small.close();
  });

  it("F057: give the same request the same answer, and another one nothing", async () => {
    const first = await stall.pay(ticks.tick(4));
    const again = await Promise.all(Array.from({ length: 10 }, () => stall.pay(ticks.tick(4))));
    for (const reply of again) expect([reply.status, reply.text]).to.deep.equal([200, first.text]);
    const other = await stall.pay(ticks.tick(4), { body: "y" });
    expect([other.status, other.problem?.code]).to.deep.equal([409, "tick-used"]);
    expect(await code(stall.pay(ticks.tick(4), { path: "/other" }))).to.equal("tick-used");
    expect(stall.worked).to.have.lengthOf(1);
  });

  it("F057: of many parallel copies one is served, the others get its answer or are told that it runs", async () => {
    const { started, finish } = stall.pauseWork("slow");
    const first = stall.pay(ticks.tick(2));
    await started;
    expect(await code(stall.pay(ticks.tick(2)))).to.equal("request-in-progress");
    finish();
    expect((await first).text).to.equal("slow");
    expect((await stall.pay(ticks.tick(2))).text).to.equal("slow");
    expect(stall.worked).to.have.lengthOf(1);
  });

  it("serve parallel calls that arrive swapped, each tick its own", async () => {
    for (const n of [8, 4, 6, 2]) {
      const reply = await stall.pay(ticks.tick(n), { body: `${n}` });
      expect([reply.status, reply.text]).to.deep.equal([200, `did ${n}`]);
    }
    expect((await stall.pay(ticks.tick(5), { body: "5" })).problem?.code).to.equal("insufficient-balance");
  });

  it("F085: cost nothing when the work fails, and the same request may use the same tick", async () => {
    stall.work = () => new Response("no", { status: 500 });
    expect((await stall.pay(ticks.tick(2))).status).to.equal(500);
    stall.work = () => new Response("yes");
    expect(await code(stall.pay(ticks.tick(2), { body: "y" }))).to.equal("tick-used");
    expect((await stall.pay(ticks.tick(2))).text).to.equal("yes");
    expect((await stall.pay(ticks.tick(4))).receipt).to.include({ spent: 2n * price });
  });

  it("answer a repeated Idempotency-Key under a new tick, and refuse it for another request", async () => {
    const headers = { "idempotency-key": "k" };
    const first = await stall.pay(ticks.tick(2), { headers });
    const retried = await stall.pay(ticks.tick(4), { headers });
    expect([retried.status, retried.text]).to.deep.equal([200, first.text]);
    expect(await code(stall.pay(ticks.tick(6), { headers, body: "y" }))).to.equal("idempotency-key-reused");
    expect(stall.worked).to.have.lengthOf(1);
  });

  describe("that are hostile", () => {
    const refused = async (payload: ReturnType<TickPayment["tick"]>, status: number, problem: string) => {
      const reply = await stall.pay(payload);
      expect(reply.problem?.code, reply.text).to.equal(problem);
      expect(reply.status).to.equal(status);
      return reply.problem!.members;
    };
    afterEach(() => expect(stall.worked.length).to.be.lessThan(2));

    it("are refused when they jump further than the window, and not at it", async () => {
      expect(await refused(ticks.tick(9), 402, "tick-too-far")).to.include({ n: 9, known: 0, window: 8 });
      expect((await stall.pay(ticks.tick(8))).status).to.equal(200);
      expect(await refused(ticks.tick(17), 402, "tick-too-far")).to.include({ known: 8 });
    });

    it("are refused when they are forged, another number's, channel's or payment's", async () => {
      const { x } = ticks.tick(3);
      const wrong: Hex = `0x${"ab".repeat(32)}`;
      await refused({ ...ticks.tick(2), x: wrong }, 402, "tick-invalid");
      await refused({ ...ticks.tick(2), x }, 402, "tick-invalid");
      await refused({ ...ticks.tick(2), n: 0 }, 409, "tick-used");
      const other = await startTicks(stall, conditions.ticks, { ref: ticks.ref });
      await refused({ ...other.ticks.tick(2), channelId: channel.channelId }, 402, "tick-invalid");
      const second = tickPayment(channel, conditions.ticks);
      await refused({ ...second.tick(2), ref: ticks.ref }, 402, "tick-invalid");
      await refused(second.tick(2), 409, "payment-unknown");
      expect((await stall.pay(ticks.tick(2))).status).to.equal(200);
      await refused({ ...ticks.tick(1), x }, 402, "tick-invalid");
    });

    it("are refused beyond the last, and when they come too late to be told from others", async () => {
      const few = await startTicks(stall, conditions.ticks, { tickCount: 4 });
      await refused({ ...few.ticks.tick(4), n: 5 }, 402, "tick-invalid");
      for (const n of [8, 16]) await stall.pay(ticks.tick(n), { method: "HEAD" });
      await refused(ticks.tick(8), 409, "tick-used");
    });

    it("are refused for a payment that does not stand by ticks", async () => {
      const odd = tickPayment(channel, conditions.ticks, { ref: ticks.ref });
      await refused({ ...odd.tick(1), channelId: `0x${"00".repeat(32)}` }, 410, "channel-not-found");
      const voucher = await conditionalVoucher(stall, channel, 2n, [ticks.payment], { ref: ticks.ref });
      expect(await code(stall.pay(voucher))).to.equal("malformed-payload");
    });
  });

  describe("are written down", () => {
    it("in marks, with what they have bought as one capture each", async () => {
      for (let n = 2; n <= 16; n += 2) await stall.pay(ticks.tick(n));
      await stall.gateway.settleAll();
      expect(await stall.record(channel)).to.include({ spent: 8n * price, held: 0n });
      const [payment] = (await stall.record(channel)).payments;
      expect(payment).to.include({ due: 16n * tickAmount, work: 8n * price });
      let [marks, captured] = [0, 0n];
      for await (const purchase of stall.gateway.ledger.holds(channel.channelId)) {
        marks++;
        captured += purchase.captured;
      }
      expect(captured).to.equal(8n * price);
      expect(marks).to.be.greaterThan(1).and.lessThan(8);
    });

    it("before a request is served that would put more than a window at risk", async () => {
      const ledger = createMemoryLedger();
      const own = await openTickStall(world, conditions.ticks, { gateway: { ledger } });
      const started = await startTicks(own, conditions.ticks);
      const { markTicks } = ledger;
      ledger.markTicks = () => Promise.reject(new LedgerUnavailableError("the disk is full"));
      for (const n of [2, 4, 6]) expect((await own.pay(started.ticks.tick(n))).status).to.equal(200);
      const stopped = await own.pay(started.ticks.tick(8));
      expect([stopped.status, stopped.problem?.code]).to.deep.equal([502, "seller-failed"]);
      expect(own.worked).to.have.lengthOf(3);
      ledger.markTicks = markTicks;
      expect((await own.pay(started.ticks.tick(8))).status).to.equal(200);
      await own.close();
      expect(await ledger.getChannel(started.channel.channelId)).to.include({ spent: 4n * price });
    });

    it("so that an account goes on from its mark after a restart, and no tick buys twice", async () => {
      const ledger = createMemoryLedger();
      const before = await openTickStall(world, conditions.ticks, { gateway: { ledger } });
      const started = await startTicks(before, conditions.ticks);
      await before.pay(started.ticks.tick(6));
      await before.close();
      const after = await openTickStall(world, conditions.ticks, { gateway: { ledger } });
      expect(await code(after.pay(started.ticks.tick(6), { body: "y" }))).to.equal("tick-used");
      const reply = await after.pay(started.ticks.tick(7));
      expect(reply.receipt).to.include({ spent: 2n * price });
      await after.close();
      const row = await ledger.getChannel(started.channel.channelId);
      expect(row).to.include({ spent: 2n * price });
      expect(row!.payments[0]).to.include({ due: 7n * tickAmount });
    });

    it("by one process at a time", async () => {
      const ledger = createMemoryLedger();
      const one = await openTickStall(world, conditions.ticks, { gateway: { ledger } });
      const two = await openTickStall(world, conditions.ticks, { gateway: { ledger } });
      const started = await startTicks(one, conditions.ticks);
      expect((await one.pay(started.ticks.tick(2))).status).to.equal(200);
      const reply = await two.pay(started.ticks.tick(4));
      expect([reply.status, reply.problem?.code]).to.deep.equal([409, "ticks-elsewhere"]);
      expect(reply.headers.get("retry-after")).to.equal("1");
      await one.close();
      expect((await two.pay(started.ticks.tick(4))).status).to.equal(200);
      await two.close();
    });
  });

  describe("end", () => {
    it("folded into a voucher, which has to have all that is due", async () => {
      await stall.pay(ticks.tick(5));
      const low = await stall.buy(channel, 5n * tickAmount);
      expect([low.status, low.problem?.code]).to.deep.equal([402, "fold-too-low"]);
      expect(low.problem?.members).to.include({ required: String(5n * tickAmount + 1n) });
      expect((await stall.pay(ticks.tick(6), { body: "y" })).status).to.equal(200);
      const fold = await stall.buy(channel, 6n * tickAmount + 1n, { method: "HEAD" });
      expect(fold.status).to.equal(204);
      const row = await stall.record(channel);
      expect(row).to.deep.include({ accepted: 6n * tickAmount + 1n, spent: 2n * price, payments: [] });
      expect(await code(stall.pay(ticks.tick(7)))).to.equal("payment-unknown");
    });

    it("while a request runs that a tick has paid: it is captured all the same", async () => {
      const { started, finish } = stall.pauseWork("slow");
      const slow = stall.pay(ticks.tick(2));
      await started;
      expect((await stall.buy(channel, 2n * tickAmount + 1n, { method: "HEAD" })).status).to.equal(204);
      expect(await stall.record(channel)).to.include({ held: price, spent: 0n });
      finish();
      expect((await slow).text).to.equal("slow");
      expect(await stall.record(channel)).to.include({ held: 0n, spent: price });
    });

    it("while a request runs that more than a window has overtaken", async () => {
      const { started, finish } = stall.pauseWork("slow");
      const slow = stall.pay(ticks.tick(2));
      await started;
      for (const n of [8, 16]) expect((await stall.pay(ticks.tick(n), { method: "HEAD" })).status).to.equal(204);
      expect((await stall.buy(channel, 16n * tickAmount + 1n, { method: "HEAD" })).status).to.equal(204);
      expect(await stall.record(channel)).to.include({ held: price, spent: 0n });
      finish();
      expect((await slow).text).to.equal("slow");
      expect(await stall.record(channel)).to.include({ held: 0n, spent: price });
    });

    it("with the channel: the seller closes it with the voucher that folds them", async () => {
      await stall.pay(ticks.tick(4));
      const before = await world.balanceOf(world.seller.address);
      expect(await code(stall.shut(channel, 4n * tickAmount))).to.equal("fold-too-low");
      expect((await stall.shut(channel, 4n * tickAmount + 2n)).status).to.equal(204);
      expect((await world.balanceOf(world.seller.address)) - before).to.equal(price);
    });

    it("claimed on the chain with the newest tick, when their payer falls silent", async () => {
      for (const n of [2, 4, 6]) await stall.pay(ticks.tick(n));
      const before = await world.balanceOf(world.seller.address);
      const { settled, failed } = await stall.gateway.settleAll();
      expect(failed).to.deep.equal([]);
      expect(settled).to.have.lengthOf(1);
      expect(settled[0]).to.include({ channelId: channel.channelId, amount: 3n * price });
      expect((await world.balanceOf(world.seller.address)) - before).to.equal(3n * price);
      const onChain = await getChannel(world.sellerClient, { contract: stall.contract, channelId: channel.channelId });
      expect(onChain).to.include({ settled: 3n * price });
      // And goes on afterwards.
      expect((await stall.pay(ticks.tick(8))).receipt).to.include({ spent: 4n * price });
      expect((await stall.gateway.settleAll()).settled[0]).to.include({ amount: price });
    });

    it("when the payer wants its money back", async () => {
      const careful = await openTickStall(world, conditions.ticks, { gateway: { recheckAfter: 0 } });
      const started = await startTicks(careful, conditions.ticks);
      expect((await careful.pay(started.ticks.tick(2))).status).to.equal(200);
      const payer = await world.ethers.getImpersonatedSigner(world.payer.address);
      await world.channels.contract.connect(payer).getFunction("requestClose")(started.channel.terms);
      const reply = await careful.pay(started.ticks.tick(4));
      expect([reply.status, reply.problem?.code]).to.deep.equal([409, "channel-closing"]);
      expect((await careful.gateway.settleAll()).settled[0]).to.include({ amount: price });
      await careful.close();
    });
  });

  it("by HEAD add to what is available, without work: vouchers and streams draw on it", async () => {
    const head = await stall.pay(ticks.tick(4), { method: "HEAD" });
    expect([head.status, head.receipt?.spent]).to.deep.equal([204, 0n]);
    expect(stall.worked).to.have.lengthOf(0);
    const voucher = await conditionalVoucher(stall, channel, 2n, [ticks.payment]);
    expect((await stall.pay(voucher)).status).to.equal(200);
    expect(await stall.record(channel)).to.include({ spent: price });
    // What was given is not the ticks' any more.
    expect((await stall.pay(ticks.tick(5))).problem?.members).to.include({ available: String(tickAmount) });
  });
});
