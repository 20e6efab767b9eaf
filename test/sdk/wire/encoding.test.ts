import { expect } from "chai";

import {
  bytesToBase64Url,
  canonicalize,
  decodeBase64Url,
  decodeJsonObject,
  encodeBase64Url,
  MalformedError,
} from "../../../sdk/src/wire/index.ts";
import { createRandom } from "../protocol/random.ts";

/** The double with these bits, as RFC 8785 appendix B lists its samples. */
function double(bits: string): number {
  return Buffer.from(bits, "hex").readDoubleBE();
}

describe("canonicalize (RFC 8785)", () => {
  it("writes the example of section 3.2.2", () => {
    const value = {
      numbers: [Number("333333333.33333329"), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
      string: "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
      literals: [null, true, false],
    };
    expect(canonicalize(value)).to.equal(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  it("sorts members by UTF-16 code units, as in section 3.2.3", () => {
    const value = {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis",
    };
    const written = JSON.parse(
      `[${canonicalize(value)
        .slice(1, -1)
        .replaceAll(/:"[^"]*"/g, "")}]`,
    ) as string[];
    expect(written).to.deep.equal(["\r", "1", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"]);
  });

  for (const [bits, text] of [
    ["0000000000000000", "0"],
    ["8000000000000000", "0"],
    ["0000000000000001", "5e-324"],
    ["8000000000000001", "-5e-324"],
    ["7fefffffffffffff", "1.7976931348623157e+308"],
    ["4340000000000000", "9007199254740992"],
    ["c340000000000000", "-9007199254740992"],
    ["4430000000000000", "295147905179352830000"],
    ["44b52d02c7e14af5", "9.999999999999997e+22"],
    ["44b52d02c7e14af6", "1e+23"],
    ["44b52d02c7e14af7", "1.0000000000000001e+23"],
    ["444b1ae4d6e2ef4e", "999999999999999700000"],
    ["444b1ae4d6e2ef4f", "999999999999999900000"],
    ["444b1ae4d6e2ef50", "1e+21"],
    ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
    ["3eb0c6f7a0b5ed8d", "0.000001"],
    ["41b3de4355555553", "333333333.3333332"],
    ["41b3de4355555557", "333333333.33333343"],
    ["becbf647612f3696", "-0.0000033333333333333333"],
    ["43143ff3c1cb0959", "1424953923781206.2"],
  ] as const) {
    it(`writes the double ${bits} of appendix B as ${text}`, () => {
      expect(canonicalize(double(bits))).to.equal(text);
    });
  }

  it("leaves out members that are undefined, at every depth, and keeps null", () => {
    expect(canonicalize({ b: undefined, a: { d: undefined, c: null }, e: [] })).to.equal('{"a":{"c":null},"e":[]}');
  });

  it("gives one text for equal values, whatever the order they were written in", () => {
    const random = createRandom(1);
    const entries = Array.from({ length: 50 }, (_, i) => [String.fromCharCode(random.below(0xd7ff)) + i, i] as const);
    const [first, second] = [entries, entries.toReversed()].map((list) => canonicalize(Object.fromEntries(list)));
    expect(first).to.equal(second);
    expect(JSON.parse(first!)).to.deep.equal(Object.fromEntries(entries));
  });

  it("F069: writes a lone surrogate so that it can be encoded and read again", () => {
    const text = "\ud800 broken";
    const decoded = decodeJsonObject(encodeBase64Url(canonicalize({ text })), "value");
    expect(decoded).to.deep.equal({ text });
  });
});

describe("base64url", () => {
  for (const [text, encoded] of [
    // RFC 4648 section 10, with the padding left out.
    ["f", "Zg"],
    ["fo", "Zm8"],
    ["foo", "Zm9v"],
    ["foob", "Zm9vYg"],
    ["fooba", "Zm9vYmE"],
    ["foobar", "Zm9vYmFy"],
    ["分", "5YiG"],
    ["??>>", "Pz8-Pg"],
    ["ÿ", "w78"],
  ] as const) {
    it(`encodes ${JSON.stringify(text)} as ${encoded} and decodes it again`, () => {
      expect(encodeBase64Url(text)).to.equal(encoded);
      expect(decodeBase64Url(encoded, "value")).to.equal(text);
    });
  }

  it("F072: accepts padding on input and writes none", () => {
    expect(decodeBase64Url("Zg==", "value")).to.equal("f");
    expect(decodeBase64Url("Zm8=", "value")).to.equal("fo");
    expect(encodeBase64Url("f")).not.to.include("=");
  });

  for (const value of ["", "=", "Zg===", "Z g", "Zm9v\n", "Zm+v", "Zm/v", "Zm9v%3D", "分", "Zg==Zg"]) {
    it(`refuses ${JSON.stringify(value)}`, () => {
      expect(() => decodeBase64Url(value, "thing")).to.throw(
        MalformedError,
        "The thing is malformed: it is not base64url.",
      );
    });
  }

  for (const [name, bytes] of [
    ["a byte that never occurs in UTF-8", [0xff]],
    ["an overlong slash", [0xc0, 0xaf]],
    ["an encoded surrogate", [0xed, 0xa0, 0x80]],
    ["a character that is cut off", [0xe5, 0x88]],
  ] as const) {
    it(`refuses ${name}`, () => {
      expect(() => decodeBase64Url(bytesToBase64Url(Uint8Array.from(bytes)), "thing")).to.throw(
        MalformedError,
        "it is not UTF-8 text",
      );
    });
  }

  it("is the same where there is no Buffer", () => {
    const random = createRandom(2);
    const texts = Array.from({ length: 30 }, (_, i) => String.fromCharCode(...random.bytes(i)).replaceAll("\0", "分"));
    const expected = texts.map((text) => Buffer.from(text).toString("base64url"));
    const { Buffer: saved } = globalThis;
    try {
      Object.assign(globalThis, { Buffer: undefined });
      expect(texts.map(encodeBase64Url)).to.deep.equal(expected);
      expect(expected.slice(1).map((encoded) => decodeBase64Url(encoded, "value"))).to.deep.equal(texts.slice(1));
    } finally {
      globalThis.Buffer = saved;
    }
  });
});

describe("decodeJsonObject", () => {
  it("reads an object, keeping members named like those of every object", () => {
    const value = decodeJsonObject(encodeBase64Url('{"__proto__":{"admin":true},"constructor":1}'), "value");
    expect(Object.keys(value)).to.deep.equal(["__proto__", "constructor"]);
    expect("admin" in value).to.equal(false);
  });

  for (const [text, reason] of [
    ["[]", "it is not a JSON object"],
    ["null", "it is not a JSON object"],
    ["1", "it is not a JSON object"],
    ['"{}"', "it is not a JSON object"],
    ["{", "it is not JSON"],
    ["{} {}", "it is not JSON"],
    ["{'a':1}", "it is not JSON"],
    ['{"a":1,}', "it is not JSON"],
    ["\ufeff", "it is not JSON"],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => decodeJsonObject(encodeBase64Url(text), "thing")).to.throw(MalformedError, `malformed: ${reason}.`);
    });
  }
});
