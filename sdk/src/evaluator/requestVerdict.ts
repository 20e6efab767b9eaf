import type { Address, Hex } from "viem";

import { isSubfenError, SubfenError } from "../errors.ts";
import { assertField, type InvalidFieldError } from "../protocol/assertField.ts";
import { type AttestationLocation, type Verdict, verifyVerdict } from "../protocol/verdict.ts";
import { canonicalize, type Json, parseJsonObject } from "../wire/encoding.ts";
import { readProblem } from "../wire/problem.ts";
import type { VerdictRequest } from "./createEvaluator.ts";
import { hashDeliverable, type InvalidDeliverableError } from "./deliverable.ts";
import { hashSpec, type InvalidSpecError } from "./spec.ts";
import { formatVerdictRequest, parseSignedVerdict } from "./verdictJson.ts";

/** An evaluator did not answer, or could not evaluate. Nothing is final: ask again later. */
export class EvaluatorUnavailableError extends SubfenError {
  override readonly name = "EvaluatorUnavailableError";
  declare readonly code: "evaluator-unavailable";
  /** The HTTP status, or `undefined` when there was no answer. */
  readonly status: number | undefined;

  constructor(parameters: { status?: number; detail: string; cause?: unknown }) {
    const { status, detail } = parameters;
    super(`The evaluator gave no verdict: ${detail}`, {
      code: "evaluator-unavailable",
      metaMessages: ["Do: ask again later with the same payment, specification and deliverable; nothing is final."],
      ...("cause" in parameters ? { cause: parameters.cause } : {}),
    });
    this.status = status;
  }
}

/** An evaluator refused a request. Asking the same again gets the same answer. */
export class VerdictRefusedError extends SubfenError {
  override readonly name = "VerdictRefusedError";
  declare readonly code: "verdict-refused";
  readonly status: number;
  /** The problem's code, such as `verdict-final` or `unknown-check`; empty when the answer was none. */
  readonly problem: string;

  constructor(status: number, problem: string, detail: string) {
    super(`The evaluator refused: ${detail || `status ${status}`}`, {
      code: "verdict-refused",
      metaMessages: [`Given: status ${status}, problem ${problem || "unknown"}`, "Do: correct the request."],
    });
    this.status = status;
    this.problem = problem;
  }
}

/** An evaluator answered with what is no verdict on what it was asked. It is worth nothing. */
export class VerdictDistrustedError extends SubfenError {
  override readonly name = "VerdictDistrustedError";
  declare readonly code: "verdict-distrusted";
  /** What is wrong. */
  readonly fault: "answer" | "paymentId" | "specHash" | "deliverableHash" | "amount" | "issuedAt" | "signature";

  constructor(fault: VerdictDistrustedError["fault"], cause?: unknown) {
    super(`The evaluator's answer has a wrong ${fault}.`, {
      code: "verdict-distrusted",
      metaMessages: ["Do: check the evaluator's address, the condition and the chain; nothing of it can be claimed."],
      ...(cause === undefined ? {} : { cause }),
    });
    this.fault = fault;
  }
}

/** Work that is not paid yet would travel where others can read it. Nothing was sent. */
export class UnsafeEvaluatorUrlError extends SubfenError {
  override readonly name = "UnsafeEvaluatorUrlError";
  declare readonly code: "unsafe-evaluator-url";

  constructor() {
    super("The evaluator's address is neither one of https nor one of this machine, without credentials in it.", {
      code: "unsafe-evaluator-url",
      metaMessages: ["Do: ask the evaluator at its https address, and pass its token as `token`; nothing was sent."],
    });
  }
}

/** Bytes that an answer may have. */
const longest = 2 ** 20;

/**
 * Asks an evaluator's service for a verdict and verifies all of it: that it is on this payment, specification and
 * deliverable, for no more than was asked, in time, and signed by this evaluator for this condition.
 *
 * @param parameters - The service, whose word counts, and the request: `amount` in base units, `judgeBy` in Unix seconds.
 * @returns The verdict, its signature as the condition takes it, and the report, which nothing vouches for.
 * @throws {EvaluatorUnavailableError} when there is no answer, or the evaluator could not evaluate: ask again later.
 * @throws {VerdictRefusedError} when the evaluator refuses, such as for another verdict that is final.
 * @throws {VerdictDistrustedError} when the answer is not what was asked for, or not signed as it must be.
 * @throws {UnsafeEvaluatorUrlError} when the address is neither https nor this machine's.
 * @throws {InvalidSpecError} when the specification is not valid.
 * @throws {InvalidDeliverableError} when the deliverable is no text that can be hashed.
 * @throws {InvalidFieldError} when an id, an address or a number is malformed.
 * @example
 * import { requestVerdict } from "subfen/evaluator";
 *
 * const { verdict, signature } = await requestVerdict({
 *   url: "https://evaluator.example",
 *   token: process.env.TOKEN,
 *   evaluator: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   chainId: 31337,
 *   paymentId,
 *   amount: 80n,
 *   spec: { check: "exact-text", options: { expected: "Paris" } },
 *   deliverable: "Paris",
 * });
 */
export async function requestVerdict(parameters: requestVerdict.Parameters): Promise<requestVerdict.ReturnType> {
  const { evaluator, condition, chainId, paymentId, amount, spec, deliverable, judgeBy } = parameters;
  assertField({ field: "evaluator", type: "address", value: evaluator });
  assertField({ field: "Verdict.paymentId", type: "bytes32", value: paymentId });
  assertField({ field: "Verdict.amount", type: "uint128", value: amount });
  if (judgeBy !== undefined) assertField({ field: "judgeBy", type: "uint64", value: judgeBy });
  const specHash = hashSpec(spec);
  const deliverableHash = hashDeliverable(deliverable);
  const body = canonicalize(formatVerdictRequest({ paymentId, amount, spec, deliverable, judgeBy }));
  const { verdict, signature, report } = read(await post(parameters, body));

  if (verdict.paymentId !== paymentId.toLowerCase()) throw new VerdictDistrustedError("paymentId");
  if (verdict.specHash !== specHash) throw new VerdictDistrustedError("specHash");
  if (verdict.deliverableHash !== deliverableHash) throw new VerdictDistrustedError("deliverableHash");
  if (verdict.amount > amount) throw new VerdictDistrustedError("amount");
  if (verdict.issuedAt >= 2n ** 64n || (judgeBy !== undefined && verdict.issuedAt > judgeBy))
    throw new VerdictDistrustedError("issuedAt");
  if (!(await verifyVerdict({ ...verdict, condition, chainId, signature, signer: evaluator })))
    throw new VerdictDistrustedError("signature");
  return { verdict, signature, report };
}

export declare namespace requestVerdict {
  type Parameters = AttestationLocation &
    VerdictRequest & {
      /** The service, up to `/v1`: https, or http on this machine. */
      url: string;
      /** Whose signature counts. */
      evaluator: Address;
      /** The service's bearer token. */
      token?: string | undefined;
      /** Milliseconds to wait for the answer; ten minutes by default, since a check takes its time. */
      timeout?: number | undefined;
      /** Ends the wait; the evaluator goes on, and asked again it gives the verdict it has made. */
      signal?: AbortSignal | undefined;
      /** What the request is sent with; the global `fetch` by default. */
      fetch?: typeof fetch | undefined;
    };
  type ReturnType = { verdict: Verdict; signature: Hex; report: Json };
  type ErrorType =
    | EvaluatorUnavailableError
    | InvalidDeliverableError
    | InvalidFieldError
    | InvalidSpecError
    | UnsafeEvaluatorUrlError
    | VerdictDistrustedError
    | VerdictRefusedError;
}

async function post(parameters: requestVerdict.Parameters, body: string): Promise<string> {
  const { token, timeout = 600_000, signal, fetch: send = fetch } = parameters;
  const url = toUrl(parameters.url);
  const limit = AbortSignal.timeout(timeout);
  let response: Response;
  let text: string | undefined;
  try {
    response = await send(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body,
      redirect: "manual",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    text = await readText(response);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new EvaluatorUnavailableError({ detail: "there was no answer.", cause });
  }
  const { status } = response;
  if (status === 200) {
    if (text === undefined) throw new VerdictDistrustedError("answer");
    return text;
  }
  const problem = await readProblem(new Response(text ?? "", { status: 400, headers: response.headers }));
  // What an unknown server says is shown to people: one line, not a page.
  const detail = (problem?.detail ?? "").replaceAll(/\s+/g, " ").slice(0, 300);
  if (status >= 500 || status === 429 || status < 200)
    throw new EvaluatorUnavailableError({ status, detail: detail || `status ${status}.` });
  throw new VerdictRefusedError(status, problem?.code ?? "", detail);
}

function toUrl(text: string): URL {
  const url = URL.parse(text);
  const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url?.hostname ?? "");
  const isSafe = url && (url.protocol === "https:" || (url.protocol === "http:" && isLocal));
  if (!isSafe || url.username !== "" || url.password !== "") throw new UnsafeEvaluatorUrlError();
  // By parts: a path such as //evil.example must not become the host.
  url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/verdicts`;
  url.search = "";
  return url;
}

/** @returns The body, or `undefined` when it is too long. */
async function readText(response: Response): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = "";
  let length = 0;
  const chunks = response.body?.getReader();
  for (let next = await chunks?.read(); next && !next.done; next = await chunks?.read()) {
    length += next.value.length;
    if (length > longest) {
      await chunks?.cancel();
      return undefined;
    }
    text += decoder.decode(next.value, { stream: true });
  }
  return text + decoder.decode();
}

function read(text: string): ReturnType<typeof parseSignedVerdict> {
  try {
    return parseSignedVerdict(parseJsonObject(text, "answered verdict"));
  } catch (cause) {
    if (isSubfenError(cause, "malformed")) throw new VerdictDistrustedError("answer", cause);
    throw cause;
  }
}
