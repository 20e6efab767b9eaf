import { expect } from "chai";

import { parseYuan } from "../../sdk/src/index.ts";
import { pricePerMillionTokens } from "../../sdk/src/server/index.ts";
import { parseSessionReceipt } from "../../sdk/src/wire/index.ts";
import {
  type Conditions,
  createConditionalWorld,
  openTickStall,
  startTicks,
  type TickPayment,
} from "./conditionalStall.ts";
import type { World } from "./helpers.ts";
import { type Channel, type Stall, until } from "./stall.ts";

const tokens = { input: parseYuan("2"), output: parseYuan("8"), maxOutput: 100, window: 4 };
const body = '{"stream":true,"max_tokens":40}';
/** Base units: of the request's bytes, and of each token of the answer. A tick pays one token. */
const input = 31n * 2n;
const each = 8n;
/** The ticks that the beginning of a stream takes, and the tokens that these pay: the model tells of no input. */
const first = 12;

describe("a stream paid by ticks", () => {
  let world: World;
  let conditions: Conditions;
  let stall: Stall;
  let channel: Channel;
  let ticks: TickPayment;
  before(async () => {
    ({ world, conditions } = await createConditionalWorld());
  });
  beforeEach(async () => {
    const offer = { price: pricePerMillionTokens(tokens) };
    stall = await openTickStall(world, conditions.ticks, { offer, window: 16, gateway: { paymentTimeout: 300 } });
    ({ channel, ticks } = await startTicks(stall, conditions.ticks, { tickAmount: each }));
  });
  afterEach(() => stall.close());

  /** Begins a stream of that many tokens; `text` grows as they come. */
  async function begin(count: number) {
    stall.work = () => {
      const answer = Array.from({ length: count }, (_, i) => {
        const choices = [{ delta: { content: `t${i} ` } }];
        return `data: ${JSON.stringify({ choices })}\n\n`;
      }).join("");
      return new Response(answer, { headers: { "content-type": "text/event-stream" } });
    };
    const leave = new AbortController();
    const response = await fetch(`${stall.url}/work`, {
      method: "POST",
      body,
      headers: { authorization: await stall.credential(ticks.tick(first)) },
      signal: leave.signal,
    });
    expect(response.status).to.equal(200);
    let text = "";
    const over = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) text += decoder.decode(chunk);
    })().catch(() => undefined);
    return {
      over,
      leave: () => leave.abort(),
      tokens: () => text.match(/"t\d+ "/g)?.length ?? 0,
      asks: () => text.match(/need-voucher/g)?.length ?? 0,
      receipt: () => parseSessionReceipt(/receipt ([\w-]+)/.exec(text)?.[1] ?? ""),
    };
  }
  const feed = async (n: number): Promise<void> => {
    expect((await stall.pay(ticks.tick(n), { method: "HEAD" })).status).to.equal(204);
  };

  it("pauses where they run out, goes on with each that is shown, and is charged what was delivered", async () => {
    const stream = await begin(24);
    await until(() => stream.asks() === 1, "it asked for more");
    const paid = stream.tokens();
    await feed(first + 4);
    await until(() => stream.asks() === 2, "it went on and asked again");
    // What was shown, and what the statement has without ticks.
    const shown = BigInt(first + 4) * each + 1n;
    expect(await stall.record(channel)).to.include({ spent: 0n, held: shown });
    expect(stream.tokens()).to.be.greaterThan(paid);
    expect(BigInt(stream.tokens()) * each <= shown).to.equal(true);
    await feed(first + 16);
    await feed(first + 28);
    await stream.over;
    expect(stream.tokens()).to.equal(24);
    const row = await stall.record(channel);
    expect(row).to.include({ spent: stream.receipt().amount, held: 0n });
    expect(stream.receipt().amount <= input + 24n * each).to.equal(true);
  });

  it("are not enough for a whole answer in its place that costs more", async () => {
    stall.work = () => Response.json({ usage: { prompt_tokens: 31, completion_tokens: 40 } });
    const paid = (n: number) => stall.pay(ticks.tick(n), { body });
    const reply = await paid(first);
    expect([reply.status, reply.problem?.code]).to.deep.equal([402, "insufficient-balance"]);
    const needed = Number((input + 40n * each + each - 1n) / each);
    expect(reply.problem?.members).to.include({ requiredTicks: needed });
    expect((await paid(28)).problem?.code).to.equal("insufficient-balance");
    expect((await paid(44)).problem?.code).to.equal("insufficient-balance");
    expect((await paid(needed)).receipt).to.include({ amount: input + 40n * each, held: 0n });
  });

  it("F084: ends when none comes, and half of it costs half", async () => {
    const stream = await begin(24);
    await stream.over;
    const { amount } = stream.receipt();
    expect(amount <= BigInt(first) * each).to.equal(true);
    expect(await stall.record(channel)).to.include({ spent: amount, held: 0n });
    await stall.gateway.settleAll();
    expect(await stall.record(channel)).to.include({ settled: amount });
    expect(stream.tokens()).to.be.greaterThan(0).and.lessThan(24);
  });

  it("F084: is charged what was delivered when its buyer goes away", async () => {
    const stream = await begin(24);
    await until(() => stream.asks() === 1, "it asked for more");
    stream.leave();
    await until(async () => (await stall.record(channel)).held === 0n, "it was captured");
    const { spent } = await stall.record(channel);
    expect(spent > 0n && spent <= BigInt(first) * each).to.equal(true);
  });
});
