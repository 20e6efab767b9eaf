/**
 * @returns The `k`-th largest, counted from 1; 0 when there is none.
 * @internal
 */
export function kthLargest(values: readonly bigint[], k: number): bigint {
  // Not by their difference, which is wider than a number.
  return values.toSorted((a, b) => (a < b ? 1 : -1))[k - 1] ?? 0n;
}
