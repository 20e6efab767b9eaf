import { type Challenge, formatChallenge } from "./challenge.ts";
import { canonicalize, isObject, type Json } from "./encoding.ts";

const sessionProblems = "https://paymentauth.org/problems/session/";
const coreProblems = "https://paymentauth.org/problems/";
const ownProblems = "urn:subfen:problem:";

/** Every problem a gateway answers with: its type (RFC 9457), its HTTP status, its title, and what to do. */
const problems = {
  "payment-required": [coreProblems, 402, "Payment Required", "Answer one of the challenges."],
  "malformed-credential": [
    coreProblems,
    402,
    "Malformed Credential",
    "Send Authorization: Payment and base64url of JSON with challenge and payload.",
  ],
  "method-unsupported": [
    coreProblems,
    400,
    "Payment Method Unsupported",
    "Answer one of the challenges of a fresh 402.",
  ],
  "invalid-challenge": [coreProblems, 402, "Invalid Challenge", "Answer the fresh challenge."],
  "payment-expired": [
    coreProblems,
    402,
    "Payment Expired",
    "Sign a new authorization. If it was new, compare your clock with the Date header.",
  ],
  "verification-failed": [
    coreProblems,
    402,
    "Verification Failed",
    "Read the detail, mend the payment and sign it anew.",
  ],
  "invalid-signature": [sessionProblems, 402, "Invalid Signature", "Sign by EIP-712: 65 bytes, low s, v 27 or 28."],
  "signer-mismatch": [
    sessionProblems,
    402,
    "Signer Mismatch",
    "Sign with the channel's key, in its contract's domain and for its chain.",
  ],
  "amount-exceeds-deposit": [
    sessionProblems,
    402,
    "Amount Exceeds Deposit",
    "Top the channel up, then send the same again.",
  ],
  "delta-too-small": [sessionProblems, 402, "Delta Too Small", "Let the total grow by minVoucherDelta at least."],
  "channel-not-found": [sessionProblems, 410, "Channel Not Found", "Open a channel with this seller."],
  "channel-finalized": [sessionProblems, 410, "Channel Finalized", "Open a channel with another salt."],
  "challenge-not-found": [sessionProblems, 402, "Challenge Not Found", "Answer the fresh challenge."],
  "insufficient-balance": [
    sessionProblems,
    402,
    "Insufficient Balance",
    "Sign a total of requiredCumulative, if that is within your limits.",
  ],
  "transaction-reverted": [
    sessionProblems,
    409,
    "Transaction Reverted",
    "Read the detail; what was signed has moved nothing.",
  ],
  "malformed-payload": [
    ownProblems,
    400,
    "Malformed Payload",
    "Send the members that docs/http.md names for this action.",
  ],
  "unpriceable-request": [ownProblems, 400, "Unpriceable Request", "Send a body that can be priced."],
  "body-too-large": [ownProblems, 413, "Body Too Large", "Send a smaller body."],
  "body-too-slow": [ownProblems, 408, "Body Too Slow", "Send the body at once."],
  "headers-too-large": [
    ownProblems,
    431,
    "Headers Too Large",
    "Send a smaller credential: fewer payments, or less evidence at a time.",
  ],
  "too-busy": [ownProblems, 503, "Too Busy", "Try again after Retry-After."],
  "too-many-holds": [
    ownProblems,
    429,
    "Too Many Holds",
    "Wait for a request of this channel to end, or use a second channel.",
  ],
  "shutting-down": [
    ownProblems,
    503,
    "Shutting Down",
    "Try again after Retry-After: another process of the seller will answer.",
  ],
  "deposit-too-small": [ownProblems, 402, "Deposit Too Small", "Lock more: the amount is in the detail."],
  "channel-closing": [ownProblems, 409, "Channel Closing", "Open a new channel."],
  "request-in-progress": [ownProblems, 409, "Request In Progress", "Send the same again later for its answer."],
  "statement-used": [ownProblems, 409, "Statement Used", "Sign a higher total."],
  "idempotency-key-reused": [ownProblems, 409, "Idempotency Key Reused", "Use a new Idempotency-Key."],
  "answer-not-kept": [ownProblems, 409, "Answer Not Kept", "It was paid: make a new request for a new answer."],
  "stale-request": [ownProblems, 400, "Stale Request", "Sign a new question. Compare your clock with the Date header."],
  "too-many-payments": [ownProblems, 402, "Too Many Payments", "Fold some of the payments first."],
  "payments-not-ascending": [ownProblems, 400, "Payments Not Ascending", "Sort the payments by ref."],
  "fold-too-low": [
    ownProblems,
    402,
    "Fold Too Low",
    "Let the total grow by what is due on the payments that are left out.",
  ],
  "payment-changed": [ownProblems, 409, "Payment Changed", "Carry the payment as it was, or leave it out."],
  "ref-used": [ownProblems, 409, "Ref Used", "Choose a fresh ref."],
  "exceeds-deposit": [ownProblems, 402, "Exceeds Deposit", "Top the channel up, or let less stand."],
  "parameters-mismatch": [ownProblems, 400, "Parameters Mismatch", "Send the parameters whose hash was signed."],
  "amount-zero": [ownProblems, 400, "Amount Zero", "Let the payment be over more than nothing."],
  "condition-unknown": [ownProblems, 402, "Condition Unknown", "Use a condition that the challenge names."],
  "parameters-malformed": [
    ownProblems,
    400,
    "Parameters Malformed",
    "Encode the parameters as the condition's contract does.",
  ],
  "condition-not-allowed": [
    ownProblems,
    402,
    "Condition Not Allowed",
    "Use a condition and evaluators that the challenge names.",
  ],
  "judge-by-too-soon": [ownProblems, 402, "Judge By Too Soon", "Give the evaluators more time."],
  "claim-gas-too-high": [ownProblems, 402, "Claim Gas Too High", "Fold some of the payments first."],
  "credit-exceeded": [ownProblems, 402, "Credit Exceeded", "Prove or fold earlier payments first."],
  "payment-unknown": [ownProblems, 409, "Payment Unknown", "Send the statement in which the payment stands first."],
  "payment-dropped": [ownProblems, 409, "Payment Dropped", "Make a new payment."],
  "payment-used": [ownProblems, 409, "Payment Used", "Make a new payment: this one has bought another request."],
  "payment-proven": [ownProblems, 409, "Payment Proven", "Fold the payment into the total."],
  "payment-too-small": [ownProblems, 402, "Payment Too Small", "Let the payment be over the price at least."],
  "evidence-invalid": [ownProblems, 402, "Evidence Invalid", "Send evidence that the condition's contract counts."],
  "conditional-not-offered": [ownProblems, 402, "Conditional Not Offered", "Pay by a plain voucher."],
  "ticks-not-offered": [ownProblems, 402, "Ticks Not Offered", "Pay by vouchers."],
  "tick-invalid": [ownProblems, 402, "Tick Invalid", "Send a tick of this payment's chain."],
  "tick-too-far": [ownProblems, 402, "Tick Too Far", "Send a tick within the window."],
  "tick-used": [ownProblems, 409, "Tick Used", "Send a later tick."],
  "ticks-elsewhere": [ownProblems, 409, "Ticks Elsewhere", "Fold the payment and begin another one."],
  "transaction-pending": [ownProblems, 409, "Transaction Pending", "Send the same credential again when it is mined."],
  "too-many-relays": [ownProblems, 429, "Too Many Relays", "Wait, or send the transaction yourself."],
  "seller-failed": [ownProblems, 502, "Seller Failed", "Nothing was charged: the same may be sent again."],
  "chain-unreachable": [ownProblems, 503, "Chain Unreachable", "Try the same credential again later."],
} as const satisfies Record<string, readonly [string, number, string, string]>;

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
  const [base, status, title, hint] = problems[code];
  const { members, challenges = [] } = options;
  const body = {
    type: `${base}${code}`,
    title,
    status,
    detail,
    code,
    hint,
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
  const response = new Response(canonicalize(body), { status, headers });
  codes.set(response, code);
  return response;
}

const codes = new WeakMap<Response, ProblemCode>();

/** @returns Which problem a response of {@link problemResponse} tells of. */
export function problemOf(response: Response): ProblemCode | undefined {
  return codes.get(response);
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
