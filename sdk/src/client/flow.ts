import { max, min } from "../bigints.ts";
import { isSubfenError } from "../errors.ts";
import { untilAborted } from "../untilAborted.ts";
import { parseJsonObject } from "../wire/encoding.ts";
import { createStreamMeter, type StreamMeter } from "../wire/metering.ts";
import { type FlowPricing, type TokenPricing, windowCostOf } from "../wire/pricing.ts";
import type { SessionReceipt } from "../wire/sessionReceipt.ts";
import { createSseParser, formatSseFrame, parsePaymentNote, type SseFrame } from "../wire/sse.ts";
import { giveStatement, readReceipt } from "./askTotal.ts";
import type { Call } from "./call.ts";
import { fund } from "./funding.ts";
import type { PaidCall } from "./paidCalls.ts";
import { amountOf, type Buyer, purseOf, type SellerSession, type SessionOffer } from "./sellerSession.ts";

/** An answer that is paid while it flows. */
export type Flow = {
  readonly session: SellerSession;
  readonly paid: PaidCall;
  readonly call: Call;
  readonly offer: SessionOffer;
  /** Base units that the whole answer may cost. */
  readonly ceiling: bigint;
  /** Takes the receipt at its end, with what was counted here; `undefined` when none came. Never rejects. */
  readonly onEnd: (
    receipt: SessionReceipt | undefined,
    content: Uint8Array[],
    measured: bigint | undefined,
  ) => Promise<void>;
};

/**
 * Hands an answer on while it flows and pays for it as it comes: never more than a window of the price list and one unit beyond
 * what has come, by our own count, whatever the seller asks for.
 *
 * @param response - The seller's answer.
 * @param flow - What it is paid by.
 * @param buyer - Wallet, budget, transport and journal.
 * @returns The answer without the gateway's own words. Reading it fails where no more may be paid.
 */
export function payFlow(response: Response, flow: Flow, buyer: Buyer): Response {
  const { call, offer, session } = flow;
  const { pricing } = offer.request;
  const isEventStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
  const isMetered = pricing !== undefined && pricing.unit !== "request";
  const meter = isMetered ? createStreamMeter(pricing, call.body ?? new Uint8Array()) : undefined;
  const refused = new AbortController();
  const payer =
    meter && isMetered ? createFlowPayer(flow, pricing, meter, buyer, (refusal) => refused.abort(refusal)) : undefined;
  const parser = createSseParser();
  const content: Uint8Array[] = [];
  const reader = (response.body as ReadableStream<Uint8Array<ArrayBuffer>>).getReader();
  const encoder = new TextEncoder();
  let receipt: SessionReceipt | undefined;
  let isOver = false;

  session.inFlight++;
  async function end(): Promise<void> {
    if (isOver) return;
    isOver = true;
    try {
      await flow.onEnd(receipt, content, meter?.total());
    } finally {
      session.inFlight--;
    }
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
  { session, paid, call, offer, ceiling }: Flow,
  pricing: TokenPricing | FlowPricing,
  meter: StreamMeter,
  buyer: Buyer,
  refuse: (refusal: unknown) => void,
) {
  const window = windowCostOf(pricing);
  const ahead = window + windowCostOf({ ...pricing, window: 1 });
  let running: Promise<unknown> | undefined;

  /** Only adds to what the seller may charge: the answer itself comes by the call. */
  async function raise(more: bigint): Promise<SessionReceipt | undefined> {
    const purse = purseOf(session, paid.statement);
    if (!purse) return undefined;
    while (purse.next(more) > purse.deposit) {
      session.funding ??= fund(session, offer, purse.next(more), buyer).finally(() => (session.funding = undefined));
      await session.funding;
    }
    paid.ceiling += more;
    const cumulativeAmount = purse.raise(paid.statement.cumulativeAmount, more);
    const context = { challenge: offer.challenge, url: call.url, signal: call.signal, buyer };
    return giveStatement(session, purse.channelId, cumulativeAmount, context);
  }

  function start(more: bigint): void {
    running ??= raise(more)
      .catch((error: unknown) => {
        // A limit of the buyer's ends the answer. What the network has lost the seller asks for again.
        if (isSubfenError(error)) refuse(error);
      })
      .finally(() => (running = undefined));
  }

  /** What may be added to what was authorised. */
  const room = (): bigint => max(min(ceiling, meter.cost() + ahead) - paid.ceiling, 0n);

  return {
    /** Pays on where less than half a window is left. */
    keepUp(): void {
      if (paid.ceiling - meter.cost() <= window / 2n && room() > 0n) start(room());
    },
    /** The seller waits. What it asks for beyond what has come is not signed. */
    answer(need: string): void {
      const required = amountOf(parseNeed(need), "requiredCumulative") ?? 0n;
      const purse = purseOf(session, paid.statement);
      if (purse && (room() > 0n || required <= purse.signed)) start(room());
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
