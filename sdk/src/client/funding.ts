import { type Hex, toHex, zeroAddress, zeroHash } from "viem";
import { getBlockNumber } from "viem/actions";

import { channelEvents } from "../chain/channelEvents.ts";
import { TransactionRevertedError } from "../chain/errors.ts";
import { confirmTransaction } from "../chain/write.ts";
import { isSubfenError } from "../errors.ts";
import { computeChannelId } from "../protocol/channelId.ts";
import type { Terms } from "../protocol/terms.ts";
import { readProblem } from "../wire/problem.ts";
import type { Funding, SessionPayload } from "../wire/session.ts";
import { parseSessionReceipt, type SessionReceipt } from "../wire/sessionReceipt.ts";
import {
  DepositAboveLimitError,
  FundingPendingError,
  FundingRefusedError,
  SellerChangedError,
  UnsupportedFundingError,
} from "./errors.ts";
import { createPurse } from "./purse.ts";
import { recover } from "./recover.ts";
import { type Buyer, sendAction, type SellerSession, type SessionOffer, signStatement, takeOffer } from "./sellerSession.ts";
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
  /** A transaction of our own: the nonce it has or gets, and a block that is older. */
  readonly own?: { readonly nonce: number; readonly fromBlock: bigint; readonly hash: Hex | undefined } | undefined;
};

/**
 * Makes sure that the channel can carry a call: finds it again, opens it or tops it up. One funding runs at a time; calls
 * that wait for it look again afterwards.
 *
 * @param session - The seller.
 * @param offer - What it asked last.
 * @param needed - Base units that the channel must hold.
 * @param buyer - Wallet, budget, transport and journal.
 */
export async function fund(session: SellerSession, offer: SessionOffer, needed: bigint, buyer: Buyer): Promise<void> {
  const { wallet, journal } = buyer;
  await wallet.requireSafe(offer.request);
  if (!session.purse && !session.pending && !session.isSearched && buyer.recoverFrom !== undefined) {
    await recover(session, offer, buyer.recoverFrom, buyer);
    if (session.purse) return;
  }
  let payload = session.pending && (await settleOutcome(session, session.pending, buyer));
  if (!payload) {
    const pending = await prepareFunding(session, offer, needed, buyer);
    if (!pending) return;
    session.pending = pending;
    // What was signed, or the nonce that is used next, must be known to whoever comes after us.
    await journal.commit();
    payload = pending.own ? await sendOwn(session, pending, buyer) : pending.payload;
  }
  const { pending } = session;
  if (!pending) return;
  const { channelId } = payload;
  const receipt = await present(session, offer, payload, buyer);
  session.pending = undefined;
  session.isSearched = true;
  const { before, amount, terms } = pending;
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
    let funding: Funding = { type: "hash", hash: zeroHash };
    let own: PendingFunding["own"];
    let validBefore = 0n;
    if (isRelayed(request)) {
      funding = purse
        ? await wallet.authorizeTopUp(request, channelId, amount, salt)
        : await wallet.authorizeOpening(request, terms, amount);
      ({ validBefore } = funding.authorization);
    } else {
      await wallet.approve(request, amount);
      const { all: nonce } = await wallet.countSent();
      own = { nonce, fromBlock: await getBlockNumber(wallet.client, { cacheTime: 0 }), hash: undefined };
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
    return { payload, before, amount, terms, validBefore, own };
  } catch (error) {
    budget.committed -= amount;
    throw error;
  }
}

/**
 * Finds out what became of a funding that was begun before.
 *
 * @returns What to present, or `undefined` when it is certain that nothing came of it.
 * @throws {FundingPendingError} while its transaction is on its way.
 */
async function settleOutcome(
  session: SellerSession,
  pending: PendingFunding,
  buyer: Buyer,
): Promise<FundingPayload | undefined> {
  if (pending.own) return sendOwn(session, pending, buyer);
  if ((await outcomeOf(session, pending, buyer)) !== "expired") return pending.payload;
  forget(session, pending, buyer);
  return undefined;
}

/**
 * Looks what became of an authorization.
 *
 * @returns `used` when the money is in the channel, `expired` when it never will be, `open` as long as it may be used.
 */
export async function outcomeOf(
  session: SellerSession,
  pending: PendingFunding,
  { wallet }: Buyer,
): Promise<"used" | "expired" | "open"> {
  const contract = session.pinned?.escrowContract;
  if (!contract) return "open";
  // The clock first: what is not used by then is not used later. Ours may be ahead of the chain's.
  const now = await wallet.chainTime();
  const { deposit, finalized } = await wallet.readChannel(contract, pending.payload.channelId);
  if (finalized) return "expired";
  if (deposit > pending.before) return "used";
  return now >= pending.validBefore ? "expired" : "open";
}

/** Nothing came of it: the money may be used otherwise. */
export function forget(session: SellerSession, pending: PendingFunding, { budget, journal }: Buyer): void {
  if (session.pending !== pending) return;
  budget.committed -= pending.amount;
  session.pending = undefined;
  journal.note();
}

/**
 * Sends a funding transaction of our own, or finds out what became of it. It is sent again only where its nonce is free,
 * so that of all the times it is sent one can be mined at most.
 *
 * @returns What to present, or `undefined` when nothing came of it.
 */
export async function sendOwn(
  session: SellerSession,
  pending: PendingFunding,
  buyer: Buyer,
): Promise<FundingPayload | undefined> {
  const { wallet, journal } = buyer;
  const { payload, before, amount, terms, own } = pending;
  const contract = session.pinned?.escrowContract;
  if (!own || !contract) return undefined;
  const present = (hash: Hex): FundingPayload => ({ ...payload, funding: { type: "hash", hash } });

  const { mined, all } = await wallet.countSent();
  const { deposit, finalized } = await wallet.readChannel(contract, payload.channelId);
  let { hash } = own;
  if (deposit > before) {
    hash ??= await findHash(contract, pending, wallet.client);
    if (hash === undefined) throw new FundingPendingError(session.origin, payload.channelId);
    return present(hash);
  }
  // Another transaction took the nonce; unless the node that counted is behind and ours has a later one.
  const isReplaced = mined > own.nonce && !(hash && (await wallet.isKnown(hash)));
  if (isReplaced || finalized) {
    forget(session, pending, buyer);
    return undefined;
  }
  if (all === own.nonce) {
    try {
      hash =
        payload.action === "open"
          ? await wallet.sendOpening(contract, terms, amount)
          : await wallet.sendTopUp(contract, terms, amount);
    } catch (error) {
      // Refused before it was sent; anything else may have been sent all the same, and so may an earlier try.
      const isFunded = (await wallet.readChannel(contract, payload.channelId)).deposit > before;
      if (!isFunded && ["contract-refused", "no-gas", "missing-account"].some((code) => isSubfenError(error, code))) {
        forget(session, pending, buyer);
      }
      throw error;
    }
    session.pending = { ...pending, own: { ...own, hash } };
    journal.note();
  }
  if (hash === undefined) throw new FundingPendingError(session.origin, payload.channelId);
  try {
    await confirmTransaction(wallet.client, { hash });
  } catch (error) {
    if (error instanceof TransactionRevertedError && session.pending) forget(session, session.pending, buyer);
    throw error;
  }
  return present(hash);
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
      await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
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
    challenge = (call && takeOffer(session, call, response)?.challenge) ?? challenge;
    await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function min(...values: bigint[]): bigint {
  return values.reduce((least, value) => (value < least ? value : least));
}
