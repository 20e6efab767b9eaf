import { createHash } from "node:crypto";

import type { Hex } from "viem";

import { min } from "../bigints.ts";
import { untilAborted } from "../untilAborted.ts";
import { createSseParser, formatPaymentNote, formatSseFrame, type SseFrame, withoutPaymentNotes } from "../wire/sse.ts";
import type { WorkStream } from "./perform.ts";

/** What a stream is paid from. Amounts in base units. */
export type StreamAccount = {
  /** Most that the stream is charged. */
  readonly ceiling: bigint;
  /** How much more is asked for at a time. */
  readonly window: bigint;
  /** Units between two durable marks of what was delivered. */
  readonly unitsPerMark: number;
  /**
   * Marks what was delivered, durably, and reserves up to `wanted` in all.
   *
   * @returns What is reserved now, what the client must do to go on, and whether the channel gives nothing more.
   */
  advance(delivered: bigint, wanted: bigint): Promise<{ reserved: bigint; need: string; isEnding: boolean }>;
  /** Waits until more may be there. @returns `false` when none came in time. */
  more(left: AbortSignal): Promise<boolean>;
  /** Charges what was delivered. @returns The receipt. */
  capture(cost: bigint, responseHash: Hex): Promise<string>;
  /** The seller failed: nothing is charged. @returns The receipt over nothing, where there is one. */
  release(): Promise<string | undefined>;
};

/** A part of an answer as it is handed on; what is counted may be cut, what is handed on is not. */
type Part = { readonly counted: SseFrame | Uint8Array; readonly bytes: Uint8Array };

const encoder = new TextEncoder();

/**
 * Hands an answer on while it flows, never a unit more than was paid: where the reserved amount runs out it pauses and
 * asks for more, and where none comes it ends, charged for what was delivered. An answer that breaks off costs nothing.
 * It is charged once its time is up or its buyer has gone, whether or not anybody reads on.
 *
 * @param stream - The answer.
 * @param account - What it is paid from; it reserves `reserved` at the start.
 * @param reserved - Base units that are reserved already.
 * @param options.notes - How the gateway speaks within an event stream.
 * @param options.onEnd - Told the receipt of a body that is no event stream, before its end: it goes into a trailer.
 * @param options.report - Told what went wrong inside.
 * @returns The body. Cancelling it counts as the buyer's leaving.
 */
export function streamAnswer(
  stream: WorkStream,
  account: StreamAccount,
  reserved: bigint,
  options: { notes: "comment" | "event"; onEnd: (receipt: string) => void; report: (error: unknown) => void },
): ReadableStream<Uint8Array> {
  const { meter, isEventStream, gone, late } = stream;
  const cancelled = new AbortController();
  const left = AbortSignal.any([gone, cancelled.signal]);
  const { report, notes } = options;
  const hash = createHash("sha256");
  let delivered = 0n;
  let captured: Promise<string> | undefined;
  let isReleased = false;
  /** Whether nobody asks for more. */
  let isIdle = true;

  const note = (name: "need-voucher" | "receipt", value: string): Uint8Array =>
    encoder.encode(formatPaymentNote({ name, value }, notes));

  function capture(cost: bigint): Promise<string> {
    return (captured ??= account.capture(cost, `0x${hash.digest("hex")}`));
  }

  /** Whoever has got all that it wants may read no more and never leave. */
  function endIdle(): void {
    if (!isIdle || isReleased || captured) return;
    stream.end();
    capture(delivered).catch(report);
  }
  for (const signal of [gone, late]) signal.addEventListener("abort", endIdle, { once: true });

  async function* deliver(): AsyncGenerator<Uint8Array> {
    let marked = 0;
    for await (const { counted, bytes } of partsOf(stream, AbortSignal.any([left, late]))) {
      if (captured) return;
      meter.count(counted);
      const cost = min(meter.cost(), account.ceiling);
      for (let isAsked = false; cost > reserved || meter.units - marked >= account.unitsPerMark;) {
        marked = meter.units;
        const wanted = min(cost + account.window, account.ceiling);
        const advanced = await account.advance(delivered, wanted);
        ({ reserved } = advanced);
        // Whoever wants the channel closed waits for this.
        if (advanced.isEnding) return;
        if (cost <= reserved) break;
        if (isEventStream && !isAsked) yield note("need-voucher", advanced.need);
        isAsked = true;
        if (!(await account.more(left))) return;
      }
      // Counted before it leaves: whoever goes away now has got it.
      delivered = cost;
      hash.update(bytes);
      yield bytes;
    }
    delivered = min(meter.total(), account.ceiling);
    if (delivered > reserved) ({ reserved } = await account.advance(delivered, delivered));
  }

  async function* run(): AsyncGenerator<Uint8Array> {
    try {
      yield* deliver();
      const receipt = await capture(delivered);
      if (isEventStream) yield note("receipt", receipt);
      else options.onEnd(receipt);
    } catch (error) {
      if (left.aborted || (captured && !late.aborted)) throw error;
      if (late.aborted) {
        // What was delivered in time is charged, and ends as if no more had been paid.
        const receipt = await capture(delivered);
        if (isEventStream) yield note("receipt", receipt);
        return;
      }
      isReleased = true;
      report(error);
      const receipt = await account.release();
      if (isEventStream && receipt !== undefined) yield note("receipt", receipt);
      throw error;
    } finally {
      stream.end();
      // The buyer has gone: it pays what was metered.
      if (!isReleased) await capture(delivered).catch(report);
    }
  }

  const parts = run();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        isIdle = false;
        const { done, value } = await parts.next();
        isIdle = true;
        if (done) controller.close();
        else controller.enqueue(value);
        if (gone.aborted || late.aborted) endIdle();
      },
      async cancel() {
        cancelled.abort();
        await parts.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

async function* partsOf({ response, isEventStream }: WorkStream, signal: AbortSignal): AsyncGenerator<Part> {
  const chunks = readUntil(response.body as ReadableStream<Uint8Array>, signal);
  if (!isEventStream) {
    for await (const chunk of chunks) yield* slices(chunk);
    return;
  }
  const parser = createSseParser();
  for await (const chunk of chunks) {
    for (const frame of parser.push(chunk)) yield* toPart(frame);
  }
  const last = parser.end();
  if (last) yield* toPart(last);
}

/** Bytes handed on at once, so that no more than that is handed on beyond what a window pays. */
const slice = 4096;

function* slices(chunk: Uint8Array): Generator<Part> {
  for (let start = 0; start < chunk.length; start += slice) {
    const bytes = chunk.subarray(start, start + slice);
    yield { counted: bytes, bytes };
  }
}

function* toPart(frame: SseFrame): Generator<Part> {
  const lines = withoutPaymentNotes(frame);
  if (lines.length > 0) yield { counted: frame, bytes: encoder.encode(formatSseFrame(lines)) };
}

/** Reads a body until a signal ends that, whether or not whoever fills it obeys the signal too. */
async function* readUntil(body: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await untilAborted(reader.read(), signal);
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
