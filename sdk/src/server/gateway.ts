import { type Address, type Hex, isAddressEqual } from "viem";
import { getChainId } from "viem/actions";

import { getCloseGracePeriod } from "../chain/channels.ts";
import { type ChainClient, MissingAccountError } from "../chain/write.ts";
import { isSubfenError, SubfenError } from "../errors.ts";
import type { ChannelRecord, HoldRefusal, Ledger, LedgerOwner } from "../ledger/ledger.ts";
import { createSqliteLedger, ForeignLedgerError } from "../ledger/sqlite/sqliteLedger.ts";
import { parseCredential } from "../wire/credential.ts";
import { canonicalize, type Json } from "../wire/encoding.ts";
import { formatChallenge } from "../wire/challenge.ts";
import { problemResponse } from "../wire/problem.ts";
import { formatSessionRequest, parseSessionPayload, parseSessionRequest, type Statement } from "../wire/session.ts";
import { formatSessionReceipt } from "../wire/sessionReceipt.ts";
import { createChallenger } from "./challenger.ts";
import { createChannelStatus } from "./channelStatus.ts";
import { createClosing } from "./closing.ts";
import { createFunding, unconfirmedOpening } from "./funding.ts";
import { perform, withReceipt } from "./perform.ts";
import type { Price } from "./price.ts";
import { hashRequest, readBody } from "./requestBody.ts";
import { requireLedgerUpToDate } from "./resynchronize.ts";
import { createTransact, ProblemError, readChain, requireStatement, type Seller } from "./seller.ts";
import { createSettling, type Settlements } from "./settling.ts";
import { createVoucherVerifier } from "./voucherVerifier.ts";

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

/** The contract's grace period is too short to settle in. */
export class UnsuitableContractError extends SubfenError {
  override readonly name = "UnsuitableContractError";

  constructor(contract: Address, gracePeriod: number) {
    super(`The channel contract ${contract} has a grace period of ${gracePeriod} s; at least 600 s are needed.`, {
      code: "unsuitable-contract",
      metaMessages: ["Deploy PaymentChannels with a longer one: 900 s is usual."],
    });
  }
}

/** The ledger that was passed in belongs to another seller. */
function requireOwnLedger(ledger: Ledger, owner: LedgerOwner): void {
  for (const field of ["chainId", "contract", "token", "payee"] as const) {
    const [found, wanted] = [ledger.owner?.[field], owner[field]].map((value) => String(value).toLowerCase());
    if (ledger.owner && found !== wanted) throw new ForeignLedgerError(field, String(found), String(wanted));
  }
}

const localChains = [1337, 31337];

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
 * @throws {UnsuitableContractError} when the contract's grace period is below 600 s.
 * @throws {WeakSecretError} when the secret is shorter than 16 bytes.
 * @throws {InvalidRealmError} when the realm is empty or not printable ASCII.
 * @example
 * const gateway = await createGateway({ client, contract, token, realm: "models.example", secret });
 * const handler = gateway.protect({ price: pricePerRequest(parseYuan("0.0012")) }, () => new Response("hello"));
 */
export async function createGateway(parameters: createGateway.Parameters): Promise<Gateway> {
  const { client, contract, token, realm, secret } = parameters;
  const { now = Date.now, minDeposit = 0n, suggestedDeposit } = parameters;
  const { maxBody = 4 * 2 ** 20, maxKeptAnswer = 2 ** 20, recheckAfter = 60, minVoucherDelta = 0n } = parameters;
  const { challengeLifetime = 600, drainTimeout = 30_000, transactionTimeout = 60_000 } = parameters;
  if (!client.account) throw new MissingAccountError("createGateway");
  const chainId = await getChainId(client);
  const gracePeriod = await getCloseGracePeriod(client, { contract });
  if (gracePeriod < 600) throw new UnsuitableContractError(contract, gracePeriod);
  const confirmations = parameters.confirmations ?? (localChains.includes(chainId) ? 1 : 2);
  const payee = parameters.payee ?? client.account.address;
  const challenger = createChallenger({ secret: toBytes(secret), realm, lifetime: challengeLifetime, now });
  const verifier = await createVoucherVerifier({ contract, chainId });

  /** What the seller does with it must not change an answer. */
  function report(error: unknown): void {
    void Promise.resolve(error)
      .then(parameters.onError)
      .catch(() => undefined);
  }

  const owner: LedgerOwner = { chainId, contract, token, payee };
  const { ledgerPath = "subfen-ledger.db" } = parameters;
  const ledger = parameters.ledger ?? (await createSqliteLedger({ path: ledgerPath, owner, now, onError: report }));
  const close = async () => (parameters.ledger ? undefined : ledger.close());
  try {
    requireOwnLedger(ledger, owner);
    await requireLedgerUpToDate({ client, ...owner, ledger, fromBlock: parameters.fromBlock });
  } catch (error) {
    await close();
    throw error;
  }
  const seller: Seller = {
    client,
    chainId,
    contract,
    token,
    payee,
    ledger,
    verifier,
    confirmations,
    transactionTimeout,
    minDeposit,
    now,
    transact: createTransact(client, confirmations),
  };
  const funding = createFunding(seller);
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
      return toProblemResponse(error, challenge);
    }
  }

  /** Answers what was thrown; a 402 carries a fresh challenge. */
  function toProblemResponse(error: unknown, challenge: () => Record<string, string>): Response {
    if (error instanceof ProblemError) {
      const headers = problemResponse(error.problem, "").status === 402 ? challenge() : {};
      if (error.cause !== undefined) report(error.cause);
      return problemResponse(error.problem, error.shortMessage, { members: error.members, headers });
    }
    if (isSubfenError(error, "unpriceable-request")) return problemResponse("unpriceable-request", error.message);
    if (isSubfenError(error, "malformed")) {
      const isCredential = error.shortMessage.startsWith("The credential");
      return isCredential
        ? problemResponse("malformed-credential", error.shortMessage, { headers: challenge() })
        : problemResponse("malformed-payload", error.shortMessage);
    }
    report(error);
    return problemResponse("seller-failed", "The seller failed to handle the payment. Nothing was charged.");
  }

  async function charge(request: Request, offer: Offer, work: Work): Promise<Response> {
    try {
      return (await channelStatus(request)) ?? (await respond(request, offer, work));
    } catch (error) {
      return toProblemResponse(error, () => ({}));
    }
  }

  return {
    charge,
    protect: (offer, work) => (request) => charge(request, offer, work),
    settleAll: createSettling(seller),
    ledger,
    close,
  };
}

export declare namespace createGateway {
  type Parameters = {
    /** A viem client whose account sends openings, settlements and closings: the payee, or for settling its operator. */
    client: ChainClient;
    /** The PaymentChannels contract. */
    contract: Address;
    /** The token that is taken. */
    token: Address;
    /** The name of the protection space; the same to all processes of one seller. */
    realm: string;
    /** At least 16 bytes that bind challenges, as bytes or text; the same to all processes of one seller. */
    secret: Uint8Array | string;
    /** Who is paid; the client's account by default. */
    payee?: Address;
    /** A file by default, see `ledgerPath`. */
    ledger?: Ledger;
    /** The file of the default ledger; `subfen-ledger.db` in the working folder by default. */
    ledgerPath?: string;
    /**
     * The block to look for openings from, such as that of the contract's deployment, when the ledger is compared with
     * the chain at the start; by default the newest block that the ledger knows of.
     */
    fromBlock?: bigint;
    /** Base units to propose as a deposit. */
    suggestedDeposit?: bigint;
    /** Base units below which no channel is opened at the seller's gas; 0 by default. */
    minDeposit?: bigint;
    /** Base units by which a statement must grow; 0 by default. */
    minVoucherDelta?: bigint;
    /** Blocks to wait for; 1 on a local chain and 2 elsewhere by default. */
    confirmations?: number;
    /** Milliseconds to wait for a transaction by which a payer has funded a channel itself; 60,000 by default. */
    transactionTimeout?: number;
    /** Seconds after which a channel is read from the chain again before it is served; 60 by default. */
    recheckAfter?: number;
    /** Seconds a challenge is good for; 600 by default. */
    challengeLifetime?: number;
    /** Milliseconds the work may take: at most half the contract's grace period, which is the default. */
    workTimeout?: number;
    /** Milliseconds a closing waits for the channel's running requests; 30,000 by default. */
    drainTimeout?: number;
    /** Bytes of a request's body; 4 MiB by default. */
    maxBody?: number;
    /** Bytes up to which an answer is kept for a repeated request; 1 MiB by default. */
    maxKeptAnswer?: number;
    /** Told what went wrong inside; the buyer is told a general sentence. */
    onError?: (error: unknown) => void;
    /** The clock, in milliseconds; `Date.now` by default. */
    now?: () => number;
  };
}

function toRefusal(reason: HoldRefusal, channel: ChannelRecord, statement: Statement, amount: bigint): ProblemError {
  const { channelId } = channel;
  const required = channel.spent + channel.held + amount;
  const amounts: Record<string, Json> = {
    channelId,
    acceptedCumulative: String(channel.accepted),
    spent: String(channel.spent),
    held: String(channel.held),
    deposit: String(channel.deposit),
  };
  switch (reason) {
    case "insufficient-balance":
      return new ProblemError(
        reason,
        `The voucher over ${statement.cumulativeAmount} does not cover this request: ${required} base units are needed ` +
          `(${channel.spent} spent, ${channel.held} held, ${amount} for this request).`,
        { ...amounts, requiredCumulative: String(required), amount: String(amount) },
      );
    case "amount-exceeds-deposit":
      return new ProblemError(
        reason,
        `The deposit of ${channel.deposit} does not cover the voucher over ${statement.cumulativeAmount} and this request. ` +
          "Top the channel up.",
        amounts,
      );
    case "delta-too-small":
      return new ProblemError(reason, "The voucher grows by less than minVoucherDelta.", amounts);
    case "request-in-progress":
      return new ProblemError(reason, "The same request is running. Send it again later for its answer.", amounts);
    case "statement-used":
      return new ProblemError(reason, "This statement has paid for another request. Sign a higher one.", amounts);
    case "idempotency-key-reused":
      return new ProblemError(reason, "This Idempotency-Key belongs to another request. Use a new one.", amounts);
    case "channel-closing":
      return new ProblemError(reason, "The channel is closing: it buys nothing more. Open a new one.", amounts);
    case "channel-finalized":
      return new ProblemError(reason, "The channel is closed. Open a new one with a new salt.", amounts);
  }
}

function toBytes(secret: Uint8Array | string): Uint8Array {
  return typeof secret === "string" ? new TextEncoder().encode(secret) : secret;
}
