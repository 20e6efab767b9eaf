import { type Challenge, formatChallenge } from "./challenge.ts";
import { canonicalize, isObject, type Json } from "./encoding.ts";

const sessionProblems = "https://paymentauth.org/problems/session/";
const coreProblems = "https://paymentauth.org/problems/";
const ownProblems = "urn:subfen:problem:";

/** Every problem a gateway answers with: its type (RFC 9457), its HTTP status and its title. */
const problems = {
  "payment-required": [coreProblems, 402, "Payment Required"],
  "malformed-credential": [coreProblems, 402, "Malformed Credential"],
  "method-unsupported": [coreProblems, 400, "Payment Method Unsupported"],
  "invalid-challenge": [coreProblems, 402, "Invalid Challenge"],
  "payment-expired": [coreProblems, 402, "Payment Expired"],
  "verification-failed": [coreProblems, 402, "Verification Failed"],
  "invalid-signature": [sessionProblems, 402, "Invalid Signature"],
  "signer-mismatch": [sessionProblems, 402, "Signer Mismatch"],
  "amount-exceeds-deposit": [sessionProblems, 402, "Amount Exceeds Deposit"],
  "delta-too-small": [sessionProblems, 402, "Delta Too Small"],
  "channel-not-found": [sessionProblems, 410, "Channel Not Found"],
  "channel-finalized": [sessionProblems, 410, "Channel Finalized"],
  "challenge-not-found": [sessionProblems, 402, "Challenge Not Found"],
  "insufficient-balance": [sessionProblems, 402, "Insufficient Balance"],
  "transaction-reverted": [sessionProblems, 409, "Transaction Reverted"],
  "malformed-payload": [ownProblems, 400, "Malformed Payload"],
  "unpriceable-request": [ownProblems, 400, "Unpriceable Request"],
  "body-too-large": [ownProblems, 413, "Body Too Large"],
  "deposit-too-small": [ownProblems, 402, "Deposit Too Small"],
  "channel-closing": [ownProblems, 409, "Channel Closing"],
  "request-in-progress": [ownProblems, 409, "Request In Progress"],
  "statement-used": [ownProblems, 409, "Statement Used"],
  "idempotency-key-reused": [ownProblems, 409, "Idempotency Key Reused"],
  "answer-not-kept": [ownProblems, 409, "Answer Not Kept"],
  "stale-request": [ownProblems, 400, "Stale Request"],
  "too-many-payments": [ownProblems, 402, "Too Many Payments"],
  "payments-not-ascending": [ownProblems, 400, "Payments Not Ascending"],
  "fold-too-low": [ownProblems, 402, "Fold Too Low"],
  "payment-changed": [ownProblems, 409, "Payment Changed"],
  "ref-used": [ownProblems, 409, "Ref Used"],
  "exceeds-deposit": [ownProblems, 402, "Exceeds Deposit"],
  "parameters-mismatch": [ownProblems, 400, "Parameters Mismatch"],
  "amount-zero": [ownProblems, 400, "Amount Zero"],
  "condition-unknown": [ownProblems, 402, "Condition Unknown"],
  "parameters-malformed": [ownProblems, 400, "Parameters Malformed"],
  "condition-not-allowed": [ownProblems, 402, "Condition Not Allowed"],
  "judge-by-too-soon": [ownProblems, 402, "Judge By Too Soon"],
  "claim-gas-too-high": [ownProblems, 402, "Claim Gas Too High"],
  "credit-exceeded": [ownProblems, 402, "Credit Exceeded"],
  "payment-unknown": [ownProblems, 409, "Payment Unknown"],
  "payment-dropped": [ownProblems, 409, "Payment Dropped"],
  "payment-used": [ownProblems, 409, "Payment Used"],
  "payment-proven": [ownProblems, 409, "Payment Proven"],
  "payment-too-small": [ownProblems, 402, "Payment Too Small"],
  "evidence-invalid": [ownProblems, 402, "Evidence Invalid"],
  "conditional-not-offered": [ownProblems, 402, "Conditional Not Offered"],
  "ticks-not-offered": [ownProblems, 402, "Ticks Not Offered"],
  "tick-invalid": [ownProblems, 402, "Tick Invalid"],
  "tick-too-far": [ownProblems, 402, "Tick Too Far"],
  "tick-used": [ownProblems, 409, "Tick Used"],
  "ticks-elsewhere": [ownProblems, 409, "Ticks Elsewhere"],
  "transaction-pending": [ownProblems, 409, "Transaction Pending"],
  "too-many-relays": [ownProblems, 429, "Too Many Relays"],
  "seller-failed": [ownProblems, 502, "Seller Failed"],
  "chain-unreachable": [ownProblems, 503, "Chain Unreachable"],
} as const satisfies Record<string, readonly [string, number, string]>;

/** @returns The status that a problem is answered with. @internal */
export function statusOf(code: ProblemCode): number {
  return problems[code][1];
}

/** The stable name of a problem; also the last part of its type. */
export type ProblemCode = keyof typeof problems;

/** A problem body as a client reads it. */
export type Problem = {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  /** The other members: amounts as decimal strings, ids as hex. */
  readonly members: Readonly<Record<string, unknown>>;
};

/**
 * Makes the answer to a request that cannot be served: RFC 9457 problem details with an OpenAI-style `error` member,
 * so that a model client shows the sentence too.
 *
 * @param code - Which problem.
 * @param detail - What happened and what to do, for people.
 * @param options.members - Numbers and ids to add to the body.
 * @param options.challenges - How to pay. They stand in `WWW-Authenticate`, and in the body as well for clients behind
 * something that drops or renames that header.
 * @param options.headers - Headers to add.
 * @returns The response, never to be cached.
 */
export function problemResponse(
  code: ProblemCode,
  detail: string,
  options: {
    members?: Record<string, Json>;
    challenges?: readonly Challenge[];
    headers?: Record<string, string>;
  } = {},
): Response {
  const [base, status, title] = problems[code];
  const { members, challenges = [] } = options;
  const body = {
    type: `${base}${code}`,
    title,
    status,
    detail,
    ...members,
    challenges: challenges.length === 0 ? undefined : challenges,
    error: { message: detail, type: "payment_error", code, param: null },
  };
  const headers = new Headers({
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    ...options.headers,
  });
  if (challenges.length > 0) headers.set("www-authenticate", challenges.map(formatChallenge).join(", "));
  return new Response(canonicalize(body), { status, headers });
}

/**
 * Reads a problem body.
 *
 * @param response - The answer; its body is read from a copy and stays readable.
 * @returns The problem, or `undefined` when the body is none.
 */
export async function readProblem(response: Response): Promise<Problem | undefined> {
  if (!response.headers.get("content-type")?.startsWith("application/problem+json")) return undefined;
  let value: unknown;
  try {
    value = await response.clone().json();
  } catch {
    return undefined;
  }
  if (!isObject(value) || typeof value["type"] !== "string") return undefined;
  const detail = typeof value["detail"] === "string" ? value["detail"] : "";
  const code = value["type"].slice(Math.max(value["type"].lastIndexOf("/"), value["type"].lastIndexOf(":")) + 1);
  return { code, status: response.status, detail, members: value };
}
