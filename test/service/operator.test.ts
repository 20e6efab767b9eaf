import { expect } from "chai";
import type { Hex } from "viem";

import { createMemoryLedger } from "../../sdk/src/ledger/index.ts";
import { createWatch, serve } from "../../sdk/src/service/index.ts";
import { rejection } from "../sdk/client/helpers.ts";
import { createWorld, type World } from "../server/helpers.ts";
import { price, watchedClient } from "../server/stall.ts";
import { memoryLogger, openShop, type Shop, statusFor, token } from "./helpers.ts";

describe("an operator's server", () => {
  let world: World;
  let shop: Shop;
  before(async () => {
    world = await createWorld();
  });
  afterEach(() => shop.close());

  it("tells health to all of this machine, and all else to those with the token alone", async () => {
    shop = await openShop(world);
    const { channelId } = await shop.open();
    for (const path of ["/livez", "/readyz"]) {
      for (const authorization of [null, "Bearer wrong-token-of-16"]) {
        expect((await shop.operate(path, { authorization })).status, path).to.equal(200);
      }
    }
    expect((await shop.operate("/livez")).body).to.deep.equal({ live: true });
    expect((await shop.operate("/readyz")).body).to.deep.equal({ ready: true, faults: [] });
    const guarded = [
      ["GET", "/metrics"],
      ["GET", "/channels"],
      ["GET", `/channels/${channelId}`],
      ["POST", "/settle"],
    ] as const;
    const wrong = [
      null,
      "",
      `Basic ${token}`,
      "Bearer",
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
      `Bearer x ${token}`,
    ];
    for (const [method, path] of [...guarded, ["POST", "/drain"], ["GET", "/no-such-path"]] as const) {
      for (const authorization of wrong) {
        const { status, headers, body } = await shop.operate(path, { method, authorization });
        expect(status, `${path} ${authorization}`).to.equal(401);
        expect(headers.get("www-authenticate")).to.equal("Bearer");
        expect(body["type"]).to.equal("urn:subfen:problem:unauthorized");
      }
    }
    expect(shop.gateway.isStopping).to.equal(false);
    for (const [method, path] of guarded) {
      const { status, headers } = await shop.operate(path, { method });
      expect(status, path).to.equal(200);
      expect(headers.get("cache-control")).to.equal("no-store");
      const other = await shop.operate(path, { method: method === "GET" ? "POST" : "GET" });
      expect(other.status, path).to.equal(405);
      expect(other.headers.get("allow")).to.equal(method);
    }
    for (const path of ["/", "/nothing", "/constructor", "/channels/0x12", "/channels/"]) {
      expect((await shop.operate(path)).body["type"], path).to.equal("urn:subfen:problem:not-found");
    }
  });

  it("answers those alone that name this machine, on its loopback address", async () => {
    shop = await openShop(world);
    const port = shop.operatorPort;
    for (const host of [`localhost:${port}`, "127.0.0.1", `[::1]:${port}`, "LOCALHOST"]) {
      expect(await statusFor(port, { host }), host).to.equal(200);
    }
    for (const host of ["evil.example", "127.0.0.1.evil.example", `localhost.evil.example:${port}`, "0.0.0.0"]) {
      expect(await statusFor(port, { host }), host).to.equal(403);
    }
    expect(await statusFor(port, { host: "x@127.0.0.1" })).to.equal(400);
    const elsewhere = await statusFor(port, {}, "127.0.0.2").catch((error: Error) => error);
    expect(elsewhere).to.be.instanceOf(Error);
  });

  it("lists channels and what they have bought page by page, without signatures", async () => {
    shop = await openShop(world);
    const ids: Hex[] = [];
    for (let i = 0; i < 3; i++) ids.push((await shop.open()).channelId);
    const [first, second, third] = ids as [Hex, Hex, Hex];
    for (let n = 1n; n <= 3n; n++) await shop.buy({ channelId: second }, n * price, { body: `n${n}` });
    const { signature } = await shop.record({ channelId: second });

    const list = async (query: string) => {
      const { status, body, text } = await shop.operate(`/channels${query}`);
      expect(text).not.to.include("ignature").and.not.to.include(signature.slice(2, 40));
      const channels = (body["channels"] ?? []) as { channelId: Hex }[];
      return { status, ids: channels.map(({ channelId }) => channelId), next: body["next"], channels };
    };
    expect(await list("")).to.deep.include({ ids, next: null });
    expect(await list("?limit=2")).to.deep.include({ ids: [first, second], next: second });
    expect(await list(`?limit=2&after=${second}`)).to.deep.include({ ids: [third], next: null });
    expect((await list("?limit=3")).next).to.equal(null);
    expect((await list("")).channels[1]).to.include({ spent: String(3n * price), accepted: String(3n * price) });
    for (const query of ["?limit=0", "?limit=1001", "?limit=-1", "?limit=x", "?limit=", "?after=x", "?after=0x12"]) {
      expect((await list(query)).status, query).to.equal(400);
    }
    expect((await list("?limit=1000")).status).to.equal(200);
    expect((await list(`?after=0x${"9".repeat(64)}`)).status).to.equal(404);

    const show = async (query: string) => {
      const { status, body, text } = await shop.operate(`/channels/${second}${query}`);
      expect(text).not.to.include("ignature").and.not.to.include(signature.slice(2, 40));
      const purchases = (body["purchases"] ?? []) as { cumulativeAmount: string; captured: string; status: string }[];
      return { status, amounts: purchases.map((one) => one.cumulativeAmount), next: body["next"], purchases, body };
    };
    const all = [price, 2n * price, 3n * price].map(String);
    const whole = await show("");
    expect(whole).to.deep.include({ amounts: all, next: null });
    expect(whole.body["channel"]).to.include({ channelId: second, spent: String(3n * price), held: "0" });
    expect(whole.purchases[0]).to.include({ status: "captured", captured: String(price) });
    expect(await show("?limit=2")).to.deep.include({ amounts: all.slice(0, 2), next: all[1] });
    expect(await show(`?limit=2&after=${2n * price}`)).to.deep.include({ amounts: all.slice(2), next: null });
    for (const query of ["?limit=0", "?after=x", "?after=-1", `?after=${2n ** 128n}`]) {
      expect((await show(query)).status, query).to.equal(400);
    }
    expect((await show(`?after=${2n ** 128n - 1n}`)).amounts).to.deep.equal([]);
    const unknown = await shop.operate(`/channels/0x${"9".repeat(64)}`);
    expect(unknown.status).to.equal(404);
    expect(unknown.body["type"]).to.equal("urn:subfen:problem:channel-not-found");
  });

  it("settles, and says what could not be and why, without the node's words", async () => {
    const node = watchedClient(world);
    shop = await openShop(world, { gateway: { client: node.client } });
    const channel = await shop.open();
    const { channelId } = channel;
    await shop.buy(channel, price);
    node.before = (method) => {
      if (method === "eth_call") throw new Error("canary of the node");
    };
    const failed = await shop.operate("/settle", { method: "POST" });
    expect(failed.status).to.equal(200);
    expect(failed.body["settled"]).to.deep.equal([]);
    const [failure] = failed.body["failed"] as [Record<string, unknown>];
    expect(failure).to.include({ channelId });
    expect(failed.text).not.to.include("canary");
    node.before = () => undefined;
    const { body } = await shop.operate("/settle", { method: "POST" });
    const [settled] = body["settled"] as [Record<string, unknown>];
    expect(settled).to.include({ channelId, amount: String(price) });
    expect(settled?.["txHash"]).to.match(/^0x[0-9a-f]{64}$/);
    expect(body["failed"]).to.deep.equal([]);
  });

  it("is not ready while the chain is away or another, the ledger cannot be written, or it is stopping", async () => {
    const node = watchedClient(world);
    const ledger = createMemoryLedger();
    let isFull = false;
    const acquireLease: typeof ledger.acquireLease = async (lease) => {
      if (isFull) throw new Error("canary: no space");
      return ledger.acquireLease(lease);
    };
    shop = await openShop(world, { gateway: { client: node.client, ledger: { ...ledger, acquireLease } } });
    const faults = async (): Promise<unknown> => {
      const { status, body, text } = await shop.operate("/readyz", { authorization: null });
      expect(text).not.to.include("canary");
      expect(body["ready"]).to.equal(status === 200);
      expect([200, 503]).to.include(status);
      return body["faults"];
    };
    expect(await faults()).to.deep.equal([]);
    node.before = (method) => {
      if (method === "eth_chainId") throw new Error("canary: https://rpc.example/key");
    };
    expect(await faults()).to.deep.equal(["chain"]);
    isFull = true;
    expect(await faults()).to.deep.equal(["ledger", "chain"]);
    node.before = () => undefined;
    expect(await faults()).to.deep.equal(["ledger"]);
    isFull = false;
    node.instead = (method) => (method === "eth_chainId" ? "0x1" : undefined);
    expect(await faults()).to.deep.equal(["chain"]);
    node.instead = () => undefined;
    expect(await faults()).to.deep.equal([]);

    const channel = await shop.open();
    const paused = shop.pauseWork("done");
    const running = shop.buy(channel, price);
    await paused.started;
    const stopped = shop.stop();
    expect(await faults()).to.deep.equal(["stopping"]);
    expect((await shop.operate("/livez")).status).to.equal(200);
    paused.finish();
    expect((await running).text).to.equal("done");
    await stopped;
  });

  it("is not started with a token that can be guessed, or on a port that is taken, and then nothing listens", async () => {
    shop = await openShop(world);
    const watch = createWatch({ logger: memoryLogger().logger });
    const { gateway, operatorPort } = shop;
    const handler = async () => new Response();
    for (const weak of ["", "fifteen-letters", "sixteen letters-"]) {
      const error = await rejection(serve({ gateway, watch, handler, port: 0, operator: { port: 0, token: weak } }));
      expect(error).to.include({ name: "WeakTokenError", code: "weak-token" });
    }
    const sixteen = { port: 0, token: "sixteen-letters-" };
    const taken = await rejection(serve({ gateway, watch, handler, port: operatorPort, operator: sixteen }));
    expect(taken).to.include({ name: "CannotListenError", code: "cannot-listen" });
    expect(taken.message).to.include(`port ${operatorPort} of 127.0.0.1`);
    const operator = { ...sixteen, port: operatorPort };
    expect(await rejection(serve({ gateway, watch, handler, port: 0, operator }))).to.include({
      code: "cannot-listen",
    });
    const { port: free, operatorPort: none, stop } = await serve({ gateway, watch, handler, port: 0 });
    expect(none).to.equal(undefined);
    await stop({ timeout: 0 });
    const halfway = { ...sixteen, port: free };
    await rejection(serve({ gateway, watch, handler, port: operatorPort, operator: halfway }));
    const nobody = await statusFor(free, {}).catch((error: Error & { code?: string }) => error);
    expect(nobody).to.include({ code: "ECONNREFUSED" });
  });

  it("is told of a handler that throws, and the caller gets 500", async () => {
    shop = await openShop(world);
    const { logger, lines } = memoryLogger();
    const watch = createWatch({ logger });
    const handler = () => Promise.reject(new TypeError("canary"));
    const { port, stop } = await serve({ gateway: shop.gateway, watch, handler, port: 0 });
    const { status } = await fetch(`http://127.0.0.1:${port}/free`);
    await stop({ timeout: 0 });
    expect(status).to.equal(500);
    const [thrown, ...others] = lines().filter(({ level }) => level === 50);
    expect(thrown).to.include({ code: "other", msg: "TypeError" });
    expect(others).to.deep.equal([]);
  });
});
