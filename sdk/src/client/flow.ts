import { max, min } from "../bigints.ts";
import { isSubfenError } from "../errors.ts";
import { untilAborted } from "../untilAborted.ts";
import { parseJsonObject } from "../wire/encoding.ts";
import { createStreamMeter, type StreamMeter } from "../wire/metering.ts";
import { type FlowPricing, type Pricing, type TokenPricing, windowCostOf } from "../wire/pricing.ts";
import type { SessionReceipt } from "../wire/sessionReceipt.ts";
import { createSseParser, formatSseFrame, parsePaymentNote, type SseFrame } from "../wire/sse.ts";
import { readReceipt } from "./readReceipt.ts";
import type { Call } from "./call.ts";
import { amountOf } from "./sellerSession.ts";

/** How an answer is paid while it flows. Amounts in base units. */
export type Flow = {
  readonly call: Call;
  readonly pricing: Pricing | undefined;
  /** What the whole answer may cost. */
  readonly ceiling: bigint;
  /** @returns What the seller may charge for it by now. */
  authorised(): bigint;
  /** Authorises more, beside the call by which the answer comes; `measured` is what has come costs. */
  raise(more: bigint, measured: bigint): Promise<unknown>;
  /** @returns Whether a seller that waits for this total has not got all that was authorised. */
  isBehind(required: bigint): boolean;
  /** Takes the receipt at its end, with what was counted here; `undefined` when none came. Never rejects. */
  onEnd(
    receipt: SessionReceipt | undefined,
    content: readonly Uint8Array[],
    measured: bigint | undefined,
  ): Promise<void>;
};

/**
 * Hands an answer on while it flows and pays for it as it comes: never more than a window of the price list and one
 * unit beyond what has come, by our own count, whatever the seller asks for.
 *
 * @param response - The seller's answer.
 * @param flow - How it is paid.
 * @returns The answer without the gateway's own words. Reading it fails where no more may be paid.
 */
export function payFlow(response: Response, flow: Flow): Response {
  const { call, pricing } = flow;
  const isEventStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const isMetered = pricing !== undefined && pricing.unit !== "request";
  const meter = isMetered ? createStreamMeter(pricing, call.body ?? new Uint8Array()) : undefined;
  const refused = new AbortController();
  const payer =
    meter && isMetered ? createFlowPayer(flow, pricing, meter, (refusal) => refused.abort(refusal)) : undefined;
  const parser = createSseParser();
  const content: Uint8Array[] = [];
  const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  const encoder = new TextEncoder();
  let receipt: SessionReceipt | undefined;
  let isOver = false;

  async function end(): Promise<void> {
    if (isOver) return;
    isOver = true;
    await flow.onEnd(receipt, content, meter?.total());
  }

  /** What may be read of a block: the gateway's own words are for us. */
  function take(frame: SseFrame): Uint8Array[] {
    const note = parsePaymentNote(frame);
    if (note?.name === "receipt") receipt = readReceipt(note.value) ?? receipt;
    if (note?.name === "need-voucher") payer?.answer(note.value);
    if (note) return [];
    meter?.count(frame);
    const part = encoder.encode(formatSseFrame(frame.lines));
    content.push(part);
    return [part];
  }

  /** Without bytes: what stands behind the last block. */
  function partsIn(bytes: Uint8Array | undefined): Uint8Array[] {
    if (isEventStream) return (bytes ? parser.push(bytes) : [parser.end() ?? []].flat()).flatMap(take);
    if (bytes) meter?.count(bytes);
    return bytes ? [bytes] : [];
  }

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          for (;;) {
            const { done, value } = await untilAborted(reader.read(), refused.signal);
            const parts = partsIn(value);
            for (const part of parts) controller.enqueue(part);
            payer?.keepUp();
            if (done) {
              await end();
              controller.close();
              return;
            }
            if (parts.length > 0) return;
          }
        } catch (error) {
          await reader.cancel(error).catch(() => undefined);
          await end();
          controller.error(error);
        }
      },
      async cancel(reason) {
        await reader.cancel(reason).catch(() => undefined);
        await end();
      },
    },
    { highWaterMark: 0 },
  );
  const { status, statusText, headers, url } = response;
  return Object.defineProperty(new Response(body, { status, statusText, headers }), "url", { value: url });
}

/** Raises what a running call is authorised for, one step after the other. */
function createFlowPayer(
  flow: Flow,
  pricing: TokenPricing | FlowPricing,
  meter: StreamMeter,
  refuse: (refusal: unknown) => void,
) {
  const window = windowCostOf(pricing);
  const ahead = window + windowCostOf({ ...pricing, window: 1 });
  let running: Promise<unknown> | undefined;

  function start(more: bigint): void {
    running ??= flow
      .raise(more, meter.cost())
      .catch((error: unknown) => {
        // A limit of the buyer's ends the answer. What the network has lost the seller asks for again.
        if (isSubfenError(error)) refuse(error);
      })
      .finally(() => (running = undefined));
  }

  /** What may be added to what was authorised. */
  const room = (): bigint => max(min(flow.ceiling, meter.cost() + ahead) - flow.authorised(), 0n);

  return {
    /** Pays on where less than half a window is left. */
    keepUp(): void {
      if (flow.authorised() - meter.cost() <= window / 2n && room() > 0n) start(room());
    },
    /** The seller waits. What it asks for beyond what has come is not signed. */
    answer(need: string): void {
      const required = amountOf(parseNeed(need), "requiredCumulative") ?? 0n;
      if (room() > 0n || flow.isBehind(required)) start(room());
    },
  };
}

function parseNeed(need: string): Record<string, unknown> {
  try {
    return parseJsonObject(need, "payment note");
  } catch {
    return {};
  }
}
