import { SubfenError } from "../errors.ts";
import { parseBaseUnits } from "../protocol/amounts.ts";
import { isObject, MalformedError } from "./encoding.ts";

/** A price list as it stands in `methodDetails.pricing`, so that a buyer can compute each request's ceiling itself. */
export type Pricing = RequestPricing | TokenPricing | FlowPricing;

/** Every request costs the same. */
export type RequestPricing = {
  readonly unit: "request";
  /** Base units a request, as a decimal string. */
  readonly amount: string;
};

/** Model tokens, counted by the seller's model. */
export type TokenPricing = {
  readonly unit: "token";
  /** Millionths of a base unit for a token of the prompt: base units per million tokens. */
  readonly input: string;
  /** Millionths of a base unit for a token of the answer. */
  readonly output: string;
  /** Tokens of an answer that are assumed where the request names no maximum. */
  readonly maxOutput: number;
  /** Tokens that a stream is paid ahead; `undefined` where streams are not sold. */
  readonly window?: number | undefined;
};

/** The parts of an answer that flows: its events or its bytes. */
export type FlowPricing = {
  readonly unit: "event" | "byte";
  /** Millionths of a base unit for one. */
  readonly output: string;
  /** The most that is charged for in one answer. */
  readonly maxOutput: number;
  /** How many are paid ahead. */
  readonly window: number;
};

/** What a metered request has used. */
export type TokenUsage = { readonly input: bigint; readonly output: bigint };

/** A request whose price cannot be told. It costs nothing. */
export class UnpriceableRequestError extends SubfenError {
  override readonly name = "UnpriceableRequestError";

  constructor(reason: string, whatToDo: string) {
    super(`This request cannot be priced: ${reason}.`, { code: "unpriceable-request", metaMessages: [whatToDo] });
  }
}

/**
 * The most a request can cost. Buyer and seller compute it alike, from the price list and the request's body.
 *
 * For tokens: a token is at least one byte of the body, so the body's length bounds the prompt; the answer is bounded
 * by the higher of `max_completion_tokens` and `max_tokens`, else by the list's `maxOutput`, times `n` choices.
 *
 * @param pricing - The price list.
 * @param body - The request's body, as sent.
 * @returns Base units, rounded up once.
 * @throws {UnpriceableRequestError} when tokens are priced and the body is no JSON object, names no sane maximum or
 * asks for a stream that is not sold.
 * @example
 * import { ceilingOf } from "subfen/wire";
 *
 * const pricing = { unit: "token", input: "2000000", output: "8000000", maxOutput: 1000 } as const;
 * ceilingOf(pricing, new TextEncoder().encode('{"max_tokens":10}')); // 17 * 2 + 10 * 8 = 114n
 */
export function ceilingOf(pricing: Pricing, body: Uint8Array): bigint {
  if (pricing.unit === "request") return BigInt(pricing.amount);
  return pricing.unit === "token" ? readRequest(pricing, body).ceiling : flowCost(pricing, pricing.maxOutput);
}

/**
 * What must be reserved before a request is begun: its ceiling, or of a stream the prompt and as much of the answer as
 * is paid ahead. Buyer and seller compute it alike.
 *
 * @param pricing - The price list.
 * @param body - The request's body, as sent.
 * @returns Base units, at most the ceiling.
 * @throws {UnpriceableRequestError} as {@link ceilingOf}.
 */
export function startOf(pricing: Pricing, body: Uint8Array): bigint {
  if (pricing.unit === "request") return BigInt(pricing.amount);
  return pricing.unit === "token"
    ? readRequest(pricing, body).start
    : flowCost(pricing, Math.min(pricing.window, pricing.maxOutput));
}

/** @returns Base units that a stream is paid ahead. */
export function windowCostOf(pricing: TokenPricing | FlowPricing): bigint {
  return pricing.unit === "token"
    ? costOf(pricing, { input: 0n, output: BigInt(pricing.window ?? 0) })
    : flowCost(pricing, pricing.window);
}

function flowCost({ output }: FlowPricing, count: number): bigint {
  return costOf({ input: "0", output }, { input: 0n, output: BigInt(count) });
}

function readRequest(pricing: TokenPricing, body: Uint8Array): { ceiling: bigint; start: bigint } {
  const request = parseJsonBody(body);
  const isStream = Boolean(request["stream"]);
  if (isStream && pricing.window === undefined) {
    throw new UnpriceableRequestError("it asks for a stream, which is not sold here", "Leave out stream.");
  }
  const choices = countOf(request, "n") ?? 1n;
  const limit = countOf(request, "max_completion_tokens") ?? 0n;
  const oldLimit = countOf(request, "max_tokens") ?? 0n;
  // Which of the two names the model obeys is not known here.
  const output = choices * ((limit > oldLimit ? limit : oldLimit) || BigInt(pricing.maxOutput));
  const input = BigInt(body.length);
  const ceiling = costOf(pricing, { input, output });
  if (!isStream) return { ceiling, start: ceiling };
  const ahead = BigInt(pricing.window ?? 0);
  return { ceiling, start: costOf(pricing, { input, output: ahead < output ? ahead : output }) };
}

/**
 * What tokens cost.
 *
 * @param pricing - The price list.
 * @param usage - Tokens in and out.
 * @returns Base units, rounded up once.
 */
export function costOf(pricing: Pick<TokenPricing, "input" | "output">, usage: TokenUsage): bigint {
  const millionths = usage.input * BigInt(pricing.input) + usage.output * BigInt(pricing.output);
  return (millionths + 999_999n) / 1_000_000n;
}

/**
 * Reads a price list.
 *
 * @param value - The `methodDetails.pricing` of a challenge.
 * @returns The price list; `undefined` when there is none or its unit is unknown: then the challenge's `amount` is the
 * only price there is.
 * @throws {MalformedError} when it is of a known unit and not well formed.
 */
export function parsePricing(value: unknown): Pricing | undefined {
  if (!isObject(value)) return undefined;
  if (value["unit"] === "request") return { unit: "request", amount: amountOf(value, "amount") };
  const { unit } = value;
  if (unit !== "token" && unit !== "event" && unit !== "byte") return undefined;
  const output = amountOf(value, "output");
  const maxOutput = requireCount(value, "maxOutput");
  if (unit !== "token") return { unit, output, maxOutput, window: requireCount(value, "window") };
  const isStreamed = value["window"] !== undefined && value["window"] !== null;
  const window = isStreamed ? { window: requireCount(value, "window") } : {};
  return { unit, input: amountOf(value, "input"), output, maxOutput, ...window };
}

function requireCount(value: Record<string, unknown>, name: string): number {
  const count = value[name];
  if (typeof count === "number" && Number.isSafeInteger(count) && count >= 0) return count;
  throw new MalformedError("challenge", `pricing.${name} is not a count`);
}

function amountOf(value: Record<string, unknown>, name: string): string {
  const amount = value[name];
  try {
    if (typeof amount === "string") return String(parseBaseUnits(amount));
  } catch (cause) {
    throw new MalformedError("challenge", `pricing.${name} is not an amount`, cause);
  }
  throw new MalformedError("challenge", `pricing.${name} is not a string`);
}

function parseJsonBody(body: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch {
    value = undefined;
  }
  if (isObject(value)) return value;
  throw new UnpriceableRequestError("its body is not a JSON object", "Send a JSON body as the API asks.");
}

function countOf(request: Record<string, unknown>, name: string): bigint | undefined {
  const value = request[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return BigInt(value);
  throw new UnpriceableRequestError(`${name} is not a positive whole number`, `Send ${name} as a whole number.`);
}
