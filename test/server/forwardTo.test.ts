import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

import { expect } from "chai";

import { parseYuan } from "../../sdk/src/index.ts";
import { forwardTo, pricePerMillionTokens, pricePerRequest, type Work } from "../../sdk/src/server/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Call, openStall, price, type Reply } from "./stall.ts";

type Upstream = {
  url: string;
  seen: { method: string; url: string; headers: IncomingMessage["headers"]; body: string }[];
};

describe("forwardTo", () => {
  let world: World;
  const closers: (() => Promise<void>)[] = [];
  before(async () => {
    world = await createWorld();
  });
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });

  /** A server that is paid for by the seller. */
  async function openUpstream(
    answer: (incoming: IncomingMessage, outgoing: ServerResponse) => void = (_, outgoing) => outgoing.end("upstream"),
  ): Promise<Upstream> {
    const seen: Upstream["seen"] = [];
    const server = createServer((incoming, outgoing) => {
      let body = "";
      incoming.setEncoding("utf8").on("data", (chunk) => (body += String(chunk)));
      incoming.on("end", () => {
        seen.push({ method: incoming.method ?? "", url: incoming.url ?? "", headers: incoming.headers, body });
        answer(incoming, outgoing);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    server.unref();
    closers.push(
      () =>
        new Promise((resolve) => {
          server.closeAllConnections();
          server.close(() => resolve());
        }),
    );
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
  }

  /** A paid call through the gateway. */
  async function forwarded(work: Work, call: Call = {}): Promise<Reply & { errors: unknown[]; charged: bigint }> {
    const stall = await openStall(world, { offer: { price: pricePerRequest(price) } });
    stall.work = work;
    const channel = await stall.open();
    const reply = await stall.buy(channel, price, call);
    const { spent, held } = await stall.record(channel);
    expect(held).to.equal(0n);
    await stall.close();
    return { ...reply, errors: stall.errors, charged: spent };
  }

  it("sends method, path, query and bytes on, and the answer back", async () => {
    const upstream = await openUpstream((_, outgoing) => {
      outgoing.writeHead(201, { "content-type": "text/x-thing", "x-answer": "1" }).end("分 done");
    });
    const reply = await forwarded(forwardTo(upstream.url), {
      method: "PUT",
      path: "/v1/a%20b?c=d&c=e",
      body: "分",
      headers: { "content-type": "text/x-ask", accept: "text/x-thing", "x-mine": "1", "idempotency-key": "k" },
    });
    expect(reply.status).to.equal(201);
    expect(reply.text).to.equal("分 done");
    expect(reply.headers.get("content-type")).to.equal("text/x-thing");
    expect(reply.headers.get("x-answer")).to.equal("1");
    expect(reply.charged).to.equal(price);
    const [seen] = upstream.seen;
    expect(seen).to.include({ method: "PUT", url: "/v1/a%20b?c=d&c=e", body: "分" });
    expect(seen?.headers).to.include({
      "content-type": "text/x-ask",
      accept: "text/x-thing",
      "x-mine": "1",
      "idempotency-key": "k",
      host: new URL(upstream.url).host,
    });
  });

  for (const method of ["GET", "DELETE", "PATCH"]) {
    it(`sends ${method} as it is`, async () => {
      const upstream = await openUpstream();
      await forwarded(forwardTo(upstream.url), { method });
      expect(upstream.seen[0]).to.include({ method, body: method === "GET" ? "" : "x" });
    });
  }

  it("puts the upstream's own path first", async () => {
    const upstream = await openUpstream();
    for (const base of ["/tenant/a", "/tenant/a/"]) {
      await forwarded(forwardTo(upstream.url + base), { path: "/v1/models?x=1" });
    }
    expect(upstream.seen.map(({ url }) => url)).to.deep.equal(["/tenant/a/v1/models?x=1", "/tenant/a/v1/models?x=1"]);
  });

  for (const path of [
    "//evil.example/x",
    "/%2e%2e/%2e%2e/x",
    "/..%2f..%2fx",
    "/@evil.example/x",
    "/http://evil.example/",
  ]) {
    it(`F090: stays at its host and below its path for ${path}`, async () => {
      const upstream = await openUpstream();
      for (const base of ["", "/tenant/a"]) {
        const work = forwardTo(upstream.url + base);
        const response = await work(new Request(new URL(`http://seller.example${path}`)));
        expect(await response.text()).to.equal("upstream");
        const seen = upstream.seen.at(-1);
        expect(seen?.url.startsWith(`${base}/`)).to.equal(true);
        expect(seen?.headers.host).to.equal(new URL(upstream.url).host);
      }
      expect(upstream.seen).to.have.lengthOf(2);
    });
  }

  describe("F090: what never reaches the upstream", () => {
    it("is the credential, through the gateway", async () => {
      const upstream = await openUpstream();
      await forwarded(forwardTo(upstream.url));
      expect(upstream.seen[0]?.headers).not.to.have.property("authorization");
      expect(JSON.stringify(upstream.seen)).not.to.match(/payment /i);
    });

    for (const [name, value] of [
      ["authorization", "Bearer of-the-caller"],
      ["cookie", "session=of-the-caller"],
      ["proxy-authorization", "Basic x"],
      ["openai-organization", "org-of-the-caller"],
      ["openai-project", "proj-of-the-caller"],
      ["x-api-key", "of-the-caller"],
      ["api-key", "of-the-caller"],
      ["x-goog-api-key", "of-the-caller"],
      ["x-goog-user-project", "of-the-caller"],
      ["stripe-account", "acct-of-the-caller"],
      ["x-forwarded-for", "10.0.0.1"],
      ["x-forwarded-host", "internal.example"],
      ["forwarded", "for=10.0.0.1"],
      ["x-real-ip", "10.0.0.1"],
      ["x-http-method-override", "DELETE"],
      ["x-method-override", "DELETE"],
      ["x-http-method", "DELETE"],
      ["te", "trailers"],
      ["expect", "100-continue"],
      ["upgrade", "h2c"],
      ["keep-alive", "timeout=5"],
    ] as const) {
      it(`is ${name}`, async () => {
        const upstream = await openUpstream();
        const headers = new Headers({ [name]: value });
        await forwardTo(upstream.url)(new Request("http://seller.example/x", { method: "POST", headers, body: "x" }));
        expect(upstream.seen[0]?.headers).not.to.have.property(name);
        expect(upstream.seen[0]?.method).to.equal("POST");
      });
    }

    it("is a header that the caller ties to its own connection", async () => {
      const upstream = await openUpstream();
      const headers = new Headers({ connection: "close, X-Hop", "x-hop": "1", "x-end": "1" });
      await forwardTo(upstream.url)(new Request("http://seller.example/x", { headers }));
      expect(upstream.seen[0]?.headers).not.to.have.property("x-hop");
      expect(upstream.seen[0]?.headers).to.have.property("x-end");
    });
  });

  it("adds the seller's own headers, over the caller's", async () => {
    const upstream = await openUpstream();
    const work = forwardTo(upstream.url, { headers: { Authorization: "Bearer of-the-seller", "x-api-key": "own" } });
    await forwarded(work, { headers: { "x-api-key": "of-the-caller" } });
    expect(upstream.seen[0]?.headers).to.include({ authorization: "Bearer of-the-seller", "x-api-key": "own" });
  });

  describe("F090: what never comes back from the upstream", () => {
    for (const [name, value] of [
      ["set-cookie", "a=1"],
      ["www-authenticate", 'Bearer realm="upstream"'],
      ["proxy-authenticate", "Basic"],
      ["payment-receipt", "e30"],
      ["payment-response", "e30"],
      ["openai-organization", "org-of-the-seller"],
      ["openai-project", "proj-of-the-seller"],
      ["strict-transport-security", "max-age=1"],
      ["alt-svc", 'h3=":443"'],
      ["clear-site-data", '"*"'],
      ["server", "upstream/1.0"],
      ["via", "1.1 upstream"],
    ] as const) {
      for (const status of [200, 404]) {
        it(`is ${name}, with status ${status}`, async () => {
          const upstream = await openUpstream((_, outgoing) => {
            outgoing.writeHead(status, { [name]: value, "x-other": "1" }).end("x");
          });
          const response = await forwardTo(upstream.url)(new Request("http://seller.example/x"));
          expect(response.status).to.equal(status);
          expect(response.headers.has(name)).to.equal(false);
          expect(response.headers.get("x-other")).to.equal("1");
        });
      }
    }

    for (const status of [401, 402, 403, 301, 307]) {
      it(`is a ${status}, which is about the seller: a general 502 that costs nothing`, async () => {
        const upstream = await openUpstream((_, outgoing) => {
          const headers = { location: "http://internal.example/canary", "www-authenticate": "Bearer canary" };
          outgoing.writeHead(status, headers).end("Incorrect API key provided: canary");
        });
        const reply = await forwarded(forwardTo(upstream.url, { headers: { authorization: "Bearer canary" } }));
        expect(reply.status).to.equal(502);
        expect(reply.problem?.code).to.equal("seller-failed");
        expect(reply.text + JSON.stringify([...reply.headers])).not.to.include("canary");
        expect(reply.charged).to.equal(0n);
        // The seller is told why.
        expect(reply.errors.map(String).join("\n")).to.include(String(status)).and.not.include("canary");
      });
    }
  });

  for (const status of [400, 404, 413, 429, 500, 503]) {
    it(`hands on status ${status} with its body; it costs nothing`, async () => {
      const upstream = await openUpstream((_, outgoing) => {
        outgoing.writeHead(status, { "content-type": "application/json", "retry-after": "3" }).end('{"error":"why"}');
      });
      const reply = await forwarded(forwardTo(upstream.url));
      expect(reply.status).to.equal(status);
      expect(reply.text).to.equal('{"error":"why"}');
      expect(reply.headers.get("retry-after")).to.equal("3");
      expect(reply.charged).to.equal(0n);
    });
  }

  it("unpacks what the upstream has packed, and does not say that it is packed", async () => {
    const upstream = await openUpstream((incoming, outgoing) => {
      const isAsked = String(incoming.headers["accept-encoding"]).includes("gzip");
      outgoing.writeHead(200, isAsked ? { "content-encoding": "gzip" } : {});
      outgoing.end(isAsked ? gzipSync("packed") : "plain");
    });
    const reply = await forwarded(forwardTo(upstream.url));
    expect(reply.text).to.equal("packed");
    expect(reply.headers.get("content-encoding")).to.equal(null);
  });

  it("does not let the caller ask for a packing that fetch does not know", async () => {
    const upstream = await openUpstream((incoming, outgoing) => {
      const isAsked = String(incoming.headers["accept-encoding"]).includes("x-odd");
      outgoing.writeHead(200, isAsked ? { "content-encoding": "x-odd" } : {}).end(isAsked ? "\u0001\u0002" : "plain");
    });
    const response = await forwardTo(upstream.url)(
      new Request("http://seller.example/x", { headers: { "accept-encoding": "x-odd" } }),
    );
    expect(await response.text()).to.equal("plain");
  });

  it("bills by the usage that the upstream tells", async () => {
    const upstream = await openUpstream((_, outgoing) => {
      outgoing.writeHead(200, { "content-type": "application/json" });
      outgoing.end(JSON.stringify({ usage: { prompt_tokens: 5, completion_tokens: 3 } }));
    });
    const offer = { price: pricePerMillionTokens({ input: parseYuan("2"), output: parseYuan("8") }) };
    const stall = await openStall(world, { offer });
    stall.work = forwardTo(upstream.url);
    const channel = await stall.open();
    const reply = await stall.buy(channel, 1000n, { body: '{"max_tokens":10}' });
    expect(reply.receipt).to.include({ amount: 34n });
    await stall.close();
  });

  for (const [name, answer] of [
    ["does not answer in time", () => undefined],
    [
      "breaks off",
      (_: IncomingMessage, outgoing: ServerResponse) => outgoing.writeHead(200).write("half", () => outgoing.destroy()),
    ],
    ["hangs up", (incoming: IncomingMessage) => incoming.socket.destroy()],
  ] as [string, (incoming: IncomingMessage, outgoing: ServerResponse) => void][]) {
    it(`is a general 502 that costs nothing when the upstream ${name}`, async () => {
      const upstream = await openUpstream(answer);
      const reply = await forwarded(forwardTo(upstream.url, { timeout: 100 }));
      expect(reply.status).to.equal(502);
      expect(reply.problem?.code).to.equal("seller-failed");
      expect(reply.text).not.to.include(new URL(upstream.url).port);
      expect(reply.charged).to.equal(0n);
    });
  }

  it("is a general 502 when there is no upstream", async () => {
    const reply = await forwarded(forwardTo("http://127.0.0.1:1"));
    expect(reply.status).to.equal(502);
    expect(reply.text).not.to.include("127.0.0.1");
    expect(reply.charged).to.equal(0n);
  });

  it("stops when the gateway says so", async () => {
    let close = () => {};
    const closed = new Promise<void>((resolve) => (close = resolve));
    const upstream = await openUpstream((incoming) => {
      incoming.socket.on("close", close);
    });
    const controller = new AbortController();
    const waiting = Promise.resolve(
      forwardTo(upstream.url)(new Request("http://seller.example/x", { signal: controller.signal })),
    );
    while (upstream.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    controller.abort();
    expect(
      await waiting.then(
        () => "answered",
        (error: Error) => error.name,
      ),
    ).to.equal("AbortError");
    await closed;
  });
});
