import { createHash } from "node:crypto";
import { request as httpRequest } from "node:http";

import { expect } from "chai";
import type { Hex } from "viem";

import { parseYuan, requestCloseChannel, verifyReceipt } from "../../sdk/src/index.ts";
import { pricePerMillion, pricePerMillionTokens, pricePerRequest, priceUpTo } from "../../sdk/src/server/index.ts";
import {
  createSseParser,
  parsePaymentNote,
  parseSessionReceipt,
  type PaymentNote,
  type SessionReceipt,
  type SseFrame,
} from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Channel, openStall, price, type Stall, until, watchedClient } from "./stall.ts";

/** One token of an answer, as a model streams it. */
const token = (content: string): string => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`;
const usage = (input: number, output: number): string =>
  `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens: input, completion_tokens: output } })}\n\n`;

/** An answer that a test writes while it is read. */
function script(contentType = "text/event-stream") {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const seen = { cancelled: false, aborted: false };
  const body = new ReadableStream<Uint8Array>({
    start: (own) => void (controller = own),
    cancel: () => void (seen.cancelled = true),
  });
  return {
    seen,
    work: (request: Request): Response => {
      request.signal.addEventListener("abort", () => (seen.aborted = true));
      return new Response(body, { headers: { "content-type": contentType } });
    },
    write: (text: string): void => controller?.enqueue(new TextEncoder().encode(text)),
    end: (): void => controller?.close(),
    fail: (): void => controller?.error(new Error("secret detail")),
  };
}

/** Reads a paid event stream block by block. */
async function openStream(stall: Stall, channel: Channel, amount: bigint, body: string, headers = {}) {
  const authorization = await stall.credential(await stall.voucher(channel, amount));
  const controller = new AbortController();
  const response = await fetch(`${stall.url}/work`, {
    method: "POST",
    body,
    headers: { authorization, ...headers },
    signal: controller.signal,
  });
  const parser = createSseParser();
  const frames: SseFrame[] = [];
  const notes: PaymentNote[] = [];
  let failure: unknown;
  const bytes: Uint8Array[] = [];
  const over = (async () => {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      bytes.push(chunk);
      for (const frame of parser.push(chunk)) {
        const note = parsePaymentNote(frame);
        if (note) notes.push(note);
        else frames.push(frame);
      }
    }
  })().catch((error: unknown) => (failure = error));
  return {
    response,
    frames,
    notes,
    over,
    text: () => Buffer.concat(bytes).toString(),
    failure: () => failure,
    leave: () => controller.abort(),
    head: parseSessionReceipt(response.headers.get("payment-receipt") ?? ""),
    receipt(): SessionReceipt {
      const note = notes.find(({ name }) => name === "receipt");
      if (!note) throw new Error("no receipt came");
      return parseSessionReceipt(note.value);
    },
  };
}

describe("an answer that flows", () => {
  const tokens = { input: parseYuan("2"), output: parseYuan("8"), maxOutput: 100, window: 4 };
  const offer = { price: pricePerMillionTokens(tokens) };
  const body = '{"stream":true,"max_tokens":10}';
  /** 31 bytes at 2 before the model tells, which are 8 tokens after it began; 8 for each token. */
  const input = 31n * 2n;
  const estimated = 8n * 2n;
  const ceiling = input + 80n;
  const start = input + 32n;
  let world: World;
  let stall: Stall;
  let channel: Channel;
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    stall = await openStall(world, { offer, gateway: { paymentTimeout: 300 } });
    channel = await stall.open();
  });
  afterEach(() => stall.close());

  it("asks for the start of a stream, not for all it may cost", async () => {
    expect((await stall.ask({ body })).problem?.members).to.include({ amount: String(start) });
    const reply = await stall.buy(channel, start - 1n, { body });
    expect(reply.problem?.code).to.equal("insufficient-balance");
    expect(reply.problem?.members).to.include({ requiredCumulative: String(start) });
  });

  it("is handed on as it comes, with its cost at the end", async () => {
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, ceiling, body);
    expect(stream.response.status).to.equal(200);
    expect(stream.head).to.include({ isPending: true, amount: 0n, spent: 0n });
    expect(stream.response.headers.get("cache-control")).to.equal("private");
    answer.write(token("one"));
    await until(() => stream.frames.length === 1, "the first token came before the second was written");
    answer.write(token("two") + usage(5, 2) + "data: [DONE]\n\n");
    answer.end();
    await stream.over;
    expect(stream.frames.map(({ data }) => data).at(-1)).to.equal("[DONE]");
    expect(stream.receipt()).to.include({ amount: 26n, spent: 26n, held: 0n });
    expect(await stall.record(channel)).to.include({ spent: 26n, held: 0n });
  });

  it("costs what was counted where the model tells no usage", async () => {
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, ceiling, body);
    answer.write(token("one") + token("two") + token(""));
    answer.end();
    await stream.over;
    expect(stream.receipt().amount).to.equal(estimated + 16n);
  });

  it("costs at most its ceiling, and goes on beyond it", async () => {
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, 1000n, body);
    answer.write(token("x").repeat(30) + usage(500, 500));
    answer.end();
    await stream.over;
    expect(stream.frames).to.have.lengthOf(31);
    expect(stream.receipt().amount).to.equal(ceiling);
  });

  it("F084: pauses where the accepted amount runs out, asks, and goes on with the next statement", async () => {
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, start, body);
    // 16 for the prompt and 9 tokens are 88 of 94.
    answer.write(token("x").repeat(10));
    await until(() => stream.notes.length > 0, "it asked");
    expect(stream.frames).to.have.lengthOf(9);
    const [note] = stream.notes;
    expect(note?.name).to.equal("need-voucher");
    expect(JSON.parse(note!.value)).to.deep.equal({
      channelId: channel.channelId,
      requiredCumulative: String(estimated + 80n + 32n),
      acceptedCumulative: String(start),
      deposit: String(parseYuan("1")),
    });
    const more = await stall.buy(channel, ceiling, { method: "HEAD" });
    expect(more.status).to.equal(204);
    await until(() => stream.frames.length === 10, "it went on");
    answer.end();
    await stream.over;
    expect(stream.receipt()).to.include({ amount: estimated + 80n, spent: estimated + 80n });
  });

  it("F084: ends cleanly where no statement comes, charged for what was delivered, and tells the work to stop", async () => {
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, start, body);
    answer.write(token("x").repeat(10));
    await stream.over;
    expect(stream.failure()).to.equal(undefined);
    expect(stream.frames).to.have.lengthOf(9);
    expect(stream.receipt()).to.include({ amount: estimated + 72n, held: 0n });
    expect(answer.seen).to.deep.equal({ cancelled: true, aborted: true });
    expect(await stall.record(channel)).to.include({ spent: estimated + 72n, held: 0n });
  });

  it("ends where the channel is closing, without asking", async () => {
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, start, body);
    await stall.gateway.ledger.beginClose(await stall.voucher(channel, start + 1n));
    answer.write(token("x").repeat(10));
    await stream.over;
    expect(stream.notes.map(({ name }) => name)).to.deep.equal(["receipt"]);
    expect(stream.receipt()).to.include({ amount: estimated + 72n });
  });

  it("ends at its next mark where the channel is closing, though more was reserved", async () => {
    const long = '{"stream":true,"max_tokens":300}';
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, 5000n, long);
    answer.write(token("x").repeat(100));
    await until(() => stream.frames.length === 100, "100 came");
    await stall.gateway.ledger.beginClose(await stall.voucher(channel, 5001n));
    answer.write(token("x").repeat(100));
    await stream.over;
    expect(stream.frames.length).to.be.within(100, 164);
    expect(stream.receipt().amount).to.equal(BigInt(stream.frames.length) * 8n + 2n * 8n);
  });

  it("ends where its payer has asked the chain to close, once that was seen", async () => {
    const own = await openStall(world, { offer, gateway: { recheckAfter: 0 } });
    const bought = await own.open();
    const answer = script();
    own.work = answer.work;
    const stream = await openStream(own, bought, 5000n, '{"stream":true,"max_tokens":300}');
    answer.write(token("x").repeat(100));
    await until(() => stream.frames.length === 100, "100 came");
    const { contract } = own;
    await requestCloseChannel(world.payerClient, { contract, terms: bought.terms });
    answer.write(token("x").repeat(64));
    await until(async () => (await own.record(bought)).closeRequestedAt > 0, "it was seen");
    answer.write(token("x").repeat(64));
    await stream.over;
    expect(stream.frames.length).to.be.within(164, 228);
    expect(stream.receipt().amount).to.equal(BigInt(stream.frames.length) * 8n + 2n * 8n);
    await own.close();
  });

  it("goes on, and is charged, where the chain cannot be asked meanwhile", async () => {
    const node = watchedClient(world);
    const own = await openStall(world, { offer, gateway: { client: node.client, recheckAfter: 0 } });
    const bought = await own.open();
    const answer = script();
    own.work = answer.work;
    const stream = await openStream(own, bought, 5000n, '{"stream":true,"max_tokens":300}');
    node.before = () => {
      throw new Error("the node is away");
    };
    answer.write(token("x").repeat(100));
    answer.end();
    await stream.over;
    expect(stream.failure()).to.equal(undefined);
    expect(stream.receipt().amount).to.equal(estimated + 800n);
    await until(() => own.errors.length > 0, "the seller is told");
    node.before = () => undefined;
    await own.close();
  });

  it("F084: is charged for what was delivered when the buyer goes away, and the work is told", async () => {
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, ceiling, body);
    answer.write(token("x").repeat(5));
    await until(() => stream.frames.length === 5, "five came");
    stream.leave();
    await until(async () => (await stall.record(channel)).held === 0n, "it was charged");
    expect(await stall.record(channel)).to.include({ spent: estimated + 40n });
    expect(answer.seen).to.deep.equal({ cancelled: true, aborted: true });
    // It was charged: a retry of the same is not served again.
    expect((await stall.buy(channel, ceiling, { body })).problem?.code).to.equal("answer-not-kept");
  });

  it("F085: costs nothing when it breaks off, whatever was delivered, and the same statement may try again", async () => {
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, ceiling, body);
    answer.write(token("x").repeat(5));
    await until(() => stream.frames.length === 5, "five came");
    answer.fail();
    await stream.over;
    expect(stream.failure()).to.be.instanceOf(Error);
    expect(stream.text()).not.to.include("secret detail");
    expect(stream.receipt()).to.include({ amount: 0n, spent: 0n, held: 0n });
    expect(await stall.record(channel)).to.include({ spent: 0n, held: 0n });
    expect(stall.errors.map(String)).to.deep.equal(["Error: secret detail"]);
    const again = script();
    stall.work = again.work;
    const second = await openStream(stall, channel, ceiling, body);
    again.end();
    await second.over;
    expect(second.receipt().amount).to.equal(estimated);
  });

  it("ends when its time is up, charged for what was delivered", async () => {
    const brief = await openStall(world, { offer, gateway: { workTimeout: 150 } });
    const own = await brief.open();
    const answer = script();
    brief.work = answer.work;
    const stream = await openStream(brief, own, ceiling, body);
    answer.write(token("x"));
    await stream.over;
    expect(stream.failure()).to.equal(undefined);
    expect(stream.receipt()).to.include({ amount: estimated + 8n, held: 0n });
    expect(answer.seen.aborted).to.equal(true);
    await brief.close();
  });

  for (const [name, workTimeout, isLeft] of [
    ["its time is up", 150, false],
    ["its buyer has gone", 60_000, true],
  ] as const) {
    it(`F084: is charged once ${name}, though nobody reads on`, async () => {
      const brief = await openStall(world, { offer, gateway: { workTimeout } });
      const own = await brief.open();
      const answer = script();
      const leave = new AbortController();
      const authorization = await brief.credential(await brief.voucher(own, ceiling));
      const asked = { method: "POST", body, headers: { authorization }, signal: leave.signal };
      const response = await brief.gateway.charge(new Request(`${brief.url}/work`, asked), offer, answer.work);
      const reader = response.body!.getReader();
      answer.write(token("x"));
      await reader.read();
      if (isLeft) leave.abort();
      await until(() => brief.gateway.running === 0, "it is over");
      expect(await brief.record(own)).to.include({ spent: estimated + 8n, held: 0n });
      expect(answer.seen.aborted).to.equal(true);
      if (!isLeft) expect(new TextDecoder().decode((await reader.read()).value)).to.contain("payment-receipt");
      await reader.cancel();
      expect(await brief.record(own)).to.include({ spent: estimated + 8n, held: 0n });
      expect(brief.errors).to.deep.equal([]);
      await brief.close();
    });
  }

  it("marks what was delivered every 64 units, for the case that the process ends", async () => {
    const long = '{"stream":true,"max_tokens":300}';
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, 5000n, long);
    const marks = async () => {
      for await (const { captured, status } of stall.gateway.ledger.holds(channel.channelId))
        return { captured, status };
    };
    const prompt = 2n * BigInt(Math.ceil(long.length / 4));
    answer.write(token("x").repeat(63));
    await until(() => stream.frames.length === 63, "63 came");
    const before = (await marks())?.captured ?? 0n;
    answer.write(token("x").repeat(130));
    await until(() => stream.frames.length === 193, "all came");
    const after = await marks();
    expect(after?.status).to.equal("held");
    expect(before < 64n * 8n + prompt).to.equal(true);
    expect(after!.captured >= prompt + (193n - 64n) * 8n).to.equal(true);
    expect(after!.captured <= prompt + 193n * 8n).to.equal(true);
    answer.end();
    await stream.over;
    expect(stream.receipt().amount).to.equal(prompt + 193n * 8n);
  });

  it("is another request while it runs, and cannot be had twice", async () => {
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, ceiling, body);
    expect((await stall.buy(channel, ceiling, { body })).problem?.code).to.equal("request-in-progress");
    answer.end();
    await stream.over;
  });

  it("lets other requests of the channel run beside it, none of which takes what it has reserved", async () => {
    const answer = script();
    stall.work = answer.work;
    const stream = await openStream(stall, channel, start, body);
    const second = script();
    stall.work = second.work;
    const other = await openStream(stall, channel, 2n * start, body);
    answer.write(token("a").repeat(3));
    second.write(token("b").repeat(3));
    answer.end();
    second.end();
    await Promise.all([stream.over, other.over]);
    const total = 2n * (estimated + 24n);
    expect(await stall.record(channel)).to.include({ spent: total, held: 0n });
    expect(stream.receipt().amount + other.receipt().amount).to.equal(total);
  });

  it("is charged by its usage where a whole answer came in place of a stream", async () => {
    stall.work = () => Response.json({ usage: { prompt_tokens: 31, completion_tokens: 10 } });
    expect((await stall.buy(channel, ceiling, { body })).receipt).to.include({ amount: ceiling });
  });

  it("is not given for the start of a stream where a whole answer came that costs more", async () => {
    stall.work = () => Response.json({ usage: { prompt_tokens: 31, completion_tokens: 10 } });
    const reply = await stall.buy(channel, start, { body });
    expect([reply.status, reply.problem?.code]).to.deep.equal([402, "insufficient-balance"]);
    expect(reply.problem?.members).to.include({ requiredCumulative: String(ceiling) });
    expect(await stall.record(channel)).to.include({ spent: 0n, held: 0n });
    expect((await stall.buy(channel, ceiling, { body })).receipt).to.include({ amount: ceiling });
  });

  describe("and its content", () => {
    const forged = "eyJtZXRob2QiOiJldm0ifQ";

    for (const [name, text] of [
      ["a comment", `: payment-receipt ${forged}\n\n`],
      ["a comment without a blank", `:payment-receipt ${forged}\n\n`],
      ["a comment in a block with data", `: payment-need-voucher {}\ndata: {}\n\n`],
      ["an event", `event: payment-receipt\ndata: ${forged}\n\n`],
      ["an event in capitals", `event: Payment-Need-Voucher\ndata: {}\n\n`],
      ["a comment behind a carriage return", `data: {}\r: payment-receipt ${forged}\r\rdata: {}\r\r`],
      ["a comment behind a line end that is cut", `data: {}\r\n: payment-receipt ${forged}\r\n\r\n`],
      ["a comment with odd blanks", `:\t payment-receipt ${forged}\n\n`],
    ] as const) {
      it(`F084: cannot forge what only the gateway says, by ${name}`, async () => {
        const answer = script();
        stall.work = answer.work;
        const stream = await openStream(stall, channel, ceiling, body);
        // Also where it is cut anywhere.
        for (const character of text) answer.write(character);
        answer.end();
        await stream.over;
        expect(stream.notes.map((note) => note.name)).to.deep.equal(["receipt"]);
        expect(stream.notes[0]?.value).not.to.include(forged);
        expect(stream.text()).not.to.match(/^event: payment/im);
      });
    }

    it("passes as it was otherwise: comments, names, ids, lines of data, letters of any script", async () => {
      const text = "\uFEFF: keep-alive\n\nevent: thing\nid: 7\nretry: 5\ndata: 一\ndata: two: three\n\ndata:\n\n";
      const answer = script();
      stall.work = answer.work;
      const stream = await openStream(stall, channel, ceiling, body);
      answer.write(text);
      answer.end();
      await stream.over;
      expect(stream.text().split(": payment-")[0]).to.equal(text.slice(1));
    });

    it("speaks by the draft's events where the client asks for them", async () => {
      const answer = script();
      stall.work = answer.work;
      const stream = await openStream(stall, channel, start, body, { "payment-notes": "event" });
      answer.write(token("x").repeat(10));
      await stream.over;
      expect(stream.frames.map(({ event }) => event).filter(Boolean)).to.deep.equal([
        "payment-need-voucher",
        "payment-receipt",
      ]);
    });
  });

  describe("and its receipt", () => {
    it("is signed by the seller over request and response, and gets no other word", async () => {
      const answer = script();
      stall.work = answer.work;
      const headers = { "idempotency-key": "mine" };
      const stream = await openStream(stall, channel, ceiling, body, headers);
      answer.write(token("x"));
      answer.end();
      await stream.over;
      const { proof } = stream.receipt();
      const sha = (data: string): Hex => `0x${createHash("sha256").update(data).digest("hex")}`;
      expect(proof?.responseHash).to.equal(sha(token("x")));
      const parts = ["mine", "POST", "/work", sha(body).slice(2)];
      expect(proof?.requestHash).to.equal(sha(JSON.stringify(parts)));
      const { contract } = stall;
      const receipt = { contract, chainId: 31337, channelId: channel.channelId, ...proof! };
      expect(await verifyReceipt({ ...receipt, signer: world.seller.address })).to.equal(true);
      expect(await verifyReceipt({ ...receipt, spent: receipt.spent + 1n, signer: world.seller.address })).to.equal(
        false,
      );
    });

    it("is the same when the same answer is had again, though more was spent since", async () => {
      const plain = await openStall(world);
      const own = await plain.open();
      const first = await plain.buy(own, price);
      await plain.buy(own, 2n * price, { body: "another" });
      const again = await plain.buy(own, price);
      expect(again.text).to.equal(first.text);
      expect(again.receipt).to.deep.include({ proof: first.receipt?.proof, spent: 2n * price, amount: price });
      await plain.close();
    });

    it("is not signed where the seller does not sign", async () => {
      const plain = await openStall(world, { gateway: { receiptAccount: false } });
      const own = await plain.open();
      expect((await plain.buy(own, price)).receipt).not.to.have.property("proof");
      await plain.close();
    });
  });

  describe("by its bytes", () => {
    const flow = pricePerMillion({ unit: "byte", amount: 2_000_000n, max: 100_000, window: 8192 });

    /** Reads a body and its trailers, which fetch does not hand out. */
    async function read(sold: Stall, own: Channel, amount: bigint) {
      const authorization = await sold.credential(await sold.voucher(own, amount));
      return new Promise<{ body: Buffer; trailers: NodeJS.Dict<string>; headers: NodeJS.Dict<string | string[]> }>(
        (resolve, reject) => {
          const request = httpRequest(
            `${sold.url}/work`,
            { method: "POST", headers: { authorization } },
            (response) => {
              const chunks: Buffer[] = [];
              response.on("data", (chunk: Buffer) => chunks.push(chunk));
              response.on("error", reject);
              response.on("end", () => {
                resolve({ body: Buffer.concat(chunks), trailers: response.trailers, headers: response.headers });
              });
            },
          );
          request.on("error", reject);
          request.end("x");
        },
      );
    }

    it("is metered byte by byte, with the receipt in a trailer", async () => {
      const sold = await openStall(world, { offer: { price: flow } });
      const own = await sold.open();
      sold.work = () => new Response("x".repeat(20_000), { headers: { "content-length": "20000", etag: '"a"' } });
      const { body: got, trailers, headers } = await read(sold, own, 40_000n);
      expect(got.toString()).to.equal("x".repeat(20_000));
      expect(headers).not.to.have.any.keys("content-length", "etag");
      const receipt = parseSessionReceipt(trailers["payment-receipt"] ?? "");
      expect(receipt).to.include({ amount: 40_000n, spent: 40_000n });
      await sold.close();
    });

    it("ends where it is paid no further, within a slice", async () => {
      const sold = await openStall(world, { offer: { price: flow }, gateway: { paymentTimeout: 100 } });
      const own = await sold.open();
      sold.work = () => new Response("x".repeat(20_000));
      const { body: got, trailers } = await read(sold, own, 20_000n);
      const receipt = parseSessionReceipt(trailers["payment-receipt"] ?? "");
      expect(receipt.amount).to.equal(2n * BigInt(got.length));
      expect(got.length).to.be.within(10_000 - 4096, 10_000);
      await sold.close();
    });
  });

  describe("whose price does not flow", () => {
    it("costs the price of the request, in a stream too", async () => {
      const fixed = await openStall(world, { offer: { price: pricePerRequest(price) } });
      const own = await fixed.open();
      const answer = script();
      fixed.work = answer.work;
      const stream = await openStream(fixed, own, price, "x");
      answer.write("data: a\n\n");
      await until(() => stream.frames.length === 1, "it flows");
      answer.end();
      await stream.over;
      expect(stream.receipt()).to.include({ amount: price });
      await fixed.close();
    });
  });
});

describe("work that a buyer leaves", () => {
  let world: World;
  let stall: Stall;
  let channel: Channel;
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    stall = await openStall(world, { offer: { price: priceUpTo(price) } });
    channel = await stall.open();
  });
  afterEach(() => stall.close());

  /** Sends a request and goes away as soon as the work has begun. */
  async function leave(call: { method: string; body?: string } = { method: "POST", body: "x" }): Promise<void> {
    const authorization = await stall.credential(await stall.voucher(channel, price));
    const controller = new AbortController();
    const left = fetch(`${stall.url}/work`, {
      ...call,
      headers: { authorization },
      signal: controller.signal,
    }).catch(() => undefined);
    await until(() => stall.worked.length === 1, "it began");
    controller.abort();
    await left;
    await until(async () => (await stall.record(channel)).held === 0n, "it ended");
  }

  it("costs what the work has noted", async () => {
    stall.work = (_request, meter) => {
      meter.add(700n);
      return new Response("done");
    };
    expect((await stall.buy(channel, price)).receipt).to.include({ amount: 700n });
    stall.work = (_request, meter) => {
      meter.add(10n * price);
      return new Response("done");
    };
    expect((await stall.buy(channel, 700n + price)).receipt).to.include({ amount: price });
  });

  for (const call of [{ method: "POST", body: "x" }, { method: "GET" }]) {
    it(`is aborted, and costs what the work had noted until then (${call.method})`, async () => {
      stall.work = (request, meter) => {
        meter.add(300n);
        return new Promise((_resolve, reject) => {
          request.signal.addEventListener("abort", () => reject(request.signal.reason as Error));
        });
      };
      await leave(call);
      expect(await stall.record(channel)).to.include({ spent: 300n });
      expect(stall.errors).to.deep.equal([]);
    });

    it(`is aborted while it flows, and costs what the work had noted until then (${call.method})`, async () => {
      let aborted = false;
      stall.work = (request, meter) => {
        meter.add(300n);
        request.signal.addEventListener("abort", () => (aborted = true));
        const body = new ReadableStream({
          start: (controller) => controller.enqueue(new TextEncoder().encode(": x\n\n")),
        });
        return new Response(body, { headers: { "content-type": "text/event-stream" } });
      };
      await leave(call);
      expect(aborted).to.equal(true);
      expect(await stall.record(channel)).to.include({ spent: 300n });
      expect(stall.errors).to.deep.equal([]);
    });
  }

  it("is given up where it begins to flow after the buyer has gone", async () => {
    stall.work = async (request, meter) => {
      meter.add(300n);
      await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      return new Response(new ReadableStream(), { headers: { "content-type": "text/event-stream" } });
    };
    await leave();
    expect(await stall.record(channel)).to.include({ spent: 0n });
    expect(stall.errors).to.deep.equal([]);
  });

  it("is charged when it ends all the same, and its answer is kept for the retry", async () => {
    stall.work = async (request, meter) => {
      await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
      meter.add(500n);
      return new Response("finished");
    };
    await leave();
    expect(await stall.record(channel)).to.include({ spent: 500n });
    const again = await stall.buy(channel, price);
    expect(again.text).to.equal("finished");
    expect(again.receipt).to.include({ amount: 500n });
    expect(stall.worked).to.have.lengthOf(1);
  });

  it("costs nothing where nothing was noted", async () => {
    stall.work = (request) =>
      new Promise((_resolve, reject) => {
        request.signal.addEventListener("abort", () => reject(new Error("stopped")));
      });
    await leave();
    expect(await stall.record(channel)).to.include({ spent: 0n });
  });
});

describe("which answers succeed", () => {
  it("is the seller's choice", async () => {
    const world = await createWorld();
    const offer = { price: pricePerRequest(price), succeeds: ({ status }: Response) => status === 404 };
    const stall = await openStall(world, { offer });
    const channel = await stall.open();
    stall.work = () => new Response("nothing found", { status: 404 });
    expect((await stall.buy(channel, price)).receipt).to.include({ amount: price });
    stall.work = () => new Response("fine");
    const free = await stall.buy(channel, 2n * price);
    expect(free.receipt).to.equal(undefined);
    expect(free.headers.get("payment-status")).to.equal("released");
    expect(await stall.record(channel)).to.include({ spent: price, held: 0n });
    await stall.close();
  });
});
