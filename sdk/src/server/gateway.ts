import type { Ledger, ProofResult } from "../ledger/ledger.ts";
import { createReport } from "../report.ts";
import { choosePayments, parseAcceptPayment } from "../wire/acceptPayment.ts";
import type { Challenge } from "../wire/challenge.ts";
import { untilAborted } from "../untilAborted.ts";
import { parseCredential } from "../wire/credential.ts";
import { problemOf, problemResponse } from "../wire/problem.ts";
import { createChallenger } from "./challenger.ts";
import { createChannelStatus } from "./channelStatus.ts";
import { createChargeScheme } from "./chargeScheme.ts";
import type { GatewayProof } from "./conditions.ts";
import { createFaultFinder, type GatewayFault } from "./faults.ts";
import { createObserver, receiptAmount } from "./gatewayEvent.ts";
import type { GatewayParameters } from "./gatewayParameters.ts";
import { openSeller } from "./openSeller.ts";
import { type Price, startingPrice, type WorkMeter } from "./price.ts";
import { toProblemResponse } from "./refusals.ts";
import { isPlain, type Reply, toHandler, toResponse } from "./reply.ts";
import { readBody } from "./requestBody.ts";
import type { Exchange, Scheme } from "./scheme.ts";
import { ProblemError } from "./seller.ts";
import { createSessionScheme } from "./sessionScheme.ts";
import type { Settlements } from "./settling.ts";
import { createWorkload } from "./workload.ts";

/** What is sold on a route. */
export type Offer = {
  readonly price: Price;
  /** For people, shown in the challenge. Any text. */
  readonly description?: string | undefined;
  /**
   * Whether it may be paid by a single transfer, where the gateway takes those: `true` by default if every request
   * costs the same. A metered price is then paid at its ceiling, since a transfer is exact.
   */
  readonly charge?: boolean | undefined;
  /** Which answers are charged for; those with a status from 200 to 399 by default. */
  readonly succeeds?: ((response: Response) => boolean) | undefined;
  /** Whether a conditional payment may pay for it: see `conditional` of {@link GatewayParameters}. */
  readonly conditional?: boolean | undefined;
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
   * any exception and work that takes too long cost the buyer nothing. Answers that are metered as they flow are handed
   * on so, paused where they are not paid further.
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
   * hundred channels in one transaction, after the single transfers that are due. A run waits for the one before it.
   *
   * @returns The settlements with their transactions, and the channels that could not be settled now, with the reason.
   */
  settleAll(): Promise<Settlements>;
  /**
   * Keeps evidence for a conditional payment that stands, such as a verdict that the seller got itself. Work that was
   * delivered for it is charged at what is due.
   *
   * @param proof - The channel, the payment's ref and the evidence.
   * @returns What is due now in base units, or why the evidence is not taken.
   * @throws {LedgerUnavailableError} when it could not be written.
   */
  prove(proof: GatewayProof): Promise<ProofResult>;
  /**
   * Admits that work for a conditional payment is worth no more than what is proven, as when it was judged to have
   * failed: then it takes no more of the payer's credit.
   *
   * @param payment - The channel and the payment's ref.
   * @returns What is due in base units, or why nothing has changed.
   * @throws {LedgerUnavailableError} when it could not be written.
   */
  concede(payment: Pick<GatewayProof, "channelId" | "ref">): Promise<ProofResult>;
  /** The ledger in use. */
  readonly ledger: Ledger;
  /** Requests that are being answered, and streams that flow. */
  readonly running: number;
  /** Whether it takes no new requests. */
  readonly isStopping: boolean;
  /**
   * Looks for what keeps it from selling now: writes to the ledger, and asks the node which chain it is on. What does
   * not answer within 3 s counts as a fault.
   *
   * @returns The faults; none where it can sell. This never rejects.
   */
  faults(): Promise<GatewayFault[]>;
  /**
   * Ends it without losing anything: new requests are refused (503, `shutting-down`), what runs is waited for and after
   * a time ended, streams charged for what they delivered. Then it closes. Stop the server afterwards.
   *
   * @param options.timeout - Milliseconds to wait for what runs; 30,000 by default.
   */
  stop(options?: { timeout?: number }): Promise<void>;
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
 * @throws {UnknownContractError} when the code of a condition that is named is not known.
 * @throws {InvalidSettlerError} when the settler would look too rarely.
 * @throws {UnsuitableContractError} when the contract's grace period is below 600 s.
 * @throws {TokenDomainError} when single transfers are to be taken and the token cannot be paid by authorizations.
 * @throws {WeakSecretError} when the secret is shorter than 16 bytes.
 * @throws {InvalidRealmError} when the realm is empty or not printable ASCII.
 * @example
 * const gateway = await createGateway({ client, contract, token, realm: "models.example", secret });
 * const handler = gateway.protect({ price: pricePerRequest(parseYuan("0.0012")) }, () => new Response("hello"));
 */
export async function createGateway(parameters: createGateway.Parameters): Promise<Gateway> {
  const { realm, secret, maxBody = 4 * 2 ** 20, challengeLifetime = 600, now = Date.now } = parameters;
  const { maxCredential = 16_384, bodyTimeout = 30_000 } = parameters;
  const observe = parameters.observe && createObserver(parameters.observe, createReport(parameters.onError));
  // First, since it may refuse: a ledger that was opened and a settler that was started would go on for nobody.
  const challenger = createChallenger({ secret: toBytes(secret), realm, lifetime: challengeLifetime, now });
  const { seller, gracePeriod, settling, charging, report, close } = await openSeller({
    ...parameters,
    ...(observe && { observe }),
    now,
  });
  const workload = createWorkload({ maxRunning: parameters.maxRunning ?? 1024, maxHolds: parameters.maxHolds ?? 256 });
  const session = await createSessionScheme(seller, parameters, { gracePeriod, workload, report }).catch(
    async (error: unknown) => {
      await close();
      throw error;
    },
  );
  const schemes: readonly Scheme[] = [
    session,
    ...(charging
      ? [createChargeScheme(seller, charging, { ...parameters, challengeLifetime, gracePeriod, workload, report })]
      : []),
  ];
  const channelStatus = createChannelStatus(seller);
  const findFaults = createFaultFinder(seller);

  /** The ways to pay for this that the client takes. */
  function challengesFor(offer: Offer, amount: bigint, asked: { request: Request; body: Uint8Array }): Challenge[] {
    const ways = schemes.flatMap(({ intent, ask }) => {
      const members = ask(offer, amount, asked);
      return members ? [{ method: "evm", intent, members }] : [];
    });
    const ranges = parseAcceptPayment(asked.request.headers.get("accept-payment"));
    return choosePayments(ways, ranges).map(({ intent, members }) =>
      challenger.issue(intent, members, offer.description),
    );
  }

  async function pay(exchange: Omit<Exchange, "requireFresh">): Promise<Reply> {
    const { challenge } = exchange;
    const { method, intent, expires } = challenge;
    const scheme = method === "evm" ? schemes.find((known) => known.intent === intent) : undefined;
    if (!scheme) throw new ProblemError("method-unsupported", "This method and intent are not taken here.");
    const unknown = intent === "session" ? "challenge-not-found" : "invalid-challenge";
    if (!challenger.isOwn(challenge)) {
      throw new ProblemError(unknown, "The challenge was not issued by this seller. Answer the new one.");
    }
    const requireFresh = (): void => {
      if (!challenger.isExpired(challenge)) return;
      throw new ProblemError(unknown, `The challenge expired at ${expires}. Answer the new one.`);
    };
    return scheme.respond({ ...exchange, requireFresh });
  }

  /** A body that never ends would take a place of those that run for nothing. */
  async function readInTime(request: Request): Promise<Uint8Array | undefined | "slow"> {
    const slow = AbortSignal.timeout(bodyTimeout);
    return untilAborted(readBody(request, maxBody), slow).catch((error: unknown) => {
      if (request.signal.aborted) return undefined;
      if (slow.aborted) return "slow";
      throw error;
    });
  }

  async function respond(request: Request, offer: Offer, work: Work): Promise<Reply> {
    if (request.method === "OPTIONS") return new Response(null, { status: 204 });
    const { length } = request.headers.get("authorization") ?? "";
    if (length > maxCredential) {
      const detail = `The credential has ${length} characters, above the limit of ${maxCredential}.`;
      return problemResponse("headers-too-large", detail, { members: { length, most: maxCredential } });
    }
    const body = request.body ? await readInTime(request) : noBody;
    // Nobody is there to read it, and nothing has failed.
    if (request.signal.aborted) return new Response(null, { status: 499 });
    if (body === "slow") {
      const detail = `The body did not come within ${bodyTimeout} ms.`;
      return problemResponse("body-too-slow", detail, { members: { most: bodyTimeout } });
    }
    if (!body) return problemResponse("body-too-large", `The body is above the limit of ${maxBody} bytes.`);
    const start = (): bigint =>
      request.method === "HEAD" || (body.length === 0 && offer.price.pricing.unit !== "request")
        ? 0n
        : startingPrice(offer.price, body);
    const challenges = (): Challenge[] => challengesFor(offer, start(), { request, body });
    try {
      const credential = parseCredential(request.headers.get("authorization"));
      if (credential) return await pay({ request, body, offer, work, source: undefined, ...credential });
      const amount = start();
      const detail = `This request needs ${amount} base units. Pay it by the Payment scheme, method evm.`;
      return problemResponse("payment-required", detail, {
        members: { amount: String(amount) },
        challenges: challenges(),
      });
    } catch (error) {
      return toProblemResponse(error, challenges, report);
    }
  }

  async function answer(request: Request, offer: Offer, work: Work): Promise<Reply> {
    let leave: (() => void) | undefined;
    try {
      leave = workload.enter();
      return await (channelStatus(request) ?? respond(request, offer, work));
    } catch (error) {
      return toProblemResponse(error, () => [], report);
    } finally {
      leave?.();
    }
  }

  async function serve(request: Request, offer: Offer, work: Work): Promise<Reply> {
    const began = observe ? performance.now() : 0;
    const reply = await answer(request, offer, work);
    observe?.({
      kind: "answered",
      method: request.method,
      path: new URL(request.url).pathname,
      status: reply.status,
      problem: isPlain(reply) ? undefined : problemOf(reply),
      amount: receiptAmount(reply),
      milliseconds: performance.now() - began,
    });
    // Whether a page of another origin may ask at all is the seller's to say; if it may, it must be able to pay.
    if (!request.headers.has("origin")) return reply;
    const response = toResponse(reply);
    response.headers.append("access-control-expose-headers", exposedHeaders);
    return response;
  }

  async function closeAll(): Promise<void> {
    await session.close();
    await close();
  }

  return {
    charge: async (request, offer, work) => toResponse(await serve(request, offer, work)),
    protect: (offer, work) => toHandler((request) => serve(request, offer, work)),
    async settleAll() {
      await session.writeDown();
      await charging?.settleEarned();
      return settling.settleAll();
    },
    prove: session.prove,
    concede: (payment) => seller.ledger.concede(payment),
    ledger: seller.ledger,
    get running() {
      return workload.running;
    },
    get isStopping() {
      return workload.isStopping;
    },
    async faults() {
      const found = await findFaults();
      return workload.isStopping ? ["stopping", ...found] : found;
    },
    async stop({ timeout = 30_000 } = {}) {
      await workload.stop(timeout);
      await closeAll();
    },
    close: closeAll,
  };
}

export declare namespace createGateway {
  type Parameters = GatewayParameters;
}

const noBody = new Uint8Array();

/** What a page of another origin needs to read. */
const exposedHeaders = "WWW-Authenticate, Payment-Receipt, Payment-Status, Retry-After";

function toBytes(secret: Uint8Array | string): Uint8Array {
  return typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
}
