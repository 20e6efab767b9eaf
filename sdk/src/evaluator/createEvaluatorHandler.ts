import type { Hex } from "viem";

import { isSubfenError } from "../errors.ts";
import { createReport } from "../report.ts";
import { readBody } from "../server/requestBody.ts";
import { canonicalize, type Json, parseJsonObject } from "../wire/encoding.ts";
import type { Authorize } from "./bearerToken.ts";
import type { Evaluator, SignedVerdict } from "./createEvaluator.ts";
import { createLimiter } from "./limiter.ts";
import { problem, problemOf } from "./problems.ts";
import { formatSignedVerdict, parseVerdictRequest } from "./verdictJson.ts";

/**
 * Serves an evaluator over HTTP: `POST /v1/verdicts` evaluates, `GET /v1/verdicts/{paymentId}` tells what is on record,
 * `GET /v1/evaluator` who signs and what it can check. Problems are `application/problem+json` (RFC 9457), and nothing
 * that is sent makes it answer with 500.
 *
 * Whoever may ask can make a payment's one verdict final, by a deliverable or a specification of their own. So
 * `authorize` must be given: `bearerToken(...)` for those that the evaluator works for, or a function that knows whose
 * payment it is.
 *
 * @param evaluator - The evaluator.
 * @param parameters - See each.
 * @returns The handler; `toNodeListener` of `subfen/server` lets `node:http` serve it.
 * @example
 * import { createServer } from "node:http";
 * import { bearerToken, createEvaluatorHandler } from "subfen/evaluator";
 * import { toNodeListener } from "subfen/server";
 *
 * const handler = createEvaluatorHandler(evaluator, { authorize: bearerToken(process.env.TOKEN ?? "") });
 * createServer(toNodeListener(handler)).listen(8403, "127.0.0.1");
 */
export function createEvaluatorHandler(
  evaluator: Evaluator,
  parameters: createEvaluatorHandler.Parameters,
): createEvaluatorHandler.ReturnType {
  const { authorize, maxBody = 2 ** 21, atOnce = 4, waiting = 64 } = parameters;
  const report = createReport(parameters.onError);
  const limited = createLimiter({ atOnce, waiting });
  const answerVerdict = (signed: SignedVerdict) => json(formatSignedVerdict(signed, evaluator));

  async function evaluate(request: Request): Promise<Response> {
    const body = await readBody(request, maxBody);
    if (body === undefined) {
      return problem("deliverable-too-large", `The body has more than ${maxBody} bytes.`);
    }
    const asked = parseVerdictRequest(parseJsonObject(decode(body), "body"));
    if (!(await authorize(request, asked.paymentId))) return unauthorized();
    const { verdict } = await evaluator.find(asked.paymentId);
    // What is on record costs nothing: it waits for nobody.
    const signed = verdict ? evaluator.evaluate(asked) : limited(asked.paymentId, () => evaluator.evaluate(asked));
    if (!signed) return problem("too-many-requests", "Too many evaluations are waiting. Ask again later.");
    return answerVerdict(await signed);
  }

  async function look(request: Request, paymentId: Hex): Promise<Response> {
    if (!(await authorize(request, paymentId))) return unauthorized();
    const { verdict, failures } = await evaluator.find(paymentId);
    if (verdict) return answerVerdict(verdict);
    const detail = "There is no verdict on this payment.";
    return problem("verdict-not-found", detail, { members: { failures: failures as readonly Json[] } });
  }

  async function route(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const { method } = request;
    const isRead = method === "GET" || method === "HEAD";
    const [, paymentId] = /^\/v1\/verdicts\/(0x[0-9a-fA-F]{64})$/.exec(pathname) ?? [];
    if (pathname === "/v1/verdicts" && method === "POST") return evaluate(request);
    if (paymentId !== undefined && isRead) return look(request, paymentId.toLowerCase() as Hex);
    if (pathname === "/v1/evaluator" && isRead) {
      const { address, condition, chainId, checks } = evaluator;
      return json({ evaluator: address, condition, chainId, checks });
    }
    const isKnown = pathname === "/v1/verdicts" || pathname === "/v1/evaluator" || paymentId !== undefined;
    if (isKnown) {
      const headers = { allow: pathname === "/v1/verdicts" ? "POST" : "GET, HEAD" };
      return problem("method-not-allowed", `${pathname} takes ${headers.allow}.`, { headers });
    }
    return problem("not-found", "There is POST /v1/verdicts, GET /v1/verdicts/{paymentId} and GET /v1/evaluator.");
  }

  return async (request) => {
    try {
      return await route(request);
    } catch (error) {
      const known = problemOf(error);
      // The evaluator itself tells of its checks; of its record nobody has told yet.
      if (!known || isSubfenError(error, "record-unavailable")) report(error);
      if (known) return known;
      return problem("evaluator-failed", "The evaluator failed by no fault of the request. Ask again later.");
    }
  };
}

export declare namespace createEvaluatorHandler {
  type Parameters = {
    /** Who may ask for verdicts and read them. */
    authorize: Authorize;
    /** Bytes of a body; 2 MiB by default. */
    maxBody?: number | undefined;
    /** Evaluations that run at once; 4 by default. */
    atOnce?: number | undefined;
    /** Evaluations that wait for those; 64 by default. More are answered with 503. */
    waiting?: number | undefined;
    /** Told what went wrong inside. */
    onError?: ((error: unknown) => void) | undefined;
  };
  type ReturnType = (request: Request) => Promise<Response>;
}

/** Nobody else's text is taken for UTF-8: half a character would change what is hashed. */
function decode(body: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    return "";
  }
}

function json(value: Json): Response {
  return new Response(canonicalize(value), {
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  });
}

function unauthorized(): Response {
  return problem("unauthorized", "This evaluator decides only for those it knows. Send its bearer token.");
}
