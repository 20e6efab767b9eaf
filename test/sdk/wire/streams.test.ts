import { expect } from "chai";
import { array, assert, constantFrom, integer, oneof, property, string, tuple } from "fast-check";

import {
  createSseParser,
  createStreamMeter,
  formatPaymentNote,
  type FlowPricing,
  MalformedError,
  parsePaymentNote,
  type SseFrame,
  type TokenPricing,
  windowCostOf,
  withoutPaymentNotes,
} from "../../../sdk/src/wire/index.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function parse(...chunks: Uint8Array[]): SseFrame[] {
  const parser = createSseParser();
  const frames = chunks.flatMap((chunk) => parser.push(chunk));
  const last = parser.end();
  return last ? [...frames, last] : frames;
}

describe("createSseParser", () => {
  it("reads events, names, several lines of data and comments", () => {
    expect(parse(encode(": hi\n\nevent: a\ndata: 1\ndata:2\n\nid: 7\n\n"))).to.deep.equal([
      { lines: [": hi"], event: "", data: undefined },
      { lines: ["event: a", "data: 1", "data:2"], event: "a", data: "1\n2" },
      { lines: ["id: 7"], event: "", data: undefined },
    ]);
  });

  it("hands out a block as soon as it is whole, whatever ends its lines", () => {
    for (const end of ["\n", "\r", "\r\n"]) {
      const parser = createSseParser();
      expect(parser.push(encode(`data: 1${end}`))).to.deep.equal([]);
      expect(parser.push(encode(end))).to.have.lengthOf(1);
    }
  });

  it("keeps what stands behind the last block, and nothing where nothing does", () => {
    expect(parse(encode("data: 1\n\ndata: 2")).map(({ data }) => data)).to.deep.equal(["1", "2"]);
    expect(parse(encode("data: 1\n\n")).map(({ data }) => data)).to.deep.equal(["1"]);
    expect(parse()).to.deep.equal([]);
  });

  it("takes one line feed alone for the end of a return that was cut off", () => {
    expect(parse(encode("data: 1\r"), encode("\n"), encode("\n"), encode("data: 2\n\n"))).to.have.lengthOf(2);
  });

  it("reads the same wherever the bytes are cut", () => {
    const line = oneof(
      constantFrom("", "data: 分", "data", ":", ": payment-receipt x", "event: payment-receipt", "\uFEFFdata: 1"),
      string({ maxLength: 6 }).map((text) => `data: ${text}`),
    );
    const stream = array(tuple(line, constantFrom("\n", "\r", "\r\n")), { maxLength: 30 });
    assert(
      property(stream, array(integer({ min: 1, max: 9 }), { minLength: 1 }), (lines, sizes) => {
        const bytes = encode(lines.map(([text, end]) => text + end).join(""));
        const chunks: Uint8Array[] = [];
        for (let start = 0, i = 0; start < bytes.length; i++) {
          const size = sizes[i % sizes.length] ?? 1;
          chunks.push(bytes.subarray(start, start + size));
          start += size;
        }
        expect(parse(...chunks)).to.deep.equal(parse(bytes));
      }),
      { numRuns: 300 },
    );
  });

  it("refuses a block that does not end", () => {
    const parser = createSseParser();
    expect(() => parser.push(encode("x".repeat(2 ** 20 + 1)))).to.throw(MalformedError, "a block of it does not end");
    const lines = createSseParser();
    expect(() => lines.push(encode("data: 1234567890\n".repeat(70_000)))).to.throw(MalformedError);
  });
});

describe("the gateway's words in a stream", () => {
  const note = { name: "receipt", value: "e30" } as const;

  it("are read back where they are comments", () => {
    const [frame] = parse(encode(formatPaymentNote(note, "comment")));
    expect(parsePaymentNote(frame!)).to.deep.equal(note);
    expect(withoutPaymentNotes(frame!)).to.deep.equal([]);
  });

  it("are events of the draft where those are asked for, and never content", () => {
    const [frame] = parse(encode(formatPaymentNote({ name: "need-voucher", value: "{}" }, "event")));
    expect(frame).to.include({ event: "payment-need-voucher", data: "{}" });
    expect(parsePaymentNote(frame!)).to.equal(undefined);
    expect(withoutPaymentNotes(frame!)).to.deep.equal([]);
  });

  it("leave everything else alone", () => {
    const lines = [": keep-alive", "event: paid", "data: : payment-receipt e30", "id: payment-receipt"];
    const [frame] = parse(encode(`${lines.join("\n")}\n\n`));
    expect(withoutPaymentNotes(frame!)).to.deep.equal(lines);
    expect(parsePaymentNote(frame!)).to.equal(undefined);
  });
});

describe("createStreamMeter", () => {
  const pricing: TokenPricing = { unit: "token", input: "2000000", output: "8000000", maxOutput: 100, window: 10 };
  const body = new Uint8Array(9);

  function meterOf(...data: unknown[]) {
    const meter = createStreamMeter(pricing, body);
    for (const value of data) {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      for (const frame of parse(encode(`data: ${text}\n\n`))) meter.count(frame);
    }
    return meter;
  }
  const delta = (content: unknown) => ({ choices: [{ delta: content }] });

  it("takes a token for each four bytes of the request until the model tells", () => {
    expect(meterOf().cost()).to.equal(6n);
    expect(meterOf({ usage: { prompt_tokens: 1, completion_tokens: 0 } }).cost()).to.equal(2n);
  });

  for (const [name, units, ...data] of [
    ["text", 1, delta({ content: "a" })],
    ["a role alone", 0, delta({ role: "assistant", content: "" })],
    ["reasoning", 1, delta({ reasoning_content: "hm" })],
    ["a tool call", 1, delta({ tool_calls: [{ index: 0 }] })],
    ["no tool call", 0, delta({ tool_calls: [] })],
    ["two choices", 2, { choices: [{ delta: { content: "a" } }, { delta: { content: "b" } }] }],
    ["an older completion", 1, { choices: [{ text: "a" }] }],
    ["a response of OpenAI's newer interface", 1, { type: "response.output_text.delta", delta: "a" }],
    ["a block of Anthropic's", 1, { type: "content_block_delta", delta: { text: "a" } }],
    ["its last message", 0, { type: "message_delta", delta: { stop_reason: "end" }, usage: { output_tokens: 0 } }],
    ["the end", 0, "[DONE]"],
    ["no JSON", 0, "{"],
    ["no object", 0, "[1]"],
  ] as const) {
    it(`counts ${units} for ${name}`, () => {
      expect(meterOf(...data).units).to.equal(units);
    });
  }

  it("costs what the model tells once it has ended, and never less than was counted before", () => {
    const counted = meterOf(delta({ content: "a" }), delta({ content: "b" }));
    expect(counted.cost()).to.equal(6n + 16n);
    const told = meterOf(delta({ content: "a" }), delta({ content: "b" }), {
      choices: [],
      usage: { prompt_tokens: 3, completion_tokens: 1 },
    });
    expect(told.cost()).to.equal(6n + 16n);
    expect(told.total()).to.equal(6n + 8n);
    const more = meterOf(delta({ content: "a" }), { usage: { prompt_tokens: 3, completion_tokens: 5 } });
    expect([more.cost(), more.total()]).to.deep.equal([46n, 46n]);
  });

  it("puts together what is told in parts", () => {
    const meter = meterOf(
      { type: "message_start", message: { usage: { input_tokens: 5, output_tokens: 1 } } },
      { type: "message_delta", usage: { output_tokens: 7 } },
    );
    expect(meter.total()).to.equal(10n + 56n);
    expect(meterOf({ response: { usage: { input_tokens: 2, output_tokens: 3 } } }).total()).to.equal(4n + 24n);
  });

  it("ignores a usage that is no count", () => {
    expect(meterOf({ usage: { prompt_tokens: -1, completion_tokens: 0.5 } }).total()).to.equal(6n);
  });

  it("counts events with data, but not the end", () => {
    const events: FlowPricing = { unit: "event", output: "3000000", maxOutput: 10, window: 2 };
    const meter = createStreamMeter(events, body);
    for (const frame of parse(encode(": c\n\ndata: 1\n\nevent: x\ndata: 2\n\ndata: [DONE]\n\n"))) meter.count(frame);
    expect([meter.units, meter.cost(), meter.total()]).to.deep.equal([2, 6n, 6n]);
    expect(windowCostOf(events)).to.equal(6n);
  });

  it("counts bytes, those of an event stream as they are handed on", () => {
    const bytes: FlowPricing = { unit: "byte", output: "1000000", maxOutput: 10, window: 2 };
    const meter = createStreamMeter(bytes, body);
    meter.count(encode("分"));
    for (const frame of parse(encode("data: 1\r\n\r\n"))) meter.count(frame);
    expect(meter.units).to.equal(3 + 9);
  });

  it("has a window for tokens", () => {
    expect(windowCostOf(pricing)).to.equal(80n);
  });
});
