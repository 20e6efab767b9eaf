import type { Ledger } from "../ledger/ledger.ts";
import { formatChallenge } from "../wire/challenge.ts";
import { parseCredential } from "../wire/credential.ts";
import { problemResponse } from "../wire/problem.ts";
import { createChallenger } from "./challenger.ts";
import { createChannelStatus } from "./channelStatus.ts";
import type { GatewayParameters } from "./gatewayParameters.ts";
import { openSeller } from "./openSeller.ts";
import { type Price, startingPrice, type WorkMeter } from "./price.ts";
import { toProblemResponse } from "./refusals.ts";
import { readBody } from "./requestBody.ts";
import type { Exchange } from "./scheme.ts";
import { ProblemError } from "./seller.ts";
import { createSessionScheme } from "./sessionScheme.ts";
import type { Settlements } from "./settling.ts";

/** What is sold on a route. */
export type Offer = {
  readonly price: Price;
  /** For people, shown in the challenge. Any text. */
  readonly description?: string | undefined;
  /** Which answers are charged for; those with a status from 200 to 399 by default. */
  readonly succeeds?: ((response: Response) => boolean) | undefined;
};

/**
 * Does the work that was paid for. The request comes without its payment credential; its signal tells when to stop. The
 * meter is for prices of {@link priceUpTo}.
 */
export type Work = (request: Request, meter: WorkMeter) => Response | Promise<Response>;

/** A seller's side of HTTP 402: nothing is served unpaid, nothing that failed is charged. */
export type Gateway = {
  /**
   * Answers one request: with a challenge, with the outcome of a payment action, with what stands in a channel, or with
   * the work. To find their channels again payers ask at `/.well-known/subfen/channels/{id}`: route that here as well.
   *
   * @param request - The request.
   * @param offer - What it costs.
   * @param work - Does the work once its ceiling is held. A successful answer is charged as metered; any other answer,
   * any exception and work that takes too long cost the buyer nothing. Answers that are metered as they flow are handed on
   * so, paused where they are not paid further.
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
  const { realm, secret, maxBody = 4 * 2 ** 20, challengeLifetime = 600, now = Date.now } = parameters;
  // First, since it may refuse: a ledger that was opened and a settler that was started would go on for nobody.
  const challenger = createChallenger({ secret: toBytes(secret), realm, lifetime: challengeLifetime, now });
  const { seller, gracePeriod, settling, report, close } = await openSeller({ ...parameters, now });
  const schemes = [await createSessionScheme(seller, parameters, { gracePeriod, report })];
  const channelStatus = createChannelStatus(seller);

  /** Every way to pay for this, in one header (RFC 9110 section 11.6.1). */
  function challengesFor(offer: Offer, amount: bigint): Record<string, string> {
    const challenges = schemes.flatMap(({ intent, ask }) => {
      const request = ask(offer, amount);
      return request === undefined ? [] : [formatChallenge(challenger.issue(intent, request, offer.description))];
    });
    return { "www-authenticate": challenges.join(", ") };
  }

  async function pay(exchange: Exchange): Promise<Response> {
    const { challenge } = exchange;
    const scheme = schemes.find(({ intent }) => intent === challenge.intent);
    const refusal = challenger.refusal(challenge) ?? (scheme ? undefined : "it is of another method or intent");
    if (refusal !== undefined || !scheme) {
      throw new ProblemError("challenge-not-found", `The challenge is not good: ${refusal}. Answer the new one.`);
    }
    return scheme.respond(exchange);
  }

  async function respond(request: Request, offer: Offer, work: Work): Promise<Response> {
    if (request.method === "OPTIONS") return new Response(null, { status: 204 });
    const body = await readBody(request, maxBody);
    if (!body) return problemResponse("body-too-large", `The body is above the limit of ${maxBody} bytes.`);
    const start = (): bigint =>
      request.method === "HEAD" || (body.length === 0 && offer.price.pricing.unit !== "request")
        ? 0n
        : startingPrice(offer.price, body);
    const challenges = (): Record<string, string> => challengesFor(offer, start());
    try {
      const credential = parseCredential(request.headers.get("authorization"));
      if (credential) return await pay({ request, body, offer, work, source: undefined, ...credential });
      const amount = start();
      const detail = `This request needs ${amount} base units. Pay it by the Payment scheme, method evm.`;
      return problemResponse("payment-required", detail, {
        members: { amount: String(amount) },
        headers: challenges(),
      });
    } catch (error) {
      return toProblemResponse(error, challenges, report);
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
    ledger: seller.ledger,
    close,
  };
}

export declare namespace createGateway {
  type Parameters = GatewayParameters;
}

function toBytes(secret: Uint8Array | string): Uint8Array {
  return typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
}
