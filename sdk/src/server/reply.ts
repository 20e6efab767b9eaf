import type { Answer } from "../ledger/ledger.ts";

/** What a request is answered with: whole and plain, which costs a tenth of what a `Response` does, or a response. */
export type Reply = Answer | Response;

type Handler = (request: Request) => Promise<Response>;

/** Whole answers, by the response that was made of each: an adapter need not read that as a stream. */
const answers = new WeakMap<Response, Answer>();
/** What answers plainly, by the handler that answers the same by responses. */
const plain = new WeakMap<Handler, (request: Request) => Promise<Reply>>();

/** @returns Whether an answer is a plain one. */
export function isPlain(reply: Reply): reply is Answer {
  return Array.isArray(reply.headers);
}

/** @returns The response that says the same. */
export function toResponse(reply: Reply): Response {
  if (!isPlain(reply)) return reply;
  const { status, headers, body } = reply;
  // With its headers at once: a server that puts its own Response in place of the global one gives each a type by default.
  const response = new Response(body as Uint8Array<ArrayBuffer>, { status, headers: headers as [string, string][] });
  answers.set(response, reply);
  return response;
}

/** @returns The plain answer, if there is one and nobody has begun to read the response that was made of it. */
export function toPlain(reply: Reply): Answer | undefined {
  if (isPlain(reply)) return reply;
  const answer = answers.get(reply);
  // Its headers may have been changed since.
  return answer && !reply.bodyUsed ? { ...answer, status: reply.status, headers: [...reply.headers] } : undefined;
}

/**
 * Makes a handler of one that may answer plainly: who asks {@link plainly} gets the plain answers.
 *
 * @param answer - Answers a request.
 * @returns The handler.
 */
export function toHandler(answer: (request: Request) => Promise<Reply>): Handler {
  const handler: Handler = async (request) => toResponse(await answer(request));
  plain.set(handler, answer);
  return handler;
}

/** @returns What answers as the handler does, plainly where it can. */
export function plainly(handler: Handler): (request: Request) => Promise<Reply> {
  return plain.get(handler) ?? handler;
}
