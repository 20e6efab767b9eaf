import { isObject } from "./encoding.ts";
import { costOf, type FlowPricing, type TokenPricing, type TokenUsage } from "./pricing.ts";
import type { SseFrame } from "./sse.ts";

/** Counts what an answer costs while it flows. Buyer and seller count alike, from the price list and the same parts. */
export type StreamMeter = {
  /** Counts a part: a block of an event stream, or bytes. */
  count(part: SseFrame | Uint8Array): void;
  /** Units of the answer that were counted: tokens, events or bytes. */
  readonly units: number;
  /** @returns Base units that what was counted costs, rounded up once. */
  cost(): bigint;
  /** @returns Base units that the whole answer costs, once it has ended well. */
  total(): bigint;
};

/** How many bytes of a request are taken for one token of its prompt until the model tells. */
const bytesPerToken = 4;

/**
 * Makes a meter for an answer that flows.
 *
 * Tokens: each block whose data has something new for a choice counts one token for it, and the prompt counts one token
 * for each four bytes of the request's body, until the model tells its own count (`usage`): that decides once the
 * answer has ended. Events: each block with data counts one, but the `[DONE]` that ends a stream. Bytes: each counts
 * one.
 *
 * @param pricing - The price list.
 * @param body - The request's body.
 * @returns The meter.
 * @example
 * import { createStreamMeter } from "subfen/wire";
 *
 * const meter = createStreamMeter({ unit: "byte", output: "2000000", maxOutput: 1000, window: 100 }, new Uint8Array());
 * meter.count(new Uint8Array(10));
 * meter.cost(); // 20n
 */
export function createStreamMeter(pricing: TokenPricing | FlowPricing, body: Uint8Array): StreamMeter {
  return pricing.unit === "token" ? createTokenMeter(pricing, body) : createFlowMeter(pricing);
}

function createFlowMeter(pricing: FlowPricing): StreamMeter {
  let units = 0;
  const cost = (): bigint => costOf({ input: "0", output: pricing.output }, { input: 0n, output: BigInt(units) });
  return {
    count(part) {
      if (part instanceof Uint8Array) units += pricing.unit === "byte" ? part.length : 0;
      else if (pricing.unit === "byte") units += formattedLength(part);
      else if (isEvent(part)) units += 1;
    },
    get units() {
      return units;
    },
    cost,
    total: cost,
  };
}

function createTokenMeter(pricing: TokenPricing, body: Uint8Array): StreamMeter {
  let counted = 0n;
  let told: Partial<TokenUsage> = {};
  const estimate = BigInt(Math.ceil(body.length / bytesPerToken));
  return {
    count(part) {
      const value = part instanceof Uint8Array || !isEvent(part) ? undefined : parseData(part.data);
      if (!value) return;
      counted += BigInt(newTokens(value));
      told = { ...told, ...usageIn(value) };
    },
    get units() {
      return Number(counted);
    },
    cost() {
      const output = told.output !== undefined && told.output > counted ? told.output : counted;
      return costOf(pricing, { input: told.input ?? estimate, output });
    },
    total: () => costOf(pricing, { input: told.input ?? estimate, output: told.output ?? counted }),
  };
}

function isEvent({ data }: SseFrame): boolean {
  return data !== undefined && data !== "[DONE]";
}

function formattedLength({ lines }: SseFrame): number {
  return new TextEncoder().encode(lines.join("\n")).length + 2;
}

function parseData(data: string | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data ?? "");
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** For each choice of a chat completion one; one for any other piece of an answer, by the names that models give those. */
function newTokens(value: Record<string, unknown>): number {
  const { choices, type } = value;
  if (Array.isArray(choices)) return choices.filter(hasContent).length;
  return typeof type === "string" && /(^|[._])delta$/.test(type) && "delta" in value && type !== "message_delta"
    ? 1
    : 0;
}

function hasContent(choice: unknown): boolean {
  if (!isObject(choice)) return false;
  const { delta, text } = choice;
  if (typeof text === "string") return text !== "";
  if (!isObject(delta)) return false;
  const { role: _role, ...content } = delta;
  return Object.values(content).some((member) => (Array.isArray(member) ? member.length > 0 : Boolean(member)));
}

/**
 * Reads what a model says was used, under the names that the common interfaces have for it.
 *
 * @param value - A JSON answer, or the data of one event of it.
 * @returns The tokens that it tells of.
 */
export function usageIn(value: Record<string, unknown>): Partial<TokenUsage> {
  const holder = [value, value["response"], value["message"]].find((one) => isObject(one) && isObject(one["usage"]));
  const usage = isObject(holder) && isObject(holder["usage"]) ? holder["usage"] : {};
  const input = countIn(usage, "prompt_tokens", "input_tokens");
  const output = countIn(usage, "completion_tokens", "output_tokens");
  return { ...(input === undefined ? {} : { input }), ...(output === undefined ? {} : { output }) };
}

function countIn(usage: Record<string, unknown>, ...names: string[]): bigint | undefined {
  const value = names.map((name) => usage[name]).find((member) => member !== undefined && member !== null);
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined;
}
