import type { Hex } from "viem";

import { isSubfenError } from "../errors.ts";
import { parseBaseUnits } from "../protocol/amounts.ts";
import { signVoucher } from "../protocol/voucher.ts";
import type { Challenge } from "../wire/challenge.ts";
import { type ChargeRequest, formatChargeRequest, parseChargeRequest } from "../wire/charge.ts";
import { formatCredential } from "../wire/credential.ts";
import { readChallenges } from "../wire/readChallenges.ts";
import {
  formatSessionPayload,
  formatSessionRequest,
  parseSessionRequest,
  type SessionPayload,
  type SessionRequest,
  type Statement,
} from "../wire/session.ts";
import type { SellerState } from "./buyerState.ts";
import { type Call, send } from "./call.ts";
import { SellerChangedError } from "./errors.ts";
import type { PendingFunding } from "./funding.ts";
import { createPaidCalls, type PaidCalls } from "./paidCalls.ts";
import type { SignedCharge } from "./payCharge.ts";
import { createPurse, type Purse } from "./purse.ts";
import type { Journal } from "./store.ts";
import type { Wallet } from "./wallet.ts";

/** What the parts of a paying client share. */
export type Buyer = {
  readonly wallet: Wallet;
  readonly budget: Budget;
  /** The `fetch` below. */
  readonly transport: typeof fetch;
  readonly journal: Journal;
  /** How often something is sent again when no answer comes. */
  readonly tries: number;
  /** Block from which channels are looked for; `undefined` when they are not. */
  readonly recoverFrom: bigint | undefined;
  /** Whether a channel has its accounts already, under whatever address of its seller. */
  isInUse(channelId: Hex): boolean;
};

/** A challenge a client can answer, decoded. */
export type SessionOffer = { readonly challenge: Challenge; readonly request: SessionRequest };

/** How much more may be locked, over all sellers. */
export type Budget = {
  readonly maxDeposit: bigint;
  /** Base units locked now, plus what closed channels have spent. */
  committed: bigint;
};

/** One seller, known by its origin: whom it is, what it asked last, and the channel to it. */
export type SellerSession = {
  readonly origin: string;
  /** Whom and in what to pay, as first seen. */
  pinned: SessionRequest | undefined;
  /** The same, of single transfers. */
  pinnedCharge: ChargeRequest | undefined;
  /** Single transfers that were signed and whose call may be made again. */
  readonly charges: SignedCharge[];
  /** By method and path. */
  readonly offers: Map<string, SessionOffer>;
  purse: Purse | undefined;
  /** Other channels to it, which serve no calls: found on the chain, or refused by the seller. Closed with the first. */
  spares: Purse[];
  /** Calls that must not be paid again when they are made again. */
  readonly calls: PaidCalls;
  /** Whether its channels were looked for on the chain, or the first one was opened by us. */
  isSearched: boolean;
  /** A call with which payment actions can be sent. */
  actionCall: Call | undefined;
  funding: Promise<void> | undefined;
  /** A funding that was signed and whose outcome is unknown: it is presented again, never signed anew. */
  pending: PendingFunding | undefined;
  inFlight: number;
};

/** Starts the memory of a seller, or goes on with what was kept. */
export function createSellerSession(origin: string, kept?: SellerState): SellerSession {
  const session: SellerSession = {
    origin,
    pinned: kept?.pinned === undefined ? undefined : parseSessionRequest(kept.pinned),
    pinnedCharge: kept?.pinnedCharge === undefined ? undefined : parseChargeRequest(kept.pinnedCharge),
    charges: [...(kept?.charges ?? [])],
    offers: new Map(),
    purse: kept?.purse && createPurse(kept.purse),
    spares: kept?.spares.map(createPurse) ?? [],
    calls: createPaidCalls(kept?.calls),
    isSearched: kept?.isSearched ?? false,
    actionCall: undefined,
    funding: undefined,
    pending: kept?.pending,
    inFlight: 0,
  };
  if (kept?.offer) {
    const { method, url, challenge } = kept.offer;
    const call = toActionCall(method, new URL(url));
    session.actionCall = call;
    session.offers.set(routeOf(call), { challenge, request: parseSessionRequest(challenge.request) });
  }
  return session;
}

/** @returns What to keep of a seller. */
export function stateOf(session: SellerSession): SellerState {
  const { origin, pinned, pinnedCharge, charges, offers, actionCall, purse, spares, pending, calls, isSearched } =
    session;
  const offer = [...offers.values()].at(-1);
  return {
    origin,
    pinned: pinned && formatSessionRequest(pinned),
    pinnedCharge: pinnedCharge && formatChargeRequest(pinnedCharge),
    charges: [...charges],
    offer: actionCall && offer && { method: actionCall.method, url: actionCall.url.href, challenge: offer.challenge },
    purse: purse?.state(),
    spares: spares.map((spare) => spare.state()),
    pending,
    calls: calls.state(),
    isSearched,
  };
}

/** @returns The purse that a statement is drawn on, or `undefined` when its channel is closed. */
export function purseOf({ purse, spares }: SellerSession, { channelId }: Statement): Purse | undefined {
  return purse?.channelId === channelId ? purse : spares.find((spare) => spare.channelId === channelId);
}

/** @returns Whether a session keeps this channel's accounts, or opens it. */
export function hasChannel({ purse, spares, pending }: SellerSession, channelId: Hex): boolean {
  return [purse, ...spares, pending?.payload].some((channel) => channel?.channelId === channelId);
}

/** @returns A call without a body or headers, to send payment actions with. */
export function toActionCall(method: string, url: URL): Call {
  return {
    url,
    method,
    headers: new Headers(),
    body: undefined,
    signal: new AbortController().signal,
    redirect: "follow",
    idempotencyKey: "",
    isKeyed: false,
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
export async function takeOffer(
  session: SellerSession,
  call: Call,
  response: Response,
): Promise<SessionOffer | undefined> {
  for (const challenge of await readChallenges(response)) {
    if (challenge.method !== "evm" || challenge.intent !== "session" || !isGood(challenge)) continue;
    const request = readRequest(challenge);
    if (!request) continue;
    pin(session, request);
    const offer = { challenge, request };
    session.offers.set(routeOf(call), offer);
    return offer;
  }
  return undefined;
}

/** One challenge that cannot be read must not stand in the way of the others. */
function readRequest({ request }: Challenge): SessionRequest | undefined {
  try {
    return parseSessionRequest(request);
  } catch (error) {
    if (isSubfenError(error, "malformed")) return undefined;
    throw error;
  }
}

/** @returns The offer for this route that is still good. */
export function knownOffer(session: SellerSession, call: Call): SessionOffer | undefined {
  const offer = session.offers.get(routeOf(call));
  return offer && isGood(offer.challenge) ? offer : undefined;
}

/** A challenge without an expiry, or with one that is no RFC 3339 time, is not answered. */
export function isGood({ expires }: Challenge): boolean {
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
    idempotencyKey: crypto.randomUUID(),
    signal: signal ?? actionCall.signal,
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
