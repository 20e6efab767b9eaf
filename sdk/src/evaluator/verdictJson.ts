import type { Address, Hex } from "viem";

import type { AttestationLocation } from "../protocol/verdict.ts";
import { isObject, type Json, MalformedError } from "../wire/encoding.ts";
import { reader } from "../wire/reader.ts";
import type { SignedVerdict, VerdictRequest } from "./createEvaluator.ts";
import type { Deliverable } from "./deliverable.ts";
import type { Spec } from "./spec.ts";

/** @returns A request for a verdict as JSON: amounts and times as decimal strings, bytes as base64. */
export function formatVerdictRequest(request: VerdictRequest): Json {
  const { paymentId, amount, spec, deliverable, judgeBy } = request;
  return {
    paymentId,
    amount: String(amount),
    spec: spec as Json,
    deliverable:
      typeof deliverable === "string" ? deliverable : { base64: Buffer.from(deliverable).toString("base64") },
    judgeBy: judgeBy === undefined ? undefined : String(judgeBy),
  };
}

/**
 * Reads a request for a verdict.
 *
 * @throws {MalformedError} when a member other than `spec` is missing or has the wrong form. The spec is the evaluator's to read.
 */
export function parseVerdictRequest(value: Record<string, unknown>): VerdictRequest {
  const what = "request for a verdict";
  const { raw, bytes32, amount, time } = reader(what, value);
  for (const name of Object.keys(value))
    if (!["paymentId", "amount", "spec", "deliverable", "judgeBy"].includes(name))
      throw new MalformedError(what, `the member ${JSON.stringify(name.slice(0, 40))} is not known`);
  const judgeBy = raw("judgeBy") === undefined ? undefined : time("judgeBy");
  if (judgeBy !== undefined && judgeBy >= 2n ** 64n) throw new MalformedError(what, "judgeBy has more than 64 bits");
  return {
    paymentId: bytes32("paymentId"),
    amount: amount("amount"),
    spec: raw("spec") as Spec,
    deliverable: readDeliverable(raw("deliverable"), what),
    judgeBy,
  };
}

function readDeliverable(value: unknown, what: string): Deliverable {
  if (typeof value === "string") return value;
  const base64 = isObject(value) && Object.keys(value).length === 1 ? value["base64"] : undefined;
  if (typeof base64 === "string") {
    const bytes = Buffer.from(base64, "base64");
    // Node skips what is no base64: two texts would be one deliverable.
    if (bytes.toString("base64") === base64) return bytes;
  }
  throw new MalformedError(what, 'deliverable is neither a text nor {"base64": ...}');
}

/** @returns A verdict as it is answered. */
export function formatSignedVerdict(signed: SignedVerdict, at: AttestationLocation & { address: Address }): Json {
  const { verdict, signature, report } = signed;
  return {
    evaluator: at.address,
    condition: at.condition,
    chainId: at.chainId,
    verdict: { ...verdict, amount: String(verdict.amount), issuedAt: String(verdict.issuedAt) },
    signature,
    report: report as Json,
  };
}

/**
 * Reads an answered verdict. Nothing in it is verified.
 *
 * @throws {MalformedError} when a member is missing or has the wrong form.
 */
export function parseSignedVerdict(value: Record<string, unknown>): {
  verdict: SignedVerdict["verdict"];
  signature: Hex;
  report: Json;
} {
  const answer = reader("answered verdict", value);
  const verdict = reader("answered verdict", answer.object("verdict"));
  return {
    verdict: {
      paymentId: verdict.bytes32("paymentId"),
      specHash: verdict.bytes32("specHash"),
      deliverableHash: verdict.bytes32("deliverableHash"),
      amount: verdict.amount("amount"),
      issuedAt: verdict.time("issuedAt"),
    },
    signature: answer.signature("signature"),
    report: (answer.raw("report") ?? null) as Json,
  };
}
