import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";

import type { Answer } from "../ledger/ledger.ts";
import { withController } from "./ownRequests.ts";
import { plainly, type Reply, toPlain, toResponse } from "./reply.ts";
import { trailersOf } from "./trailers.ts";

/**
 * Lets `node:http` serve a handler `Request -> Response`. A request without a body is handed on to the work itself, its
 * credential taken out.
 *
 * @param handler - Such as what `gateway.protect` returns.
 * @returns A listener for `http.createServer`.
 * @example
 * import { createServer } from "node:http";
 *
 * createServer(toNodeListener(handler)).listen(8402, "127.0.0.1");
 */
export function toNodeListener(
  handler: (request: Request) => Promise<Response>,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const reply = plainly(handler);
  return (incoming, outgoing) => {
    void answer(reply, incoming, outgoing);
  };
}

async function answer(
  handler: (request: Request) => Promise<Reply>,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  let request: Request;
  try {
    request = toRequest(incoming, leaving(outgoing));
  } catch {
    // The request line or a header is not HTTP that fetch can express.
    outgoing.writeHead(400).end();
    return;
  }
  try {
    const reply = await handler(request);
    const plain = toPlain(reply);
    if (plain) {
      await endOfTurn();
      sendWhole(outgoing, plain, incoming.method !== "HEAD");
      return;
    }
    const response = toResponse(reply);
    outgoing.statusCode = response.status;
    for (const [name, value] of response.headers) {
      if (name !== "set-cookie") outgoing.setHeader(name, value);
    }
    const cookies = response.headers.getSetCookie();
    if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
    // A proxy may speak HTTP/1.0, which has none, to what stands behind it.
    const trailers = incoming.httpVersion === "1.0" ? undefined : trailersOf(response);
    if (trailers) outgoing.setHeader("trailer", "payment-receipt");
    // Whoever reads as it flows wants to know at once that it has begun.
    if (trailers || response.headers.get("content-type")?.startsWith("text/event-stream")) outgoing.flushHeaders();
    if (response.body && incoming.method !== "HEAD") {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        if (!outgoing.write(chunk)) await once(outgoing, "drain", { signal: request.signal });
      }
    }
    if (trailers) outgoing.addTrailers(trailers());
    outgoing.end();
  } catch {
    // The answer broke off: the caller must see that, and not a shorter answer; and what was written before it.
    setImmediate(() => outgoing.destroy());
  }
}

let turn: Promise<void> | undefined;

/** Whole answers are written once no more of the requests at hand can be read, one after the other: their readers wake once. */
function endOfTurn(): Promise<void> {
  turn ??= new Promise((resolve) =>
    setImmediate(() => {
      turn = undefined;
      resolve();
    }),
  );
  return turn;
}

function sendWhole(outgoing: ServerResponse, { status, headers, body }: Answer, hasBody: boolean): void {
  const raw = ["content-length", String(body.length)];
  for (const [name, value] of headers) if (name !== "content-length") raw.push(name, value);
  outgoing.writeHead(status, raw);
  if (!hasBody) outgoing.end();
  else if (body.length > maxJoined) outgoing.end(body);
  // Text is joined with the head: one thing is written, not two.
  else outgoing.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("latin1"), "latin1");
}

/** Bytes of an answer up to which copying it costs less than writing it apart from its head. */
const maxJoined = 16_384;

/** Aborted when the caller goes away before it has its answer. */
function leaving(outgoing: ServerResponse): AbortController {
  const controller = new AbortController();
  outgoing.once("close", () => {
    if (!outgoing.writableFinished) controller.abort();
  });
  return controller;
}

function toRequest(incoming: IncomingMessage, left: AbortController): Request {
  const { method = "GET" } = incoming;
  const hasBody = method !== "GET" && method !== "HEAD";
  const request = new Request(toAddress(incoming), {
    method,
    signal: left.signal,
    ...(hasBody ? { body: toBody(incoming, left), duplex: "half" } : {}),
  } as RequestInit);
  // Not in a list of their own, which would be copied.
  const { rawHeaders } = incoming;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    request.headers.append(rawHeaders[i] as string, rawHeaders[i + 1] as string);
  }
  return withController(request, left);
}

function toAddress({ headers, url = "/" }: IncomingMessage): string {
  const host = headers.host ?? "localhost";
  if (plainHost.test(host) && plainPath.test(url)) return `http://${host}${url}`;
  // By parts, so that a request target such as //evil.example cannot change the host.
  const target = new URL(`http://${host}`);
  const [path = "/", ...query] = url.split("?");
  target.pathname = path;
  target.search = query.length > 0 ? `?${query.join("?")}` : "";
  return target.href;
}

/** What means the same whether it is read at once or by parts. */
const plainHost = /^[a-z0-9.-]+(?::[0-9]+)?$/i;
const plainPath = /^\/(?!\/)[\w\-./~%=&?]*$/;

/** What the handler does not want of a body is thrown away, not the connection: the caller is to read the answer. */
function toBody(incoming: IncomingMessage, left: AbortController): ReadableStream<Uint8Array> {
  const chunks = incoming.iterator({ destroyOnReturn: false });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = chunks.next().catch((error: unknown) => {
          // The answer to a request that was sent behind another one is not closed when the caller goes away.
          left.abort();
          throw error;
        });
        const { done, value } = (await next) as IteratorResult<Uint8Array>;
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        await chunks.return?.();
        incoming.resume();
      },
    },
    { highWaterMark: 0 },
  );
}
