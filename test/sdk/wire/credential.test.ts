import { expect } from "chai";

import {
  type Challenge,
  encodeBase64Url,
  formatCredential,
  MalformedError,
  parseCredential,
} from "../../../sdk/src/wire/index.ts";

const challenge: Challenge = { id: "i", realm: "r", method: "evm", intent: "session", request: "e30" };
const payload = { action: "voucher", note: "分" };
const header = (value: unknown): string => `Payment ${encodeBase64Url(JSON.stringify(value))}`;

describe("formatCredential", () => {
  it("writes one line that parseCredential reads", () => {
    const source = "did:pkh:eip155:31337:0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A";
    const written = formatCredential({ challenge, source, payload });
    expect(written).to.match(/^Payment [A-Za-z0-9_-]+$/);
    expect(parseCredential(written)).to.deep.equal({ challenge, source, payload });
  });

  it("leaves the source out when there is none", () => {
    const parsed = parseCredential(formatCredential({ challenge, payload }));
    expect(parsed).to.deep.equal({ challenge, payload, source: undefined });
  });
});

describe("parseCredential", () => {
  for (const value of [null, "", "Basic dXNlcjpwYXNz", "Bearer Payment e30", "Payments e30", "Paymente30"]) {
    it(`finds none in ${JSON.stringify(value)}`, () => {
      expect(parseCredential(value)).to.equal(undefined);
    });
  }

  for (const scheme of ["Payment ", "payment ", "PAYMENT   ", "\tPayment\t"]) {
    it(`knows the scheme written as ${JSON.stringify(scheme)}`, () => {
      const value = scheme + header({ challenge, payload }).slice("Payment ".length);
      expect(parseCredential(value)).to.deep.include({ challenge, payload });
    });
  }

  it("F072: accepts padded base64url and JSON of any order", () => {
    const json = JSON.stringify({ payload, source: null, challenge, future: 1 });
    const padded = Buffer.from(json).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
    expect(parseCredential(`Payment ${padded}`)).to.deep.equal({ challenge, payload, source: undefined });
  });

  for (const [name, value, reason] of [
    ["no value", "Payment", "it is not base64url"],
    ["blanks for a value", "Payment   ", "it is not base64url"],
    ["parameters as in a challenge", 'Payment id="x"', "it is not base64url"],
    ["two credentials", `${header({ challenge, payload })}, ${header({ challenge, payload })}`, "it is not base64url"],
    ["standard base64", "Payment e30+/w", "it is not base64url"],
    ["bytes that are no text", "Payment _w", "it is not UTF-8 text"],
    ["text that is no JSON", `Payment ${encodeBase64Url("{")}`, "it is not JSON"],
    ["a list", header([]), "it is not a JSON object"],
    ["null", header(null), "it is not a JSON object"],
    ["no challenge", header({ payload }), "challenge is not an object"],
    ["a challenge of text", header({ challenge: "x", payload }), "challenge is not an object"],
    ["a list for a challenge", header({ challenge: [], payload }), "challenge is not an object"],
    ["no payload", header({ challenge }), "payload is not an object"],
    ["null for a payload", header({ challenge, payload: null }), "payload is not an object"],
    ["a number for a source", header({ challenge, payload, source: 1 }), "source is not a string"],
    ["a challenge without an id", header({ challenge: { ...challenge, id: "" }, payload }), "challenge.id is missing"],
  ] as const) {
    it(`refuses ${name}`, () => {
      expect(() => parseCredential(value)).to.throw(MalformedError, `The credential is malformed: ${reason}.`);
    });
  }
});
