import type { Hex } from "viem";
import { keccak256 } from "viem/utils";

/** No statement is as high: a deposit has 104 bits. */
const ticksFrom = 1n << 127n;
const marksFrom = 1n << 126n;
/** A chain has at most 10,000 ticks. */
const tickBits = 14n;

/**
 * Under which number a ledger knows what one tick has bought, where it knows statements by their totals.
 *
 * @param ref - The payment.
 * @param n - The tick.
 * @returns A number above every statement's, the same for the same tick. The payer chooses its refs: that none shares
 * it with another is the hash's to see to.
 */
export function tickKey(ref: Hex, n: number): bigint {
  return ticksFrom | ((BigInt(keccak256(ref)) >> (256n - 127n + tickBits)) << tickBits) | BigInt(n);
}

/**
 * Under which number a ledger knows a charge that no statement has bought by itself: what ticks have bought between two
 * marks, and by how much more work turned out to be worth.
 *
 * @param spentAfter - The channel's `spent` after it, in base units.
 */
export function markKey(spentAfter: bigint): bigint {
  return marksFrom | spentAfter;
}

/** Whether this is the total of a statement, and none of those numbers. */
export function isOfStatement(cumulativeAmount: bigint): boolean {
  return cumulativeAmount < marksFrom;
}
