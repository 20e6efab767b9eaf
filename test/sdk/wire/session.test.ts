import { expect } from "chai";
import { type Hex, zeroAddress } from "viem";

import {
  canonicalize,
  encodeBase64Url,
  formatSessionPayload,
  formatSessionRequest,
  MalformedError,
  parseSessionPayload,
  parseSessionRequest,
  type SessionPayload,
  type SessionRequest,
} from "../../../sdk/src/wire/index.ts";

const bytes = (byte: string, count: number): Hex => `0x${byte.repeat(count)}`;
const address = bytes("ab", 20);
const maxUint128 = String(2n ** 128n - 1n);

const statement = { channelId: bytes("c1", 32), cumulativeAmount: 250_000n, signature: bytes("5a", 65) };
const authorization = {
  type: "authorization",
  authorization: {
    from: address,
    to: bytes("cd", 20),
    value: 1_000_000n,
    validAfter: 0n,
    validBefore: 1_900_000_000n,
    nonce: bytes("0e", 32),
  },
  signature: bytes("51", 65),
} as const;
const hash = { type: "hash", hash: bytes("7a", 32) } as const;
const salt = bytes("5a", 32);

const payloads: Record<string, SessionPayload> = {
  "open by authorization": {
    action: "open",
    funding: authorization,
    salt,
    authorizedSigner: zeroAddress,
    ...statement,
  },
  "open by hash": { action: "open", funding: hash, salt, authorizedSigner: address, ...statement },
  "topUp by authorization": {
    action: "topUp",
    channelId: statement.channelId,
    funding: authorization,
    salt,
    additionalDeposit: 5n,
  },
  "topUp by hash": {
    action: "topUp",
    channelId: statement.channelId,
    funding: hash,
    salt: undefined,
    additionalDeposit: 5n,
  },
  voucher: { action: "voucher", ...statement },
  "conditional voucher": {
    action: "voucher",
    ...statement,
    payments: [{ ref: bytes("01", 32), condition: address, parameters: "0x1234", amount: 7n }],
    ref: bytes("01", 32),
    evidence: [{ ref: bytes("02", 32), evidence: "0xabcd" }],
  },
  "conditional voucher without payments": { action: "voucher", ...statement, payments: [] },
  tick: { action: "tick", channelId: statement.channelId, ref: bytes("01", 32), n: 5, x: bytes("0e", 32) },
  close: { action: "close", ...statement, cumulativeAmount: 0n },
};

type Members = Record<string, unknown>;
const formatted = (name: string): Members => formatSessionPayload(payloads[name]!) as Members;

const badAmounts = [undefined, null, 5, 5n, "", "-1", "+1", "01", "1.0", "1e3", " 1", "0x5", "١"];
/** F012: one above the width, one that would become 5 when it is cut, and the widest the chain knows. */
const wideAmounts = [2n ** 128n, 2n ** 128n + 5n, 2n ** 256n - 1n].map(String);
const badHex = (size: number) => [
  undefined,
  null,
  5,
  "",
  "0x",
  bytes("ab", size - 1),
  bytes("ab", size + 1),
  `${bytes("ab", size)}a`,
  bytes("ab", size).slice(2),
  bytes("xy", size),
  ` ${bytes("ab", size)}`,
];

describe("formatSessionPayload and parseSessionPayload", () => {
  for (const [name, payload] of Object.entries(payloads)) {
    it(`${name}: comes back as it was, and JSON is all it needs`, () => {
      const text = canonicalize(formatSessionPayload(payload));
      expect(parseSessionPayload(JSON.parse(text) as Members)).to.deep.equal(payload);
    });
  }

  it("writes an opening as the draft shows it", () => {
    expect(JSON.parse(canonicalize(formatSessionPayload(payloads["open by authorization"]!)))).to.deep.equal({
      action: "open",
      type: "authorization",
      channelId: statement.channelId,
      authorization: {
        from: authorization.authorization.from,
        to: authorization.authorization.to,
        value: "1000000",
        validAfter: "0",
        validBefore: "1900000000",
        nonce: authorization.authorization.nonce,
      },
      signature: authorization.signature,
      cumulativeAmount: "250000",
      voucherSignature: statement.signature,
      salt,
    });
    expect(JSON.parse(canonicalize(formatSessionPayload(payloads["open by hash"]!)))).to.deep.equal({
      action: "open",
      type: "hash",
      channelId: statement.channelId,
      hash: hash.hash,
      cumulativeAmount: "250000",
      signature: statement.signature,
      authorizedSigner: address,
      salt,
    });
  });

  it("writes hex in lower case and reads every case", () => {
    const upper = { action: "voucher", ...statement, signature: `0x${"5A".repeat(65)}`, cumulativeAmount: "250000" };
    expect(parseSessionPayload(upper)).to.deep.equal(payloads["voucher"]);
    const signature = `0x${"5A".repeat(65)}` as Hex;
    expect(formatSessionPayload({ action: "voucher", ...statement, signature })).to.deep.equal(formatted("voucher"));
  });

  it("drops unknown members and takes null for one that is not there", () => {
    expect(parseSessionPayload({ ...formatted("open by authorization"), authorizedSigner: null, x: 1 })).to.deep.equal(
      payloads["open by authorization"],
    );
  });

  for (const amount of ["0", maxUint128]) {
    it(`F012: reads the amount ${amount}`, () => {
      expect(parseSessionPayload({ ...formatted("voucher"), cumulativeAmount: amount })).to.include({
        cumulativeAmount: BigInt(amount),
      });
    });
  }

  for (const action of [undefined, null, "", "Open", "voucher ", "toString", "__proto__", 1, ["open"]]) {
    it(`refuses the action ${JSON.stringify(action)}`, () => {
      expect(() => parseSessionPayload({ ...formatted("voucher"), action })).to.throw(
        MalformedError,
        "The payload is malformed: action is none of open, topUp, voucher, tick and close.",
      );
    });
  }

  for (const type of [undefined, null, "permit2", "transaction", "Hash", 1]) {
    it(`refuses the funding type ${JSON.stringify(type)}`, () => {
      for (const name of ["open by hash", "topUp by hash"]) {
        expect(() => parseSessionPayload({ ...formatted(name), type })).to.throw(
          MalformedError,
          "The payload is malformed: type is neither hash nor authorization.",
        );
      }
    });
  }

  /** For each kind of payload, each member with the size of its bytes, or 0 for an amount. */
  const members: Record<string, Record<string, number>> = {
    "open by authorization": { channelId: 32, cumulativeAmount: 0, salt: 32, signature: 65, voucherSignature: 65 },
    "open by hash": { channelId: 32, cumulativeAmount: 0, salt: 32, signature: 65, hash: 32 },
    "topUp by authorization": { channelId: 32, additionalDeposit: 0, salt: 32, signature: 65 },
    "topUp by hash": { channelId: 32, additionalDeposit: 0, hash: 32 },
    voucher: { channelId: 32, cumulativeAmount: 0, signature: 65 },
    tick: { channelId: 32, ref: 32, x: 32 },
    close: { channelId: 32, cumulativeAmount: 0, signature: 65 },
  };
  function refuses(payload: Members, reason: string): void {
    expect(() => parseSessionPayload(payload)).to.throw(MalformedError, `The payload is malformed: ${reason}`);
  }

  for (const [name, sizes] of Object.entries(members)) {
    for (const [member, size] of Object.entries(sizes)) {
      it(`${name}: names ${member} when it is malformed`, () => {
        if (size === 0) {
          for (const value of badAmounts)
            refuses({ ...formatted(name), [member]: value }, `${member} is not a decimal`);
          for (const value of wideAmounts) {
            refuses({ ...formatted(name), [member]: value }, `${member} is not a decimal string of at most 128 bits.`);
          }
          return;
        }
        for (const value of badHex(size)) {
          refuses({ ...formatted(name), [member]: value }, `${member} is not ${size} bytes of hex.`);
        }
      });
    }
  }

  it("names the part of a conditional voucher or a tick that is malformed", () => {
    const whole = formatted("conditional voucher");
    const [payment] = whole["payments"] as Members[];
    const [proof] = whole["evidence"] as Members[];
    for (const name of ["payments", "evidence"]) {
      for (const value of [1, "x", {}, Array.from({ length: 17 }, () => payment)]) {
        refuses({ ...whole, [name]: value }, `${name} is not a list of at most 16.`);
      }
      for (const value of [null, 1, []]) refuses({ ...whole, [name]: [value] }, "ref is not 32 bytes of hex.");
    }
    for (const value of badHex(32).slice(2)) refuses({ ...whole, ref: value }, "ref is not 32 bytes of hex.");
    for (const value of badAmounts) refuses({ ...whole, payments: [{ ...payment, amount: value }] }, "amount is not a");
    for (const value of [undefined, "0x1", "12", 5]) {
      refuses({ ...whole, payments: [{ ...payment, parameters: value }] }, "parameters is not hex.");
      refuses({ ...whole, evidence: [{ ...proof, evidence: value }] }, "evidence is not hex.");
    }
    for (const n of [undefined, "5", -1, 1.5, 2 ** 53]) refuses({ ...formatted("tick"), n }, "n is not a count.");
  });

  it("names the signer when it is malformed", () => {
    for (const authorizedSigner of badHex(20).slice(2)) {
      refuses({ ...formatted("open by hash"), authorizedSigner }, "authorizedSigner is not an address.");
    }
  });

  for (const name of ["open by authorization", "topUp by authorization"]) {
    it(`${name}: names the part of the authorization that is malformed`, () => {
      const whole = formatted(name);
      const withPart = (part: string, value: unknown): Members => ({
        ...whole,
        authorization: { ...(whole["authorization"] as Members), [part]: value },
      });
      for (const value of [undefined, null, 1, "x", []]) {
        refuses({ ...whole, authorization: value }, "authorization is not an object.");
      }
      for (const part of ["from", "to"]) {
        for (const value of badHex(20)) refuses(withPart(part, value), `${part} is not an address.`);
      }
      for (const value of badHex(32)) refuses(withPart("nonce", value), "nonce is not 32 bytes of hex.");
      for (const part of ["value", "validAfter", "validBefore"]) {
        for (const value of badAmounts) refuses(withPart(part, value), `${part} is not a decimal string`);
      }
      for (const value of wideAmounts)
        refuses(withPart("value", value), "value is not a decimal string of at most 128");
    });
  }

  it("reads times of the width that the chain has, and no wider ones", () => {
    const whole = formatted("open by authorization");
    const withTime = (validBefore: bigint): Members => ({
      ...whole,
      authorization: { ...(whole["authorization"] as Members), validBefore: String(validBefore) },
    });
    const { funding } = parseSessionPayload(withTime(2n ** 256n - 1n)) as { funding: typeof authorization };
    expect(funding.authorization.validBefore).to.equal(2n ** 256n - 1n);
    refuses(withTime(2n ** 256n), "validBefore is not a decimal string of at most 256 bits.");
  });

  it("sees no member that the object only inherits", () => {
    const { signature: _, ...rest } = formatted("voucher");
    refuses(
      Object.assign(Object.create({ signature: statement.signature }), rest),
      "signature is not 65 bytes of hex.",
    );
  });
});

describe("formatSessionRequest and parseSessionRequest", () => {
  const request: SessionRequest = {
    amount: 1200n,
    currency: address,
    recipient: bytes("cd", 20),
    suggestedDeposit: 1_000_000n,
    description: "一次",
    chainId: 31337,
    escrowContract: bytes("ef", 20),
    feePayer: true,
    credentialTypes: ["authorization", "hash"],
    minVoucherDelta: 7n,
    receiptSigner: `0x${"5e".repeat(20)}`,
    pricing: { unit: "token", input: "2000000", output: "8000000", maxOutput: 4096 },
  };
  it("tells which conditional payments and ticks are taken, and says nothing where none are", () => {
    const terms = {
      conditional: { conditions: { attestation: address }, evaluators: [bytes("ee", 20)], creditLimit: 5_000n },
      ticks: { condition: bytes("71", 20), window: 128 },
    };
    const encoded = formatSessionRequest({ ...request, ...terms });
    expect(parseSessionRequest(encoded)).to.deep.equal({ ...request, ...terms });
    expect(parseSessionRequest(formatSessionRequest(request))).not.to.have.any.keys("conditional", "ticks");
    const wrong = withDetail("conditional", { conditions: {}, evaluators: "x", creditLimit: "1" });
    expect(() => parse(wrong)).to.throw(MalformedError, "evaluators is not a list");
    const odd = withDetail("ticks", { condition: address, window: "128" });
    expect(() => parse(odd)).to.throw(MalformedError, "window is not a count");
  });

  const plain = JSON.parse(Buffer.from(formatSessionRequest(request), "base64url").toString()) as Members;
  const parse = (members: Members) => parseSessionRequest(encodeBase64Url(JSON.stringify(members)));
  const withDetail = (name: string, value: unknown): Members => ({
    ...plain,
    methodDetails: { ...(plain["methodDetails"] as Members), [name]: value },
  });

  it("comes back as it was", () => {
    expect(parseSessionRequest(formatSessionRequest(request))).to.deep.equal(request);
  });

  it("is canonical JSON: the same bytes for the same request", () => {
    expect(formatSessionRequest(request)).to.equal(encodeBase64Url(canonicalize(plain as never)));
    expect(plain).to.include({ amount: "1200", unitType: "request" });
  });

  it("leaves out what is not there and reads it as the draft's defaults", () => {
    const bare: SessionRequest = {
      ...request,
      suggestedDeposit: undefined,
      description: undefined,
      minVoucherDelta: 0n,
      receiptSigner: undefined,
      pricing: undefined,
    };
    const text = Buffer.from(formatSessionRequest(bare), "base64url").toString();
    for (const name of ["suggestedDeposit", "description", "minVoucherDelta", "receiptSigner", "pricing"]) {
      expect(text).not.to.include(name);
    }
    expect(parseSessionRequest(formatSessionRequest(bare))).to.deep.equal(bare);
    const { credentialTypes: _types, feePayer: _payer, ...details } = plain["methodDetails"] as Members;
    expect(parse({ ...plain, methodDetails: details }))
      .to.include({ feePayer: false })
      .and.deep.include({
        credentialTypes: ["hash"],
      });
  });

  it("reads a checksummed address as the same as a lower-case one", () => {
    const currency = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
    expect(parse({ ...plain, currency }).currency).to.equal(currency.toLowerCase());
  });

  it("takes null for a member that is not there, and a description of no text for none", () => {
    expect(parse({ ...plain, suggestedDeposit: null, description: 5 })).to.include({
      suggestedDeposit: undefined,
      description: undefined,
    });
    expect(parse(withDetail("pricing", null))).to.include({ pricing: undefined });
  });

  it("is a price of this request alone where the unit of the price list is unknown", () => {
    expect(parse(withDetail("pricing", { unit: "minute", amount: "5" })).pricing).to.equal(undefined);
  });

  function refuses(members: Members, reason: string): void {
    expect(() => parse(members)).to.throw(MalformedError, `The challenge is malformed: ${reason}`);
  }

  for (const name of ["amount", "suggestedDeposit"]) {
    it(`names ${name} when it is malformed`, () => {
      const isOptional = name === "suggestedDeposit";
      for (const value of isOptional ? badAmounts.slice(2) : badAmounts) {
        if (typeof value === "bigint") continue;
        refuses({ ...plain, [name]: value }, `${name} is not a decimal string`);
      }
      for (const value of wideAmounts) refuses({ ...plain, [name]: value }, `${name} is not a decimal string`);
    });
  }

  for (const name of ["currency", "recipient"]) {
    it(`names ${name} when it is malformed`, () => {
      for (const value of badHex(20)) refuses({ ...plain, [name]: value }, `${name} is not an address.`);
    });
  }

  it("names the detail that is malformed", () => {
    for (const value of [undefined, null, "x", []]) {
      refuses({ ...plain, methodDetails: value }, "methodDetails is not an object.");
    }
    for (const value of badHex(20)) refuses(withDetail("escrowContract", value), "escrowContract is not an address.");
    for (const value of [undefined, null, "31337", 1.5, 2 ** 53, -1, 0]) {
      refuses(withDetail("chainId", value), "chainId is not a number");
    }
    for (const value of ["hash", [1], [null], {}]) {
      refuses(withDetail("credentialTypes", value), "credentialTypes is not a list of strings.");
    }
    for (const value of [5, "-1", "1.5"])
      refuses(withDetail("minVoucherDelta", value), "minVoucherDelta is not a decimal");
    refuses(withDetail("pricing", { unit: "request" }), "pricing.amount is not a string.");
  });
});
