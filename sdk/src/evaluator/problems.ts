import { isSubfenError } from "../errors.ts";
import { canonicalize, type Json } from "../wire/encoding.ts";
import type { VerdictFinalError } from "./errors.ts";

/** Every problem that an evaluator's service answers with: its HTTP status and its title. */
const problems = {
  malformed: [400, "Malformed Request"],
  unauthorized: [401, "Unauthorized"],
  "not-found": [404, "Not Found"],
  "method-not-allowed": [405, "Method Not Allowed"],
  "verdict-not-found": [404, "Verdict Not Found"],
  "verdict-final": [409, "Verdict Final"],
  "judge-by-passed": [409, "Judge By Passed"],
  "deliverable-too-large": [413, "Deliverable Too Large"],
  "invalid-spec": [422, "Invalid Specification"],
  "invalid-deliverable": [422, "Invalid Deliverable"],
  "unknown-check": [422, "Unknown Check"],
  "check-unavailable": [503, "Check Unavailable"],
  "record-unavailable": [503, "Record Unavailable"],
  "evaluator-closed": [503, "Evaluator Closed"],
  "evaluator-failed": [503, "Evaluator Failed"],
  "too-many-requests": [503, "Too Many Requests"],
} as const satisfies Record<string, readonly [number, string]>;

/** The stable name of a problem; also the last part of its type. */
export type EvaluatorProblemCode = keyof typeof problems;

/**
 * Makes the answer to a request that gets none else (RFC 9457).
 *
 * @param code - Which problem.
 * @param detail - What happened and what to do, for people.
 * @param options.members - Numbers and ids to add to the body.
 * @param options.headers - Headers to add.
 * @returns The response, never to be cached.
 */
export function problem(
  code: EvaluatorProblemCode,
  detail: string,
  options: { members?: Record<string, Json>; headers?: Record<string, string> } = {},
): Response {
  const { members = {}, headers = {} } = options;
  const [status, title] = problems[code];
  return new Response(canonicalize({ type: `urn:subfen:problem:${code}`, title, status, detail, ...members }), {
    status,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
      ...headers,
      ...(status === 503 ? { "retry-after": "5" } : {}),
    },
  });
}

/**
 * Makes the answer to what an evaluator threw. Of a fault of its own the caller learns that there is one.
 *
 * @returns The response, or `undefined` when the error is none that an evaluator is known to throw.
 */
export function problemOf(error: unknown): Response | undefined {
  if (!isSubfenError(error) || !Object.hasOwn(problems, error.code)) return undefined;
  const code = error.code as EvaluatorProblemCode;
  if (!isSubfenError(error, "verdict-final")) return problem(code, error.shortMessage);
  const { verdict, askedAmount, differences } = error as unknown as VerdictFinalError;
  const members = {
    differences,
    askedAmount: String(askedAmount),
    verdict: { ...verdict, amount: String(verdict.amount), issuedAt: String(verdict.issuedAt) },
  };
  return problem(code, error.shortMessage, { members });
}
