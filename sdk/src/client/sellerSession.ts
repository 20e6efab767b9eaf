import type { Hex } from "viem";
import { toHex } from "viem/utils";

import { computeChannelId } from "../protocol/channelId.ts";
import { parseBaseUnits } from "../protocol/amounts.ts";
import { type Terms, zeroAddress } from "../protocol/terms.ts";
import { signVoucher } from "../protocol/voucher.ts";
import { type Challenge, parseChallenges } from "../wire/challenge.ts";
import { formatCredential } from "../wire/credential.ts";
import { readProblem } from "../wire/problem.ts";
import {
  formatSessionPayload,
  parseSessionRequest,
  type SessionPayload,
  type SessionRequest,
  type Statement,
} from "../wire/session.ts";
import { parseSessionReceipt, type SessionReceipt } from "../wire/sessionReceipt.ts";
import { type Call, send } from "./call.ts";
import { DepositAboveLimitError, FundingRefusedError, SellerChangedError, UnsupportedFundingError } from "./errors.ts";
import { createPurse, type Purse } from "./purse.ts";
import type { Wallet } from "./wallet.ts";

/** A challenge a client can answer, decoded. */
export type SessionOffer = { readonly challenge: Challenge; readonly request: SessionRequest };

/** How much more may be locked, over all sellers. */
export type Budget = {
  readonly maxDeposit: bigint;
  /** Base units locked now, plus what closed channels have spent. */
  committed: bigint;
};

/** A funding that was signed, `before` being the deposit without it. */
export type PendingFunding = {
  readonly payload: SessionPayload;
  readonly before: bigint;
  readonly amount: bigint;
  readonly terms: Terms;
  /** Unix time in seconds after which the authorization is worthless. */
  readonly expires: bigint;
};

/** One seller, known by its origin: whom it is, what it asked last, and the channel to it. */
export type SellerSession = {
  readonly origin: string;
  /** Whom and in what to pay, as first seen. */
  pinned: SessionRequest | undefined;
  /** By method and path. */
  readonly offers: Map<string, SessionOffer>;
  purse: Purse | undefined;
  /** A call with which payment actions can be sent. */
  actionCall: Call | undefined;
  funding: Promise<void> | undefined;
  /** A funding that was signed and whose outcome is unknown: it is presented again, never signed anew. */
  pending: PendingFunding | undefined;
  inFlight: number;
};

/** Starts the memory of a seller. */
export function createSellerSession(origin: string): SellerSession {
  return {
    origin,
    pinned: undefined,
    offers: new Map(),
    purse: undefined,
    actionCall: undefined,
    funding: undefined,
    pending: undefined,
    inFlight: 0,
  };
}

/** The key of an offer. */
export function routeOf(call: Call): string {
  return `${call.method} ${call.url.pathname}`;
}

/**
 * Takes up the challenge of a 402, if there is one this client can answer.
 *
 * @param session - The seller.
 * @param call - The call it answered.
 * @param response - The 402.
 * @returns The offer, or `undefined` when none of the challenges is an `evm` session that is still good.
 * @throws {SellerChangedError} when it asks for another payee, token, contract or chain than before.
 */
export function takeOffer(session: SellerSession, call: Call, response: Response): SessionOffer | undefined {
  for (const challenge of parseChallenges(response.headers.get("www-authenticate"))) {
    if (challenge.method !== "evm" || challenge.intent !== "session" || !isGood(challenge)) continue;
    const request = parseSessionRequest(challenge.request);
    pin(session, request);
    const offer = { challenge, request };
    session.offers.set(routeOf(call), offer);
    return offer;
  }
  return undefined;
}

/** @returns The offer for this route that is still good. */
export function knownOffer(session: SellerSession, call: Call): SessionOffer | undefined {
  const offer = session.offers.get(routeOf(call));
  return offer && isGood(offer.challenge) ? offer : undefined;
}

/** A challenge without an expiry, or with one that is no RFC 3339 time, is not answered. */
function isGood({ expires }: Challenge): boolean {
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(expires ?? "");
  return isTime && Date.parse(expires ?? "") > Date.now();
}

function pin(session: SellerSession, request: SessionRequest): void {
  const before = session.pinned;
  session.pinned ??= request;
  if (!before) return;
  const members = [
    ["payee", "recipient"],
    ["token", "currency"],
    ["channel contract", "escrowContract"],
    ["chain", "chainId"],
  ] as const;
  for (const [what, member] of members) {
    const [old, now] = [String(before[member]), String(request[member])];
    if (old.toLowerCase() !== now.toLowerCase()) throw new SellerChangedError(session.origin, what, old, now);
  }
}

/**
 * Makes sure that the channel can carry a call: opens it or tops it up. One funding runs at a time; calls that wait for
 * it look again afterwards.
 *
 * @param session - The seller.
 * @param offer - What it asked last.
 * @param needed - Base units that the channel must hold.
 * @param context - Wallet, budget and transport.
 */
export async function fund(
  session: SellerSession,
  offer: SessionOffer,
  needed: bigint,
  context: { wallet: Wallet; budget: Budget; transport: typeof fetch; tries: number },
): Promise<void> {
  const { wallet, budget } = context;
  await wallet.requireSafe(offer.request);
  if (session.pending && session.pending.expires * 1000n <= BigInt(Date.now()))
    await forgetPending(session, wallet, budget);
  session.pending ??= await prepareFunding(session, offer, needed, wallet, budget);
  const { payload, before, amount, terms } = session.pending;
  const { channelId } = payload;

  const receipt = await present(session, offer, payload, context);
  session.pending = undefined;
  if (payload.action === "topUp" && session.purse)
    session.purse.setDeposit(max(session.purse.deposit, before + amount));
  else session.purse = createPurse({ channelId, terms, deposit: amount });
  if (receipt && receipt.channelId !== channelId)
    throw new SellerChangedError(session.origin, "channel", channelId, receipt.channelId);
}

async function prepareFunding(
  session: SellerSession,
  offer: SessionOffer,
  needed: bigint,
  wallet: Wallet,
  budget: Budget,
): Promise<PendingFunding> {
  const { request } = offer;
  const { purse } = session;
  if (!request.credentialTypes.some((type) => type === "authorization" || type === "hash")) {
    throw new UnsupportedFundingError(request.credentialTypes);
  }
  const missing = needed - (purse?.deposit ?? 0n);
  const available = budget.maxDeposit - budget.committed;
  if (missing > available) throw new DepositAboveLimitError(missing, available, budget.maxDeposit);
  const balance = await wallet.requireBalance(request.currency, missing);
  const wanted = max(request.suggestedDeposit ?? 1000n * missing, missing);
  const amount = min(wanted, available, balance);

  const salt = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const expires = BigInt(Math.floor(Date.now() / 1000) + 600);
  budget.committed += amount;
  try {
    if (purse) {
      const { channelId, terms } = purse;
      const funding = await wallet.fundTopUp(request, terms, channelId, amount, salt);
      const payload: SessionPayload = { action: "topUp", channelId, additionalDeposit: amount, salt, funding };
      return { payload, before: purse.deposit, amount, terms, expires };
    }
    const payer = wallet.account.address;
    const terms: Terms = {
      payer,
      payee: request.recipient,
      token: request.currency,
      salt,
      authorizedSigner: zeroAddress,
    };
    const { chainId, escrowContract: contract } = request;
    const channelId = computeChannelId({ terms, contract, chainId });
    const funding = await wallet.fundOpening(request, terms, amount);
    const statement = await signStatement(wallet, request, channelId, 0n);
    return {
      payload: { action: "open", authorizedSigner: zeroAddress, salt, funding, ...statement },
      before: 0n,
      amount,
      terms,
      expires,
    };
  } catch (error) {
    budget.committed -= amount;
    throw error;
  }
}

/** An authorization that has expired without having been used locks nothing. */
async function forgetPending(session: SellerSession, wallet: Wallet, budget: Budget): Promise<void> {
  const { pending, pinned } = session;
  if (!pending || !pinned) return;
  const { deposit } = await wallet.readChannel(pinned.escrowContract, pending.payload.channelId);
  const isUsed = deposit > pending.before;
  // What was used after all is still presented: the seller finds it on the chain.
  if (isUsed) return;
  budget.committed -= pending.amount;
  session.pending = undefined;
}

/** Presents a payment action until there is an answer; the same credential each time. */
async function present(
  session: SellerSession,
  offer: SessionOffer,
  payload: SessionPayload,
  context: { wallet: Wallet; transport: typeof fetch; tries: number },
): Promise<SessionReceipt | undefined> {
  let { challenge } = offer;
  for (let attempt = 1; ; attempt++) {
    let response: Response;
    try {
      response = await sendAction(session, challenge, payload, context);
    } catch (error) {
      if (attempt >= context.tries) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
      continue;
    }
    const receipt = response.headers.get("payment-receipt");
    if (response.ok) return receipt === null ? undefined : parseSessionReceipt(receipt);
    const problem = await readProblem(response);
    const isPassing = problem?.code === "transaction-pending" || problem?.code === "challenge-not-found";
    if (!isPassing || attempt >= context.tries) {
      throw new FundingRefusedError(session.origin, response.status, problem?.detail ?? "");
    }
    const call = session.actionCall;
    challenge = (call && takeOffer(session, call, response)?.challenge) ?? challenge;
    await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
  }
}

/**
 * Sends a payment action to the seller, at the address of an earlier call and without a body.
 *
 * @returns The answer, whatever it is.
 */
export async function sendAction(
  session: SellerSession,
  challenge: Challenge,
  payload: SessionPayload,
  context: { wallet: Wallet; transport: typeof fetch },
  signal?: AbortSignal,
): Promise<Response> {
  const { actionCall, pinned } = session;
  if (!actionCall || !pinned) throw new TypeError("no call was made to this seller");
  const credential = formatCredential({
    challenge,
    source: `did:pkh:eip155:${pinned.chainId}:${context.wallet.account.address}`,
    payload: formatSessionPayload(payload),
  });
  const call: Call = {
    ...actionCall,
    headers: new Headers(),
    body: undefined,
    idempotencyKey: crypto.randomUUID(),
    signal: signal ?? new AbortController().signal,
  };
  return send(context.transport, call, credential);
}

/** Signs a voucher for the channel. */
export async function signStatement(
  wallet: Wallet,
  request: SessionRequest,
  channelId: Hex,
  cumulativeAmount: bigint,
): Promise<Statement> {
  const { chainId, escrowContract: contract } = request;
  const { account } = wallet;
  const signature = await signVoucher({ account, contract, chainId, channelId, cumulativeAmount });
  return { channelId, cumulativeAmount, signature };
}

/** Reads an amount from a problem's members. */
export function amountOf(members: Readonly<Record<string, unknown>>, name: string): bigint | undefined {
  try {
    return parseBaseUnits(members[name]);
  } catch {
    return undefined;
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function min(...values: bigint[]): bigint {
  return values.reduce((least, value) => (value < least ? value : least));
}
