import type { Price } from "../../sdk/src/server/index.ts";

/** Base units that a call may cost at the most. */
export const ceiling = 1_000n;

/** A call costs what its answer says. */
export const price: Price = {
  pricing: { unit: "request", amount: String(ceiling) },
  ceiling: () => ceiling,
  meter: (body) => BigInt((JSON.parse(new TextDecoder().decode(body)) as { cost: number }).cost),
};
