import { SubfenError } from "../errors.ts";
import { MAX_UINT128 } from "../protocol/amounts.ts";
import { isObject } from "../wire/encoding.ts";
import { createStreamMeter, type StreamMeter, usageIn } from "../wire/metering.ts";
import { ceilingOf, costOf, type FlowPricing, type Pricing, startOf, type TokenPricing } from "../wire/pricing.ts";

/** How a seller prices a route: what it publishes, the most a request can cost, and what it did cost. */
export type Price = {
  readonly pricing: Pricing;
  /** Whether every answer that succeeds costs its ceiling, so that a transfer of its own can pay for it. */
  readonly isExact?: boolean | undefined;
  /**
   * @param body - The request's body.
   * @returns Base units, at most which the request can cost.
   * @throws {UnpriceableRequestError} when that cannot be told; the request is refused and costs nothing.
   */
  ceiling(body: Uint8Array): bigint;
  /**
   * @param body - The body of the successful answer.
   * @param used - Base units that the work itself has noted.
   * @returns Base units; more than the ceiling is charged as the ceiling.
   * @throws {UnmeteredAnswerError} when that cannot be told; the seller has failed and nothing is charged.
   */
  meter(body: Uint8Array, used?: bigint): bigint;
  /**
   * What has to be reserved before the request is begun; its ceiling where this is left out.
   *
   * @param body - The request's body.
   * @returns Base units, at most the ceiling.
   */
  start?(body: Uint8Array): bigint;
  /**
   * Whether an answer is handed on as it flows, and how it is metered then. Where this is left out, answers are read
   * whole.
   *
   * @param body - The request's body.
   * @param isEventStream - Whether the answer is one of Server-Sent Events.
   * @param used - Tells base units that the work itself has noted so far.
   * @returns The meter, or `undefined` when the answer is to be read whole.
   */
  stream?(body: Uint8Array, isEventStream: boolean, used: () => bigint): StreamMeter | undefined;
};

/** @returns Base units that have to be reserved before a request with this body is begun. */
export function startingPrice(price: Price, body: Uint8Array): bigint {
  return price.start?.(body) ?? price.ceiling(body);
}

/** By which the work notes what it uses, where its price says so: see {@link priceUpTo}. */
export type WorkMeter = {
  /** @param amount - Base units to add. What is beyond the ceiling is not charged. */
  add(amount: bigint): void;
};

/** A successful answer that does not say what was used. */
export class UnmeteredAnswerError extends SubfenError {
  override readonly name = "UnmeteredAnswerError";

  constructor() {
    super("The answer has no token usage to bill.", {
      code: "unmetered-answer",
      metaMessages: [
        "Every successful answer must be JSON with usage.prompt_tokens and usage.completion_tokens, or a stream.",
      ],
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
  return {
    pricing,
    isExact: true,
    ceiling: () => amount,
    meter: () => amount,
    stream: (_body, isEventStream) => (isEventStream ? fixedMeter(() => amount) : undefined),
  };
}

/**
 * The work itself says what it used, by the meter that it is given: tools whose cost shows only while they run. It is
 * charged even when the buyer goes away before the end.
 *
 * @param max - Base units that a request costs at most.
 * @returns The price of a route.
 * @throws {InvalidPriceError} when it is no bigint, negative or wider than 128 bits.
 * @example
 * gateway.protect({ price: priceUpTo(parseYuan("0.01")) }, async (request, meter) => {
 *   meter.add(parseYuan("0.002"));
 *   return new Response("found");
 * });
 */
export function priceUpTo(max: bigint): Price {
  requirePrice("max", max);
  return {
    pricing: { unit: "request", amount: String(max) },
    ceiling: () => max,
    meter: (_body, used = 0n) => used,
    stream: (_body, isEventStream, used) => (isEventStream ? fixedMeter(used) : undefined),
  };
}

/** Counts the blocks that were handed on, and costs what it is told. */
function fixedMeter(cost: () => bigint): StreamMeter {
  let units = 0;
  return {
    count: () => void units++,
    get units() {
      return units;
    },
    cost,
    total: cost,
  };
}

/**
 * Answers cost what flows: a price for each event of an event stream, or for each byte of any answer. They are paid
 * while they flow, and never read whole.
 *
 * @param parameters.unit - `event` or `byte`.
 * @param parameters.amount - Base units for a million of them.
 * @param parameters.max - The most that is charged for in one answer.
 * @param parameters.window - How many are paid ahead; 64 events or 65,536 bytes by default.
 * @returns The price of a route.
 * @throws {InvalidPriceError} when the amount is no bigint, negative or wider than 128 bits, or a number no count.
 */
export function pricePerMillion(parameters: {
  unit: "event" | "byte";
  amount: bigint;
  max: number;
  window?: number;
}): Price {
  const { unit, amount, max, window = unit === "event" ? 64 : 65_536 } = parameters;
  requirePrice("amount", amount);
  if (!isCount(max)) throw new InvalidPriceError("max", max, "a whole number");
  requireWindow(window);
  const pricing: FlowPricing = { unit, output: String(amount), maxOutput: max, window };
  return {
    pricing,
    ceiling: (body) => ceilingOf(pricing, body),
    start: (body) => startOf(pricing, body),
    meter() {
      // An answer that is no event stream has no events to count.
      throw new UnmeteredAnswerError();
    },
    stream: (body, isEventStream) => (isEventStream || unit === "byte" ? createStreamMeter(pricing, body) : undefined),
  };
}

/**
 * OpenAI-compatible chat completions cost what their tokens cost, counted by the model itself (`usage` of its answer).
 *
 * @param parameters.input - Base units for a million tokens of the prompt: `parseYuan("2")` is 2 yuan.
 * @param parameters.output - Base units for a million tokens of the answer.
 * @param parameters.maxOutput - Tokens reserved for an answer whose request names no maximum; 4,096 by default.
 * @param parameters.window - Tokens that a stream is paid ahead; 64 by default.
 * @returns The price of a route.
 * @throws {InvalidPriceError} when a price is no bigint, negative or wider than 128 bits, `maxOutput` no count, or
 * `window` no count from 1.
 */
export function pricePerMillionTokens(parameters: {
  input: bigint;
  output: bigint;
  maxOutput?: number;
  window?: number;
}): Price {
  const { input, output, maxOutput = 4096, window = 64 } = parameters;
  requirePrice("input", input);
  requirePrice("output", output);
  if (!isCount(maxOutput)) throw new InvalidPriceError("maxOutput", maxOutput, "a whole number of tokens");
  requireWindow(window);
  const pricing: TokenPricing = { unit: "token", input: String(input), output: String(output), maxOutput, window };
  return {
    pricing,
    ceiling: (body) => ceilingOf(pricing, body),
    start: (body) => startOf(pricing, body),
    meter: (body) => costOf(pricing, readUsage(body)),
    stream: (body, isEventStream) => (isEventStream ? createStreamMeter(pricing, body) : undefined),
  };
}

function requireWindow(window: number): void {
  if (!isCount(window) || window === 0) throw new InvalidPriceError("window", window, "a whole number from 1");
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
  const { input, output } = isObject(answer) ? usageIn(answer) : {};
  if (input === undefined || output === undefined) throw new UnmeteredAnswerError();
  return { input, output };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
