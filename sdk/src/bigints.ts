/** @returns The smallest. */
export function min(first: bigint, ...others: readonly bigint[]): bigint {
  return others.reduce((least, value) => (value < least ? value : least), first);
}

/** @returns The largest. */
export function max(first: bigint, ...others: readonly bigint[]): bigint {
  return others.reduce((most, value) => (value > most ? value : most), first);
}

/**
 * Writes JSON, bigints as decimal strings: JSON's own numbers lose digits.
 *
 * @param value - Anything JSON can carry, and bigints.
 */
export function stringify(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => (typeof member === "bigint" ? String(member) : member));
}
