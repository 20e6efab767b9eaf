import type { Hex } from "viem";

import { SubfenError } from "../errors.ts";

/** The order of the group of secp256k1 (SEC 2). */
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/**
 * What is wrong with a signature: `malformed` (not hexadecimal, a wrong length or recovery value), `high-s` (the
 * other of the two forms that every ECDSA signature has), `invalid` (r or s outside the group).
 */
export type SignatureFault = "malformed" | "high-s" | "invalid";

const allowed: Record<SignatureFault, string> = {
  malformed: "65 bytes r, s, v with v 27 or 28 (from a wallet also 0 or 1), or 64 bytes as in EIP-2098.",
  "high-s": "s at most half of the group order, as EIP-2 demands of transactions.",
  invalid: "r and s from 1 up to the group order.",
};

/** A signature that no contract here accepts. The message never contains the signature. */
export class InvalidSignatureError extends SubfenError {
  override readonly name = "InvalidSignatureError";
  declare readonly code: "invalid-signature";
  /** What is wrong with it. */
  readonly reason: SignatureFault;

  constructor(parameters: { reason: SignatureFault; signature: unknown }) {
    const { reason, signature } = parameters;
    super(`The signature cannot be used: ${reason}.`, {
      code: "invalid-signature",
      metaMessages: [
        `Given: ${typeof signature === "string" ? `a string of ${signature.length} characters` : typeof signature}`,
        `Allowed: ${allowed[reason]}`,
        "Do: sign with a plain secp256k1 key; vouchers take no contract signatures and no wrapped ones.",
      ],
    });
    this.reason = reason;
  }
}

/**
 * Brings a wallet's signature into the one form used on the wire and on chain: 65 bytes r, s, v in lower case with v
 * 27 or 28. Recovery values 0 and 1 and the 64 bytes of EIP-2098 are accepted here, since wallets return them, and
 * nowhere else. A high s is refused and not flipped: whoever makes one has to be repaired.
 *
 * @param signature - What a wallet returned.
 * @returns The same signature, 65 bytes.
 * @throws {InvalidSignatureError} when it has another form or cannot be valid.
 * @example
 * import { normalizeSignature } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * normalizeSignature(await account.sign({ hash: keccak256(stringToHex("a statement")) }));
 */
export function normalizeSignature(signature: Hex): normalizeSignature.ReturnType {
  const parts = splitSignature(signature);
  const reason = parts === undefined ? "malformed" : faultOf(parts);
  if (parts === undefined || reason !== undefined)
    throw new InvalidSignatureError({ reason: reason ?? "malformed", signature });
  return `0x${toWord(parts.r)}${toWord(parts.s)}${parts.yParity === 0 ? "1b" : "1c"}`;
}

export declare namespace normalizeSignature {
  type ReturnType = Hex;
  type ErrorType = InvalidSignatureError;
}

/**
 * Writes a signature as EIP-2098 does.
 *
 * @throws {InvalidSignatureError} as {@link normalizeSignature}.
 * @internal
 */
export function toCompactSignature(signature: Hex): { r: Hex; vs: Hex } {
  const normal = normalizeSignature(signature);
  const parity = normal.endsWith("1c") ? 1n : 0n;
  const s = BigInt(`0x${normal.slice(66, 130)}`);
  return { r: normal.slice(0, 66) as Hex, vs: `0x${toWord((parity << 255n) | s)}` };
}

/**
 * Tells whether a signature has the one form used on the wire and on chain: 65 bytes, r and s inside the group, low s,
 * v 27 or 28. Whose it is, is another question.
 *
 * @param signature - The signature; hexadecimal digits of both cases are the same bytes.
 * @returns `true` if a contract would look at it.
 * @example
 * import { isCanonicalSignature } from "subfen";
 *
 * isCanonicalSignature("0x"); // false
 */
export function isCanonicalSignature(signature: Hex): isCanonicalSignature.ReturnType {
  const parts = splitSignature(signature);
  return parts !== undefined && /1[bcBC]$/.test(signature) && signature.length === 132 && faultOf(parts) === undefined;
}

export declare namespace isCanonicalSignature {
  type ReturnType = boolean;
}

type Parts = { r: bigint; s: bigint; yParity: 0 | 1 };

function splitSignature(signature: unknown): Parts | undefined {
  if (typeof signature !== "string" || !/^0x(?:[0-9a-fA-F]{128}|[0-9a-fA-F]{130})$/.test(signature)) return undefined;
  const r = BigInt(signature.slice(0, 66));
  const word = BigInt(`0x${signature.slice(66, 130)}`);
  if (signature.length === 130) {
    // EIP-2098: the highest bit of the second word is the parity, the rest is s.
    const yParity = word >> 255n === 0n ? 0 : 1;
    return { r, s: word & (2n ** 255n - 1n), yParity };
  }
  const v = Number(`0x${signature.slice(130)}`);
  if (v !== 0 && v !== 1 && v !== 27 && v !== 28) return undefined;
  return { r, s: word, yParity: v === 0 || v === 27 ? 0 : 1 };
}

function faultOf({ r, s }: Parts): SignatureFault | undefined {
  if (s > order / 2n) return "high-s";
  return r === 0n || r >= order || s === 0n ? "invalid" : undefined;
}

function toWord(value: bigint): string {
  return value.toString(16).padStart(64, "0");
}
