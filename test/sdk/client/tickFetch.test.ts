import { expect } from "chai";

import { parseYuan, type TickFetch, tickFetch } from "../../../sdk/src/index.ts";
import { pricePerMillionTokens } from "../../../sdk/src/server/index.ts";
import { type Conditions, createConditionalWorld } from "../../server/conditionalStall.ts";
import type { World } from "../../server/helpers.ts";
import { openShop, price, rejection, type Shop } from "./helpers.ts";

const token = (content: string): string => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
const tokens = pricePerMillionTokens({ input: parseYuan("2"), output: parseYuan("8"), maxOutput: 200, window: 8 });
const body = '{"stream":true,"max_tokens":100}';
/** 32 bytes are 8 tokens of 2 until the model tells. */
const prompt = 16n;
const each = 8n;

describe("tickFetch", () => {
  let world: World;
  let conditions: Conditions;
  let shop: Shop;
  let paying: TickFetch;
  before(async () => {
    ({ world, conditions } = await createConditionalWorld());
  });
  afterEach(() => shop.close());

  async function open(
    options: Partial<Parameters<typeof openShop>[0]> = {},
    ticking: Partial<tickFetch.Parameters> = {},
  ): Promise<void> {
    const gateway = { ticks: { condition: conditions.ticks, window: 64 } };
    shop = await openShop({ world, gateway, ...options });
    paying = tickFetch({
      account: world.payer,
      client: world.payerClient,
      deposit: parseYuan("0.5"),
      tickAmount: each,
      maxPrice: parseYuan("0.01"),
      ...ticking,
    });
  }
  const post = (text: string, init: RequestInit = {}) =>
    paying(`${shop.url}/hello`, { method: "POST", body: text, ...init });
  const stream = (count: number) => () => {
    let i = 0;
    const words = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (i === count) controller.close();
        else controller.enqueue(new TextEncoder().encode(token(`w${i++}`)));
      },
    });
    return new Response(words, { headers: { "content-type": "text/event-stream" } });
  };

  it("pays a stream token by token, folds, and brings the change back", async () => {
    await open({ price: tokens });
    shop.work = stream(60);
    const text = await (await post(body)).text();
    expect(text.match(/"w\d+"/g)).to.have.lengthOf(60);
    expect(text).not.to.include("payment-");
    const cost = prompt + 60n * each;
    expect(paying.paid).to.equal(cost);
    const closed = await paying.close();
    expect(closed).to.include({ paid: cost, refunded: parseYuan("0.5") - cost, excess: 0n, by: "seller" });
  });

  it("costs half where the caller leaves half-way", async () => {
    await open({ price: tokens });
    shop.work = () => {
      let i = 0;
      const words = new ReadableStream<Uint8Array>({
        async pull(controller) {
          if (i === 20) await new Promise(() => undefined);
          controller.enqueue(new TextEncoder().encode(token(`w${i++}`)));
        },
      });
      return new Response(words, { headers: { "content-type": "text/event-stream" } });
    };
    const reader = (await post(body)).body!.getReader();
    for (let i = 0; i < 20; i++) await reader.read();
    await reader.cancel();
    expect(await paying.close()).to.include({ paid: prompt + 20n * each, excess: 0n });
  });

  it("pays calls, parallel ones too, with one statement signed for all of them", async () => {
    await open({}, { tickAmount: price, maxPrice: price });
    const first = await post("first");
    expect(await first.text()).to.equal("hello first");
    const texts = await Promise.all(Array.from({ length: 20 }, async (_, i) => (await post(`${i}`)).text()));
    expect(texts).to.deep.equal(Array.from({ length: 20 }, (_, i) => `hello ${i}`));
    expect(paying.paid).to.equal(21n * price);
    expect(await paying.close()).to.include({ paid: 21n * price, excess: 0n });
  });

  it("begins another chain where one is used up", async () => {
    await open({}, { tickAmount: price, tickCount: 3, maxPrice: price });
    for (let i = 0; i < 8; i++) expect((await post(`${i}`)).status).to.equal(200);
    expect(await paying.close()).to.include({ paid: 8n * price });
  });

  it("pays nothing for what failed", async () => {
    await open({}, { tickAmount: price, maxPrice: price });
    shop.work = () => new Response("broken", { status: 500 });
    for (let i = 0; i < 3; i++) expect((await post(`${i}`)).status).to.equal(500);
    expect(paying.paid).to.equal(0n);
    shop.work = () => new Response("fine");
    expect((await post("x")).status).to.equal(200);
    expect(await paying.close()).to.include({ paid: price, excess: 0n });
  });

  it("refuses what costs more than maxPrice, another seller, and one that takes no ticks", async () => {
    await open({ price: tokens }, { maxPrice: 863n });
    expect(await rejection(post(body))).to.include({ code: "price-above-limit", price: 864n });
    expect(await rejection(paying("http://127.0.0.2:1/"))).to.include({ code: "unsafe-origin" });
    expect(await rejection(paying("http://models.example/"))).to.include({ code: "unsafe-origin" });
    expect(await paying.close()).to.equal(undefined);
    expect(await rejection(post("x"))).to.include({ code: "closed" });
    await shop.close();
    await open({ gateway: {} });
    expect(await rejection(post("x"))).to.include({ code: "ticks-not-offered" });
    expect(shop.signed).to.have.lengthOf(0);
  });

  it("lets what costs nothing through", async () => {
    await open();
    shop.between = async () => new Response("free");
    expect(await (await post("x")).text()).to.equal("free");
    expect(await paying.close()).to.equal(undefined);
  });
});
