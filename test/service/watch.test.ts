import { expect } from "chai";
import { createPublicClient, http } from "viem";

import { EarningsLostError, forwardTo, pricePerMillionTokens } from "../../sdk/src/server/index.ts";
import { describeError } from "../../sdk/src/service/describeError.ts";
import { createWorld, payerKey, sellerKey, type World } from "../server/helpers.ts";
import { price, until, watchedClient } from "../server/stall.ts";
import { openShop, type Shop, statusFor, token } from "./helpers.ts";

describe("a watched gateway", () => {
  let world: World;
  let shop: Shop;
  before(async () => {
    world = await createWorld();
  });
  afterEach(() => shop.close());

  it("counts a session exactly, by labels of few values", async () => {
    shop = await openShop(world);
    const channel = await shop.open();
    await shop.buy(channel, price);
    shop.work = () => new Response("broken", { status: 500 });
    await shop.buy(channel, 2n * price, { body: "y", path: "/other?query" });
    shop.work = () => Promise.reject(new Error("an error of the work"));
    await shop.buy(channel, 3n * price, { body: "z" });
    await shop.ask({ method: "DELETE" });
    shop.watch.gateway.observe({
      kind: "answered",
      method: "MADE-UP",
      path: "/",
      status: 204,
      problem: undefined,
      amount: undefined,
      milliseconds: 1,
    });
    shop.watch.gateway.onError(new EarningsLostError(channel.channelId, 5n));
    const { text, headers } = await shop.operate("/metrics");
    expect(headers.get("content-type")).to.match(/^text\/plain; version=0\.0\.4/);
    const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(samples.filter((line) => !/_seconds_(?:bucket|sum)/.test(line)).sort()).to.deep.equal(
      [
        'subfen_requests_total{method="POST",status="402",problem="payment-required"} 1',
        'subfen_requests_total{method="POST",status="204",problem=""} 1',
        'subfen_requests_total{method="POST",status="200",problem=""} 1',
        'subfen_requests_total{method="POST",status="500",problem=""} 1',
        'subfen_requests_total{method="POST",status="502",problem="seller-failed"} 1',
        'subfen_requests_total{method="DELETE",status="402",problem="payment-required"} 1',
        'subfen_requests_total{method="other",status="204",problem=""} 1',
        "subfen_request_seconds_count 7",
        'subfen_events_total{kind="opened"} 1',
        'subfen_events_total{kind="held"} 3',
        'subfen_events_total{kind="captured"} 1',
        'subfen_events_total{kind="released"} 2',
        'subfen_events_total{kind="sent"} 1',
        'subfen_base_units_total{kind="opened"} 1000000',
        `subfen_base_units_total{kind="held"} ${3n * price}`,
        `subfen_base_units_total{kind="captured"} ${price}`,
        `subfen_base_units_total{kind="released"} ${2n * price}`,
        'subfen_errors_total{code="other"} 1',
        'subfen_errors_total{code="earnings-lost"} 1',
        "subfen_running 0",
        "subfen_stopping 0",
      ].sort(),
    );
    for (const line of text.split("\n")) expect(line).to.match(/^$|^(?:# (?:HELP|TYPE) )?subfen_/);
  });

  it("logs one line a request, one a step of money at debug, and errors with their code", async () => {
    shop = await openShop(world);
    const { channelId } = await shop.open();
    await shop.buy({ channelId }, price, { path: `/${"long".repeat(100)}?query` });
    shop.work = () => Promise.reject(new Error("an error of the work"));
    await shop.buy({ channelId }, 2n * price);
    shop.watch.gateway.onError(new EarningsLostError(channelId, 5n));
    await until(() => shop.log.lines().some(({ code }) => code === "earnings-lost"), "it is logged");
    const of = (level: number) => shop.log.lines().filter((line) => line.level === level);
    const answers = [...of(30), ...of(40)].filter(({ msg }) => msg === "answered");
    expect(answers.map(({ level, method, status, problem, amount }) => [level, method, status, problem, amount]))
      .to.deep //
      .equal([
        [30, "POST", 402, "payment-required", undefined],
        [30, "POST", 204, undefined, "0"],
        [30, "POST", 200, undefined, String(price)],
        [40, "POST", 502, "seller-failed", undefined],
      ]);
    expect(answers.map(({ path }) => path)).to.deep.equal([
      "/work",
      "/work",
      `/${"long".repeat(100)}`.slice(0, 200),
      "/work",
    ]);
    for (const { milliseconds } of answers) expect(milliseconds).to.be.a("number");
    const amount = String(price);
    expect(of(20).filter(({ msg }) => msg !== "sent")).to.deep.equal([
      { level: 20, channelId, amount: "1000000", msg: "opened" },
      { level: 20, channelId, amount, msg: "held" },
      { level: 20, channelId, amount, msg: "captured" },
      { level: 20, channelId, amount, msg: "held" },
      { level: 20, channelId, amount, msg: "released" },
    ]);
    const [sent] = of(20).filter(({ msg }) => msg === "sent");
    expect(sent?.["hash"]).to.match(/^0x[0-9a-f]{64}$/);
    const [thrown, lost] = of(50);
    expect(thrown).to.include({ code: "other", msg: "Error" });
    expect((thrown?.["at"] as string[] | undefined)?.[0]).to.include("watch.test.ts");
    expect(lost).to.include({ code: "earnings-lost" });
    expect(lost?.msg).to.include(`Channel ${channelId} was closed before 5 base units`);
  });

  it("drains with a stream running: takes nothing new, lets the stream end, ends the operator's server last", async () => {
    const offer = { price: pricePerMillionTokens({ input: 0n, output: 1_000_000n, maxOutput: 10 }) };
    shop = await openShop(world, { offer });
    const channel = await shop.open();
    const word = (text: string) => new TextEncoder().encode(`data: {"choices":[{"delta":{"content":"${text}"}}]}\n\n`);
    let flow: ReadableStreamDefaultController<Uint8Array> | undefined;
    shop.work = () =>
      new Response(new ReadableStream({ start: (controller) => (flow = controller).enqueue(word("one")) }), {
        headers: { "content-type": "text/event-stream" },
      });
    const stream = shop.buy(channel, 10n, { body: '{"stream":true}' });
    await until(() => shop.gateway.running === 1 && flow !== undefined, "it flows");
    const { status, body } = await shop.operate("/drain", { method: "POST" });
    expect(status).to.equal(202);
    expect(body).to.deep.equal({ stopping: true, running: 1 });
    expect((await shop.operate("/readyz")).body["faults"]).to.deep.equal(["stopping"]);
    expect((await shop.operate("/metrics")).text)
      .to.include("subfen_stopping 1")
      .and.to.include("subfen_running 1");
    const refused = await statusFor(Number(new URL(shop.url).port), {}).catch(
      (error: Error & { code?: string }) => error,
    );
    expect(refused).to.include({ code: "ECONNREFUSED" });
    expect(await shop.record(channel)).to.include({ held: 10n });
    flow?.enqueue(word("two"));
    flow?.close();
    const { text } = await stream;
    expect(text).to.include("one").and.to.include("two").and.to.include(": payment-receipt ");
    await shop.stop();
    expect(await shop.record(channel)).to.include({ spent: 2n, held: 0n });
    const [head] = shop.log.lines().filter(({ status: answered }) => answered === 200);
    expect(head, "what it costs is not known at its head").not.to.have.property("amount");
    const ended = await statusFor(shop.operatorPort, {}).catch((error: Error & { code?: string }) => error);
    expect(ended).to.include({ code: "ECONNREFUSED" });
    expect(shop.log.lines().flatMap(({ msg }) => (/operator|stop/.test(msg) ? msg : []))).to.deep.equal([
      "operator drains",
      "stopping",
      "stopped",
    ]);
  });

  it("F113: writes no secret into its log or metrics, whatever goes wrong", async () => {
    const node = watchedClient(world);
    const secret = "canary-secret-of-the-seller";
    shop = await openShop(world, { gateway: { client: node.client, secret, workTimeout: 50 } });
    const signatures: string[] = [];
    const signed = async (channelId: `0x${string}`, total: bigint) => {
      const payload = await shop.voucher({ channelId }, total);
      signatures.push(payload.signature.slice(2));
      return payload;
    };
    const call = {
      path: "/work?key=canary-query",
      body: '{"prompt":"canary-body"}',
      headers: {
        "x-api-key": "canary-header",
        cookie: "session=canary-cookie",
        "idempotency-key": "canary-idempotency",
      },
    };
    const opening = await shop.opening();
    signatures.push(opening.payload.signature.slice(2), opening.payload.funding.signature.slice(2));
    await shop.pay(opening.payload, call);
    const { channelId } = opening.channel;
    for (const authorization of ["Bearer canary-bearer", "Payment canary-credential", "Basic canary-basic"]) {
      await shop.ask({ ...call, headers: { ...call.headers, authorization } });
    }
    await shop.pay(await signed(channelId, price), call);
    class CanaryError extends Error {
      override readonly name = "canary-name";
      readonly code = "ECANARY-code";
    }
    const thrown: unknown[] = [
      new Error("canary-thrown"),
      new Error("canary-line\n    at canary-frame (/canary:1:1)", { cause: new Error("canary-cause") }),
      Object.assign(new TypeError("x"), { config: { headers: { authorization: "canary-config" } } }),
      new CanaryError("x"),
      "canary-text",
      { message: "canary-object" },
    ];
    let total = price;
    for (const error of thrown) {
      shop.work = () => Promise.reject(error);
      await shop.pay(await signed(channelId, (total += price)), { ...call, headers: {} });
    }
    shop.work = forwardTo("http://127.0.0.1:1/canary-upstream", { headers: { authorization: "canary-upstream-key" } });
    await shop.pay(await signed(channelId, (total += price)), { ...call, headers: {} });
    shop.work = () => new Promise<Response>(() => undefined);
    await shop.pay(await signed(channelId, (total += price)), { ...call, headers: {} });

    const away = createPublicClient({ transport: http("http://127.0.0.1:1/v3/canary-rpc-key", { retryCount: 0 }) });
    node.before = async () => {
      await away.getBlockNumber();
    };
    shop.clock.offset = 61_000;
    const another = await shop.opening();
    signatures.push(another.payload.signature.slice(2), another.payload.funding.signature.slice(2));
    await shop.pay(another.payload, call);
    await shop.shut({ channelId }, total + 1n, call);
    for (const [method, path] of [
      ["GET", "/readyz?canary-operator-query"],
      ["POST", "/settle"],
      ["GET", "/channels?after=canary-after"],
      ["GET", "/canary-operator-path"],
    ] as const) {
      await shop.operate(path, { method });
      await shop.operate(path, { method, authorization: "Bearer canary-operator-token" });
    }
    const metrics = await shop.operate("/metrics");
    await shop.stop({ timeout: 0 });

    const { text, lines } = shop.log;
    const errors = lines().filter(({ level }) => level === 50);
    expect(errors.length).to.be.greaterThan(thrown.length);
    expect(JSON.stringify(errors)).to.include("HttpRequestError");
    expect(lines().filter(({ msg }) => msg === "answered").length).to.be.greaterThan(12);
    const keys = [payerKey, sellerKey].map((key) => key.slice(2));
    const written = `${text.join("")}\n${metrics.text}`;
    const decoded = written.replaceAll(
      /[A-Za-z0-9_-]{40,}/g,
      (part) => `${part} ${Buffer.from(part, "base64url").toString()}`,
    );
    for (const word of ["canary", secret, token, "Bearer", "://", "?", "prompt", ...keys, ...signatures]) {
      expect(decoded.toLowerCase()).not.to.include(word.toLowerCase());
    }
  });
});

describe("what is told of an error", () => {
  it("is its code and message where it is of this package, else its kind, with the kinds of its causes", () => {
    const lost = new EarningsLostError(`0x${"1".repeat(64)}`, 5n);
    expect(describeError(lost)).to.deep.include({
      code: "earnings-lost",
      message: lost.message,
      causes: [],
      at: undefined,
    });
    const reset = Object.assign(new Error("x"), { code: "ECONNRESET" });
    const nested = new TypeError("fetch failed", { cause: reset });
    expect(describeError(nested)).to.deep.include({
      code: "other",
      message: "TypeError",
      causes: ["Error ECONNRESET"],
    });
    for (const value of [undefined, null, "text", 5, {}]) {
      expect(describeError(value)).to.deep.equal({ code: "other", message: typeof value, causes: [], at: undefined });
    }
    const endless = new Error("x");
    endless.cause = endless;
    expect(describeError(endless).causes).to.have.lengthOf(8);
    const empty = Object.assign(new Error(), { stack: "what somebody has put there\n    at x (y:1:1)" });
    expect(describeError(empty).at).to.deep.equal(["x (y:1:1)"]);
    expect(describeError(Object.assign(new Error("x"), { stack: "no such message" })).at).to.equal(undefined);
  });
});
