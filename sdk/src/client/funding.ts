import type { Hex } from "viem";
import { toHex } from "viem/utils";

import { max, min } from "../bigints.ts";
import { getBlockNumber } from "../chain/actions.ts";
import { channelEvents } from "../chain/channelEvents.ts";
import { TransactionRevertedError } from "../chain/errors.ts";
import { confirmTransaction } from "../chain/write.ts";
import { isSubfenError } from "../errors.ts";
import { computeChannelId } from "../protocol/channelId.ts";
import { type Terms, zeroAddress } from "../protocol/terms.ts";
import { readProblem } from "../wire/problem.ts";
import type { Funding, SessionPayload, SessionRequest } from "../wire/session.ts";
import { parseSessionReceipt, type SessionReceipt } from "../wire/sessionReceipt.ts";
import { pause } from "./call.ts";
import {
  DepositAboveLimitError,
  FundingPendingError,
  FundingRefusedError,
  SellerChangedError,
  UnsupportedFundingError,
} from "./errors.ts";
import { createPurse } from "./purse.ts";
import { recover } from "./recover.ts";
import {
  type Buyer,
  sendAction,
  type SellerSession,
  type SessionOffer,
  signStatement,
  takeOffer,
} from "./sellerSession.ts";
import { isRelayed } from "./wallet.ts";

type FundingPayload = Extract<SessionPayload, { action: "open" | "topUp" }>;

/** A funding that was begun and whose outcome is unknown. Amounts in base units. */
export type PendingFunding = {
  /** What is presented to the seller; a transaction of our own gets its hash when it is known. */
  readonly payload: FundingPayload;
  /** The deposit without it. */
  readonly before: bigint;
  readonly amount: bigint;
  readonly terms: Terms;
  /** Unix time of the chain, in seconds, from which an authorization is worthless; 0 for a transaction of our own. */
  readonly validBefore: bigint;
  /** A transaction of our own, once it may have been sent: its nonce, a block that is older, and its hash if known. */
  readonly own?: { readonly nonce: number; readonly fromBlock: bigint; readonly hash: Hex | undefined } | undefined;
};

/**
 * Makes sure that the channel can carry a call: finds it again, opens it or tops it up. One funding runs at a time;
 * calls that wait for it look again afterwards.
 *
 * @param session - The seller.
 * @param offer - What it asked last.
 * @param needed - Base units that the channel must hold.
 * @param buyer - Wallet, budget, transport and journal.
 */
export async function fund(session: SellerSession, offer: SessionOffer, needed: bigint, buyer: Buyer): Promise<void> {
  const { wallet, journal } = buyer;
  await wallet.requireSafe(offer.request);
  const { recoverFrom } = buyer;
  if (!session.purse && !session.pending && !session.isSearched && recoverFrom !== undefined) {
    await wallet.inTurn(() => recover(session, offer, recoverFrom, buyer));
    if (session.purse) return;
  }
  if (session.pending && (await outcomeOf(session, session.pending, buyer)) === "void") {
    forgetPending(session, buyer);
  }
  if (!session.pending) {
    session.pending = await prepareFunding(session, offer, needed, buyer);
    if (!session.pending) return;
    // What was signed must be known to whoever comes after us, before anybody else can know it.
    await journal.commit();
  }
  const { payload: signed, before, amount, terms } = session.pending;
  const payload = signed.funding.type === "hash" ? await sendOwn(session, buyer) : signed;
  const { channelId } = payload;
  const receipt = await present(session, offer, payload, buyer);
  session.pending = undefined;
  session.isSearched = true;
  if (payload.action === "topUp" && session.purse) {
    session.purse.setDeposit(max(session.purse.deposit, before + amount));
  } else session.purse = createPurse({ channelId, terms, deposit: amount });
  journal.note();
  if (receipt && receipt.channelId !== channelId)
    throw new SellerChangedError(session.origin, "channel", channelId, receipt.channelId);
}

async function prepareFunding(
  session: SellerSession,
  { request }: SessionOffer,
  needed: bigint,
  { wallet, budget }: Buyer,
): Promise<PendingFunding | undefined> {
  const { purse } = session;
  if (!request.credentialTypes.some((type) => type === "authorization" || type === "hash")) {
    throw new UnsupportedFundingError(request.credentialTypes);
  }
  const before = purse ? (await wallet.readChannel(request.escrowContract, purse.channelId)).deposit : 0n;
  purse?.setDeposit(max(purse.deposit, before));
  const missing = needed - before;
  // A top-up of somebody else's, or one whose answer was lost.
  if (missing <= 0n) return undefined;
  const available = budget.maxDeposit - budget.committed;
  if (missing > available) throw new DepositAboveLimitError(missing, available, budget.maxDeposit);
  const balance = await wallet.requireBalance(request.currency, missing);
  const wanted = max(request.suggestedDeposit ?? 1000n * missing, missing);
  const amount = min(wanted, available, balance);

  const salt = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const terms: Terms = purse?.terms ?? {
    payer: wallet.account.address,
    payee: request.recipient,
    token: request.currency,
    salt,
    authorizedSigner: zeroAddress,
  };
  const { chainId, escrowContract: contract } = request;
  const channelId = purse?.channelId ?? computeChannelId({ terms, contract, chainId });
  budget.committed += amount;
  try {
    let funding: Funding = { type: "hash", hash: `0x${"00".repeat(32)}` };
    let validBefore = 0n;
    if (isRelayed(request)) {
      funding = purse
        ? await wallet.authorizeTopUp(request, channelId, amount, salt)
        : await wallet.authorizeOpening(request, terms, amount);
      ({ validBefore } = funding.authorization);
    }
    const payload: FundingPayload = purse
      ? { action: "topUp", channelId, additionalDeposit: amount, salt, funding }
      : {
          action: "open",
          authorizedSigner: zeroAddress,
          salt,
          funding,
          ...(await signStatement(wallet, request, channelId, 0n)),
        };
    return { payload, before, amount, terms, validBefore };
  } catch (error) {
    budget.committed -= amount;
    throw error;
  }
}

/**
 * Looks what became of a funding.
 *
 * @returns `used` when the money is in the channel, `void` when it never will be, `unsent` when a transaction of our
 * own has not left, `open` while it may still be mined.
 */
export async function outcomeOf(
  { pinned }: SellerSession,
  { payload, before, validBefore, own }: PendingFunding,
  { wallet }: Buyer,
): Promise<"used" | "void" | "unsent" | "open"> {
  if (!pinned) return "open";
  const isOwn = payload.funding.type === "hash";
  // Clock and count come first: what is not used by then is not used later. Ours may be ahead of the chain's.
  const now = isOwn ? 0n : await wallet.chainTime();
  const sent = own && (await wallet.countSent());
  const { deposit, finalized } = await wallet.readChannel(pinned.escrowContract, payload.channelId);
  if (deposit > before) return "used";
  if (finalized) return "void";
  if (!isOwn) return now >= validBefore ? "void" : "open";
  if (!own || !sent || (own.hash === undefined && sent.all <= own.nonce)) return "unsent";
  // Another transaction took the nonce; unless the node that counted is ahead of the one that read the channel.
  const isReplaced = sent.mined > own.nonce && !(own.hash && (await wallet.isKnown(own.hash)));
  return isReplaced ? "void" : "open";
}

/** Nothing came of it: the money may be used otherwise. */
export function forgetPending(session: SellerSession, { budget, journal }: Buyer): void {
  if (!session.pending) return;
  budget.committed -= session.pending.amount;
  session.pending = undefined;
  journal.note();
}

/**
 * Sends a funding transaction of our own, or goes on with one that was begun. Of all the times it is sent one can be
 * mined at most, since all have the same nonce.
 *
 * @returns What to present, the transaction mined.
 * @throws {FundingPendingError} while its outcome is unknown.
 */
async function sendOwn(session: SellerSession, buyer: Buyer): Promise<FundingPayload> {
  const { wallet } = buyer;
  const { pending, pinned } = session;
  if (!pending || !pinned) throw new TypeError("no funding was begun");
  const { payload } = pending;
  const { escrowContract: contract } = pinned;
  const outcome = await outcomeOf(session, pending, buyer);
  const hash =
    outcome === "unsent"
      ? await wallet.inTurn(() => broadcast(session, pending, pinned, buyer))
      : (pending.own?.hash ?? (outcome === "used" ? await findHash(contract, pending, wallet.client) : undefined));
  if (hash === undefined) throw new FundingPendingError(session.origin, payload.channelId);
  try {
    await confirmTransaction(wallet.client, { hash });
  } catch (error) {
    if (!(error instanceof TransactionRevertedError)) {
      throw new FundingPendingError(session.origin, payload.channelId, error);
    }
    forgetPending(session, buyer);
    throw error;
  }
  return { ...payload, funding: { type: "hash", hash } };
}

/** Writes down the nonce, then sends the transaction with it. */
async function broadcast(
  session: SellerSession,
  pending: PendingFunding,
  request: SessionRequest,
  buyer: Buyer,
): Promise<Hex> {
  const { wallet, journal } = buyer;
  const { payload, terms, amount } = pending;
  const { escrowContract: contract } = request;
  let { own } = pending;
  try {
    // Approving again costs gas and no more.
    if (!own) await wallet.approve(request, amount);
    const { all: nonce } = await wallet.countSent();
    own ??= { nonce, fromBlock: await getBlockNumber(wallet.client, { cacheTime: 0 }), hash: undefined };
    session.pending = { ...pending, own };
    await journal.commit();
    const hash =
      payload.action === "open"
        ? await wallet.sendOpening(contract, terms, amount, own.nonce)
        : await wallet.sendTopUp(contract, terms, amount, own.nonce);
    session.pending = { ...pending, own: { ...own, hash } };
    journal.note();
    return hash;
  } catch (error) {
    // Refused at the first try, before it left. After anything else it may have left all the same.
    const isRefused =
      !pending.own && ["contract-refused", "no-gas", "missing-account"].some((code) => isSubfenError(error, code));
    if (isRefused) forgetPending(session, buyer);
    throw error;
  }
}

async function findHash(
  contract: `0x${string}`,
  { payload, own }: PendingFunding,
  client: Buyer["wallet"]["client"],
): Promise<Hex | undefined> {
  const name = payload.action === "open" ? "ChannelOpened" : "ChannelToppedUp";
  for await (const event of channelEvents(client, { contract, fromBlock: own?.fromBlock ?? 0n })) {
    if (event.eventName === name && event.args.channelId === payload.channelId) return event.transactionHash;
  }
  // The node has the state but not yet the event.
  return undefined;
}

/** Presents a payment action until there is an answer; the same credential each time. */
async function present(
  session: SellerSession,
  offer: SessionOffer,
  payload: SessionPayload,
  buyer: Buyer,
): Promise<SessionReceipt | undefined> {
  let { challenge } = offer;
  for (let attempt = 1; ; attempt++) {
    let response: Response;
    try {
      response = await sendAction(session, challenge, payload, buyer);
    } catch (error) {
      if (attempt >= buyer.tries) throw error;
      await pause(100 * 2 ** attempt);
      continue;
    }
    const receipt = response.headers.get("payment-receipt");
    if (response.ok) return receipt === null ? undefined : parseSessionReceipt(receipt);
    const problem = await readProblem(response);
    const isPassing = problem?.code === "transaction-pending" || problem?.code === "challenge-not-found";
    if (!isPassing || attempt >= buyer.tries) {
      throw new FundingRefusedError(session.origin, response.status, problem?.detail ?? "");
    }
    const call = session.actionCall;
    challenge = (call && (await takeOffer(session, call, response))?.challenge) ?? challenge;
    await pause(100 * 2 ** attempt);
  }
}
