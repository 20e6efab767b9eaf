import { expect } from "chai";

import { parseYuan } from "../../sdk/src/index.ts";
import { pricePerMillionTokens, type Work } from "../../sdk/src/server/index.ts";
import { parseChallenges } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Call, type Channel, openStall, price, type Reply, type Stall } from "./stall.ts";

describe("the work that is paid for", () => {
  let world: World;
  let stall: Stall;
  let channel: Channel;
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    stall = await openStall(world, { gateway: { workTimeout: 200 } });
    channel = await stall.open();
  });
  afterEach(() => stall.close());

  const never: Work = () => new Promise<Response>(() => undefined);
  const stuck = (): Response =>
    new Response(new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array([1])) }));
  const torn = (): Response =>
    new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("secret detail")) }));

  it("is charged and answered, whatever an observer throws", async () => {
    const observe = (): never => {
      throw new Error("no room for a log");
    };
    const watched = await openStall(world, { gateway: { observe } });
    const own = await watched.open();
    const reply = await watched.buy(own, price);
    expect([reply.status, reply.text, reply.receipt?.amount]).to.deep.equal([200, "did x", price]);
    expect(await watched.record(own)).to.include({ spent: price, held: 0n });
    expect(watched.errors).to.have.lengthOf.above(3);
    await watched.close();
  });

  describe("that fails", () => {
    for (const [name, work, status] of [
      ["throws", () => Promise.reject(new Error("secret detail")), 502],
      [
        "throws at once",
        () => {
          throw new Error("secret detail");
        },
        502,
      ],
      ["throws no error", () => Promise.reject("secret detail"), 502],
      ["answers 500", () => new Response("broken", { status: 500 }), 500],
      ["answers 503", () => new Response("busy", { status: 503, headers: { "retry-after": "1" } }), 503],
      ["answers 400", () => new Response("no such model", { status: 400 }), 400],
      ["answers 404", () => new Response("no such path", { status: 404 }), 404],
      ["answers a network error", () => Response.error(), 502],
      ["breaks off in its body", torn, 502],
      ["never answers", never, 502],
      ["never ends its body", stuck, 502],
    ] as [string, Work, number][]) {
      it(`F085: ${name}: costs nothing, and the same credential buys once when it works`, async () => {
        const voucher = await stall.voucher(channel, price);
        const good = stall.work;
        for (let again = 0; again < 2; again++) {
          stall.work = work;
          const failed = await stall.pay(voucher);
          expect(failed.status).to.equal(status);
          expect(failed.receipt).to.equal(undefined);
          expect(failed.text).not.to.include("secret detail");
          if (status === 502) expect(failed.problem).to.include({ code: "seller-failed" });
          expect(await stall.record(channel)).to.include({ spent: 0n, held: 0n, accepted: price });
        }
        expect(stall.worked).to.have.lengthOf(2);

        // Only for the same request.
        expect((await stall.pay(voucher, { body: "another" })).problem?.code).to.equal("statement-used");
        stall.work = good;
        const served = await stall.pay(voucher);
        expect(served.text).to.equal("did x");
        expect(served.receipt).to.include({ spent: price, amount: price });
        expect((await stall.pay(voucher)).text).to.equal("did x");
        expect(stall.worked).to.have.lengthOf(3);
        expect(await stall.record(channel)).to.include({ spent: price, held: 0n });
      });
    }

    it("hands on what the answer says, and its headers", async () => {
      stall.work = () => new Response("slow down", { status: 429, headers: { "retry-after": "7", "x-why": "load" } });
      const reply = await stall.buy(channel, price);
      expect(reply.text).to.equal("slow down");
      expect(reply.headers.get("retry-after")).to.equal("7");
      expect(reply.headers.get("x-why")).to.equal("load");
    });

    it("never carries a receipt, not even one that the work wrote", async () => {
      stall.work = () => new Response(null, { status: 404, headers: { "payment-receipt": "e30" } });
      expect((await stall.buy(channel, price)).headers.get("payment-receipt")).to.equal(null);
    });

    it("tells the seller what went wrong inside", async () => {
      stall.work = () => Promise.reject(new Error("the inner reason"));
      await stall.buy(channel, price);
      expect(stall.errors.map(String)).to.deep.equal(["Error: the inner reason"]);
    });

    it("is answered even if the seller's own onError throws", async () => {
      const noisy = await openStall(world, {
        gateway: {
          onError: () => {
            throw new Error("secret detail");
          },
        },
      });
      const own = await noisy.open();
      noisy.work = () => Promise.reject(new Error("inner"));
      const reply = await noisy.buy(own, price);
      expect(reply.status).to.equal(502);
      expect(reply.problem?.code).to.equal("seller-failed");
      expect(await noisy.record(own)).to.include({ held: 0n, spent: 0n });
      await noisy.close();
    });

    for (const call of [{}, { method: "GET", body: undefined }]) {
      it(`is told to stop when its time is up, and what it does later counts no more (${call.method ?? "POST"})`, async () => {
        let aborted = false;
        let finish: ((response: Response) => void) | undefined;
        stall.work = (request) =>
          new Promise((resolve) => {
            finish = resolve;
            request.signal.addEventListener("abort", () => (aborted = true));
          });
        expect((await stall.buy(channel, price, call)).problem?.code).to.equal("seller-failed");
        expect(aborted).to.equal(true);
        finish?.(new Response("late"));
        await new Promise((resolve) => setTimeout(resolve, 20));
        expect(await stall.record(channel)).to.include({ spent: 0n, held: 0n });
      });
    }

    it("is not told to stop while it is in time", async () => {
      let signal: AbortSignal | undefined;
      stall.work = async (request) => {
        ({ signal } = request);
        await new Promise((resolve) => setTimeout(resolve, 100));
        return new Response("in time");
      };
      expect((await stall.buy(channel, price)).text).to.equal("in time");
      expect(signal?.aborted).to.equal(false);
    });
  });

  describe("that is metered", () => {
    const offer = { price: pricePerMillionTokens({ input: parseYuan("2"), output: parseYuan("8"), maxOutput: 100 }) };
    const body = '{"max_tokens":10}';
    // 17 bytes at 2 and 10 tokens at 8.
    const ceiling = 114n;
    const usage = (input: number, output: number): Response =>
      Response.json({ usage: { prompt_tokens: input, completion_tokens: output } });
    let metered: Stall;
    let own: Channel;
    beforeEach(async () => {
      metered = await openStall(world, { offer });
      own = await metered.open();
    });
    afterEach(() => metered.close());

    it("asks for the ceiling of this very request", async () => {
      const [challenge] = [await metered.ask({ body })];
      expect(challenge.problem?.members).to.include({ amount: String(ceiling) });
      expect((await metered.ask({ body: '{"max_tokens":11}' })).problem?.members).to.include({ amount: "122" });
      expect((await metered.ask({ body: undefined })).problem?.members).to.include({ amount: "0" });
    });

    it("holds the ceiling, charges what was used and frees the rest", async () => {
      let held: bigint | undefined;
      metered.work = async () => {
        ({ held } = await metered.record(own));
        return usage(5, 3);
      };
      const reply = await metered.buy(own, ceiling, { body });
      expect(held).to.equal(ceiling);
      expect(reply.receipt).to.include({ amount: 34n, spent: 34n, held: 0n, acceptedCumulative: ceiling });
      expect((await metered.buy(own, 34n + ceiling - 1n, { body })).problem?.members).to.include({
        requiredCumulative: String(34n + ceiling),
      });
      expect((await metered.buy(own, 34n + ceiling, { body })).receipt).to.include({ spent: 68n });
    });

    it("charges the whole ceiling and nothing above it", async () => {
      metered.work = () => usage(17, 10);
      expect((await metered.buy(own, ceiling, { body })).receipt).to.include({ amount: ceiling });
      metered.work = () => usage(1000, 1000);
      expect((await metered.buy(own, 2n * ceiling, { body })).receipt).to.include({
        amount: ceiling,
        spent: 2n * ceiling,
      });
    });

    it("charges nothing where nothing was used, and the statement has bought its request", async () => {
      metered.work = () => usage(0, 0);
      expect((await metered.buy(own, ceiling, { body })).receipt).to.include({ amount: 0n, spent: 0n });
      expect((await metered.buy(own, ceiling, { body: '{"max_tokens":1}' })).problem?.code).to.equal("statement-used");
    });

    for (const [name, answer] of [
      ["no usage", () => Response.json({ choices: [] })],
      ["no JSON", () => new Response("hello")],
      ["no body", () => new Response(null, { status: 204 })],
      ["a negative usage", () => usage(-1, 5)],
    ] as const) {
      it(`is a 502 that costs nothing when the answer has ${name}`, async () => {
        metered.work = answer;
        const reply = await metered.buy(own, ceiling, { body });
        expect(reply.status).to.equal(502);
        expect(reply.problem?.code).to.equal("seller-failed");
        expect(reply.text).not.to.include("hello");
        expect(await metered.record(own)).to.include({ spent: 0n, held: 0n });
        expect(metered.errors).to.have.lengthOf(1);
      });
    }

    for (const bad of ["", "not json", "[]", '{"max_tokens":-1}', '{"n":0.5}', '{"stream":true,"n":-1}']) {
      it(`is not begun for the body ${JSON.stringify(bad)}, which has no price`, async () => {
        const reply = await metered.buy(own, 1000n, { body: bad });
        expect(reply.status).to.equal(400);
        expect(reply.problem?.code).to.equal("unpriceable-request");
        expect(metered.worked).to.deep.equal([]);
        expect(await metered.record(own)).to.include({ held: 0n, spent: 0n });
        const unpaid = await metered.ask({ body: bad });
        expect(unpaid.status).to.equal(bad === "" ? 402 : 400);
        expect(parseChallenges(unpaid.headers.get("www-authenticate"))).to.have.lengthOf(bad === "" ? 1 : 0);
      });
    }

    it("may be free: then a statement is needed all the same, and nothing is charged", async () => {
      const free = await openStall(world, { offer: { price: pricePerMillionTokens({ input: 0n, output: 0n }) } });
      const open = await free.open();
      free.work = () => usage(5, 5);
      expect((await free.ask({ body })).status).to.equal(402);
      expect((await free.buy(open, 0n, { body })).receipt).to.include({ amount: 0n, spent: 0n });
      await free.close();
    });
  });

  describe("and its request", () => {
    it("has the same bytes, method, path and headers, and no credential", async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      let seen: Uint8Array | undefined;
      let url: string | undefined;
      stall.work = async (request) => {
        ({ url } = request);
        seen = new Uint8Array(await request.arrayBuffer());
        return new Response("ok");
      };
      const headers = { "content-type": "application/x-thing", "x-mine": "yes", "idempotency-key": "k" };
      await stall.buy(channel, price, { method: "PATCH", path: "/a%20b/c?d=e&d=f", body: bytes, headers });
      expect(seen).to.deep.equal(bytes);
      expect(url).to.equal(`${stall.url}/a%20b/c?d=e&d=f`);
      const [worked] = stall.worked;
      expect(worked?.method).to.equal("PATCH");
      expect(Object.fromEntries(worked!.headers)).to.include(headers);
      expect(worked!.headers.has("authorization")).to.equal(false);
      expect(JSON.stringify([...worked!.headers])).not.to.match(/payment /i);
    });

    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"]) {
      it(`is sold with ${method}`, async () => {
        expect((await stall.ask({ method })).status).to.equal(402);
        expect(stall.worked).to.deep.equal([]);
        expect((await stall.buy(channel, price, { method })).status).to.equal(200);
        expect(stall.worked.map((call) => call.method)).to.deep.equal([method]);
      });
    }

    it("F065: HEAD, OPTIONS and TRACE never reach it, paid or unpaid", async () => {
      const head = await stall.ask({ method: "HEAD" });
      expect(head.status).to.equal(402);
      expect(parseChallenges(head.headers.get("www-authenticate"))).to.have.lengthOf(1);
      expect(head.text).to.equal("");
      expect((await stall.buy(channel, price, { method: "HEAD" })).status).to.equal(204);
      expect((await stall.ask({ method: "OPTIONS", body: undefined })).status).to.equal(204);
      expect((await stall.buy(channel, price, { method: "OPTIONS", body: undefined })).status).to.equal(204);
      expect(stall.worked).to.deep.equal([]);
      expect(await stall.record(channel)).to.include({ spent: 0n });
    });

    it("F065: no header makes another method of it", async () => {
      const headers = { "x-http-method-override": "GET", "x-method-override": "OPTIONS" };
      expect((await stall.ask({ headers })).status).to.equal(402);
      await stall.buy(channel, price, { headers });
      expect(stall.worked.map(({ method }) => method)).to.deep.equal(["POST"]);
    });
  });

  describe("and the limit of a body", () => {
    let narrow: Stall;
    beforeEach(async () => {
      narrow = await openStall(world, { gateway: { maxBody: 1000 } });
    });
    afterEach(() => narrow.close());

    it("lets the limit itself pass, with and without its length told", async () => {
      const own = await narrow.open();
      expect((await narrow.buy(own, price, { body: "x".repeat(1000) })).status).to.equal(200);
      expect((await narrow.ask({ body: "x".repeat(1000) })).status).to.equal(402);
      expect((await narrow.ask({ body: "x".repeat(1001) })).status).to.equal(413);
    });

    it("stops a body whose length is not told", async () => {
      const stream = (length: number) =>
        new ReadableStream({
          start(controller) {
            for (let i = 0; i < length; i++) controller.enqueue(new TextEncoder().encode("x"));
            controller.close();
          },
        });
      for (const [length, status] of [
        [1000, 402],
        [1001, 413],
      ] as const) {
        const init = { method: "POST", body: stream(length), duplex: "half" } as RequestInit;
        const response = await fetch(`${narrow.url}/work`, init);
        expect(response.status).to.equal(status);
        expect(await response.json()).to.include({ status });
      }
    });

    it("says so, without a challenge and without work", async () => {
      const reply = await narrow.ask({ body: "x".repeat(5000) });
      expect(reply.problem).to.include({ code: "body-too-large" });
      expect(reply.headers.get("www-authenticate")).to.equal(null);
      expect(narrow.worked).to.deep.equal([]);
    });
  });

  describe("and its answer", () => {
    async function answered(response: () => Response, call: Call = {}): Promise<Reply> {
      stall.work = response;
      return stall.buy(channel, price, call);
    }

    for (const status of [200, 201, 202, 204, 205, 206, 301, 302, 303, 304, 307, 308]) {
      it(`F091: keeps status ${status}, is charged once and can be had again`, async () => {
        const isBodyless = [204, 205, 304].includes(status);
        const response = () =>
          new Response(isBodyless ? null : "body", { status, headers: { location: "/elsewhere", "x-a": "b" } });
        for (const reply of [await answered(response), await answered(response)]) {
          expect(reply.status).to.equal(status);
          expect(reply.text).to.equal(isBodyless ? "" : "body");
          expect(reply.headers.get("location")).to.equal("/elsewhere");
          expect(reply.headers.get("x-a")).to.equal("b");
          expect(reply.receipt).to.include({ spent: price, amount: price });
        }
        expect(stall.worked).to.have.lengthOf(1);
      });
    }

    it("F091: has the bytes of a stream", async () => {
      const reply = await answered(
        () =>
          new Response(
            new ReadableStream({
              start(controller) {
                for (const part of ["a", "分", "b"]) controller.enqueue(new TextEncoder().encode(part));
                controller.close();
              },
            }),
          ),
      );
      expect(reply.text).to.equal("a分b");
    });

    for (const [given, sent] of [
      [undefined, "private"],
      ["max-age=60", "private, max-age=60"],
      ["public, max-age=60, s-maxage=600", "private, max-age=60"],
      ["Public,S-MaxAge=600, must-revalidate", "private, must-revalidate"],
      ["private, max-age=5", "private, max-age=5"],
      ["no-store", "private, no-store"],
      ["no-cache", "private, no-cache"],
    ] as const) {
      it(`F078: with Cache-Control ${given} is sent with ${sent}`, async () => {
        const headers = given === undefined ? {} : { "cache-control": given };
        const response = () => new Response("ok", { headers });
        for (const reply of [await answered(response), await answered(response)]) {
          expect(reply.headers.get("cache-control")).to.equal(sent);
        }
      });
    }

    it("F078: is hidden from shared caches that have a header of their own", async () => {
      const headers = { "cdn-cache-control": "max-age=60", "surrogate-control": "max-age=60" };
      const reply = await answered(() => new Response("ok", { headers }));
      expect(reply.headers.has("cdn-cache-control")).to.equal(false);
      expect(reply.headers.has("surrogate-control")).to.equal(false);
    });

    it("keeps every cookie apart", async () => {
      const response = () => {
        const headers = new Headers();
        headers.append("set-cookie", "a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT");
        headers.append("set-cookie", "b=2");
        return new Response("ok", { headers });
      };
      for (const reply of [await answered(response), await answered(response)]) {
        expect(reply.headers.getSetCookie()).to.deep.equal(["a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT", "b=2"]);
      }
    });

    it("F086: carries no word of the work's about its payment", async () => {
      const headers = { "payment-status": "released", "payment-anything": "x" };
      const paid = await answered(() => new Response("ok", { headers }));
      expect([...paid.headers.keys()].filter((name) => name.startsWith("payment-"))).to.deep.equal(["payment-receipt"]);
      stall.work = () => new Response("broken", { status: 500, headers });
      const failed = await stall.buy(channel, 2n * price, { body: "y" });
      expect(failed.headers.get("payment-status")).to.equal("released");
      expect(failed.headers.has("payment-anything")).to.equal(false);
    });

    it("F086: carries the gateway's receipt, whatever the work wrote there", async () => {
      const reply = await answered(() => new Response("ok", { headers: { "payment-receipt": "e30" } }));
      expect(reply.receipt).to.include({ spent: price });
    });
  });
});
