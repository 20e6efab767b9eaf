import { expect } from "chai";

import { parseYuan, payingFetch } from "../../../sdk/src/index.ts";
import { pricePerMillion, pricePerMillionTokens } from "../../../sdk/src/server/index.ts";
import { formatSessionReceipt, parseSessionReceipt, type SessionReceipt } from "../../../sdk/src/wire/index.ts";
import { createWorld, type World } from "../../server/helpers.ts";
import { brokenAnswer, memoryStore, openShop, price, rejection, type Shop, until } from "./helpers.ts";

const token = (content: string): string => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
const tokens = pricePerMillionTokens({ input: parseYuan("2"), output: parseYuan("8"), maxOutput: 200, window: 4 });
const body = '{"stream":true,"max_tokens":100}';
const isPaid = ({ headers }: Request): boolean => headers.has("authorization");
/** 32 bytes are 8 tokens of 2 until the model tells. */
const prompt = 16n;

describe("payingFetch and answers that flow", () => {
  let world: World;
  let shop: Shop;
  before(async () => {
    world = await createWorld();
  });
  afterEach(async () => {
    await shop.paying.close();
    await shop.close();
  });

  /** An answer of the given blocks, each when the one before was taken. */
  function answer(blocks: Iterable<string>, type = "text/event-stream"): () => Response {
    return () => {
      const rest = blocks[Symbol.iterator]();
      const stream = new ReadableStream<Uint8Array>({
        pull(controller) {
          const { done, value } = rest.next();
          if (done) controller.close();
          else controller.enqueue(new TextEncoder().encode(value));
        },
      });
      return new Response(stream, { headers: { "content-type": type } });
    };
  }
  const words = (count: number): string[] => Array.from({ length: count }, (_, i) => token(`w${i}`));
  const balance = () => shop.paying.balance()[0];

  it("pays window by window, and hands on what the model said without the seller's own words", async () => {
    shop = await openShop({ world, price: tokens });
    shop.work = answer([": keep-alive\n\n", ...words(50), "data: [DONE]\n\n"]);
    const response = await shop.post(body);
    expect(await response.text()).to.equal([": keep-alive\n\n", ...words(50), "data: [DONE]\n\n"].join(""));
    const [payment] = shop.payments;
    expect(payment).to.include({ amount: prompt + 400n, measured: prompt + 400n, isProven: true });
    expect(balance()).to.include({ spent: prompt + 400n, uncertain: 0n });
    // Steps of about half a window.
    const heads = shop.seen.filter(({ method }) => method === "HEAD");
    expect(heads.length).to.be.within(5, 40);
    expect((await shop.paying.close())[0]).to.include({ paid: prompt + 400n, excess: 0n });
  });

  it("F124: never authorises more than a window and a unit beyond what has come", async () => {
    shop = await openShop({ world, price: tokens });
    let accepted = 0n;
    let written = 0n;
    function* blocks() {
      for (const word of words(60)) {
        written++;
        yield word;
      }
    }
    shop.work = answer(blocks());
    shop.between = async (request, next) => {
      const reply = await next(request);
      const header = reply.headers.get("payment-receipt");
      if (request.method === "HEAD" && header) {
        accepted = parseSessionReceipt(header).acceptedCumulative;
        // The prompt is authorised by its bytes, 64, and counted by its tokens, 16.
        expect(accepted <= prompt + (written + 5n) * 8n + 48n).to.equal(true);
      }
      return reply;
    };
    await (await shop.post(body)).text();
    expect(accepted > 0n).to.equal(true);
  });

  it("F124: does not sign what a seller asks for ahead of what it delivers", async () => {
    shop = await openShop({ world, price: tokens, gateway: { paymentTimeout: 100 } });
    const need = JSON.stringify({ requiredCumulative: "100000" });
    shop.work = answer(words(2));
    shop.between = async (request, next) => {
      const reply = await next(request);
      if (reply.headers.get("content-type") !== "text/event-stream" || !reply.body) return reply;
      const greedy = new TransformStream<Uint8Array, Uint8Array>({
        start: (controller) =>
          controller.enqueue(new TextEncoder().encode(`: payment-need-voucher ${need}\n\n`.repeat(5))),
      });
      return new Response(reply.body.pipeThrough(greedy), { status: reply.status, headers: reply.headers });
    };
    await (await shop.post(body)).text();
    const authorised = shop.seen.filter(({ method }) => method === "HEAD").length;
    expect(authorised).to.be.lessThan(3);
    expect((await shop.paying.close())[0]).to.include({ excess: 0n, paid: prompt + 16n });
  });

  it("F124: signs nothing new for a seller that asks again and again for what it has got", async () => {
    shop = await openShop({ world, price: tokens });
    shop.work = answer(words(1));
    const note = new TextEncoder().encode(': payment-need-voucher {"requiredCumulative":"1"}\n\n');
    shop.between = async (request, next) => {
      const reply = await next(request);
      if (reply.headers.get("content-type") !== "text/event-stream" || !reply.body) return reply;
      const greedy = new TransformStream<Uint8Array, Uint8Array>({
        async flush(controller) {
          for (let asked = 0; asked < 10; asked++) {
            const before = shop.seen.length;
            controller.enqueue(note);
            await until(() => shop.seen.length > before);
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        },
      });
      return new Response(reply.body.pipeThrough(greedy), { status: reply.status, headers: reply.headers });
    };
    await (await shop.post(body)).text();
    expect(shop.seen.length).to.be.greaterThan(10);
    expect(new Set(shop.signed).size).to.be.lessThan(6);
  });

  it("stops with its own limit where the channel may hold no more, and pays what it has got", async () => {
    shop = await openShop({
      world,
      price: tokens,
      suggestedDeposit: 1n,
      client: { maxDeposit: 300n, maxPrice: parseYuan("0.01") },
    });
    shop.work = answer(words(100));
    const response = await shop.post(body);
    const error = await rejection(response.text());
    expect(error).to.include({ code: "deposit-above-limit" });
    const [closed] = await shop.paying.close();
    expect(closed!.paid <= 300n && closed!.paid > 150n).to.equal(true);
    expect(closed).to.include({ excess: 0n });
  });

  it("refuses a stream that may cost more than maxPrice before it begins", async () => {
    shop = await openShop({ world, price: tokens, client: { maxPrice: 863n } });
    expect(await rejection(shop.post(body))).to.include({ code: "price-above-limit", price: 864n });
    expect(shop.signed).to.have.lengthOf(0);
  });

  it("keeps to maxPrice for a stream that is asked for again by what was signed before", async () => {
    const store = memoryStore();
    shop = await openShop({ world, price: tokens, gateway: { paymentTimeout: 100 }, client: { store } });
    shop.work = answer(words(100));
    await (await shop.post('{"stream":true,"max_tokens":1}')).text();
    shop.payments.length = 0;
    shop.between = async (request, next) =>
      request.method === "POST" && isPaid(request) ? brokenAnswer() : next(request);
    await rejection(shop.post(body));
    shop.between = (request, next) => next(request);
    const careful = payingFetch({
      account: world.payer,
      client: world.payerClient,
      store,
      maxDeposit: parseYuan("5"),
      maxPrice: 200n,
      onPayment: (payment) => shop.payments.push(payment),
    });
    await (await careful(`${shop.url}/hello`, { method: "POST", body })).text();
    expect(shop.payments).to.have.lengthOf(1);
    expect(shop.payments[0]!.amount <= 200n && shop.payments[0]!.amount > 150n).to.equal(true);
    await careful.close();
  });

  it("pays for half where the caller leaves half-way", async () => {
    shop = await openShop({ world, price: tokens });
    let written = 0;
    shop.work = () => {
      const stream = new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (written === 10) await new Promise(() => undefined);
          controller.enqueue(new TextEncoder().encode(token(`w${written++}`)));
        },
      });
      return new Response(stream, { headers: { "content-type": "text/event-stream" } });
    };
    const response = await shop.post(body);
    const reader = response.body!.getReader();
    for (let i = 0; i < 10; i++) await reader.read();
    await reader.cancel();
    const [closed] = await shop.paying.close();
    expect(closed).to.include({ paid: prompt + 80n, excess: 0n });
  });

  it("pays nothing for a stream that breaks off, and knows it", async () => {
    shop = await openShop({ world, price: tokens });
    shop.work = answer(
      (function* () {
        yield* words(5);
        throw new Error("upstream");
      })(),
    );
    const response = await shop.post(body);
    expect(await rejection(response.text())).to.be.instanceOf(TypeError);
    expect(balance()).to.include({ spent: 0n, uncertain: 0n });
    shop.work = answer(words(1));
    await (await shop.post(body)).text();
    expect((await shop.paying.close())[0]).to.include({ paid: prompt + 8n });
  });

  it("lets many streams flow side by side, sums exact", async () => {
    shop = await openShop({ world, price: tokens });
    shop.work = () => answer(words(20))();
    const texts = await Promise.all(Array.from({ length: 8 }, async () => (await shop.post(body)).text()));
    for (const text of texts) expect(text).to.equal(words(20).join(""));
    expect((await shop.paying.close())[0]).to.include({ paid: 8n * (prompt + 160n), excess: 0n });
  });

  it("pays for bytes as they come, and learns the total at the end", async () => {
    const bytes = pricePerMillion({ unit: "byte", amount: 1_000_000n, max: 100_000, window: 8192 });
    shop = await openShop({ world, price: bytes, client: { maxPrice: parseYuan("0.1") } });
    shop.work = answer(
      Array.from({ length: 10 }, () => "x".repeat(5000)),
      "application/octet-stream",
    );
    expect(await (await shop.post("x")).text()).to.have.lengthOf(50_000);
    await until(() => balance()?.spent === 50_000n);
    expect((await shop.paying.close())[0]).to.include({ paid: 50_000n, excess: 0n });
  });

  describe("and signed receipts", () => {
    /** Changes the receipts of whole answers. */
    function lie(change: (receipt: SessionReceipt) => SessionReceipt): void {
      shop.between = async (request, next) => {
        const reply = await next(request);
        const header = reply.headers.get("payment-receipt");
        if (header === null || parseSessionReceipt(header).amount === 0n) return reply;
        const headers = new Headers(reply.headers);
        headers.set("payment-receipt", formatSessionReceipt(change(parseSessionReceipt(header))));
        return new Response(reply.body, { status: reply.status, headers });
      };
    }

    it("prove the call, its answer and its price", async () => {
      shop = await openShop({ world });
      await shop.post("one");
      await shop.post("two");
      expect(shop.payments.map(({ isProven }) => isProven)).to.deep.equal([true, true]);
    });

    it("prove nothing where somebody in between changed the answer, which is not the seller's fault", async () => {
      shop = await openShop({ world });
      shop.between = async (request, next) => {
        const { status, headers } = await next(request);
        return status === 200 ? new Response("another", { status, headers }) : new Response(null, { status, headers });
      };
      await shop.post("one");
      expect(shop.payments.map(({ isProven }) => isProven)).to.deep.equal([false]);
      expect(balance()).to.include({ spent: price });
    });

    for (const [name, change] of [
      ["no signature", ({ proof: _proof, ...rest }) => rest],
      ["another total", (receipt) => ({ ...receipt, proof: { ...receipt.proof!, spent: receipt.proof!.spent - 1n } })],
      [
        "the signature of another receipt",
        (receipt) => ({
          ...receipt,
          proof: { ...receipt.proof!, issuedAt: receipt.proof!.issuedAt + 1n },
        }),
      ],
      [
        "a told total below the signed one",
        (receipt) => ({ ...receipt, spent: receipt.spent - 1n, amount: receipt.amount - 1n }),
      ],
    ] as [string, (receipt: SessionReceipt) => SessionReceipt][]) {
      it(`F086: ${name}: nothing more is signed, the call counts at its ceiling`, async () => {
        shop = await openShop({ world });
        lie(change);
        expect((await shop.post("one")).status).to.equal(200);
        expect(balance()).to.include({ spent: 0n, uncertain: price });
        expect((await rejection(shop.post("two"))).code).to.equal("seller-distrusted");
        expect((await shop.paying.close())[0]).to.include({ paid: price, excess: 0n });
      });
    }

    it("may be of an earlier statement, as when a call was answered before, and prove nothing then", async () => {
      shop = await openShop({ world });
      let first: SessionReceipt["proof"];
      lie((receipt) => ({ ...receipt, proof: (first ??= receipt.proof) }));
      await shop.post("one");
      await shop.post("two");
      expect(shop.payments.map(({ isProven }) => isProven)).to.deep.equal([true, false]);
      expect(balance()).to.include({ spent: 2n * price, uncertain: 0n });
      expect((await shop.post("three")).status).to.equal(200);
    });

    it("are not asked of a seller that announces none", async () => {
      shop = await openShop({ world, gateway: { receiptAccount: false } });
      await shop.post("one");
      await shop.post("two");
      expect(balance()).to.include({ spent: 2n * price, uncertain: 0n });
      expect(shop.payments[0]).to.include({ isProven: false, measured: undefined });
    });
  });

  it("knows that a handler's own failure was not charged", async () => {
    shop = await openShop({ world });
    shop.work = () => new Response("broken", { status: 503 });
    expect((await shop.post("x")).status).to.equal(503);
    expect(balance()).to.include({ spent: 0n, uncertain: 0n });
  });
});
