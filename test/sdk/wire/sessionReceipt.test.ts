import { expect } from "chai";

import {
  canonicalize,
  decodeBase64Url,
  decodeJsonObject,
  encodeBase64Url,
  formatSessionReceipt,
  type Json,
  MalformedError,
  parseSessionReceipt,
  type SessionReceipt,
} from "../../../sdk/src/wire/index.ts";

const receipt: SessionReceipt = {
  challengeId: "x7Tg2pLqR9mKvNwY3hBcZa",
  channelId: `0x${"c1".repeat(32)}`,
  chainId: 31337,
  timestamp: "2026-04-01T12:08:30.000Z",
  acceptedCumulative: 2n ** 128n - 1n,
  spent: 237_500n,
  amount: 1_200n,
  held: 4_000n,
  txHash: `0x${"7a".repeat(32)}`,
};
const members = decodeJsonObject(formatSessionReceipt(receipt), "receipt");
const parse = (value: Record<string, unknown>) => parseSessionReceipt(encodeBase64Url(JSON.stringify(value)));

describe("formatSessionReceipt and parseSessionReceipt", () => {
  it("comes back as it was", () => {
    expect(parseSessionReceipt(formatSessionReceipt(receipt))).to.deep.equal(receipt);
  });

  it("has every member that the draft requires, amounts as decimal strings", () => {
    expect(members).to.deep.equal({
      method: "evm",
      intent: "session",
      status: "success",
      timestamp: receipt.timestamp,
      reference: receipt.channelId,
      challengeId: receipt.challengeId,
      channelId: receipt.channelId,
      chainId: 31337,
      acceptedCumulative: "340282366920938463463374607431768211455",
      spent: "237500",
      amount: "1200",
      held: "4000",
      txHash: receipt.txHash,
    });
  });

  it("is canonical JSON, whatever stands in it", () => {
    const signed = { spent: 1n, statementHash: receipt.channelId, requestHash: receipt.channelId, issuedAt: 7n };
    const proof = { ...signed, responseHash: receipt.channelId, signature: `0x${"5e".repeat(65)}` } as const;
    for (const more of [{}, { isPending: true }, { txHash: undefined }, { proof }, { challengeId: '"\\ 分' }]) {
      const written = decodeBase64Url(formatSessionReceipt({ ...receipt, ...more }), "receipt");
      expect(written).to.equal(canonicalize(JSON.parse(written) as Json));
    }
    expect(parseSessionReceipt(formatSessionReceipt({ ...receipt, proof, isPending: true }))).to.deep.equal({
      ...receipt,
      proof,
      isPending: true,
    });
  });

  it("names a transaction only where there was one", () => {
    const { txHash: _, ...without } = receipt;
    const header = formatSessionReceipt({ ...without, txHash: undefined });
    expect(decodeJsonObject(header, "receipt")).not.to.have.property("txHash");
    expect(parseSessionReceipt(header)).to.deep.equal(without);
  });

  it("reads the receipt of a seller that does not know amount and held", () => {
    const { amount: _amount, held: _held, ...standard } = members;
    expect(parse({ ...standard, units: 500 })).to.deep.equal({ ...receipt, amount: 0n, held: 0n });
  });

  for (const [name, value] of [
    ["method", "tempo"],
    ["intent", "charge"],
    ["status", "pending"],
  ] as const) {
    it(`refuses a receipt whose ${name} is ${value}`, () => {
      expect(() => parse({ ...members, [name]: value })).to.throw(
        MalformedError,
        "The receipt is malformed: it is not the receipt of a successful evm session.",
      );
    });
  }

  for (const name of ["acceptedCumulative", "spent", "amount", "held"]) {
    it(`names ${name} when it is no amount`, () => {
      for (const value of ["-1", "1.5", "", String(2n ** 128n), "01"]) {
        expect(() => parse({ ...members, [name]: value })).to.throw(MalformedError, `${name} is not an amount.`);
      }
      expect(() => parse({ ...members, [name]: 5 })).to.throw(MalformedError, `${name} is not a`);
    });
  }

  for (const name of ["challengeId", "channelId", "timestamp"]) {
    it(`names ${name} when it is missing`, () => {
      expect(() => parse({ ...members, [name]: undefined })).to.throw(MalformedError, `${name} is not a string.`);
    });
  }

  it("names the chain's id when it is no number", () => {
    expect(() => parse({ ...members, chainId: "31337" })).to.throw(MalformedError, "chainId is not a number.");
  });

  it("refuses what is no base64url of JSON", () => {
    for (const header of ["", "{}", encodeBase64Url("[]")]) {
      expect(() => parseSessionReceipt(header)).to.throw(MalformedError, "The receipt is malformed");
    }
  });
});
