import { untilAborted } from "../untilAborted.ts";
import { bytesToBase64Url } from "../wire/encoding.ts";
import { readReceipt } from "./readReceipt.ts";

/** One call as it can be sent again and again: its body is in memory. */
export type Call = {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  readonly signal: AbortSignal;
  /** The caller's own choice for the unpaid try. */
  readonly redirect: RequestRedirect;
  /** Tells the seller that tries are of one call. */
  readonly idempotencyKey: string;
  /** Whether the caller chose that key. */
  readonly isKeyed: boolean;
};

/**
 * Takes what `fetch` takes.
 *
 * @param input - As for `fetch`.
 * @param init - As for `fetch`.
 * @returns The call. A streamed body is read to its end, so that the paid try sends the same bytes.
 */
export async function toCall(input: RequestInfo | URL, init: RequestInit | undefined): Promise<Call> {
  const isStream = init?.body instanceof ReadableStream;
  const request = new Request(input, isStream ? ({ ...init, duplex: "half" } as RequestInit) : init);
  const body = request.body ? new Uint8Array(await request.arrayBuffer()) : undefined;
  const key = request.headers.get("idempotency-key");
  return {
    url: new URL(request.url),
    method: request.method,
    headers: request.headers,
    body,
    // The caller's own: the one of a Request that nobody holds any more may stop following it.
    signal: init?.signal ?? (input instanceof Request ? input.signal : request.signal),
    redirect: request.redirect,
    idempotencyKey: key ?? crypto.randomUUID(),
    isKeyed: key !== null,
  };
}

/**
 * Sends a call.
 *
 * @param transport - The `fetch` below.
 * @param call - The call.
 * @param credential - Replaces the caller's own `Authorization`; a paid try follows no redirect, since the next address
 * was not the one asked.
 * @returns The answer.
 */
export function send(transport: typeof fetch, call: Call, credential?: string): Promise<Response> {
  const headers = new Headers(call.headers);
  if (credential !== undefined) {
    headers.set("authorization", credential);
    headers.set("idempotency-key", call.idempotencyKey);
    // Never with what nobody asked to be paid for: it would make a browser ask other sites for leave first.
    if (!headers.has("accept-payment")) headers.set("accept-payment", "evm/session, evm/charge;q=0.5");
  }
  const isPaid = credential !== undefined;
  // Node's fetch cannot send bytes a second time when it follows a redirect, a Blob it can.
  const body = call.body === undefined || isPaid ? call.body : new Blob([call.body]);
  return transport(call.url, {
    method: call.method,
    headers,
    signal: call.signal,
    redirect: isPaid ? "manual" : call.redirect,
    ...(body === undefined ? {} : { body }),
  });
}

/**
 * Reads an answer to its end, so that one that breaks off half-way can be asked for again instead of being paid again
 * by whoever retries. Event streams are handed on as they come.
 *
 * @param response - The answer.
 * @returns The same answer with its body in memory.
 */
export async function complete(response: Response): Promise<Response> {
  if (!response.body || isFlowing(response)) return response;
  const { status, statusText, headers, url } = response;
  const whole = new Response(await response.arrayBuffer(), { status, statusText, headers });
  return Object.defineProperty(whole, "url", { value: url });
}

/** Whether an answer is to be handed on as it comes: its events, or what is paid while it flows. */
function isFlowing({ headers }: Response): boolean {
  if (headers.get("content-type")?.startsWith("text/event-stream")) return true;
  return readReceipt(headers.get("payment-receipt"))?.isPending === true;
}

/**
 * What makes two calls the same one tried again, whoever tries, also after a restart.
 *
 * @param call - The call.
 * @returns Method, address and the body's digest, with the caller's own key if it gave one.
 */
export async function identityOf(call: Call): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", call.body ?? new Uint8Array());
  const parts = [call.method, call.url.href, bytesToBase64Url(new Uint8Array(digest))];
  return (call.isKeyed ? [...parts, call.idempotencyKey] : parts).join(" ");
}

/**
 * Waits, unless the caller gives up.
 *
 * @param milliseconds - How long.
 * @param signal - Rejects with its reason when it is aborted.
 */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  const time = new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
  return signal ? untilAborted(time, signal) : time;
}
