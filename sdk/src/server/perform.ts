import type { Answer } from "../ledger/ledger.ts";
import { problemResponse } from "../wire/problem.ts";
import type { StreamMeter } from "../wire/metering.ts";
import type { Offer, Work } from "./gateway.ts";
import { ownController } from "./ownRequests.ts";
import { readBody } from "./requestBody.ts";
import type { Reply } from "./reply.ts";
import type { Workload } from "./workload.ts";

/** What became of the work. */
export type Outcome =
  /** An answer to charge for, whole. */
  | { readonly kind: "answer"; readonly answer: Answer; readonly cost: bigint }
  /** An answer to charge for while it flows. */
  | { readonly kind: "stream"; readonly stream: WorkStream }
  /** The buyer went away, and the work ended without an answer: what the work had noted is charged. */
  | { readonly kind: "gone"; readonly cost: bigint }
  /** A response that costs nothing. */
  | { readonly kind: "failed"; readonly response: Response };

/** An answer that flows. */
export type WorkStream = {
  readonly response: Response;
  readonly meter: StreamMeter;
  readonly isEventStream: boolean;
  /** Aborted when the buyer has gone. */
  readonly gone: AbortSignal;
  /** Aborted when the work has taken too long. */
  readonly late: AbortSignal;
  /** Tells the work to stop, if it has not ended, and frees what was used. */
  end(): void;
};

/**
 * Does the work and meters it. Whatever goes wrong here is the seller's failure, told without its inner details.
 *
 * @param request - The request that is paid for; its signal tells when the buyer has gone.
 * @param body - Its body, which was read from it.
 * @param offer - What it costs.
 * @param work - Does the work.
 * @param options.timeout - Milliseconds; then the work is told to stop and has failed.
 * @param options.workload - Counts a stream while it flows, and tells when all work has to end.
 * @param options.report - Told what went wrong inside.
 * @returns The outcome; this never rejects.
 */
export async function perform(
  request: Request,
  body: Uint8Array,
  offer: Offer,
  work: Work,
  options: { timeout: number; workload: Pick<Workload, "ending" | "flow">; report: (error: unknown) => void },
): Promise<Outcome> {
  const { asked, abort } = toAsked(request, body);
  const gone = request.signal;
  const { ending } = options.workload;
  let used = 0n;
  let isGone = false;
  let late: DOMException | undefined;
  /** For an answer that flows, which is read until one of them is aborted. */
  let signals: { gone: AbortController; late: AbortController } | undefined;
  let refuseLate: ((reason: unknown) => void) | undefined;
  const stop = (): void => {
    // The work's signal may be the request's own, which was aborted then for being late.
    if (late) return;
    isGone = true;
    signals?.gone.abort(gone.reason);
    abort(gone.reason);
  };
  const stopLate = (): void => {
    late = new DOMException("The work took too long.", "TimeoutError");
    refuseLate?.(late);
    signals?.late.abort();
    abort(late);
  };
  gone.addEventListener("abort", stop);
  const timer = setTimeout(stopLate, options.timeout);
  ending.addEventListener("abort", stopLate);
  const free = (): void => {
    clearTimeout(timer);
    ending.removeEventListener("abort", stopLate);
    gone.removeEventListener("abort", stop);
  };

  /** What comes too late counts no more, whether or not the work obeys its signal. */
  const beforeLate = <value>(result: value | Promise<value>): Promise<value> =>
    new Promise((resolve, reject) => {
      refuseLate = reject;
      if (late) reject(late);
      Promise.resolve(result).then(resolve, reject);
    });

  let isFlowing = false;
  try {
    if (gone.aborted) stop();
    const response = await beforeLate(work(asked, { add: (amount) => void (used += amount) }));
    const succeeded = offer.succeeds?.(response) ?? (response.status >= 200 && response.status < 400);
    const isEventStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false;
    const meter = succeeded && response.body ? offer.price.stream?.(body, isEventStream, () => used) : undefined;
    if (meter) {
      isFlowing = true;
      const leave = options.workload.flow();
      const end = (): void => {
        leave();
        free();
        abort(undefined);
      };
      signals = { gone: new AbortController(), late: new AbortController() };
      // It may have come in the meantime.
      if (isGone) signals.gone.abort(gone.reason);
      const stream = { response, meter, isEventStream, gone: signals.gone.signal, late: signals.late.signal, end };
      return { kind: "stream", stream };
    }
    const bytes = (await beforeLate(readBody(response, Number.POSITIVE_INFINITY))) ?? new Uint8Array();
    if (!succeeded) return { kind: "failed", response: unpaid(response, bytes) };
    const answer = { status: response.status, headers: [...response.headers], body: bytes };
    return { kind: "answer", answer, cost: offer.price.meter(bytes, used) };
  } catch (error) {
    if (isGone && !late) return { kind: "gone", cost: used };
    options.report(error);
    const detail = "The seller failed to do the work. Nothing was charged; the same request may be sent again.";
    return { kind: "failed", response: problemResponse("seller-failed", detail) };
  } finally {
    if (!isFlowing) free();
  }
}

function unpaid({ status, headers }: Response, body: Uint8Array): Response {
  const isBodyless = nullBodyStatuses.has(status);
  const response = new Response(isBodyless ? null : (body as Uint8Array<ArrayBuffer>), { status, headers });
  for (const name of headers.keys()) if (name.startsWith("payment-")) response.headers.delete(name);
  return response;
}

/** The handler, an upstream above all, must never see what pays. */
function toAsked(request: Request, body: Uint8Array): { asked: Request; abort: (reason: unknown) => void } {
  const own = request.body === null ? ownController(request) : undefined;
  if (own) {
    // Nobody else looks at it: it need not be copied.
    for (const name of hidden) request.headers.delete(name);
    return { asked: request, abort: (reason) => own.abort(reason) };
  }
  const controller = new AbortController();
  const headers = new Headers(request.headers);
  for (const name of hidden) headers.delete(name);
  const hasBody = request.method !== "GET" && request.method !== "HEAD" && body.length > 0;
  const asked = new Request(request.url, {
    method: request.method,
    headers,
    signal: controller.signal,
    ...(hasBody ? { body: body as Uint8Array<ArrayBuffer> } : {}),
  });
  function abort(reason: unknown): void {
    controller.abort(reason);
    // A request's signal follows the controller's only while somebody holds the request.
    return void asked;
  }
  return { asked, abort };
}

/** What pays, and by which a client could have another method done than the one that was paid for. */
const hidden = ["authorization", "x-http-method-override", "x-http-method", "x-method-override"];

/** Statuses whose responses have no body, by the fetch standard. */
const nullBodyStatuses = new Set([101, 103, 204, 205, 304]);

/**
 * Makes the reply to a request that was paid for.
 *
 * @param answer - The answer of the work, now or when it was first given.
 * @param receipt - The value of `Payment-Receipt`.
 * @returns The reply. What was paid for is for the buyer: no shared cache may keep it.
 */
export function withReceipt({ status, headers: given, body }: Answer, receipt: string): Reply {
  const headers = paidHeaders(given, receipt);
  return nullBodyStatuses.has(status) ? new Response(null, { status, headers }) : { status, headers, body };
}

/** The headers of an answer that is paid for; those that are given are a response's, in lower case. */
export function paidHeaders(given: Iterable<readonly [string, string]>, receipt: string): [string, string][] {
  const headers: [string, string][] = [];
  let caching: string | undefined;
  for (const [name, value] of given) {
    if (name === "cache-control") caching = value;
    else if (!notTheirs.test(name)) headers.push([name, value]);
  }
  headers.push(["payment-receipt", receipt], ["cache-control", privateCaching(caching)]);
  return headers;
}

/** What is the gateway's to say, what shared caches obey before `Cache-Control`, and what is of an upstream's connection. */
const notTheirs =
  /^payment-|cdn-cache-control$|^surrogate-control$|^x-accel-expires$|^connection$|^keep-alive$|^transfer-encoding$/;

function privateCaching(current: string | undefined): string {
  if (current === undefined) return "private";
  const directives = current.split(",").map((directive) => directive.trim());
  return ["private", ...directives.filter((directive) => !/^(|public|private|s-maxage=.*)$/i.test(directive))].join(
    ", ",
  );
}
