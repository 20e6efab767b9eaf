import type { Hex } from "viem";
import { isAddressEqual } from "viem/utils";

import type { ChannelRecord, Ledger } from "../ledger/ledger.ts";
import { parseCredential } from "../wire/credential.ts";
import { canonicalize } from "../wire/encoding.ts";
import { formatChallenge } from "../wire/challenge.ts";
import { problemResponse } from "../wire/problem.ts";
import { formatSessionRequest, parseSessionPayload, parseSessionRequest, type Statement } from "../wire/session.ts";
import { formatSessionReceipt } from "../wire/sessionReceipt.ts";
import { createChallenger } from "./challenger.ts";
import { createChannelStatus } from "./channelStatus.ts";
import { createClosing } from "./closing.ts";
import type { GatewayParameters } from "./gatewayParameters.ts";
import { createFunding, unconfirmedOpening } from "./funding.ts";
import { openSeller } from "./openSeller.ts";
import { perform, withReceipt } from "./perform.ts";
import type { Price } from "./price.ts";
import { toProblemResponse, toRefusal } from "./refusals.ts";
import { hashRequest, readBody } from "./requestBody.ts";
import { ProblemError, readChain, requireStatement } from "./seller.ts";
import type { Settlements } from "./settling.ts";

/** What is sold on a route. */
export type Offer = {
  readonly price: Price;
  /** For people, shown in the challenge. Any text. */
  readonly description?: string | undefined;
};

/** Does the work that was paid for. The request comes without its payment credential; its signal tells when to stop. */
export type Work = (request: Request) => Response | Promise<Response>;

/** A seller's side of HTTP 402: nothing is served unpaid, nothing that failed is charged. */
export type Gateway = {
  /**
   * Answers one request: with a challenge, with the outcome of a payment action, with what stands in a channel, or with
   * the work. To find their channels again payers ask at `/.well-known/subfen/channels/{id}`: route that here as well.
   *
   * @param request - The request.
   * @param offer - What it costs.
   * @param work - Does the work once its ceiling is held. An answer below 400 is charged as metered, any other answer,
   * any exception and work that takes too long cost the buyer nothing.
   * @returns The response; this never rejects.
   */
  charge(request: Request, offer: Offer, work: Work): Promise<Response>;
  /**
   * A handler `Request -> Response` for one offer.
   *
   * @param offer - What each request costs.
   * @param work - Does the work.
   */
  protect(offer: Offer, work: Work): (request: Request) => Promise<Response>;
  /**
   * Captures what was earned on every channel: the best statement of each, the amount bound to what succeeded, up to a
   * hundred channels in one transaction. A run waits for the one before it.
   *
   * @returns The settlements with their transactions, and the channels that could not be settled now, with the reason.
   */
  settleAll(): Promise<Settlements>;
  /** The ledger in use. */
  readonly ledger: Ledger;
  /** Closes the ledger, unless it was passed in. Call it once the server answers no more: work that runs is not charged. */
  close(): Promise<void>;
};

/**
 * Makes a gateway for one payee, token and channel contract.
 *
 * @param parameters - See each.
 * @returns The gateway.
 * @throws {MissingAccountError} when the client has no account.
 * @throws {NoSqliteError} when the runtime has no `node:sqlite` and no ledger is passed.
 * @throws {LedgerUnavailableError} when the ledger's file cannot be opened or written.
 * @throws {LedgerVersionError} when the ledger's file was written by a newer version.
 * @throws {ForeignLedgerError} when the ledger belongs to another seller, token, contract or chain.
 * @throws {LedgerBehindChainError} when the chain proves that the ledger has lost something.
 * @throws {LogQueryError} when the node does not answer for the logs of a single block.
 * @throws {InvalidSettlerError} when the settler would look too rarely.
 * @throws {UnsuitableContractError} when the contract's grace period is below 600 s.
 * @throws {WeakSecretError} when the secret is shorter than 16 bytes.
 * @throws {InvalidRealmError} when the realm is empty or not printable ASCII.
 * @example
 * const gateway = await createGateway({ client, contract, token, realm: "models.example", secret });
 * const handler = gateway.protect({ price: pricePerRequest(parseYuan("0.0012")) }, () => new Response("hello"));
 */
export async function createGateway(parameters: createGateway.Parameters): Promise<Gateway> {
  const { contract, token, realm, secret, suggestedDeposit } = parameters;
  const { maxBody = 4 * 2 ** 20, maxKeptAnswer = 2 ** 20, recheckAfter = 60, minVoucherDelta = 0n } = parameters;
  const { challengeLifetime = 600, drainTimeout = 30_000 } = parameters;
  const { now = Date.now } = parameters;
  // First, since it may refuse: a ledger that was opened and a settler that was started would go on for nobody.
  const challenger = createChallenger({ secret: toBytes(secret), realm, lifetime: challengeLifetime, now });
  const { seller, gracePeriod, settling, report, close } = await openSeller({ ...parameters, now });
  const { chainId, ledger } = seller;
  const funding = createFunding(seller, { maxRelaysPerHour: parameters.maxRelaysPerHour ?? 10 });
  const closing = createClosing(seller, drainTimeout);
  const channelStatus = createChannelStatus(seller);
  // A payer may want its money back while the work runs: what was earned must still be settled in time.
  const workTimeout = Math.min(parameters.workTimeout ?? Number.POSITIVE_INFINITY, gracePeriod * 500);
  const checkedAt = new Map<Hex, number>();

  function challengeFor(offer: Offer, amount: bigint): string {
    const request = formatSessionRequest({
      amount,
      currency: token,
      recipient: seller.payee,
      suggestedDeposit,
      chainId,
      escrowContract: contract,
      feePayer: true,
      credentialTypes: ["authorization", "hash"],
      minVoucherDelta,
      pricing: offer.price.pricing,
    });
    return formatChallenge(challenger.issue(request, offer.description));
  }

  /** A price list changes only when the seller is configured anew: a challenge with another one is answered by a fresh one. */
  function requireChallenge(challenge: Parameters<typeof challenger.refusal>[0], offer: Offer): void {
    const refusal = challenger.refusal(challenge);
    if (refusal) {
      throw new ProblemError("challenge-not-found", `The challenge is not good: ${refusal}. Answer the new one.`);
    }
    const asked = parseSessionRequest(challenge.request);
    const isOfThisOffer =
      canonicalize(asked.pricing ?? null) === canonicalize(offer.price.pricing) &&
      asked.chainId === chainId &&
      isAddressEqual(asked.recipient, seller.payee) &&
      isAddressEqual(asked.currency, token) &&
      isAddressEqual(asked.escrowContract, contract);
    if (!isOfThisOffer) {
      const detail = "The challenge was issued for another price list, payee, token or chain. Answer the new one.";
      throw new ProblemError("challenge-not-found", detail);
    }
  }

  /** What the chain says may be a minute old; a payer that leaves has to wait at least ten. */
  async function freshChannel(channelId: Hex): Promise<ChannelRecord> {
    const channel = await ledger.getChannel(channelId);
    if (!channel) {
      const detail = "The seller does not know this channel. Open one with the action open.";
      throw new ProblemError("channel-not-found", detail, { channelId });
    }
    const last = checkedAt.get(channelId);
    if (last !== undefined && now() - last < recheckAfter * 1000) return channel;
    checkedAt.set(channelId, now());
    try {
      return (await ledger.updateChain(channelId, await readChain(seller, channelId))) ?? channel;
    } catch (error) {
      checkedAt.delete(channelId);
      throw error;
    }
  }

  function receiptFor(challengeId: string, channel: ChannelRecord, amount: bigint, txHash?: Hex): string {
    return formatSessionReceipt({
      challengeId,
      chainId,
      channelId: channel.channelId,
      timestamp: new Date(now()).toISOString(),
      acceptedCumulative: channel.accepted,
      spent: channel.spent,
      amount,
      held: channel.held,
      txHash,
    });
  }

  /** The answer to an action that asks for no work. */
  function acknowledge(challengeId: string, channel: ChannelRecord, txHash?: Hex): Response {
    const receipt = receiptFor(challengeId, channel, 0n, txHash);
    const headers = { "payment-receipt": receipt, "cache-control": "private, no-store" };
    return new Response(null, { status: 204, headers });
  }

  async function sell(
    request: Request,
    body: Uint8Array,
    offer: Offer,
    work: Work,
    challengeId: string,
    statement: Statement,
  ): Promise<Response> {
    const { channelId, cumulativeAmount, signature } = statement;
    const { terms, deposit } = await freshChannel(channelId);
    requireStatement(seller, terms, statement);
    if (deposit === 0n) {
      checkedAt.delete(channelId);
      throw unconfirmedOpening(channelId);
    }
    if (request.method === "HEAD") {
      const accepted = await ledger.accept({ channelId, cumulativeAmount, signature, minVoucherDelta });
      if (accepted.kind === "refused") throw toRefusal(accepted.reason, accepted.channel, statement, 0n);
      if (accepted.kind === "unknown-channel") throw new ProblemError("channel-not-found", "Unknown channel.");
      return acknowledge(challengeId, accepted.channel);
    }

    const amount = offer.price.ceiling(body);
    const result = await ledger.hold({
      channelId,
      cumulativeAmount,
      signature,
      requestHash: hashRequest(request, body),
      idempotencyKey: request.headers.get("idempotency-key") || undefined,
      amount,
      minVoucherDelta,
    });
    if (result.kind === "unknown-channel") throw new ProblemError("channel-not-found", "Unknown channel.");
    if (result.kind === "refused") throw toRefusal(result.reason, result.channel, statement, amount);
    if (result.kind === "repeated") {
      const { answer, captured } = result.hold;
      if (answer) return withReceipt(answer, receiptFor(challengeId, result.channel, captured));
      const detail = "This request was served and charged before; its answer was too large to be kept.";
      throw new ProblemError("answer-not-kept", detail, { channelId, amount: String(captured) });
    }

    const outcome = await perform(request, body, offer, work, { timeout: workTimeout, report });
    if (!outcome.succeeded) {
      await ledger.release({ channelId, cumulativeAmount });
      return outcome.response;
    }
    const { answer, cost } = outcome;
    const kept = answer.body.length <= maxKeptAnswer ? answer : undefined;
    const { channel, hold } = await ledger
      .capture({ channelId, cumulativeAmount, amount: cost, answer: kept })
      .catch(async (error: unknown) => {
        // What could not be charged is not served; the same request may be sent again.
        await ledger.release({ channelId, cumulativeAmount }).catch(report);
        throw error;
      });
    return withReceipt(answer, receiptFor(challengeId, channel, hold.captured));
  }

  async function respond(request: Request, offer: Offer, work: Work): Promise<Response> {
    if (request.method === "OPTIONS") return new Response(null, { status: 204 });
    const body = await readBody(request, maxBody);
    if (!body) return problemResponse("body-too-large", `The body is above the limit of ${maxBody} bytes.`);
    const challenge = (): Record<string, string> => ({
      "www-authenticate": challengeFor(offer, ceilingFor(request, body)),
    });
    const ceilingFor = (asked: Request, bytes: Uint8Array): bigint =>
      asked.method === "HEAD" || (bytes.length === 0 && offer.price.pricing.unit !== "request")
        ? 0n
        : offer.price.ceiling(bytes);
    try {
      const credential = parseCredential(request.headers.get("authorization"));
      if (!credential) {
        const amount = ceilingFor(request, body);
        const detail = `This request costs at most ${amount} base units. Pay it by the Payment scheme, method evm, intent session.`;
        return problemResponse("payment-required", detail, {
          members: { amount: String(amount) },
          headers: challenge(),
        });
      }
      requireChallenge(credential.challenge, offer);
      const { id } = credential.challenge;
      const payload = parseSessionPayload(credential.payload);
      switch (payload.action) {
        case "open": {
          const { channel, txHash } = await funding.open(payload, credential.source);
          checkedAt.set(channel.channelId, now());
          // A statement of zero buys nothing: it only opens.
          if (payload.cumulativeAmount === 0n) return acknowledge(id, channel, txHash);
          return await sell(request, body, offer, work, id, payload);
        }
        case "topUp": {
          const { channel, txHash } = await funding.topUp(payload);
          return acknowledge(id, channel, txHash);
        }
        case "close": {
          const { channel, txHash } = await closing.close(payload);
          return acknowledge(id, channel, txHash);
        }
        case "voucher":
          return await sell(request, body, offer, work, id, payload);
      }
    } catch (error) {
      return toProblemResponse(error, challenge, report);
    }
  }

  async function charge(request: Request, offer: Offer, work: Work): Promise<Response> {
    try {
      return (await channelStatus(request)) ?? (await respond(request, offer, work));
    } catch (error) {
      return toProblemResponse(error, () => ({}), report);
    }
  }

  return {
    charge,
    protect: (offer, work) => (request) => charge(request, offer, work),
    settleAll: settling.settleAll,
    ledger,
    close,
  };
}

export declare namespace createGateway {
  type Parameters = GatewayParameters;
}

function toBytes(secret: Uint8Array | string): Uint8Array {
  return typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
}
