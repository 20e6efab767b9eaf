import { expect } from "chai";
import { type Hex, parseSignature, signatureToCompactSignature } from "viem";

import { InvalidSignatureError, isCanonicalSignature, normalizeSignature } from "../../../sdk/src/protocol/index.ts";
import { toCompactSignature } from "../../../sdk/src/protocol/signature.ts";
import { createRandom } from "./random.ts";
import { readVectors } from "./vectors.ts";

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const word = (value: bigint) => value.toString(16).padStart(64, "0");
const join = (r: bigint, s: bigint, v: string): Hex => `0x${word(r)}${word(s)}${v}`;

const split = (signature: Hex) => ({
  r: BigInt(signature.slice(0, 66)),
  s: BigInt(`0x${signature.slice(66, 130)}`),
  v: signature.slice(130),
});

/** EIP-2098: the parity in the highest bit of s. */
const compact = (signature: Hex): Hex => {
  const { r, s, v } = split(signature);
  return `0x${word(r)}${word(v === "1c" ? s | (1n << 255n) : s)}`;
};

describe("normalizeSignature", () => {
  const signatures = readVectors().vouchers.map(({ signature }) => signature);

  it("leaves the one accepted form as it is", () => {
    for (const signature of signatures) expect(normalizeSignature(signature)).to.equal(signature);
  });

  it("turns the other forms of wallets into it (F110)", () => {
    expect(new Set(signatures.map((signature) => signature.slice(130)))).to.deep.equal(new Set(["1b", "1c"]));
    for (const signature of signatures) {
      const parity = signature.endsWith("1b") ? "00" : "01";
      expect(normalizeSignature(`${signature.slice(0, 130)}${parity}` as Hex)).to.equal(signature);
      expect(normalizeSignature(compact(signature))).to.equal(signature);
      expect(normalizeSignature(`0x${signature.slice(2).toUpperCase()}`)).to.equal(signature);
    }
  });

  it("refuses a high s and does not flip it (F014)", () => {
    for (const signature of signatures) {
      const { r, s, v } = split(signature);
      for (const twin of [
        join(r, order - s, v),
        join(r, order - s, v === "1b" ? "1c" : "1b"),
        join(r, order - s, "00"),
      ])
        expect(() => normalizeSignature(twin))
          .to.throw(InvalidSignatureError)
          .with.property("reason", "high-s");
    }
    expect(normalizeSignature(join(1n, order / 2n, "1b"))).to.equal(join(1n, order / 2n, "1b"));
    expect(() => normalizeSignature(join(1n, order / 2n + 1n, "1b"))).to.throw(InvalidSignatureError, "high-s");
  });

  it("refuses r and s outside the group", () => {
    for (const signature of [
      join(0n, 1n, "1b"),
      join(1n, 0n, "1b"),
      join(order, 1n, "1b"),
      join(2n ** 256n - 1n, 1n, "1c"),
    ])
      expect(() => normalizeSignature(signature))
        .to.throw(InvalidSignatureError)
        .with.property("reason", "invalid");
    expect(normalizeSignature(join(order - 1n, 1n, "00"))).to.equal(join(order - 1n, 1n, "1b"));
  });

  it("refuses other lengths, recovery values and things that are not hexadecimal, and shows none of them", () => {
    const signature = signatures[0]!;
    const body = signature.slice(2);
    const refused: unknown[] = [
      "0x",
      "",
      body,
      `0X${body}`,
      `${signature}00`,
      signature.slice(0, -1),
      signature.slice(0, -4),
      `${signature} `,
      ...["02", "1a", "1d", "23", "24", "ff"].map((v) => signature.slice(0, 130) + v),
      `0x${"g".repeat(130)}`,
      `0x${body}${body}`,
      null,
      undefined,
      5,
      [signature],
      { r: "0x1", s: "0x1", v: 27n },
    ];
    for (const value of refused)
      expect(() => normalizeSignature(value as Hex), String(value))
        .to.throw(InvalidSignatureError)
        .that.satisfies(
          (error: InvalidSignatureError) => error.reason === "malformed" && !error.message.includes(body.slice(0, 16)),
        );
  });
});

describe("isCanonicalSignature", () => {
  it("accepts the wire form alone", () => {
    for (const { signature } of readVectors().vouchers) {
      const { r, s } = split(signature);
      expect(isCanonicalSignature(signature)).to.equal(true);
      expect(isCanonicalSignature(`0x${signature.slice(2).toUpperCase()}`)).to.equal(true);
      for (const v of ["00", "01", "1a", "1d", "23", "2b", "2c"])
        expect(isCanonicalSignature(join(r, s, v)), v).to.equal(false);
      expect(isCanonicalSignature(compact(signature))).to.equal(false);
      expect(isCanonicalSignature(join(r, order - s, "1b"))).to.equal(false);
      expect(isCanonicalSignature(join(0n, s, "1b"))).to.equal(false);
      expect(isCanonicalSignature(join(r, 0n, "1b"))).to.equal(false);
      expect(isCanonicalSignature(join(order, s, "1b"))).to.equal(false);
    }
    for (const value of ["0x", "", null, undefined, 5, {}]) expect(isCanonicalSignature(value as Hex)).to.equal(false);
    // 64 bytes that end like a recovery value are still 64 bytes.
    expect(isCanonicalSignature(`0x${word(1n)}${word(0x1bn)}`)).to.equal(false);
  });

  it("accepts exactly what normalizeSignature leaves as it is", () => {
    const random = createRandom(4);
    for (let i = 0; i < 2_000; i++) {
      const signature = join(
        BigInt(random.hex(32)),
        BigInt(random.hex(32)) >> BigInt(random.below(3)),
        ["00", "01", "1b", "1c", "1d"][random.below(5)]!,
      );
      let normal: Hex | undefined;
      try {
        normal = normalizeSignature(signature);
      } catch {
        normal = undefined;
      }
      expect(isCanonicalSignature(signature)).to.equal(normal === signature);
    }
  });
});

describe("toCompactSignature", () => {
  it("writes what viem writes, for both parities, and refuses a high s, which has no place for the parity", () => {
    for (const { signature } of readVectors().vouchers) {
      const { r, yParityAndS: vs } = signatureToCompactSignature(parseSignature(signature));
      expect(toCompactSignature(signature)).to.deep.equal({ r, vs });
      const { s } = split(signature);
      const high = join(BigInt(r), order - s, signature.endsWith("1b") ? "1c" : "1b");
      expect(() => toCompactSignature(high))
        .to.throw(InvalidSignatureError)
        .with.property("reason", "high-s");
    }
  });
});
