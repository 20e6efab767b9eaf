import type { Hex } from "viem";

import { stringify } from "../bigints.ts";
import { SubfenError } from "../errors.ts";
import type { ChannelRecord } from "../ledger/ledger.ts";

/** A request of an operator that is not done, thrown anywhere and answered in one place. */
export class RefusedError extends SubfenError {
  override readonly name = "RefusedError";
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(status: number, code: string, detail: string, headers: Record<string, string> = {}) {
    super(detail, { code });
    this.status = status;
    this.headers = headers;
  }
}

/** Makes an answer that nobody keeps. */
export function answer(status: number, type: string, body: string, headers: Record<string, string> = {}): Response {
  return new Response(body, { status, headers: { "content-type": type, "cache-control": "no-store", ...headers } });
}

/** Answers with JSON, amounts as decimal strings. */
export function json(status: number, value: unknown): Response {
  return answer(status, "application/json", stringify(value));
}

/** Answers with problem details (RFC 9457). */
export function refusal({ status, code, shortMessage: detail, headers }: RefusedError): Response {
  const body = stringify({ type: `urn:subfen:problem:${code}`, title: code.replaceAll("-", " "), status, detail });
  return answer(status, "application/problem+json", body, headers);
}

/** A channel without what could be used elsewhere: signatures, and evidence such as ticks. */
export function withoutSecrets({ signature: _signature, payments, ...channel }: ChannelRecord) {
  return { ...channel, payments: payments.map(({ evidence: _evidence, ...payment }) => payment) };
}

/** @returns `limit` of a query, 100 where there is none. */
export function readLimit(query: URLSearchParams): number {
  const text = query.get("limit") ?? "100";
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > 1_000) throw new RefusedError(400, "malformed", "The limit is a number from 1 to 1,000.");
  return limit;
}

/** @returns `after` of a query, a channel's id. */
export function readChannelId(query: URLSearchParams): Hex | undefined {
  const text = query.get("after");
  if (text === null) return undefined;
  if (!/^0x[0-9a-f]{64}$/i.test(text)) throw new RefusedError(400, "malformed", "after is the id of a channel.");
  return text.toLowerCase() as Hex;
}

/** @returns `after` of a query, a cumulative amount in base units. */
export function readAmount(query: URLSearchParams): bigint | undefined {
  const text = query.get("after");
  if (text === null) return undefined;
  const amount = /^\d{1,39}$/.test(text) ? BigInt(text) : 2n ** 128n;
  if (amount >> 128n) throw new RefusedError(400, "malformed", "after is a cumulative amount in base units.");
  return amount;
}
