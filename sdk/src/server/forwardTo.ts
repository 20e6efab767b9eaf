import { SubfenError } from "../errors.ts";

/** The upstream answered something about the seller's own access to it, which is not the caller's business. */
export class UpstreamRefusedError extends SubfenError {
  override readonly name = "UpstreamRefusedError";
  readonly status: number;

  constructor(status: number) {
    super(`The upstream answered ${status}, which is about the seller's own access to it.`, {
      code: "upstream-refused",
      metaMessages: ["Look at its address, at the key in `headers` and at what is left on the account."],
    });
    this.status = status;
  }
}

/** Headers that belong to one connection (RFC 9110 section 7.6.1), or that fetch sets itself. */
const connectionHeaders = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "host",
  "content-length",
  "expect",
  "accept-encoding",
];

/** Headers by which a caller could choose whose account at the upstream pays, or who it seems to be there. */
const callerHeaders = [
  "authorization",
  "cookie",
  "openai-organization",
  "openai-project",
  "x-api-key",
  "api-key",
  "x-goog-api-key",
  "x-goog-user-project",
  "stripe-account",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
];

/** Headers that make another request of the one that was paid for. */
const overrideHeaders = ["x-http-method-override", "x-http-method", "x-method-override"];

/** Headers of an upstream's answer that are about the upstream and not about the answer. */
const upstreamHeaders = [
  ...connectionHeaders,
  "set-cookie",
  "content-encoding",
  "www-authenticate",
  "payment-receipt",
  "payment-response",
  "openai-organization",
  "openai-project",
  "strict-transport-security",
  "alt-svc",
  "clear-site-data",
  "server",
  "via",
];

/**
 * Work that an upstream does: the request is sent on with its path, without cookies and credentials of the caller.
 *
 * @param upstream - Scheme, host and port; the path is the request's own, after `upstream`'s.
 * @param options.headers - Headers to add, such as the upstream's own API key.
 * @param options.timeout - Milliseconds; 120,000 by default.
 * @returns The work. A failing upstream's status and body reach the caller, what it says about itself does not.
 * @throws The work rejects with {UpstreamRefusedError} when the upstream does not let the seller in or sends it
 * elsewhere.
 */
export function forwardTo(
  upstream: string,
  options: { headers?: Record<string, string>; timeout?: number } = {},
): (request: Request) => Promise<Response> {
  const { headers: added = {}, timeout = 120_000 } = options;
  const base = new URL(upstream);
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    // Built by parts: a path such as //evil.example must not become the host.
    const target = new URL(base);
    target.pathname = base.pathname.replace(/\/$/, "") + pathname;
    target.search = search;

    const headers = new Headers(request.headers);
    const tied = request.headers.get("connection")?.match(/[\w-]+/g) ?? [];
    for (const name of [...tied, ...connectionHeaders, ...callerHeaders, ...overrideHeaders]) headers.delete(name);
    for (const [name, value] of Object.entries(added)) headers.set(name, value);
    const hasBody = request.method !== "GET" && request.method !== "HEAD";
    const response = await fetch(target, {
      method: request.method,
      headers,
      redirect: "manual",
      signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeout)]),
      ...(hasBody ? { body: await request.arrayBuffer() } : {}),
    });

    if (isAboutSeller(response.status)) {
      await response.body?.cancel();
      throw new UpstreamRefusedError(response.status);
    }
    const answered = new Headers(response.headers);
    for (const name of upstreamHeaders) answered.delete(name);
    return new Response(response.body, { status: response.status, headers: answered });
  };
}

function isAboutSeller(status: number): boolean {
  const isRedirect = status >= 300 && status < 400 && status !== 304;
  return isRedirect || status === 401 || status === 402 || status === 403;
}
