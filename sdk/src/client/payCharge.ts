import type { Address, Hex } from "viem";

import { isSubfenError } from "../errors.ts";
import { formatYuan } from "../protocol/amounts.ts";
import type { Challenge } from "../wire/challenge.ts";
import {
  type ChargeReceipt,
  type ChargeRequest,
  formatChargePayload,
  parseChargeReceipt,
  parseChargeRequest,
} from "../wire/charge.ts";
import { formatCredential } from "../wire/credential.ts";
import { readChallenges } from "../wire/readChallenges.ts";
import { type Call, complete, identityOf, pause, send } from "./call.ts";
import { AnswerPendingError, DepositAboveLimitError, PriceAboveLimitError, SellerChangedError } from "./errors.ts";
import { type Buyer, isGood, type SellerSession } from "./sellerSession.ts";
import { readSellerProblem } from "./sellerProblem.ts";

/** A single transfer that a seller confirmed. */
export type ChargePayment = {
  readonly url: string;
  /** Base units. */
  readonly amount: bigint;
  /** The same in yuan. */
  readonly yuan: string;
  readonly receipt: ChargeReceipt;
};

/** An authorization that was signed for a call. It may be carried out until `validBefore`, whatever the seller says. */
export type SignedCharge = {
  /** What makes another call the same one tried again. */
  readonly identity: string;
  /** The value of `Authorization`. */
  readonly credential: string;
  /** Base units. */
  readonly amount: bigint;
  readonly token: Address;
  readonly nonce: Hex;
  /** Unix time of the chain, in seconds. */
  readonly validBefore: bigint;
  /** Whether the caller got an answer: then only the caller's own key makes another call the same. */
  readonly isAnswered: boolean;
};

/** A charge that a client can pay. */
export type ChargeOffer = { readonly challenge: Challenge; readonly request: ChargeRequest };

type Rules = { readonly maxPrice: bigint; readonly onCharge: ((payment: ChargePayment) => void) | undefined };

/** Longest time to wait for a transfer and the work, in milliseconds. */
const maxWait = 240_000;
/** Problems behind which the same credential may have an answer later. */
const unsettled = new Set(["request-in-progress", "transaction-pending", "chain-unreachable"]);
/** Problems of a call that was paid and gets no answer any more. */
const spent = new Set(["statement-used", "answer-not-kept"]);
/** The charges that are asked for right now. */
const running = new WeakSet<SignedCharge>();

/**
 * Finds a charge among the challenges of a 402.
 *
 * @param session - The seller.
 * @param response - The 402.
 * @returns The offer, or `undefined` when none can be paid by an authorization.
 * @throws {SellerChangedError} when it asks for another payee, token or chain than before.
 */
export async function takeCharge(session: SellerSession, response: Response): Promise<ChargeOffer | undefined> {
  for (const challenge of await readChallenges(response)) {
    if (challenge.method !== "evm" || challenge.intent !== "charge" || !isGood(challenge)) continue;
    const request = readRequest(challenge);
    if (!request || request.isSplit || !request.credentialTypes.includes("authorization")) continue;
    const before = session.pinned ?? session.pinnedCharge;
    for (const [what, member] of [
      ["payee", "recipient"],
      ["token", "currency"],
      ["chain", "chainId"],
    ] as const) {
      const [old, now] = [String(before?.[member] ?? request[member]), String(request[member])];
      if (old !== now) throw new SellerChangedError(session.origin, what, old, now);
    }
    session.pinnedCharge ??= request;
    return { challenge, request };
  }
  return undefined;
}

function readRequest({ request }: Challenge): ChargeRequest | undefined {
  try {
    return parseChargeRequest(request);
  } catch (error) {
    if (isSubfenError(error, "malformed")) return undefined;
    throw error;
  }
}

/**
 * Pays a call by a transfer of its own. A call that was paid for and got no answer is asked for again by what was
 * signed for it, by whoever repeats it, as long as that may be carried out.
 *
 * @returns The seller's answer.
 */
export async function payCharge(
  session: SellerSession,
  call: Call,
  offer: ChargeOffer,
  buyer: Buyer & Rules,
): Promise<Response> {
  const identity = await identityOf(call);
  const pay = (): Promise<Response> => payOnce(session, call, identity, offer, buyer);
  return call.isKeyed ? session.calls.inTurn(identity, call.signal, pay) : pay();
}

async function payOnce(
  session: SellerSession,
  call: Call,
  identity: string,
  offer: ChargeOffer,
  buyer: Buyer & Rules,
): Promise<Response> {
  await forgetDead(session, buyer);
  // Nothing is awaited between looking and marking.
  const earlier = session.charges.find((one) => one.identity === identity && !running.has(one));
  const charge = earlier ?? (await begin(session, call, identity, offer, buyer));
  running.add(charge);
  try {
    const response = await present(call, charge, buyer);
    return await book(session, call, charge, response, buyer);
  } finally {
    running.delete(charge);
  }
}

/** Gives the money of authorizations back to the budget that were not carried out in time, and never can be. */
async function forgetDead(session: SellerSession, { wallet, budget }: Buyer): Promise<void> {
  const clock = BigInt(Math.floor(Date.now() / 1000));
  const old = session.charges.filter((one) => one.validBefore <= clock && !one.isAnswered && !running.has(one));
  // The clock of the chain comes first: what is not used by then is not used later.
  const now = old.length === 0 ? 0n : await wallet.chainTime();
  for (const charge of old) {
    if (charge.validBefore > now || (await wallet.isAuthorizationUsed(charge.token, charge.nonce))) continue;
    if (remove(session, charge)) budget.committed -= charge.amount;
  }
}

/** Signs for a call. The authorization may leave once this is over: by then it is durable. */
async function begin(
  session: SellerSession,
  call: Call,
  identity: string,
  { challenge, request }: ChargeOffer,
  { wallet, budget, journal, maxPrice }: Buyer & Rules,
): Promise<SignedCharge> {
  const { amount, currency: token } = request;
  if (amount > maxPrice) throw new PriceAboveLimitError(amount, maxPrice, session.origin);
  const available = budget.maxDeposit - budget.committed;
  if (amount > available) throw new DepositAboveLimitError(amount, available, budget.maxDeposit);
  budget.committed += amount;
  let charge: SignedCharge | undefined;
  try {
    await wallet.requireBalance(token, amount);
    const payload = await wallet.authorizeCharge(request, challenge);
    call.signal.throwIfAborted();
    const { nonce, validBefore } = payload;
    const source = `did:pkh:eip155:${request.chainId}:${wallet.account.address}`;
    const credential = formatCredential({ challenge, source, payload: formatChargePayload(payload) });
    charge = { identity, credential, amount, token, nonce, validBefore, isAnswered: false };
    session.charges.push(charge);
    running.add(charge);
    await journal.commit();
    return charge;
  } catch (error) {
    // It did not leave, whether or not it was written down.
    budget.committed -= amount;
    if (charge) remove(session, charge);
    throw error;
  }
}

/** Sends one credential until there is an answer. Without one, it is remembered and counts. */
async function present(call: Call, { credential }: SignedCharge, { transport, tries }: Buyer): Promise<Response> {
  const deadline = Date.now() + maxWait;
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await complete(await send(transport, call, credential));
      const code = (await readSellerProblem(response))?.code;
      if (code === undefined || !unsettled.has(code)) return response;
    } catch (error) {
      if (call.signal.aborted || attempt >= tries) throw error;
      await pause(100 * 2 ** attempt, call.signal);
      continue;
    }
    if (Date.now() > deadline) throw new AnswerPendingError(call.url.origin);
    attempt = 1;
    await pause(500, call.signal);
  }
}

/** Notes what the answer says, and hands it on. */
async function book(
  session: SellerSession,
  call: Call,
  charge: SignedCharge,
  response: Response,
  { journal, onCharge }: Buyer & Rules,
): Promise<Response> {
  const receipt = readReceipt(response);
  const code = (await readSellerProblem(response))?.code;
  // What was refused or failed may still be carried out: it counts, and is what the same call presents again.
  if (!receipt && !response.ok && !spent.has(code ?? "")) return response;
  if (!charge.isAnswered && remove(session, charge)) {
    if (call.isKeyed) session.charges.push({ ...charge, isAnswered: true });
    journal.note();
    const { amount } = charge;
    if (receipt) onCharge?.({ url: call.url.href, amount, yuan: formatYuan(amount), receipt });
  }
  return response;
}

/** @returns Whether it was there. */
function remove(session: SellerSession, charge: SignedCharge): boolean {
  const at = session.charges.indexOf(charge);
  if (at >= 0) session.charges.splice(at, 1);
  return at >= 0;
}

function readReceipt({ headers }: Response): ChargeReceipt | undefined {
  const header = headers.get("payment-receipt");
  try {
    return header === null ? undefined : parseChargeReceipt(header);
  } catch {
    return undefined;
  }
}
