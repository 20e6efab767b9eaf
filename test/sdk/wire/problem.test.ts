import { readFileSync } from "node:fs";

import { expect } from "chai";

import { problemResponse, readProblem } from "../../../sdk/src/wire/index.ts";

describe("problemResponse and readProblem", () => {
  it("is RFC 9457 with an error member as OpenAI's clients read it", async () => {
    const response = problemResponse("insufficient-balance", "Too little.", {
      members: { channelId: "0xab", requiredCumulative: "250025" },
      headers: { "www-authenticate": "Payment x" },
    });
    expect(response.status).to.equal(402);
    expect(Object.fromEntries(response.headers)).to.deep.equal({
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "www-authenticate": "Payment x",
    });
    expect(await response.json()).to.deep.equal({
      type: "https://paymentauth.org/problems/session/insufficient-balance",
      title: "Insufficient Balance",
      status: 402,
      detail: "Too little.",
      code: "insufficient-balance",
      hint: "Sign a total of requiredCumulative, if that is within your limits.",
      channelId: "0xab",
      requiredCumulative: "250025",
      error: { message: "Too little.", type: "payment_error", code: "insufficient-balance", param: null },
    });
  });

  for (const [code, status, type] of [
    ["payment-required", 402, "https://paymentauth.org/problems/payment-required"],
    ["malformed-credential", 402, "https://paymentauth.org/problems/malformed-credential"],
    ["invalid-challenge", 402, "https://paymentauth.org/problems/invalid-challenge"],
    ["payment-expired", 402, "https://paymentauth.org/problems/payment-expired"],
    ["verification-failed", 402, "https://paymentauth.org/problems/verification-failed"],
    ["method-unsupported", 400, "https://paymentauth.org/problems/method-unsupported"],
    ["invalid-signature", 402, "https://paymentauth.org/problems/session/invalid-signature"],
    ["signer-mismatch", 402, "https://paymentauth.org/problems/session/signer-mismatch"],
    ["amount-exceeds-deposit", 402, "https://paymentauth.org/problems/session/amount-exceeds-deposit"],
    ["delta-too-small", 402, "https://paymentauth.org/problems/session/delta-too-small"],
    ["channel-not-found", 410, "https://paymentauth.org/problems/session/channel-not-found"],
    ["channel-finalized", 410, "https://paymentauth.org/problems/session/channel-finalized"],
    ["challenge-not-found", 402, "https://paymentauth.org/problems/session/challenge-not-found"],
    ["insufficient-balance", 402, "https://paymentauth.org/problems/session/insufficient-balance"],
    ["transaction-reverted", 409, "https://paymentauth.org/problems/session/transaction-reverted"],
    ["malformed-payload", 400, "urn:subfen:problem:malformed-payload"],
    ["statement-used", 409, "urn:subfen:problem:statement-used"],
    ["body-too-large", 413, "urn:subfen:problem:body-too-large"],
    ["seller-failed", 502, "urn:subfen:problem:seller-failed"],
    ["chain-unreachable", 503, "urn:subfen:problem:chain-unreachable"],
  ] as const) {
    it(`${code}: has status ${status} and the type the draft registers, or our own`, async () => {
      const response = problemResponse(code, "x");
      expect(response.status).to.equal(status);
      const problem = await readProblem(response);
      expect(problem).to.include({ code, status, detail: "x" });
      expect(problem?.members).to.include({ type, status });
    });
  }

  it("is all told in docs/http.md, each with its status", () => {
    const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
    const rows = [...read("docs/http.md").matchAll(/^\| `([a-z-]+)` +\| (\d{3}) +\|/gm)];
    const told = rows.map(([, code, status]): [string, number] => [code!, Number(status)]);
    const known = [...read("sdk/src/wire/problem.ts").matchAll(/^ {2}"([a-z-]+)": \[\s*\w+,\s*(\d{3}),/gm)];
    expect(told.toSorted()).to.deep.equal(known.map(([, code, status]) => [code!, Number(status)]).toSorted());
    expect(told).to.have.length.above(25);
  });

  it("can be read and still be handed on", async () => {
    const response = problemResponse("statement-used", "分");
    expect((await readProblem(response))?.detail).to.equal("分");
    expect(await response.json()).to.include({ detail: "分" });
  });

  it("reads the parameters of a media type as no part of it", async () => {
    const headers = { "content-type": "application/problem+json; charset=utf-8" };
    const response = new Response('{"type":"about:blank","detail":5}', { status: 400, headers });
    expect(await readProblem(response)).to.deep.include({ code: "blank", status: 400, detail: "" });
  });

  for (const [name, body, type] of [
    ["another media type", '{"type":"x"}', "application/json"],
    ["no media type", '{"type":"x"}', undefined],
    ["no JSON", "<html>", "application/problem+json"],
    ["a list", "[]", "application/problem+json"],
    ["null", "null", "application/problem+json"],
    ["no type", '{"detail":"x"}', "application/problem+json"],
    ["a type that is no text", '{"type":5}', "application/problem+json"],
  ] as const) {
    it(`reads no problem from ${name}`, async () => {
      const response = new Response(body, { status: 400, headers: type ? { "content-type": type } : {} });
      if (!type) response.headers.delete("content-type");
      expect(await readProblem(response)).to.equal(undefined);
    });
  }
});
