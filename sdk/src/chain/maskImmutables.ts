import type { Hex } from "viem";

/**
 * Zeroes the places where a contract's code holds immutable values, so that deployments which differ only in these have
 * one code hash.
 *
 * @param code - Runtime code.
 * @param immutables - Byte offsets and lengths.
 * @returns The code, masked.
 */
export function maskImmutables(code: Hex, immutables: readonly { start: number; length: number }[]): Hex {
  let masked: string = code;
  for (const { start, length } of immutables) {
    const from = 2 + 2 * start;
    masked = masked.slice(0, from) + "0".repeat(2 * length) + masked.slice(from + 2 * length);
  }
  return masked as Hex;
}
