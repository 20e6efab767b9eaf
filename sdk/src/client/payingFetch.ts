import type { Address, Hex } from "viem";

import type { ChainClient } from "../chain/write.ts";
import { formatYuan } from "../protocol/amounts.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import { formatCredential } from "../wire/credential.ts";
import { ceilingOf } from "../wire/pricing.ts";
import { type Problem, readProblem } from "../wire/problem.ts";
import { formatSessionPayload, type Statement } from "../wire/session.ts";
import { parseSessionReceipt, type SessionReceipt } from "../wire/sessionReceipt.ts";
import { type Call, complete, identityOf, pause, send, toCall, untilAborted } from "./call.ts";
import { type ClosedChannel, closeSession, type CloseOptions } from "./closeSession.ts";
import {
  AnswerPendingError,
  ClosedError,
  PriceAboveLimitError,
  SellerDistrustedError,
  UnsafeOriginError,
} from "./errors.ts";
import type { Purse } from "./purse.ts";
import {
  amountOf,
  type Budget,
  createSellerSession,
  fund,
  knownOffer,
  type SellerSession,
  type SessionOffer,
  signStatement,
  takeOffer,
} from "./sellerSession.ts";
import { createWallet } from "./wallet.ts";

/** A payment that a seller confirmed. */
export type Payment = {
  readonly url: string;
  readonly channelId: Hex;
  /** Base units charged for this call. */
  readonly amount: bigint;
  /** The same in yuan, such as `"0.000417"`. */
  readonly yuan: string;
  readonly receipt: SessionReceipt;
};

/** What stands in one channel, in base units. */
export type ChannelBalance = {
  readonly origin: string;
  readonly channelId: Hex;
  readonly token: Address;
  readonly deposit: bigint;
  /** Charged by receipts. */
  readonly spent: bigint;
  /** The most that running calls and calls without a known outcome can still cost. */
  readonly uncertain: bigint;
  /** What is not spent and not uncertain. */
  readonly available: bigint;
};

/** A `fetch` that pays. */
export type PayingFetch = {
  (input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** @returns The open channels and what stands in each. */
  balance(): ChannelBalance[];
  /**
   * Ends it: waits for running calls, then asks each seller to close its channel and to bring the change back. Where a
   * seller does not answer, closing is requested on the chain and the change is withdrawn after the grace period.
   *
   * @param options.signal - Stops waiting; what was requested on the chain goes on.
   * @returns What became of each channel.
   * @throws {NoGasError} when closing has to go over the chain and the account cannot pay for it.
   */
  close(options?: CloseOptions): Promise<ClosedChannel[]>;
};

/** How often a call is sent again when no answer comes, and how often it is priced anew. */
const maxTries = 4;
/** Longest time to wait for the answer of a request that the seller still works on, in milliseconds. */
const maxWait = 120_000;

/**
 * Makes a `fetch` that pays: what costs nothing passes through, a 402 of the `evm` session kind is paid from a channel
 * that is opened and topped up within the limits. Works with every client that takes a `fetch`, such as `openai`.
 *
 * Thrown errors are this package's; a client that wraps them keeps them as `cause`. Whatever is refused here was not
 * signed and cost nothing.
 *
 * @param parameters - Who pays, by which chain, within which limits.
 * @returns The fetch, with `balance()` and `close()`.
 * @throws Its calls reject with {PriceAboveLimitError}, {DepositAboveLimitError}, {InsufficientTokensError},
 * {WrongChainError}, {UnknownContractError}, {SellerChangedError}, {SellerDistrustedError}, {UnsafeOriginError},
 * {FundingRefusedError}, {AnswerPendingError}, {ClosedError}, or as `fetch` does.
 * @example
 * const fetch = payingFetch({ account, client, maxDeposit: parseYuan("5"), maxPrice: parseYuan("0.01") });
 * const openai = new OpenAI({ baseURL: "https://models.example/v1", apiKey: "unused", fetch });
 */
export function payingFetch(parameters: payingFetch.Parameters): PayingFetch {
  const { account, client, maxDeposit, maxPrice, onPayment, trustedContracts = [] } = parameters;
  const transport = parameters.fetch ?? fetch;
  const budget: Budget = { maxDeposit, committed: 0n };
  const wallet = createWallet(account, client, trustedContracts);
  const sessions = new Map<string, SellerSession>();
  /** Calls that were paid and whose answer never came, to be asked for again when the same call is made again. */
  const lost = new Map<string, PaidCall[]>();
  let isClosed = false;
  const context = { wallet, budget, transport, tries: maxTries };

  async function pay(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    if (isClosed) throw new ClosedError();
    let call = await toCall(input, init);
    const isFree = call.method === "HEAD" || call.method === "OPTIONS";
    const known = sessions.get(call.url.origin);
    let offer = known && knownOffer(known, call);
    if (!offer || isFree) {
      const response = await send(transport, call);
      if (response.status !== 402 || isFree) return response;
      const address = new URL(response.url || call.url);
      if (address.origin !== call.url.origin) {
        throw new UnsafeOriginError(`${call.url.origin} redirects to ${address.origin}, which asks to be paid`);
      }
      call = { ...call, url: address };
      const taken = takeOffer(sessionOf(call), call, response);
      if (!taken) return response;
      offer = taken;
      await response.body?.cancel();
    }
    // Closing may have begun while the price was asked; nothing is awaited between this and the count.
    if (isClosed) throw new ClosedError();
    const session = sessionOf(call);
    session.actionCall ??= { ...call, body: undefined };
    session.inFlight++;
    try {
      return await payCall(session, call, offer);
    } finally {
      session.inFlight--;
    }
  }

  function sessionOf({ url }: Call): SellerSession {
    requireSafeOrigin(url);
    const session = sessions.get(url.origin) ?? createSellerSession(url.origin);
    sessions.set(url.origin, session);
    return session;
  }

  /** Prices the call, signs for it and sends it, again with a new statement where the seller asks for one. */
  async function payCall(session: SellerSession, asked: Call, firstOffer: SessionOffer): Promise<Response> {
    let call = asked;
    let offer = firstOffer;
    const found = lost.size > 0 ? takeLost(lost, await identityOf(call)) : undefined;
    if (found) {
      const response = await sendPaid(found, call.signal);
      const problem = response.ok ? undefined : await readProblem(response);
      const fresh = problem?.code === "challenge-not-found" ? takeOffer(session, call, response) : undefined;
      if (!fresh) return settle(found, response, problem);
      // The old challenge is over. By its key the seller still knows the call, whatever statement comes with it.
      found.purse.forgive(found.id);
      call = { ...call, idempotencyKey: found.call.idempotencyKey };
      offer = fresh;
    }
    let ceiling = priceOf(offer, call);
    for (let attempt = 1; ; attempt++) {
      if (ceiling > maxPrice) throw new PriceAboveLimitError(ceiling, maxPrice, session.origin);
      const { purse, id, cumulativeAmount } = await beginCall(session, offer, ceiling, call.signal);
      const statement = await signStatement(wallet, offer.request, purse.channelId, cumulativeAmount).catch((error) => {
        purse.forgive(id);
        throw error as Error;
      });
      const paid: PaidCall = { call, id, purse, statement, challenge: offer.challenge };
      const response = await sendPaid(paid, call.signal);
      const problem = response.ok ? undefined : await readProblem(response);
      const next =
        problem && attempt < maxTries ? await adapt(session, paid, response, problem, offer, ceiling) : undefined;
      if (!next) return settle(paid, response, problem);
      purse.forgive(id);
      ({ offer, ceiling } = next);
    }
  }

  /** @returns What to try next after a problem, or `undefined` if it cannot be helped. */
  async function adapt(
    session: SellerSession,
    { call, purse, statement }: PaidCall,
    response: Response,
    problem: Problem,
    offer: SessionOffer,
    ceiling: bigint,
  ): Promise<{ offer: SessionOffer; ceiling: bigint } | undefined> {
    switch (problem.code) {
      case "challenge-not-found": {
        const fresh = takeOffer(session, call, response);
        return fresh && { offer: fresh, ceiling: priceOf(fresh, call) };
      }
      case "insufficient-balance": {
        // The seller's ceiling for this call is higher than ours. The limit is checked before the next signature.
        const required = amountOf(problem.members, "requiredCumulative");
        const isHigher = required !== undefined && required > statement.cumulativeAmount;
        return isHigher ? { offer, ceiling: ceiling + (required - statement.cumulativeAmount) } : undefined;
      }
      case "amount-exceeds-deposit": {
        purse.setDeposit((await wallet.readChannel(offer.request.escrowContract, purse.channelId)).deposit);
        return { offer, ceiling };
      }
      case "channel-finalized": {
        const { finalized, settled } = await wallet.readChannel(offer.request.escrowContract, purse.channelId);
        if (!finalized) return undefined;
        retire(session, purse, settled);
        return { offer, ceiling };
      }
      default:
        return undefined;
    }
  }

  function retire(session: SellerSession, purse: Purse, settled: bigint): void {
    if (session.purse !== purse) return;
    session.purse = undefined;
    budget.committed -= purse.deposit - settled;
  }

  /** Counts the call in a purse that can carry it; in one step with the check, so that parallel calls do not overshoot. */
  async function beginCall(
    session: SellerSession,
    offer: SessionOffer,
    ceiling: bigint,
    signal: AbortSignal,
  ): Promise<{ purse: Purse; id: symbol; cumulativeAmount: bigint }> {
    for (;;) {
      const { purse } = session;
      if (purse?.distrust !== undefined) throw new SellerDistrustedError(session.origin, purse.distrust);
      const needed = purse ? purse.next(ceiling) : ceiling;
      if (purse && needed <= purse.deposit && !session.funding) {
        const id = Symbol("call");
        return { purse, id, cumulativeAmount: purse.begin(id, ceiling) };
      }
      session.funding ??= fund(session, offer, needed, context).finally(() => {
        session.funding = undefined;
      });
      await untilAborted(session.funding, signal);
    }
  }

  /** Sends one credential until there is an answer. Without one, the call counts at its ceiling and is remembered. */
  async function sendPaid(paid: PaidCall, signal: AbortSignal): Promise<Response> {
    const { call, statement, challenge } = paid;
    const credential = formatCredential({
      challenge,
      payload: formatSessionPayload({ action: "voucher", ...statement }),
    });
    const deadline = Date.now() + maxWait;
    try {
      for (let attempt = 1; ; attempt++) {
        let response: Response;
        try {
          response = await complete(await send(transport, { ...call, signal }, credential));
        } catch (error) {
          if (signal.aborted || attempt >= maxTries) throw error;
          await pause(100 * 2 ** attempt, signal);
          continue;
        }
        const isRunning = response.status === 409 && (await readProblem(response))?.code === "request-in-progress";
        if (!isRunning) return response;
        if (Date.now() > deadline) throw new AnswerPendingError(call.url.origin);
        attempt = 1;
        await pause(200, signal);
      }
    } catch (error) {
      paid.purse.lose(paid.id);
      const identity = await identityOf(call);
      lost.set(identity, [...(lost.get(identity) ?? []), paid]);
      throw error;
    }
  }

  /** Books what the answer says of the call's cost, and hands the answer on. */
  function settle(paid: PaidCall, response: Response, problem?: Problem): Response {
    const { purse, id, call } = paid;
    const header = response.headers.get("payment-receipt");
    if (header === null) {
      // A failing server in between may hide that the call was charged; a refusal says that it was not.
      const isCharged = response.ok || problem?.code === "answer-not-kept";
      const isUnknown = isCharged || (response.status >= 500 && problem?.code !== "seller-failed");
      if (isUnknown) purse.lose(id);
      else purse.forgive(id);
      return response;
    }
    const receipt = parseSessionReceipt(header);
    const amount = purse.charge(id, receipt);
    const { channelId } = purse;
    onPayment?.({ url: call.url.href, channelId, amount, yuan: formatYuan(amount), receipt });
    return response;
  }

  return Object.assign(pay, {
    balance: () => [...sessions.values()].flatMap(balanceOf),
    async close(options: CloseOptions = {}): Promise<ClosedChannel[]> {
      isClosed = true;
      const closed = await Promise.all(
        [...sessions.values()].map((session) => closeSession(session, context, options)),
      );
      return closed.filter((channel) => channel !== undefined);
    },
  });
}

export declare namespace payingFetch {
  type Parameters = {
    /** Who pays: signs vouchers and authorizations. A viem account, or anything that signs typed data. */
    account: SigningAccount;
    /** Reads the chain; sends transactions only where a seller does not. */
    client: ChainClient;
    /** Base units that may leave the account in all: locked in open channels or spent in closed ones. */
    maxDeposit: bigint;
    /** Base units that one call may cost. */
    maxPrice: bigint;
    /** Told each confirmed payment. */
    onPayment?: ((payment: Payment) => void) | undefined;
    /** Channel contracts and tokens to use although their code is not known to this package. */
    trustedContracts?: readonly Address[] | undefined;
    /** The `fetch` below; the global one by default. */
    fetch?: typeof fetch | undefined;
  };
}

/** A call with what pays for it. */
type PaidCall = {
  readonly call: Call;
  readonly id: symbol;
  readonly purse: Purse;
  readonly statement: Statement;
  readonly challenge: SessionOffer["challenge"];
};

function takeLost(lost: Map<string, PaidCall[]>, identity: string): PaidCall | undefined {
  const [first, ...rest] = lost.get(identity) ?? [];
  if (rest.length > 0) lost.set(identity, rest);
  else lost.delete(identity);
  return first;
}

/** By the price list where it is known, so that a challenge serves many calls; else what the challenge says. */
function priceOf({ request }: SessionOffer, { body }: Call): bigint {
  return request.pricing ? ceilingOf(request.pricing, body ?? new Uint8Array()) : request.amount;
}

function balanceOf({ origin, purse }: SellerSession): ChannelBalance[] {
  if (!purse) return [];
  const { channelId, terms, deposit, charged: spent, uncertain } = purse;
  return [{ origin, channelId, token: terms.token, deposit, spent, uncertain, available: deposit - spent - uncertain }];
}

/** Credentials are worth money to whoever reads them: they travel by TLS, or not beyond this machine. */
function requireSafeOrigin({ protocol, hostname, origin }: URL): void {
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  if (protocol !== "https:" && !isLocal) throw new UnsafeOriginError(`${origin} is not an https address`);
}
