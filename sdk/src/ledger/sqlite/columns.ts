import type { Hex } from "viem";

const half = 64n;
const lowHalf = 2n ** half - 1n;

/** @returns 16 bytes, big-endian, which compare as the amounts do. SQLite's own integers end at 2^63. */
export function encodeAmount(amount: bigint): Uint8Array {
  const bytes = Buffer.allocUnsafe(16);
  bytes.writeBigUInt64BE(amount >> half, 0);
  bytes.writeBigUInt64BE(amount & lowHalf, 8);
  return bytes;
}

/** Reads what {@link encodeAmount} wrote. */
export function decodeAmount(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return (view.getBigUint64(0) << half) | view.getBigUint64(8);
}

/** @returns The bytes of a hexadecimal string. */
export function encodeHex(hex: Hex): Uint8Array {
  return Buffer.from(hex.slice(2), "hex");
}

/** Reads what {@link encodeHex} wrote, in lower case. */
export function decodeHex(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`;
}
