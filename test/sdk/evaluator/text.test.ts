import { expect } from "chai";

import { exactText, hashDeliverable, normalizedText, normalizeText } from "../../../sdk/src/evaluator/index.ts";
import { rejection } from "../client/helpers.ts";
import { bytes, full, none, signal } from "./helpers.ts";

type Options = Parameters<ReturnType<typeof exactText>["evaluate"]>[0]["options"];
const scoreOf = async (check: ReturnType<typeof exactText>, deliverable: string | Uint8Array, options: Options) =>
  (
    await check.evaluate({
      deliverable: typeof deliverable === "string" ? bytes(deliverable) : deliverable,
      options,
      signal,
    })
  ).score;

describe("exactText", () => {
  it("passes the same bytes and fails any others", async () => {
    const options = { expected: "Paris\n" };
    expect(await scoreOf(exactText(), "Paris\n", options)).to.deep.equal(full);
    for (const other of ["Paris", "paris\n", "Paris\n\n", "\ufeffParis\n"])
      expect(await scoreOf(exactText(), other, options), other).to.deep.equal(none);
  });

  it("knows a hidden answer by its hash", async () => {
    const options = { expectedHash: hashDeliverable("the answer") };
    expect(await scoreOf(exactText(), "the answer", options)).to.deep.equal(full);
    expect(await scoreOf(exactText(), "an answer", options)).to.deep.equal(none);
  });

  const bad: Options[] = [
    {},
    { expected: 1 },
    { expectedHash: "0x12" },
    { expected: "a", expectedHash: hashDeliverable("a") },
    { expected: "a", ignoreCase: true },
    { expectd: "a" },
  ];
  for (const options of bad)
    it(`refuses the options ${JSON.stringify(options)}`, async () => {
      const error = await rejection(exactText().evaluate({ deliverable: bytes("a"), options, signal }));
      expect(error).to.include({ code: "invalid-spec" });
    });
});

describe("normalizedText", () => {
  it("does not mind white space and the form of characters", async () => {
    const options = { expected: "Café au lait" };
    for (const same of ["Café au lait", "  Cafe\u0301\n au\u00a0\tlait\r\n"])
      expect(await scoreOf(normalizedText(), same, options), same).to.deep.equal(full);
    for (const other of ["Cafe au lait", "Caféau lait", "café au lait", ""])
      expect(await scoreOf(normalizedText(), other, options), other).to.deep.equal(none);
  });

  it("does not mind case where that is asked for", async () => {
    const options = { expected: "ÉCLAIR", ignoreCase: true };
    expect(await scoreOf(normalizedText(), "e\u0301clair", options)).to.deep.equal(full);
    expect(await scoreOf(normalizedText(), "e\u0301clair", { ...options, ignoreCase: false })).to.deep.equal(none);
    const error = await rejection(scoreOf(normalizedText(), "a", { ...options, ignoreCase: "yes" }));
    expect(error).to.include({ code: "invalid-spec" });
  });

  it("knows a hidden answer by the hash of its normal form", async () => {
    const options = { expectedHash: hashDeliverable(normalizeText(" A  Hidden\nanswer ", { ignoreCase: true })) };
    const [same, other] = ["a hidden ANSWER", "a hidden answers"];
    expect(await scoreOf(normalizedText(), same, { ...options, ignoreCase: true })).to.deep.equal(full);
    expect(await scoreOf(normalizedText(), other, { ...options, ignoreCase: true })).to.deep.equal(none);
  });

  it("fails what is no text", async () => {
    expect(await scoreOf(normalizedText(), new Uint8Array([0xff]), { expected: "\ufffd" })).to.deep.equal(none);
  });
});
