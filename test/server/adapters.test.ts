import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import type { AddressInfo } from "node:net";

import { serve as serveHono, type ServerType } from "@hono/node-server";
import { expect } from "chai";
import { Hono } from "hono";
import OpenAI, { APIError } from "openai";

import { parseYuan } from "../../sdk/src/index.ts";
import {
  type Gateway,
  type Offer,
  paid,
  pricePerMillionTokens,
  toNodeListener,
  type Work,
} from "../../sdk/src/server/index.ts";
import { withTrailers } from "../../sdk/src/server/trailers.ts";
import { parseChallenges } from "../../sdk/src/wire/index.ts";
import { createWorld, serve, type World } from "./helpers.ts";
import { type Channel, openStall, price, type Stall } from "./stall.ts";

/** Serves a Hono app on loopback. */
async function serveApp(app: Hono): ReturnType<typeof serve> {
  const server = await new Promise<ServerType>((resolve) => {
    const started = serveHono({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, () => resolve(started));
  });
  server.unref();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    server: server as never,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

const noMeter = { add: () => undefined };
const adapters: Record<string, (gateway: Gateway, offer: Offer, work: Work) => ReturnType<typeof serve>> = {
  "node:http": (gateway, offer, work) => serve(gateway.protect(offer, work)),
  Hono: (gateway, offer, work) => {
    const app = new Hono();
    app.all("*", paid(gateway, offer), (context) => work(context.req.raw, noMeter));
    app.onError((_error, context) => context.text("failed", 500));
    return serveApp(app);
  },
  "Hono, mounted below other middleware": (gateway, offer, work) => {
    const inner = new Hono();
    inner.use("*", paid(gateway, offer));
    inner.all("*", (context) => work(context.req.raw, noMeter));
    const app = new Hono();
    app.use("*", async (context, next) => {
      await next();
      context.header("x-outer", "1");
    });
    app.route("/", inner);
    app.onError((_error, context) => context.text("failed", 500));
    return serveApp(app);
  },
};

for (const [name, serveWith] of Object.entries(adapters)) {
  describe(`the adapter of ${name}`, () => {
    let world: World;
    let stall: Stall;
    let channel: Channel;
    let next = 0n;
    before(async () => {
      world = await createWorld();
      stall = await openStall(world, { serve: serveWith });
      channel = await stall.open();
    });
    after(() => stall.close());
    beforeEach(() => {
      stall.worked.length = 0;
      stall.work = async (request) => new Response(`did ${await request.text()}`);
    });
    /** A statement that is not used yet. */
    const unused = () => (next += price);

    it("asks to be paid and runs no work", async () => {
      const reply = await stall.ask();
      expect(reply.status).to.equal(402);
      expect(parseChallenges(reply.headers.get("www-authenticate"))).to.have.lengthOf(1);
      expect(reply.headers.get("cache-control")).to.equal("no-store");
      expect(stall.worked).to.deep.equal([]);
    });

    it("serves what is paid, with its receipt, to the buyer alone", async () => {
      stall.work = async (request) => {
        const headers = { "cache-control": "public, max-age=60", "content-type": "text/x-thing", "x-work": "1" };
        return new Response(`did ${await request.text()}`, { status: 201, headers });
      };
      const reply = await stall.buy(channel, unused(), { body: "分" });
      expect(reply.status).to.equal(201);
      expect(reply.text).to.equal("did 分");
      expect(reply.receipt).to.include({ amount: price });
      expect(reply.headers.get("cache-control")).to.equal("private, max-age=60");
      expect(reply.headers.get("x-work")).to.equal("1");
      expect(reply.headers.get("content-type")).to.equal("text/x-thing");
      expect(stall.worked.map(({ headers }) => headers.has("authorization"))).to.deep.equal([false]);
    });

    it("gives the same request the same answer", async () => {
      const amount = unused();
      const [first, again] = [await stall.buy(channel, amount), await stall.buy(channel, amount)];
      expect(again.text).to.equal(first.text);
      expect(again.receipt).to.deep.include({ amount: price, spent: first.receipt!.spent });
      expect(stall.worked).to.have.lengthOf(1);
    });

    for (const status of [204, 205, 304]) {
      it(`F091: keeps status ${status}`, async () => {
        stall.work = () => new Response(null, { status, headers: { "x-work": "1" } });
        const reply = await stall.buy(channel, unused());
        expect(reply.status).to.equal(status);
        expect(reply.text).to.equal("");
        expect(reply.headers.get("x-work")).to.equal("1");
        expect(reply.receipt).to.include({ amount: price });
        expect(stall.worked).to.have.lengthOf(1);
      });
    }

    it("F091: keeps a redirect as it is", async () => {
      stall.work = () => new Response(null, { status: 307, headers: { location: "/elsewhere" } });
      const reply = await stall.buy(channel, unused());
      expect(reply.status).to.equal(307);
      expect(reply.headers.get("location")).to.equal("/elsewhere");
    });

    it("F091: keeps cookies apart", async () => {
      stall.work = () => {
        const headers = new Headers();
        headers.append("set-cookie", "a=1");
        headers.append("set-cookie", "b=2");
        return new Response("ok", { headers });
      };
      expect((await stall.buy(channel, unused())).headers.getSetCookie()).to.deep.equal(["a=1", "b=2"]);
    });

    for (const status of [200, 404]) {
      it(`F091: leaves out of an answer of ${status} what is of the work's own connection`, async () => {
        const headers = { "content-length": "3", trailer: "x-sum", upgrade: "h2c", "x-work": "1" };
        stall.work = () => new Response("0123456789", { status, headers });
        const reply = await stall.buy(channel, unused());
        expect([reply.status, reply.text]).to.deep.equal([status, "0123456789"]);
        expect(reply.headers.get("x-work")).to.equal("1");
        for (const header of ["trailer", "upgrade"]) expect(reply.headers.has(header), header).to.equal(false);
      });

      it(`F085: charges nothing for an answer of ${status} with a header that HTTP cannot carry`, async () => {
        const { spent } = (await stall.record(channel))!;
        let isCancelled = false;
        const body = new ReadableStream({ cancel: () => void (isCancelled = true) });
        stall.work = () => new Response(body, { status, headers: { "x-work": "a\u0001b" } });
        const reply = await stall.buy(channel, unused());
        expect([reply.status, reply.problem?.code]).to.deep.equal([502, "seller-failed"]);
        expect(isCancelled).to.equal(true);
        expect(await stall.record(channel)).to.include({ spent, held: 0n });
      });
    }

    it("F091: sends a stream's bytes, all of them", async () => {
      const part = new Uint8Array(65_536).fill(97);
      stall.work = () => {
        let left = 30;
        return new Response(
          new ReadableStream({
            pull: (controller) => (left-- > 0 ? controller.enqueue(part) : controller.close()),
          }),
        );
      };
      const reply = await stall.buy(channel, unused());
      expect(reply.text.length).to.equal(30 * 65_536);
    });

    it("F085: hands on a failure, charges nothing and runs again for the same credential", async () => {
      const amount = unused();
      stall.work = () => Promise.reject(new Error("secret detail"));
      const failed = await stall.buy(channel, amount);
      expect(failed.status).to.be.at.least(500);
      expect(failed.text).not.to.include("secret detail");
      expect(failed.receipt).to.equal(undefined);
      stall.work = () => new Response("no", { status: 404 });
      expect((await stall.buy(channel, amount)).status).to.equal(404);
      const { spent } = await stall.record(channel);
      stall.work = () => new Response("yes");
      expect((await stall.buy(channel, amount)).receipt).to.include({ amount: price, spent: spent + price });
    });

    it("F065: lets neither HEAD nor OPTIONS reach the work unpaid", async () => {
      const head = await stall.ask({ method: "HEAD" });
      expect(head.status).to.equal(402);
      expect(parseChallenges(head.headers.get("www-authenticate"))).to.have.lengthOf(1);
      expect((await stall.ask({ method: "OPTIONS", body: undefined })).status).to.equal(204);
      expect(stall.worked).to.deep.equal([]);
    });

    it("answers a payment action by itself", async () => {
      const own = await stall.open();
      expect((await stall.pay(await stall.topUp(own, price))).status).to.equal(204);
      expect((await stall.shut(own, 0n)).receipt).to.have.property("txHash");
      expect(stall.worked).to.deep.equal([]);
    });

    it("F064: sells the whole path, whatever is written before it", async () => {
      await stall.buy(channel, unused(), { path: "/a/b%20c?d=e" });
      expect(stall.worked.map(({ path }) => path)).to.deep.equal(["/a/b%20c?d=e"]);
    });
  });
}

describe("the Hono adapter", () => {
  it("charges nothing where no route is, and nothing for what the app's own error handler answers", async () => {
    const world = await createWorld();
    const app = new Hono();
    const stall = await openStall(world, {
      serve: (gateway, offer) => {
        app.use("*", paid(gateway, offer));
        app.post("/throws", () => {
          throw new Error("inner");
        });
        app.onError((_error, context) => context.text("handled", 500));
        return serveApp(app);
      },
    });
    const channel = await stall.open();
    for (const [amount, path, status, text] of [
      [price, "/throws", 500, "handled"],
      [2n * price, "/nowhere", 404, "404 Not Found"],
    ] as const) {
      const reply = await stall.buy(channel, amount, { path });
      expect([reply.status, reply.text]).to.deep.equal([status, text]);
      expect(await stall.record(channel)).to.include({ spent: 0n, held: 0n });
    }
    await stall.close();
  });

  it("replaces an answer that cannot be metered", async () => {
    const world = await createWorld();
    const stall = await openStall(world, {
      offer: { price: pricePerMillionTokens({ input: 1_000_000n, output: 1_000_000n }) },
      serve: adapters["Hono"]!,
    });
    const channel = await stall.open();
    stall.work = () => new Response("unmetered content", { headers: { "x-work": "1" } });
    const reply = await stall.buy(channel, parseYuan("0.1"), { body: "{}" });
    expect(reply.status).to.equal(502);
    expect(reply.problem?.code).to.equal("seller-failed");
    expect(reply.text).not.to.include("unmetered content");
    expect(reply.headers.has("x-work")).to.equal(false);
    expect(await stall.record(channel)).to.include({ spent: 0n, held: 0n });
    await stall.close();
  });
});

describe("toNodeListener", () => {
  /** Sends bytes as they are and reads what comes until the connection ends. */
  async function raw(port: number, text: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => socket.end(text));
      let received = "";
      socket.setEncoding("utf8").on("data", (chunk) => (received += String(chunk)));
      socket.on("close", () => resolve(received)).on("error", reject);
    });
  }
  const portOf = (url: string) => Number(new URL(url).port);

  it("F090: takes the host from Host, never from the target", async () => {
    const seen: string[] = [];
    const { url, close } = await serve(async (request) => {
      seen.push(request.url);
      return new Response("ok");
    });
    for (const target of ["//evil.example/x", "/\\evil.example/x", "http://evil.example/x", "/..//evil.example/x"]) {
      await raw(portOf(url), `GET ${target} HTTP/1.1\r\nHost: good.example\r\nConnection: close\r\n\r\n`);
    }
    expect(seen.map((address) => new URL(address).host)).to.deep.equal(Array.from({ length: 4 }, () => "good.example"));
    await close();
  });

  it("answers 400 for what fetch cannot express, and goes on", async () => {
    let count = 0;
    const { url, close } = await serve(async () => {
      count++;
      return new Response("ok");
    });
    for (const head of [
      "TRACE / HTTP/1.1\r\nHost: a",
      "GET / HTTP/1.1\r\nHost: a b",
      "GET / HTTP/1.1\r\nHost: user:pass@a",
      "GET / HTTP/1.1\r\nHost: [",
    ]) {
      const text = await raw(portOf(url), `${head}\r\nConnection: close\r\n\r\n`);
      expect(text.split("\r\n")[0], head).to.equal("HTTP/1.1 400 Bad Request");
    }
    expect(count).to.equal(0);
    expect((await fetch(url)).status).to.equal(200);
    await close();
  });

  it("F077: sends what flows to a caller of HTTP/1.0, such as a proxy, without trailers", async () => {
    const receipt = { "payment-receipt": "x" };
    const { url, close } = await serve(async () => withTrailers(new Response("it flows"), () => receipt));
    const [old, now] = await Promise.all(
      ["1.0", "1.1"].map((version) =>
        raw(portOf(url), `GET / HTTP/${version}\r\nHost: a\r\nConnection: close\r\n\r\n`),
      ),
    );
    expect(old)
      .to.match(/^HTTP\/1\.1 200 OK\r\n/)
      .and.to.match(/\r\n\r\nit flows$/);
    expect(old).not.to.contain("payment-receipt");
    expect(now).to.match(/\r\n8\r\nit flows\r\n0\r\npayment-receipt: x\r\n\r\n$/);
    await close();
  });

  it("survives a caller that goes away", async () => {
    let finish: (() => void) | undefined;
    const waiting = new Promise<void>((resolve) => (finish = resolve));
    const { url, close } = await serve(async (request) => {
      if (new URL(request.url).pathname === "/slow") await waiting;
      return new Response("x".repeat(1_000_000));
    });
    const call = httpRequest(`${url}/slow`).on("error", () => undefined);
    call.end();
    await new Promise((resolve) => setTimeout(resolve, 30));
    call.destroy();
    await new Promise((resolve) => setTimeout(resolve, 30));
    finish?.();
    expect((await (await fetch(url)).text()).length).to.equal(1_000_000);
    await close();
  });

  it("refuses a body above the gateway's limit so that the caller can read why", async () => {
    const stall = await openStall(await createWorld(), { gateway: { maxBody: 1000 } });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const post = (body: Uint8Array, headers: Record<string, string>) =>
      new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
        const call = httpRequest(`${stall.url}/work`, { method: "POST", headers, agent, timeout: 5000 }, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk) => (text += String(chunk)));
          response.on("end", () => resolve({ status: response.statusCode, text })).on("error", reject);
        });
        call.on("error", reject).on("timeout", () => call.destroy(new Error("no answer")));
        call.end(body);
      });
    const large = new Uint8Array(3_000_000);
    for (const headers of [{ "content-length": String(large.length) }, { "transfer-encoding": "chunked" }]) {
      const answer = await post(large, headers as Record<string, string>);
      expect(answer.status).to.equal(413);
      expect(answer.text).to.include("body-too-large");
      // The connection goes on.
      expect((await post(new Uint8Array(10), {})).status).to.equal(402);
    }
    agent.destroy();
    await stall.close();
  });

  it("sends a whole answer with its length, whatever length the work wrote", async () => {
    const world = await createWorld();
    const stall = await openStall(world);
    const channel = await stall.open();
    for (const [i, headers] of [{}, { "content-length": "999", "set-cookie": "a=1" }].entries()) {
      stall.work = () => new Response("分 is two", { headers });
      const reply = await stall.buy(channel, BigInt(i + 1) * price);
      expect(reply.text).to.equal("分 is two");
      expect(reply.headers.get("content-length")).to.equal(String(Buffer.byteLength("分 is two")));
      expect(reply.headers.get("transfer-encoding")).to.equal(null);
    }
    await stall.close();
  });

  it("F091: sends what a handler of one's own makes of the gateway's answer", async () => {
    const stall = await openStall(await createWorld(), {
      serve: (gateway, offer, work) =>
        serve(async (request) => {
          const response = await gateway.charge(request, offer, work);
          response.headers.set("x-own", "1");
          response.headers.delete("x-work");
          if (!request.headers.has("x-replace")) {
            response.headers.set("content-length", "999");
            return response;
          }
          return new Response(`${await response.text()}!`, response);
        }),
    });
    const channel = await stall.open();
    stall.work = () => new Response("whole", { status: 201, headers: { "x-work": "1" } });
    const replies = [
      await stall.buy(channel, price),
      await stall.buy(channel, 2n * price, { headers: { "x-replace": "1" } }),
    ];
    expect(replies.map(({ status, text }) => [status, text])).to.deep.equal([
      [201, "whole"],
      [201, "whole!"],
    ]);
    for (const { headers, receipt } of replies) {
      expect([headers.get("x-own"), headers.get("x-work"), receipt?.amount]).to.deep.equal(["1", null, price]);
    }
    await stall.close();
  });

  it("answers calls that come together, each with its own", async () => {
    const stall = await openStall(await createWorld());
    const channels = await Promise.all(Array.from({ length: 4 }, () => stall.open()));
    const replies = await Promise.all(channels.map((channel, i) => stall.buy(channel, price, { body: `call ${i}` })));
    expect(replies.map(({ text }) => text)).to.deep.equal(channels.map((_, i) => `did call ${i}`));
    expect(replies.map(({ receipt }) => receipt?.channelId)).to.deep.equal(channels.map(({ channelId }) => channelId));
    await stall.close();
  });

  it("F091: hands a request without a body on as one that fetch takes, without what pays", async () => {
    const upstream: Record<string, unknown>[] = [];
    const other = await serve(async (request) => {
      upstream.push({ method: request.method, ...Object.fromEntries(request.headers) });
      return new Response("from upstream");
    });
    const stall = await openStall(await createWorld());
    const channel = await stall.open();
    stall.work = async (request) => {
      expect(request.clone().headers.get("x-own")).to.equal("1");
      return fetch(new Request(`${other.url}/x`, new Request(request)));
    };
    const headers = { "x-own": "1", "x-http-method-override": "DELETE" };
    const call = { method: "GET", body: undefined, headers };
    const replies = [await stall.buy(channel, price, call), await stall.buy(channel, price, call)];
    expect(replies.map(({ text }) => text)).to.deep.equal(["from upstream", "from upstream"]);
    expect(upstream).to.have.lengthOf(1);
    expect(upstream[0]).to.include({ method: "GET", "x-own": "1" });
    expect(upstream[0]).not.to.have.any.keys("authorization", "x-http-method-override");
    await Promise.all([stall.close(), other.close()]);
  });

  it("destroys the connection when the handler rejects, since there is no answer", async () => {
    const { url, close } = await serve(() => Promise.reject(new Error("inner")));
    const failure = await fetch(url).then(
      () => "answered",
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(TypeError);
    await close();
  });

  it("is what is exported to serve by", () => {
    expect(toNodeListener(async () => new Response())).to.be.a("function");
  });
});

describe("an OpenAI client that cannot pay", () => {
  it("shows the gateway's sentence, its code and the status", async () => {
    const stall = await openStall(await createWorld(), {
      offer: { price: pricePerMillionTokens({ input: parseYuan("2"), output: parseYuan("8") }) },
    });
    const openai = new OpenAI({ baseURL: `${stall.url}/v1`, apiKey: "unused", maxRetries: 0 });
    const messages = [{ role: "user" as const, content: "hello" }];
    const ask = (max_tokens: number) =>
      openai.chat.completions.create({ model: "any", messages, max_tokens }).then(
        () => expect.fail("was answered"),
        (error: unknown) => error as APIError,
      );

    const unpaid = await ask(10);
    expect(unpaid).to.be.instanceOf(APIError);
    expect(unpaid.status).to.equal(402);
    expect(unpaid.code).to.equal("payment-required");
    expect(unpaid.type).to.equal("payment_error");
    expect(unpaid.message).to.match(/^402 This request needs \d+ base units\. Pay it by the Payment scheme/);

    const unpriceable = await ask(-1);
    expect(unpriceable.status).to.equal(400);
    expect(unpriceable.code).to.equal("unpriceable-request");
    expect(unpriceable.message).to.include("max_tokens is not a positive whole number");
    expect(stall.worked).to.deep.equal([]);
    await stall.close();
  });
});
