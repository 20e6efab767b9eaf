import { expect } from "chai";
import { keccak256, stringToBytes } from "viem";

import { hashDeliverable, hashSpec, InvalidSpecError, type Spec } from "../../../sdk/src/evaluator/index.ts";

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
const withOption = (value: unknown) => ({ check: "a", options: { value } }) as Spec;

describe("hashSpec", () => {
  it("is keccak-256 of the canonical JSON, in whatever order members are written", () => {
    const text = '{"check":"normalized-text","options":{"a":"é","b":[1.5,true,null]},"payment":"graded"}';
    const written: Spec = {
      payment: "graded",
      options: { b: [1.5, true, null], a: "é", left: undefined },
      check: "normalized-text",
      description: undefined,
    };
    expect(hashSpec(written)).to.equal(keccak256(stringToBytes(text)));
  });

  const refused: [string, unknown, string][] = [
    ["no object", "a", "not a JSON object"],
    ["no check", {}, "kebab case"],
    ["a check that is no name", { check: "../x" }, "kebab case"],
    ["a misspelt member", { check: "a", paiment: "graded" }, '"paiment"'],
    ["another payment", { check: "a", payment: "half" }, "all-or-nothing"],
    ["options that are a list", { check: "a", options: [] }, "options"],
    ["a description that is no text", { check: "a", description: 1 }, "description"],
    ["an integer beyond 2^53", withOption(2 ** 53), "exactly"],
    ["NaN", withOption(Number.NaN), "exactly"],
    ["a bigint", withOption(1n), "JSON does not know"],
    ["a date", withOption(new Date(0)), "JSON does not know"],
    ["half a character", withOption("\ud83d"), "half a character"],
    ["half a character in a name", { check: "a", options: { "\udc00": 1 } }, "half a character"],
    ["more than 64 levels", withOption(nested(65)), "deeper than 64"],
    ["more than 64 KiB", withOption("x".repeat(65_536)), "more than 65536"],
  ];
  for (const [what, value, reason] of refused)
    it(`refuses ${what}`, () => {
      expect(() => hashSpec(value as Spec))
        .to.throw(InvalidSpecError, reason)
        .with.property("code", "invalid-spec");
    });

  it("takes what is just within the limits", () => {
    for (const value of [2 ** 53 - 1, nested(62), "x".repeat(65_000), "😀"])
      expect(hashSpec(withOption(value))).to.match(/^0x[0-9a-f]{64}$/);
  });
});

describe("hashDeliverable", () => {
  it("is keccak-256 of the bytes, a text's in UTF-8", () => {
    expect(hashDeliverable("分")).to.equal(keccak256("0xe58886"));
    expect(hashDeliverable(new Uint8Array([0xe5, 0x88, 0x86]))).to.equal(keccak256("0xe58886"));
  });

  it("refuses a text with half a character, which would be hashed as another", () => {
    expect(() => hashDeliverable("\ud83d"))
      .to.throw()
      .with.property("code", "invalid-deliverable");
  });
});
