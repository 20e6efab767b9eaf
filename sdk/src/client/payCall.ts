import type { Hex } from "viem";

import { max, min } from "../bigints.ts";
import { formatYuan } from "../protocol/amounts.ts";
import { untilAborted } from "../untilAborted.ts";
import { formatCredential } from "../wire/credential.ts";
import type { Problem } from "../wire/problem.ts";
import { formatSessionPayload } from "../wire/session.ts";
import type { SessionReceipt } from "../wire/sessionReceipt.ts";
import { type Call, identityOf } from "./call.ts";
import { sendUntilAnswered } from "./sendUntilAnswered.ts";
import { PriceAboveLimitError, SellerDistrustedError } from "./errors.ts";
import { askTotal, giveStatement } from "./askTotal.ts";
import { checkReceipt } from "./checkReceipt.ts";
import { type Flow, payFlow } from "./flow.ts";
import { fund } from "./funding.ts";
import type { PaidCall } from "./paidCalls.ts";
import { priceOf, startingPriceOf } from "./priceOf.ts";
import type { Purse } from "./purse.ts";
import { readReceipt } from "./readReceipt.ts";
import {
  amountOf,
  type Buyer,
  purseOf,
  type SellerSession,
  type SessionOffer,
  signStatement,
  takeOffer,
} from "./sellerSession.ts";
import { isReleased, readSellerProblem } from "./sellerProblem.ts";

/** A payment that a seller confirmed. */
export type Payment = {
  readonly url: string;
  readonly channelId: Hex;
  /** Base units charged for this call. */
  readonly amount: bigint;
  /** The same in yuan, such as `"0.000417"`. */
  readonly yuan: string;
  readonly receipt: SessionReceipt;
  /** Whether the seller has signed that this request got this answer for this much. Keep such receipts: they are proof. */
  readonly isProven: boolean;
  /** Base units that a flowing answer has cost by our own count; `undefined` for others. */
  readonly measured: bigint | undefined;
};

/** What the payments of one fetch share beside the buyer. */
export type PaymentRules = { readonly maxPrice: bigint; readonly onPayment: ((payment: Payment) => void) | undefined };

/**
 * Prices the call, signs for it and sends it, again with a new statement where the seller asks for one. A call that was
 * paid before and got no answer is asked for again with what was signed for it, by whoever repeats it.
 *
 * @param session - The seller.
 * @param call - The call.
 * @param offer - What the seller asked last.
 * @param buyer - Wallet, budget, transport, journal, and the rules of the fetch.
 * @returns The seller's answer.
 */
export async function payCall(
  session: SellerSession,
  call: Call,
  offer: SessionOffer,
  buyer: Buyer & PaymentRules,
): Promise<Response> {
  const identity = await identityOf(call);
  const pay = (): Promise<Response> => payOnce(session, call, identity, offer, buyer);
  // One key is one payment: a second call of it waits for what became of the first.
  return call.isKeyed ? session.calls.inTurn(identity, call.signal, pay) : pay();
}

async function payOnce(
  session: SellerSession,
  asked: Call,
  identity: string,
  firstOffer: SessionOffer,
  buyer: Buyer & PaymentRules,
): Promise<Response> {
  let offer = firstOffer;
  let ceiling = startingPriceOf(offer, asked);
  const earlier = session.calls.take(identity);
  const call = earlier ? { ...asked, idempotencyKey: earlier.idempotencyKey } : asked;
  if (earlier && !earlier.isAnswered) {
    purseOf(session, earlier.statement)?.repeat(earlier.statement.cumulativeAmount, earlier.ceiling);
  }
  let again = earlier;
  for (let attempt = 1; ; attempt++) {
    const paid = again ?? (await begin(session, call, identity, offer, ceiling, buyer));
    let isKept = false;
    try {
      const response = await sendPaid(session, paid, call, offer, buyer);
      const problem = await readSellerProblem(response);
      const next =
        problem && attempt < buyer.tries
          ? await adapt(session, { call, paid, isEarlier: paid === earlier, offer, ceiling }, response, problem, buyer)
          : undefined;
      isKept = next?.isKept ?? false;
      // Nothing is signed anew for a call that was answered.
      if (!next || (!isKept && paid.isAnswered)) {
        return await settle(session, paid, call, offer, response, problem, buyer);
      }
      if (!isKept) cancel(session, paid);
      again = isKept ? paid : undefined;
      ({ offer, ceiling } = next);
    } finally {
      if (!isKept) paid.isRunning = false;
    }
  }
}

/** Signs for a call. The statement may leave once this is over: by then it is durable. */
async function begin(
  session: SellerSession,
  call: Call,
  identity: string,
  offer: SessionOffer,
  ceiling: bigint,
  buyer: Buyer & PaymentRules,
): Promise<PaidCall> {
  const most = max(ceiling, priceOf(offer, call));
  if (most > buyer.maxPrice) throw new PriceAboveLimitError(most, buyer.maxPrice, session.origin);
  const { purse, cumulativeAmount } = await count(session, offer, ceiling, call.signal, buyer);
  let paid: PaidCall | undefined;
  try {
    const statement = await signStatement(buyer.wallet, offer.request, purse.channelId, cumulativeAmount);
    paid = session.calls.add(call, identity, ceiling, statement);
    await buyer.journal.commit();
    return paid;
  } catch (error) {
    // It did not leave, whether or not it was written down.
    purse.forgive(cumulativeAmount);
    if (paid) session.calls.remove(paid);
    throw error;
  }
}

/** Counts the call in a purse that can carry it; in one step with the check, so that parallel calls do not overshoot. */
async function count(
  session: SellerSession,
  offer: SessionOffer,
  ceiling: bigint,
  signal: AbortSignal,
  buyer: Buyer,
): Promise<{ purse: Purse; cumulativeAmount: bigint }> {
  for (;;) {
    const { purse } = session;
    if (purse?.distrust !== undefined) throw new SellerDistrustedError(session.origin, purse.distrust);
    const needed = purse ? purse.next(ceiling) : ceiling;
    if (purse && needed <= purse.deposit && !session.funding) {
      return { purse, cumulativeAmount: purse.begin(ceiling) };
    }
    session.funding ??= fund(session, offer, needed, buyer).finally(() => {
      session.funding = undefined;
    });
    await untilAborted(session.funding, signal);
  }
}

/** Sends one credential until there is an answer. Without one, the call counts at its ceiling and is remembered. */
async function sendPaid(
  session: SellerSession,
  { statement }: PaidCall,
  call: Call,
  { challenge }: SessionOffer,
  buyer: Buyer,
): Promise<Response> {
  const payload = formatSessionPayload({ action: "voucher", ...statement });
  try {
    return await sendUntilAnswered(call, formatCredential({ challenge, payload }), buyer);
  } catch (error) {
    purseOf(session, statement)?.lose(statement.cumulativeAmount);
    throw error;
  }
}

/** What to try next: with the same statement if `isKept`, else with a new one. */
type Next = { readonly offer: SessionOffer; readonly ceiling: bigint; readonly isKept: boolean };

/** @returns What to try next after a problem, or `undefined` if it cannot be helped. */
async function adapt(
  session: SellerSession,
  tried: { call: Call; paid: PaidCall; isEarlier: boolean; offer: SessionOffer; ceiling: bigint },
  response: Response,
  problem: Problem,
  { wallet, budget }: Buyer,
): Promise<Next | undefined> {
  const { call, paid, isEarlier, offer, ceiling } = tried;
  const { channelId, cumulativeAmount } = paid.statement;
  const contract = offer.request.escrowContract;
  switch (problem.code) {
    case "challenge-not-found": {
      const fresh = await takeOffer(session, call, response);
      if (!fresh) return undefined;
      const price = startingPriceOf(fresh, call);
      // Where it was served, the seller knows it by its key, whatever statement comes with it.
      return { offer: fresh, ceiling: price, isKept: paid.isAnswered || price <= paid.ceiling };
    }
    case "insufficient-balance": {
      // What was signed long ago may be too little by now, and has bought nothing.
      if (isEarlier) return { offer, ceiling, isKept: false };
      // The seller's ceiling for this call is higher than ours. The limit is checked before the next signature.
      const required = amountOf(problem.members, "requiredCumulative");
      const isHigher = required !== undefined && required > cumulativeAmount;
      return isHigher ? { offer, ceiling: ceiling + (required - cumulativeAmount), isKept: false } : undefined;
    }
    case "amount-exceeds-deposit": {
      purseOf(session, paid.statement)?.setDeposit((await wallet.readChannel(contract, channelId)).deposit);
      return { offer, ceiling, isKept: false };
    }
    case "channel-not-found":
    case "channel-closing": {
      // The seller serves nothing more on it: it lost its memory, or we have asked to close. One that never served any
      // call gets no second deposit.
      const { purse } = session;
      if (purse?.channelId !== channelId || purse.charged === 0n) return undefined;
      session.purse = undefined;
      session.spares.push(purse);
      return { offer, ceiling, isKept: false };
    }
    case "channel-finalized": {
      const { finalized, deposit, settled } = await wallet.readChannel(contract, channelId);
      if (!finalized) return undefined;
      if (session.purse?.channelId === channelId) {
        session.purse = undefined;
        budget.committed -= deposit - settled;
      }
      return { offer, ceiling, isKept: false };
    }
    default:
      return undefined;
  }
}

/** Books what the answer says of the call's cost, and hands the answer on. */
async function settle(
  session: SellerSession,
  paid: PaidCall,
  call: Call,
  offer: SessionOffer,
  response: Response,
  problem: Problem | undefined,
  buyer: Buyer & PaymentRules,
): Promise<Response> {
  if (paid.isAnswered) return response;
  const { statement } = paid;
  const { journal } = buyer;
  const purse = purseOf(session, statement);
  const receipt = readReceipt(response.headers.get("payment-receipt"));
  if (receipt?.isPending) {
    // Whatever becomes of it now: asking again brings nothing more.
    session.calls.answer(paid);
    return payFlow(response, flowOf(session, paid, call, offer, buyer));
  }
  if (receipt) {
    session.calls.answer(paid);
    await book(session, paid, call, offer, receipt, new Uint8Array(await response.clone().arrayBuffer()), buyer);
    return response;
  }
  // It was charged or may have been, and asking again brings nothing more.
  const isAnswered = response.ok || problem?.code === "answer-not-kept" || problem?.code === "statement-used";
  // A failing server in between may hide that the call was charged; the seller's word says that it was not.
  const isFree = problem?.code === "seller-failed" || isReleased(response);
  const isUnknown = isAnswered || (response.status >= 500 && !isFree);
  if (isUnknown) purse?.lose(statement.cumulativeAmount);
  else cancel(session, paid);
  if (isAnswered) session.calls.answer(paid);
  journal.note();
  return response;
}

/** Pays for an answer by further statements, each of which only adds to what the seller may charge. */
function flowOf(
  session: SellerSession,
  paid: PaidCall,
  call: Call,
  offer: SessionOffer,
  buyer: Buyer & PaymentRules,
): Flow {
  const { statement } = paid;
  session.inFlight++;
  return {
    call,
    pricing: offer.request.pricing,
    // A call that was signed for before may be offered for more by now, or be repeated under a lower limit.
    ceiling: max(paid.ceiling, min(priceOf(offer, call), buyer.maxPrice)),
    authorised: () => paid.ceiling,
    isBehind: (required) => required <= (purseOf(session, statement)?.signed ?? 0n),
    async raise(more) {
      const purse = purseOf(session, statement);
      if (!purse) return;
      // What was lost on its way is given again: each statement signed anew is one base unit more, for nothing.
      let cumulativeAmount = purse.signed;
      if (more > 0n) {
        while (purse.next(more) > purse.deposit) {
          session.funding ??= fund(session, offer, purse.next(more), buyer).finally(
            () => (session.funding = undefined),
          );
          await session.funding;
        }
        paid.ceiling += more;
        cumulativeAmount = purse.raise(statement.cumulativeAmount, more);
      }
      const context = { challenge: offer.challenge, url: call.url, signal: call.signal, buyer };
      await giveStatement(session, purse.channelId, cumulativeAmount, context);
    },
    async onEnd(receipt, content, measured) {
      paid.isRunning = false;
      try {
        const purse = purseOf(session, statement);
        if (receipt) await book(session, paid, call, offer, receipt, await bytesOf(content), buyer, measured);
        else if (purse) {
          // Bodies that are no event streams have their receipt where fetch does not show it: the seller's total tells.
          purse.lose(statement.cumulativeAmount);
          await askTotal(session, purse, buyer, call.signal);
          buyer.journal.note();
        }
      } finally {
        session.inFlight--;
      }
    },
  };
}

async function bytesOf(parts: readonly Uint8Array[]): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer());
}

/** Books a receipt, and tells of the payment. */
async function book(
  session: SellerSession,
  paid: PaidCall,
  call: Call,
  { request }: SessionOffer,
  receipt: SessionReceipt,
  body: Uint8Array<ArrayBuffer>,
  { journal, onPayment }: PaymentRules & Buyer,
  measured?: bigint,
): Promise<void> {
  const { statement } = paid;
  const purse = purseOf(session, statement);
  // What says that nothing was charged needs no proof.
  const { fault, isProven } =
    receipt.amount === 0n && !receipt.proof
      ? { fault: undefined, isProven: false }
      : await checkReceipt(request, receipt, statement, call, body);
  if (fault !== undefined) {
    // Our own count stands: the call at what it may have cost.
    purse?.accuse(fault);
    purse?.lose(statement.cumulativeAmount);
    journal.note();
    return;
  }
  const amount = purse?.charge(statement.cumulativeAmount, receipt) ?? min(receipt.amount, paid.ceiling);
  journal.note();
  const { channelId } = statement;
  onPayment?.({ url: call.url.href, channelId, amount, yuan: formatYuan(amount), receipt, isProven, measured });
}

/** The call was not paid: its statement has bought nothing. */
function cancel(session: SellerSession, paid: PaidCall): void {
  purseOf(session, paid.statement)?.forgive(paid.statement.cumulativeAmount);
  session.calls.remove(paid);
}
