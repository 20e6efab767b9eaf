import { SubfenError } from "../errors.ts";
import { MAX_UINT128 } from "../protocol/amounts.ts";
import { ceilingOf, costOf, type Pricing, type TokenPricing } from "../wire/pricing.ts";
import { isObject } from "../wire/encoding.ts";

/** How a seller prices a route: what it publishes, the most a request can cost, and what it did cost. */
export type Price = {
  readonly pricing: Pricing;
  /**
   * @param body - The request's body.
   * @returns Base units, at most which the request can cost.
   * @throws {UnpriceableRequestError} when that cannot be told; the request is refused and costs nothing.
   */
  ceiling(body: Uint8Array): bigint;
  /**
   * @param body - The body of the successful answer.
   * @returns Base units; more than the ceiling is charged as the ceiling.
   * @throws {UnmeteredAnswerError} when that cannot be told; the seller has failed and nothing is charged.
   */
  meter(body: Uint8Array): bigint;
};

/** A successful answer that does not say what was used. */
export class UnmeteredAnswerError extends SubfenError {
  override readonly name = "UnmeteredAnswerError";

  constructor() {
    super("The answer has no token usage to bill.", {
      code: "unmetered-answer",
      metaMessages: ["Every successful answer must be JSON with usage.prompt_tokens and usage.completion_tokens."],
    });
  }
}

/** A price that makes no sense. */
export class InvalidPriceError extends SubfenError {
  override readonly name = "InvalidPriceError";

  constructor(name: string, value: unknown, allowed: string) {
    super(`${name} is ${String(value)}, but must be ${allowed}.`, {
      code: "invalid-price",
      metaMessages: ['Use parseYuan("0.002") to write prices in yuan.'],
    });
  }
}

/**
 * Every successful request costs the same.
 *
 * @param amount - Base units a request.
 * @returns The price of a route.
 * @throws {InvalidPriceError} when it is no bigint, negative or wider than 128 bits.
 */
export function pricePerRequest(amount: bigint): Price {
  requirePrice("amount", amount);
  const pricing: Pricing = { unit: "request", amount: String(amount) };
  return { pricing, ceiling: () => amount, meter: () => amount };
}

/**
 * OpenAI-compatible chat completions cost what their tokens cost, counted by the model itself (`usage` of its answer).
 *
 * @param parameters.input - Base units for a million tokens of the prompt: `parseYuan("2")` is 2 yuan.
 * @param parameters.output - Base units for a million tokens of the answer.
 * @param parameters.maxOutput - Tokens reserved for an answer whose request names no maximum; 4,096 by default.
 * @returns The price of a route.
 * @throws {InvalidPriceError} when a price is no bigint, negative or wider than 128 bits, or `maxOutput` no count.
 */
export function pricePerMillionTokens(parameters: { input: bigint; output: bigint; maxOutput?: number }): Price {
  const { input, output, maxOutput = 4096 } = parameters;
  requirePrice("input", input);
  requirePrice("output", output);
  if (!isCount(maxOutput)) throw new InvalidPriceError("maxOutput", maxOutput, "a whole number of tokens");
  const pricing: TokenPricing = { unit: "token", input: String(input), output: String(output), maxOutput };
  return {
    pricing,
    ceiling: (body) => ceilingOf(pricing, body),
    meter: (body) => costOf(pricing, readUsage(body)),
  };
}

function requirePrice(name: string, value: unknown): void {
  if (typeof value === "bigint" && value >= 0n && value <= MAX_UINT128) return;
  throw new InvalidPriceError(name, value, "a bigint of base units, not negative and of at most 128 bits");
}

function readUsage(body: Uint8Array): { input: bigint; output: bigint } {
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(body));
  } catch {
    throw new UnmeteredAnswerError();
  }
  const usage = isObject(answer) ? answer["usage"] : undefined;
  const [input, output] = isObject(usage) ? [usage["prompt_tokens"], usage["completion_tokens"]] : [];
  if (!isCount(input) || !isCount(output)) throw new UnmeteredAnswerError();
  return { input: BigInt(input), output: BigInt(output) };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
