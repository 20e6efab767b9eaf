import type { Answer } from "../ledger/ledger.ts";
import { problemResponse } from "../wire/problem.ts";
import type { Offer, Work } from "./gateway.ts";

/** What became of the work: an answer to charge for, or a response that costs nothing. */
export type Outcome = { succeeded: true; answer: Answer; cost: bigint } | { succeeded: false; response: Response };

/**
 * Does the work and meters it. Whatever goes wrong here is the seller's failure, told without its inner details.
 *
 * @param request - The request that is paid for.
 * @param body - Its body, which was read from it.
 * @param offer - What it costs.
 * @param work - Does the work.
 * @param options.timeout - Milliseconds; then the work is told to stop and has failed.
 * @param options.report - Told what went wrong inside.
 * @returns The outcome; this never rejects.
 */
export async function perform(
  request: Request,
  body: Uint8Array,
  offer: Offer,
  work: Work,
  options: { timeout: number; report: (error: unknown) => void },
): Promise<Outcome> {
  const controller = new AbortController();
  const asked = withoutCredential(request, body, controller.signal);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      controller.abort();
      // Not the controller's: a request's signal follows only while somebody holds the request.
      reject(asked.signal.reason as Error);
    }, options.timeout);
  });
  try {
    return await Promise.race([answerOf(asked, offer, work), late]);
  } catch (error) {
    options.report(error);
    const detail = "The seller failed to do the work. Nothing was charged; the same request may be sent again.";
    return { succeeded: false, response: problemResponse("seller-failed", detail) };
  } finally {
    clearTimeout(timer);
  }
}

async function answerOf(asked: Request, offer: Offer, work: Work): Promise<Outcome> {
  const response = await work(asked);
  const bytes = new Uint8Array(await response.arrayBuffer());
  const { status, headers } = response;
  if (status >= 200 && status < 400) {
    return { succeeded: true, answer: { status, headers: [...headers], body: bytes }, cost: offer.price.meter(bytes) };
  }
  const failed = new Response(bytes, { status, headers });
  failed.headers.delete("payment-receipt");
  return { succeeded: false, response: failed };
}

/** The handler, an upstream above all, must never see what pays. */
function withoutCredential(request: Request, body: Uint8Array, signal: AbortSignal): Request {
  const headers = new Headers(request.headers);
  headers.delete("authorization");
  const hasBody = request.method !== "GET" && request.method !== "HEAD" && body.length > 0;
  return new Request(request.url, {
    method: request.method,
    headers,
    signal,
    ...(hasBody ? { body: body as Uint8Array<ArrayBuffer> } : {}),
  });
}

/**
 * Makes the response to a request that was paid for.
 *
 * @param answer - The answer of the work, now or when it was first given.
 * @param receipt - The value of `Payment-Receipt`.
 * @returns The response. What was paid for is for the buyer: no shared cache may keep it.
 */
export function withReceipt(answer: Answer, receipt: string): Response {
  const kept = answer.headers.filter(([name]) => !sharedCaching.test(name));
  const headers = new Headers(kept.map(([name, value]): [string, string] => [name, value]));
  headers.set("payment-receipt", receipt);
  headers.set("cache-control", privateCaching(headers.get("cache-control")));
  const isBodyless = answer.status === 204 || answer.status === 205 || answer.status === 304;
  const body = isBodyless ? null : (answer.body as Uint8Array<ArrayBuffer>);
  return new Response(body, { status: answer.status, headers });
}

/** Headers that shared caches obey before `Cache-Control`. */
const sharedCaching = /cdn-cache-control$|^surrogate-control$|^x-accel-expires$/;

function privateCaching(current: string | null): string {
  const directives = (current ?? "").split(",").map((directive) => directive.trim());
  return ["private", ...directives.filter((directive) => !/^(|public|private|s-maxage=.*)$/i.test(directive))].join(
    ", ",
  );
}
