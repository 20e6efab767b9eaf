import { createHash, randomBytes } from "node:crypto";

import type { Hex } from "viem";

import type { Charge, KnownCharge } from "../ledger/charge.ts";
import type { Challenge } from "../wire/challenge.ts";
import {
  type ChargePayload,
  formatChargePayload,
  formatChargeReceipt,
  formatChargeRequest,
  parseChargePayload,
} from "../wire/charge.ts";
import { canonicalize, decodeJsonObject, encodeBase64Url } from "../wire/encoding.ts";
import type { Charging } from "./charging.ts";
import type { GatewayParameters } from "./gatewayParameters.ts";
import { perform, withReceipt } from "./perform.ts";
import type { Reply } from "./reply.ts";
import type { Exchange, Scheme } from "./scheme.ts";
import { ProblemError, type Seller } from "./seller.ts";
import type { Workload } from "./workload.ts";

/** Base units below which no charge is offered by default. */
const defaultMinAmount = 100_000n;
/** Seconds for which an authorization must still be good when the work ends, so that it can be settled. */
const settlingTime = 60;

/**
 * Makes the scheme by which a request is paid by a transfer of its own (draft-evm-charge-00; docs/http.md).
 *
 * @param seller - The seller.
 * @param charging - What moves the money.
 * @param parameters - The gateway's, of which it takes those of charges and work, and the contract's grace period in
 * seconds, which bounds the work of every scheme.
 */
export function createChargeScheme(
  seller: Seller,
  charging: Charging,
  parameters: Pick<GatewayParameters, "charge" | "maxKeptAnswer" | "workTimeout"> & {
    challengeLifetime: number;
    gracePeriod: number;
    workload: Workload;
    report: (error: unknown) => void;
  },
): Scheme {
  const { ledger, chainId, token, payee, now } = seller;
  const { challengeLifetime, maxKeptAnswer = 2 ** 20, gracePeriod, workload, report } = parameters;
  const { minAmount = defaultMinAmount, settle = "after" } = parameters.charge ?? {};
  const workTimeout = Math.min(parameters.workTimeout ?? Number.POSITIVE_INFINITY, gracePeriod * 500);
  const margin = Math.min(settlingTime, challengeLifetime / 2);
  /** Base units of the charges that run, by payer: each by itself is covered by the balance, not all of them together. */
  const owed = new Map<string, bigint>();

  function receiptFor(challenge: Challenge, txHash: Hex): string {
    const timestamp = new Date(now()).toISOString();
    return formatChargeReceipt({ challengeId: challenge.id, reference: txHash, chainId, timestamp });
  }

  /** @returns Milliseconds that the work may take. */
  function timeFor({ validAfter, validBefore }: ChargePayload): number {
    const seconds = now() / 1000;
    if (validAfter >= seconds) {
      const detail = "The authorization is not valid yet: compare your clock with the Date header.";
      throw new ProblemError("verification-failed", detail);
    }
    const left = Number(validBefore) - seconds - margin;
    if (left > 0) return Math.min(workTimeout, left * 1000);
    const detail = "The authorization has expired or is about to: compare your clock with the Date header.";
    throw new ProblemError("payment-expired", detail);
  }

  /** The answer to an authorization that has bought something. */
  async function repeat(charge: KnownCharge, { request, body, challenge }: Exchange): Promise<Reply> {
    if (!isFor(challenge, request, body)) {
      throw new ProblemError("statement-used", "This authorization has paid for another request. Pay this one anew.");
    }
    if (charge.status === "held") {
      throw new ProblemError("request-in-progress", "The same request is running. Send it again later for its answer.");
    }
    const txHash = charge.txHash ?? (await charging.settle(charge));
    if (charge.answer) return withReceipt(charge.answer, receiptFor(challenge, txHash));
    const detail = "This request was served and charged before; its answer was too large to be kept.";
    throw new ProblemError("answer-not-kept", detail, { txHash });
  }

  async function requireBalance(payload: ChargePayload): Promise<void> {
    const needed = owed.get(payload.from) ?? 0n;
    if (needed === payload.value || (await charging.balanceOf(payload)) >= needed) return;
    const detail = `The payer's balance does not cover its running requests: ${needed} base units are needed.`;
    throw new ProblemError("verification-failed", detail, { amount: String(needed) });
  }

  /** Does the work of a charge that is held, and moves its money. */
  async function serve(charge: Charge, payload: ChargePayload, timeout: number, exchange: Exchange): Promise<Reply> {
    const { request, body, offer, work, challenge } = exchange;
    const ref = { payer: charge.payer, nonce: charge.nonce };
    const release = (): Promise<void> => ledger.releaseCharge(ref);
    owed.set(payload.from, (owed.get(payload.from) ?? 0n) + payload.value);
    try {
      let { txHash } = charge;
      if (!txHash) {
        await requireBalance(payload).catch(async (error: unknown) => {
          await release();
          throw error;
        });
      }
      if (settle === "before") txHash ??= await charging.settle(charge);
      // Whatever was used, it costs what was asked; and nobody has a part of it before it is paid, so it never flows.
      const whole = { pricing: offer.price.pricing, ceiling: () => payload.value, meter: () => payload.value };
      const exact = { ...offer, price: whole };
      const outcome = await perform(request, body, exact, work, { timeout, workload, report });
      if (outcome.kind !== "answer") {
        await release();
        // Nobody is there to read what became of a request whose buyer has gone.
        if (outcome.kind !== "failed") return new Response(null, { status: 499 });
        if (!txHash) outcome.response.headers.set("payment-status", "released");
        return outcome.response;
      }
      const { answer } = outcome;
      // An answer that cannot be given again must not be paid for without being given: it stays held until it is.
      const isKept = answer.body.length <= maxKeptAnswer;
      const earned = isKept ? await ledger.earnCharge({ ...ref, answer }).catch(giveUp) : charge;
      txHash ??= await charging.settle(earned);
      if (!isKept) await ledger.earnCharge({ ...ref, answer: undefined });
      return withReceipt(answer, receiptFor(challenge, txHash));
    } finally {
      const rest = (owed.get(payload.from) ?? 0n) - payload.value;
      if (rest > 0n) owed.set(payload.from, rest);
      else owed.delete(payload.from);
    }

    async function giveUp(error: unknown): Promise<never> {
      await release().catch(report);
      throw error;
    }
  }

  return {
    intent: "charge",

    ask({ price, charge = price.isExact ?? false }, start, { request, body }) {
      if (!charge || start === 0n) return undefined;
      // A transfer is exact, and cannot grow with what flows.
      const amount = price.ceiling(body);
      if (amount < minAmount) return undefined;
      const credentialTypes = ["authorization"];
      const salt = randomBytes(12).toString("base64url");
      return {
        request: formatChargeRequest({ amount, currency: token, recipient: payee, chainId, credentialTypes }),
        digest: digestOf(body),
        opaque: encodeBase64Url(canonicalize({ route: routeOf(request), salt })),
      };
    },

    async respond(exchange) {
      const { request, body, challenge } = exchange;
      const payload = parseChargePayload(exchange.payload);
      charging.requirePayment(payload, challenge);
      const ref = { payer: payload.from, nonce: payload.nonce };
      const known = await ledger.getCharge(ref);
      if (known && known.status !== "released") return repeat(known, exchange);

      if (!known) exchange.requireFresh();
      if (!isFor(challenge, request, body)) {
        throw new ProblemError(
          "invalid-challenge",
          "The challenge was issued for another request. Answer the new one.",
        );
      }
      const timeout = known ? workTimeout : timeFor(payload);
      const { blockNumber, txHash } = known ?? (await charging.requirePayable(payload));
      const authorization = canonicalize(formatChargePayload(payload));
      const result = await ledger.holdCharge({ ...ref, authorization, blockNumber, txHash });
      if (result.kind === "known") return repeat(result.charge, exchange);
      return serve(result.charge, payload, timeout, exchange);
    },
  };
}

/** What a challenge says of the body it is for. */
function digestOf(body: Uint8Array): string | undefined {
  return body.length === 0 ? undefined : `sha-256=:${createHash("sha256").update(body).digest("base64")}:`;
}

function routeOf({ method, url }: Request): string {
  const { pathname, search } = new URL(url);
  return createHash("sha256").update(`${method} ${pathname}${search}`).digest("base64url");
}

/** Whether a challenge was issued for this request: its method, path, query and body. */
function isFor({ digest, opaque = "" }: Challenge, request: Request, body: Uint8Array): boolean {
  return digest === digestOf(body) && decodeJsonObject(opaque, "credential")["route"] === routeOf(request);
}
