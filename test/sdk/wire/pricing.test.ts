import { expect } from "chai";

import {
  ceilingOf,
  costOf,
  MalformedError,
  parsePricing,
  type Pricing,
  type TokenPricing,
  UnpriceableRequestError,
} from "../../../sdk/src/wire/index.ts";
import { InvalidPriceError, pricePerMillionTokens, pricePerRequest } from "../../../sdk/src/server/index.ts";
import { MAX_UINT128 } from "../../../sdk/src/index.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
/** 2 base units a token in, 8 a token out. */
const pricing: TokenPricing = { unit: "token", input: "2000000", output: "8000000", maxOutput: 1000 };

/** A body of exactly this many bytes, with these members. */
function bodyOf(length: number, members: Record<string, unknown> = {}): Uint8Array {
  const bare = JSON.stringify({ ...members, pad: "" });
  return bytes(JSON.stringify({ ...members, pad: "x".repeat(length - bare.length) }));
}

describe("ceilingOf", () => {
  it("is the price where each request costs the same, whatever the body", () => {
    for (const body of [bytes(""), bytes("{"), bodyOf(1000)]) {
      expect(ceilingOf({ unit: "request", amount: "1200" }, body)).to.equal(1200n);
    }
  });

  it("counts each byte of the body and the maximum of the answer", () => {
    expect(ceilingOf(pricing, bodyOf(100, { max_tokens: 10 }))).to.equal(280n);
    expect(ceilingOf(pricing, bodyOf(101, { max_tokens: 10 }))).to.equal(282n);
    expect(ceilingOf(pricing, bodyOf(100, { max_tokens: 11 }))).to.equal(288n);
    expect(ceilingOf(pricing, bodyOf(100, { max_completion_tokens: 10 }))).to.equal(280n);
  });

  it("counts bytes, not characters", () => {
    expect(ceilingOf({ ...pricing, output: "0" }, bytes('{"a":"分"}'))).to.equal(22n);
  });

  it("takes the higher of two maxima: which of them the model obeys is not known here", () => {
    const low = { max_completion_tokens: 1, max_tokens: 500 };
    expect(ceilingOf(pricing, bodyOf(100, low))).to.equal(4200n);
    expect(ceilingOf(pricing, bodyOf(100, { max_completion_tokens: 500, max_tokens: 1 }))).to.equal(4200n);
  });

  it("assumes the list's maximum where the request names none, or null", () => {
    expect(ceilingOf(pricing, bodyOf(100))).to.equal(8200n);
    expect(ceilingOf(pricing, bodyOf(100, { max_tokens: null, max_completion_tokens: null, n: null }))).to.equal(8200n);
  });

  it("counts every choice", () => {
    expect(ceilingOf(pricing, bodyOf(100, { max_tokens: 10, n: 3 }))).to.equal(440n);
    expect(ceilingOf(pricing, bodyOf(100, { n: 2 }))).to.equal(16_200n);
  });

  it("stays exact where numbers are large", () => {
    const dear = { ...pricing, input: String(MAX_UINT128), output: "0" };
    expect(ceilingOf(dear, bodyOf(1_000_000))).to.equal(MAX_UINT128);
    expect(ceilingOf(pricing, bodyOf(100, { max_tokens: Number.MAX_SAFE_INTEGER }))).to.equal(
      200n + 8n * BigInt(Number.MAX_SAFE_INTEGER),
    );
  });

  for (const body of ["", "[]", "null", "1", '"{}"', "{", "{} x"]) {
    it(`cannot price the body ${JSON.stringify(body)}`, () => {
      expect(() => ceilingOf(pricing, bytes(body))).to.throw(
        UnpriceableRequestError,
        "This request cannot be priced: its body is not a JSON object.",
      );
    });
  }

  it("cannot price a stream: its answer does not end in a usage that is metered", () => {
    expect(() => ceilingOf(pricing, bodyOf(100, { stream: true }))).to.throw(UnpriceableRequestError, "a stream");
    expect(() => ceilingOf(pricing, bodyOf(100, { stream: 1 }))).to.throw(UnpriceableRequestError, "a stream");
    expect(ceilingOf(pricing, bodyOf(100, { stream: false }))).to.equal(8200n);
    expect(ceilingOf(pricing, bodyOf(100, { stream: null }))).to.equal(8200n);
  });

  for (const name of ["max_tokens", "max_completion_tokens", "n"]) {
    it(`cannot price a ${name} that is no positive whole number`, () => {
      for (const value of [0, -1, 1.5, "10", true, 2 ** 53, [1], {}]) {
        expect(() => ceilingOf(pricing, bodyOf(100, { [name]: value }))).to.throw(
          UnpriceableRequestError,
          `This request cannot be priced: ${name} is not a positive whole number.`,
        );
      }
    });
  }
});

describe("costOf", () => {
  it("rounds the total up, once", () => {
    const fine: TokenPricing = { unit: "token", input: "1", output: "1", maxOutput: 1 };
    expect(costOf(fine, { input: 0n, output: 0n })).to.equal(0n);
    expect(costOf(fine, { input: 1n, output: 0n })).to.equal(1n);
    expect(costOf(fine, { input: 1n, output: 1n })).to.equal(1n);
    expect(costOf(fine, { input: 500_000n, output: 500_000n })).to.equal(1n);
    expect(costOf(fine, { input: 500_000n, output: 500_001n })).to.equal(2n);
  });

  it("is exact without rounding where the price is whole", () => {
    expect(costOf(pricing, { input: 17n, output: 10n })).to.equal(114n);
  });

  it("is at most the ceiling while usage stays in its bounds", () => {
    const odd: TokenPricing = { unit: "token", input: "1234567", output: "7654321", maxOutput: 50 };
    for (let size = 10; size < 200; size += 7) {
      const ceiling = ceilingOf(odd, bodyOf(size));
      expect(costOf(odd, { input: BigInt(size), output: 50n })).to.equal(ceiling);
      expect(costOf(odd, { input: BigInt(size - 1), output: 50n }) <= ceiling).to.equal(true);
    }
  });
});

describe("parsePricing", () => {
  for (const value of [pricing, { unit: "request", amount: "0" }] as Pricing[]) {
    it(`reads a price list of unit ${value.unit}, dropping unknown members`, () => {
      expect(parsePricing({ ...value, currency: "x" })).to.deep.equal(value);
    });
  }

  for (const value of [undefined, null, 5, "x", [], {}, { unit: "minute", amount: "5" }]) {
    it(`finds none in ${JSON.stringify(value)}`, () => {
      expect(parsePricing(value)).to.equal(undefined);
    });
  }

  for (const [name, base] of [
    ["amount", { unit: "request", amount: "5" }],
    ["input", pricing],
    ["output", pricing],
  ] as const) {
    it(`names ${name} when it is malformed`, () => {
      for (const bad of ["-1", "1.5", "", "01", String(2n ** 128n)]) {
        expect(() => parsePricing({ ...base, [name]: bad })).to.throw(
          MalformedError,
          `The challenge is malformed: pricing.${name} is not an amount.`,
        );
      }
      for (const bad of [undefined, null, 5]) {
        expect(() => parsePricing({ ...base, [name]: bad })).to.throw(
          MalformedError,
          `The challenge is malformed: pricing.${name} is not a string.`,
        );
      }
    });
  }

  it("names maxOutput when it is malformed", () => {
    for (const maxOutput of [undefined, null, "5", -1, 1.5, 2 ** 53]) {
      expect(() => parsePricing({ ...pricing, maxOutput })).to.throw(
        MalformedError,
        "The challenge is malformed: pricing.maxOutput is not a count.",
      );
    }
    expect(parsePricing({ ...pricing, maxOutput: 0 })).to.include({ maxOutput: 0 });
  });
});

describe("a seller's price", () => {
  const usage = (prompt_tokens: unknown, completion_tokens: unknown): Uint8Array =>
    bytes(JSON.stringify({ usage: { prompt_tokens, completion_tokens } }));
  const tokens = pricePerMillionTokens({ input: 2_000_000n, output: 8_000_000n, maxOutput: 1000 });

  it("publishes what the buyer computes ceilings from", () => {
    expect(tokens.pricing).to.deep.equal({ ...pricing, window: 64 });
    expect(tokens.ceiling(bodyOf(100, { max_tokens: 10 }))).to.equal(280n);
    expect(pricePerRequest(5n)).to.deep.include({ pricing: { unit: "request", amount: "5" } });
    expect(pricePerRequest(5n).meter(bytes("anything"))).to.equal(5n);
  });

  it("assumes 4,096 tokens unless it is told otherwise", () => {
    expect(pricePerMillionTokens({ input: 1n, output: 1n }).pricing).to.include({ maxOutput: 4096 });
  });

  it("meters what the model says it has used", () => {
    expect(tokens.meter(usage(17, 10))).to.equal(114n);
    expect(tokens.meter(usage(0, 0))).to.equal(0n);
  });

  for (const [name, body] of [
    ["no JSON", bytes("<html>")],
    ["nothing", bytes("")],
    ["no object", bytes("[]")],
    ["no usage", bytes("{}")],
    ["a usage of null", bytes('{"usage":null}')],
    ["no prompt_tokens", bytes('{"usage":{"completion_tokens":1}}')],
    ["no completion_tokens", bytes('{"usage":{"prompt_tokens":1}}')],
    ["tokens as text", usage("17", "10")],
    ["negative tokens", usage(-1, 10)],
    ["half a token", usage(1, 0.5)],
  ] as const) {
    it(`cannot meter an answer of ${name}`, () => {
      expect(() => tokens.meter(body))
        .to.throw()
        .with.property("code", "unmetered-answer");
    });
  }

  it("F093: is a bigint of at most 128 bits, and a maximum a count", () => {
    for (const bad of [-1n, 5 as unknown as bigint, "5" as unknown as bigint, MAX_UINT128 + 1n]) {
      expect(() => pricePerRequest(bad)).to.throw(InvalidPriceError, "amount");
      expect(() => pricePerMillionTokens({ input: bad, output: 1n })).to.throw(InvalidPriceError, "input");
      expect(() => pricePerMillionTokens({ input: 1n, output: bad })).to.throw(InvalidPriceError, "output");
    }
    for (const maxOutput of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => pricePerMillionTokens({ input: 1n, output: 1n, maxOutput })).to.throw(
        InvalidPriceError,
        "maxOutput",
      );
    }
    expect(pricePerRequest(MAX_UINT128).pricing).to.include({ amount: String(MAX_UINT128) });
    expect(pricePerRequest(0n).ceiling(bytes(""))).to.equal(0n);
  });
});
