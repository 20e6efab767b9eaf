/** What a client takes: a method and an intent, each a name or `*`, and how much it likes it, from 0 (not at all) to 1. */
export type PaymentRange = { readonly method: string; readonly intent: string; readonly weight: number };

const range = /^(\*|[a-z]+)\/(\*|[A-Za-z0-9-]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/;

/**
 * Reads an `Accept-Payment` header (draft-httpauth-payment-00, "Client Payment Preferences").
 *
 * @param header - The header's value; `null` when it is absent.
 * @returns The ranges in their order, or `undefined` when it is absent or malformed: then everything is taken.
 * @example
 * import { parseAcceptPayment } from "subfen/wire";
 *
 * parseAcceptPayment("evm/session, evm/*;q=0.5"); // two ranges, of weight 1 and 0.5
 */
export function parseAcceptPayment(header: string | null): PaymentRange[] | undefined {
  const ranges: PaymentRange[] = [];
  for (const element of header?.split(",") ?? []) {
    const text = element.trim();
    if (text === "") continue;
    const [, method, intent, weight = "1"] = range.exec(text) ?? [];
    if (method === undefined || intent === undefined) return undefined;
    ranges.push({ method, intent, weight: Number(weight) });
  }
  return ranges.length === 0 ? undefined : ranges;
}

/**
 * Chooses what to offer to a client: what it takes, what it likes best first, in the seller's order where it has none.
 *
 * @param offers - What the seller could offer, in its order.
 * @param ranges - What the client takes, as {@link parseAcceptPayment} gives it.
 * @returns The choice; all offers where the client takes none of them, since a 402 must offer something.
 */
export function choosePayments<offer extends { readonly method: string; readonly intent: string }>(
  offers: readonly offer[],
  ranges: readonly PaymentRange[] | undefined,
): readonly offer[] {
  if (!ranges) return offers;
  const weighed = offers.map((offer) => ({ offer, weight: weightOf(offer, ranges) }));
  const taken = weighed.filter(({ weight }) => weight > 0);
  // The sort is stable: it keeps the seller's order among equals.
  return taken.length === 0 ? offers : taken.sort((a, b) => b.weight - a.weight).map(({ offer }) => offer);
}

/** By the range that says most: both names, the method, the intent, neither. */
function weightOf(offer: { method: string; intent: string }, ranges: readonly PaymentRange[]): number {
  let best = { weight: 0, precision: -1 };
  for (const { method, intent, weight } of ranges) {
    if ((method !== "*" && method !== offer.method) || (intent !== "*" && intent !== offer.intent)) continue;
    const precision = Number(method !== "*") * 2 + Number(intent !== "*");
    if (precision > best.precision) best = { weight, precision };
  }
  return best.weight;
}
