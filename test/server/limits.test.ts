import { connect } from "node:net";

import { expect } from "chai";

import { createMemoryLedger, type GatewayEvent, pricePerMillionTokens } from "../../sdk/src/server/index.ts";
import type { SessionPayload } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Channel, openStall, price, type Stall, until } from "./stall.ts";

describe("how much a gateway takes on", () => {
  let world: World;
  let stall: Stall;
  let channel: Channel;
  before(async () => {
    world = await createWorld();
  });
  afterEach(() => stall.close());

  it("is no credential longer than the limit, and says both lengths", async () => {
    stall = await openStall(world, { gateway: { maxCredential: 1000 } });
    const authorization = (length: number) => `Payment ${"A".repeat(length - "Payment ".length)}`;
    const long = await stall.ask({ headers: { authorization: authorization(1001) } });
    expect(long.status).to.equal(431);
    expect(long.problem).to.deep.include({ code: "headers-too-large" });
    expect(long.problem?.members).to.include({ length: 1001, most: 1000 });
    const fits = await stall.ask({ headers: { authorization: authorization(1000) } });
    expect(fits.problem?.code).to.equal("malformed-credential");
  });

  it("is no body that does not end in time", async () => {
    stall = await openStall(world, { gateway: { bodyTimeout: 50 } });
    const body = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(new Uint8Array(3)) });
    const init = { method: "POST", body, duplex: "half" } as RequestInit;
    const response = await fetch(`${stall.url}/work`, init);
    expect(response.status).to.equal(408);
    expect(await response.json()).to.include({ code: "body-too-slow", most: 50 });
    await until(() => stall.gateway.running === 0, "its place is free");
    expect((await stall.ask()).status).to.equal(402);
  });

  it("is no more requests at a time than the limit, paid or not", async () => {
    stall = await openStall(world, { gateway: { maxRunning: 2 } });
    channel = await stall.open();
    const paused = stall.pauseWork("done");
    const first = stall.buy(channel, price);
    await paused.started;
    const second = stall.buy(channel, 2n * price, { body: "y" });
    await until(async () => (await stall.record(channel)).held === 2n * price, "two run");
    for (const reply of [await stall.ask(), await stall.ask({ headers: { authorization: "Payment !" } })]) {
      expect(reply.status).to.equal(503);
      expect(reply.headers.get("retry-after")).to.equal("1");
      expect(reply.problem?.members).to.include({ running: 2, most: 2, code: "too-busy" });
      expect(reply.problem?.members["hint"]).to.equal("Try again after Retry-After.");
    }
    paused.finish();
    expect((await first).status).to.equal(200);
    // The same response, which was read by then.
    expect((await second).status).to.equal(502);
    expect((await stall.ask()).status).to.equal(402);
    expect(stall.gateway.running).to.equal(0);
  });

  it("is no more requests of one channel than the limit; others go on", async () => {
    stall = await openStall(world, { gateway: { maxHolds: 1 } });
    channel = await stall.open();
    const other = await stall.open();
    const paused = stall.pauseWork("done");
    const first = stall.buy(channel, price);
    await paused.started;
    const reply = await stall.buy(channel, 2n * price, { body: "y" });
    expect(reply.status).to.equal(429);
    expect(reply.problem?.members).to.include({ code: "too-many-holds", running: 1, most: 1 });
    expect(await stall.record(channel)).to.include({ accepted: price });
    const elsewhere = stall.buy(other, price);
    paused.finish();
    expect((await first).status).to.equal(200);
    expect((await elsewhere).status).to.equal(200);
    expect((await stall.buy(channel, 2n * price, { body: "y" })).status).to.equal(200);
  });

  it("does not count a body that breaks off as the seller's failure", async () => {
    const events: GatewayEvent[] = [];
    stall = await openStall(world, { gateway: { observe: (event) => events.push(event) } });
    const half = "POST /work HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx";
    // Also one that is sent while the work for another one runs.
    channel = await stall.open();
    const authorization = await stall.credential((await stall.voucher(channel, price)) as SessionPayload);
    const paused = stall.pauseWork("done");
    const before = `GET /work HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`;
    for (const [text, running] of [
      [half, 1],
      [before + half, 2],
    ] as const) {
      events.length = 0;
      const socket = connect(Number(new URL(stall.url).port), "127.0.0.1");
      socket.write(text);
      await until(() => stall.gateway.running === running, "it is read");
      socket.resetAndDestroy();
      await until(() => events.some(({ kind }) => kind === "answered"), "it was answered");
      expect(events.find(({ kind }) => kind === "answered")).to.include({ status: 499, problem: undefined });
    }
    paused.finish();
    await until(() => stall.gateway.running === 0, "all have ended");
    expect(stall.errors).to.deep.equal([]);
  });

  describe("when it stops", () => {
    const offer = { price: pricePerMillionTokens({ input: 0n, output: 1_000_000n, maxOutput: 10 }) };
    const body = '{"stream":true}';
    const word = (text: string) => new TextEncoder().encode(`data: {"choices":[{"delta":{"content":"${text}"}}]}\n\n`);

    it("takes nothing new, lets what runs end, and closes", async () => {
      stall = await openStall(world);
      channel = await stall.open();
      const paused = stall.pauseWork("done");
      const running = stall.buy(channel, price);
      await paused.started;
      const stopped = stall.gateway.stop();
      expect(stall.gateway.isStopping).to.equal(true);
      const reply = await stall.buy(channel, 2n * price, { body: "y" });
      expect(reply.status).to.equal(503);
      expect(reply.problem?.code).to.equal("shutting-down");
      expect((await stall.ask()).status).to.equal(503);
      paused.finish();
      expect((await running).text).to.equal("done");
      await stopped;
      expect(await stall.record(channel)).to.include({ spent: price, held: 0n });
    });

    it("ends a stream after its time, charged for what it delivered", async () => {
      stall = await openStall(world, { offer });
      channel = await stall.open();
      stall.work = () =>
        new Response(new ReadableStream({ start: (controller) => controller.enqueue(word("one")) }), {
          headers: { "content-type": "text/event-stream" },
        });
      const stream = stall.buy(channel, 10n, { body });
      await until(() => stall.worked.length === 1, "it flows");
      await until(() => stall.gateway.running > 0, "it is counted");
      await stall.gateway.stop({ timeout: 50 });
      const { text } = await stream;
      expect(text).to.include("one").and.to.include(": payment-receipt ");
      expect(await stall.record(channel)).to.include({ spent: 1n, held: 0n });
    });

    it("fails whole answers after its time, at no cost", async () => {
      stall = await openStall(world);
      channel = await stall.open();
      stall.work = () => new Promise<Response>(() => undefined);
      const running = stall.buy(channel, price);
      await until(() => stall.worked.length === 1, "it runs");
      await stall.gateway.stop({ timeout: 20 });
      expect((await running).problem?.code).to.equal("seller-failed");
      expect(await stall.record(channel)).to.include({ spent: 0n, held: 0n });
    });
  });

  it("is told to whoever watches, in amounts that add up", async () => {
    const events: GatewayEvent[] = [];
    const ledger = createMemoryLedger();
    stall = await openStall(world, { gateway: { ledger, observe: (event) => events.push(event) } });
    channel = await stall.open();
    await stall.buy(channel, price);
    stall.work = () => new Response("broken", { status: 500 });
    await stall.buy(channel, 2n * price, { body: "y" });
    await stall.ask();
    const { channelId } = channel;
    const of = (kind: GatewayEvent["kind"]) => events.filter((event) => event.kind === kind);
    expect(of("opened")).to.deep.equal([{ kind: "opened", channelId, deposit: 1_000_000n }]);
    expect(of("held")).to.have.lengthOf(2);
    expect(of("captured")).to.deep.equal([{ kind: "captured", channelId, amount: price }]);
    expect(of("released")).to.deep.equal([{ kind: "released", channelId, amount: price }]);
    expect(of("sent")).to.have.lengthOf(1);
    const answers = of("answered").map((event) => event.kind === "answered" && [event.status, event.problem]);
    expect(answers).to.deep.equal([
      [402, "payment-required"],
      [204, undefined],
      [200, undefined],
      [500, undefined],
      [402, "payment-required"],
    ]);
  });
});
