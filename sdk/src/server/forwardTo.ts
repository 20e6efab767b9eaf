import type { Work } from "./gateway.ts";

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
];

/** Headers of an upstream's answer that are about the upstream and not about the answer. */
const upstreamHeaders = [...connectionHeaders, "set-cookie", "content-encoding", "www-authenticate", "payment-receipt"];

/** Headers by which a caller could choose whose account at the upstream pays. */
const accountHeaders = ["cookie", "openai-organization", "openai-project", "x-api-key", "api-key", "stripe-account"];

/**
 * Work that an upstream does: the request is sent on with its path, without cookies and credentials of the caller.
 *
 * @param upstream - Scheme, host and port; the path is the request's own, after `upstream`'s.
 * @param options.headers - Headers to add, such as the upstream's own API key.
 * @param options.timeout - Milliseconds; 120,000 by default.
 * @returns The work. A failing upstream's status and body reach the caller, what it says about itself does not.
 */
export function forwardTo(
  upstream: string,
  options: { headers?: Record<string, string>; timeout?: number } = {},
): Work {
  const { headers: added = {}, timeout = 120_000 } = options;
  const base = new URL(upstream);
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    // Built by parts: a path such as //evil.example must not become the host.
    const target = new URL(base);
    target.pathname = base.pathname.replace(/\/$/, "") + pathname;
    target.search = search;

    const headers = new Headers(request.headers);
    for (const name of [...connectionHeaders, ...accountHeaders]) headers.delete(name);
    for (const [name, value] of Object.entries(added)) headers.set(name, value);
    const hasBody = request.method !== "GET" && request.method !== "HEAD";
    const response = await fetch(target, {
      method: request.method,
      headers,
      redirect: "manual",
      signal: AbortSignal.timeout(timeout),
      ...(hasBody ? { body: await request.arrayBuffer() } : {}),
    });

    const answered = new Headers(response.headers);
    for (const name of upstreamHeaders) answered.delete(name);
    // A 401 is about the seller's own account at the upstream, which is not the caller's business.
    if (response.status === 401 || response.status === 403) return new Response(null, { status: 502 });
    return new Response(response.body, { status: response.status, headers: answered });
  };
}
