import type { Address, Hex } from "viem";
import { bytesToHex } from "viem/utils";

import { min } from "../bigints.ts";
import { computePaymentId, signConditionalVoucher } from "../protocol/conditionalVoucher.ts";
import type { Condition } from "../protocol/conditions/condition.ts";
import { nothingSigned, planStatement } from "../protocol/rules/planStatement.ts";
import { signVoucher } from "../protocol/voucher.ts";
import { createTurns } from "../turns.ts";
import type { ConditionalTerms, WireEvidence, WirePayment } from "../wire/conditional.ts";
import { formatCredential } from "../wire/credential.ts";
import { formatSessionPayload, type SessionPayload } from "../wire/session.ts";
import { type Call, pause, toCall } from "./call.ts";
import type { ClosedChannel, CloseOptions } from "./closeSession.ts";
import { StatementNotPlannedError } from "./createTickPayer.ts";
import { ClosedError, ConditionalNotOfferedError, PriceAboveLimitError } from "./errors.ts";
import { priceOf } from "./priceOf.ts";
import type { SessionOffer } from "./sellerSession.ts";
import { sendUntilAnswered } from "./sendUntilAnswered.ts";
import { createTill, type OpenChannel, type TillParameters } from "./till.ts";

/** A `fetch` whose calls are paid only where they succeeded. */
export type ConditionalFetch = {
  (input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Base units that verdicts have made due. */
  readonly due: bigint;
  /** Calls that no verdict has come for. */
  readonly outstanding: number;
  /**
   * Ends it: waits for the verdicts of calls that were answered, folds what they have made due and drops the rest, and
   * has the seller close the channel.
   *
   * @param options - As for `payingFetch`.
   * @returns What became of the channel; `undefined` where none was opened.
   */
  close(options?: CloseOptions): Promise<ClosedChannel | undefined>;
};

/** A call that was answered, as it is judged. */
export type Delivery = {
  readonly url: string;
  /** What a verdict or another proof has to be about: see `computePaymentId`. */
  readonly paymentId: Hex;
  readonly condition: Condition;
  /** The most that can become due, in base units. */
  readonly amount: bigint;
  /** The answer, to be read here. */
  readonly response: Response;
};

/** A payment that stands. */
type Standing = {
  readonly payment: WirePayment;
  readonly condition: Condition;
  judged?: { due: bigint; evidence: Hex };
};

/**
 * Makes a `fetch` that pays one seller only for what succeeded: each call makes a payment that a condition decides
 * about, the seller works on credit, and what the condition makes due goes into the total when it is known. A failed
 * call costs nothing, and no call takes a transaction of its own. The first call opens a channel. Everything is kept in
 * memory: of a process that ends without `close` the seller settles what evidence proves, and the rest comes back over
 * the chain.
 *
 * @param parameters - Who pays, by which chain, under which condition, who judges, within which limits.
 * @returns The fetch.
 * @throws Its calls reject with {PriceAboveLimitError}, {ConditionalNotOfferedError}, {StatementNotPlannedError},
 * {UnsafeOriginError}, {ClosedError}, with what `payingFetch` rejects with when a channel cannot be funded, or as
 * `fetch` does.
 * @example
 * const fetch = conditionalFetch({ account, client, deposit, maxPrice, evaluators, condition, judge });
 * const response = await fetch("https://tasks.example/extract", { method: "POST", body });
 */
export function conditionalFetch(parameters: conditionalFetch.Parameters): ConditionalFetch {
  const { account, maxPrice, evaluators = [], mostJudgePeriod = 86_400n, judge, onVerdict } = parameters;
  const till = createTill(parameters);
  const inTurn = createTurns();
  const standing = new Map<Hex, Standing>();
  const working = new Set<Promise<unknown>>();
  let channel: OpenChannel | undefined;
  let signed = nothingSigned;
  let due = 0n;
  let isClosed = false;

  /** Plans the next statement: what was judged leaves it, the rest is carried. */
  function plan(terms: ConditionalTerms, { deposit }: OpenChannel, add: readonly (Standing & { ref: Hex })[]) {
    const judged = [...standing].flatMap(([ref, { judged: one }]) => (one ? [{ ref, ...one }] : []));
    const planned = planStatement({
      signed,
      policy: {
        mostLiability: deposit,
        mostPayment: maxPrice,
        contracts: terms.conditions,
        kinds: ["attestation", "hashlock"],
        evaluators,
        mostJudgePeriod,
      },
      deposit,
      spent: 0n,
      openCalls: [],
      fold: judged.filter((one) => one.due > 0n).map(({ ref, due: proven }) => ({ ref, due: proven })),
      drop: judged.filter((one) => one.due === 0n).map(({ ref }) => ref),
      add: add.map(({ ref, condition, payment }) => ({ ref, condition, amount: payment.amount })),
      now: BigInt(Math.floor(Date.now() / 1000)),
    });
    if (planned.outcome === "refused") throw new StatementNotPlannedError(planned.reason);
    signed = planned.next;
    for (const { ref } of judged) standing.delete(ref);
    for (const { ref, ...one } of add) standing.set(ref, one);
    // Evidence is durable at the seller before it is folded.
    const evidence: WireEvidence[] = judged
      .filter((one) => one.due > 0n)
      .map(({ ref, evidence: proof }) => ({ ref, evidence: proof }));
    return { statement: planned.statement, evidence };
  }

  /** Signs the next statement. */
  async function state(
    offer: SessionOffer,
    open: OpenChannel,
    add: readonly (Standing & { ref: Hex })[],
  ): Promise<Extract<SessionPayload, { action: "voucher" }>> {
    const { chainId, escrowContract: contract } = offer.request;
    const { statement, evidence } = plan(termsOf(offer), open, add);
    const { cumulativeAmount, payments } = statement;
    const { channelId } = open;
    const signature = await signConditionalVoucher({
      account,
      contract,
      chainId,
      channelId,
      cumulativeAmount,
      payments,
    });
    const proofs = evidence.length > 0 ? { evidence } : {};
    return { action: "voucher", channelId, cumulativeAmount, signature, payments, ...proofs };
  }

  async function requireKnown(offer: SessionOffer): Promise<void> {
    const { attestation, hashlock, kth } = termsOf(offer).conditions;
    await till.requireKnown(offer, {
      ...(attestation && { AttestationCondition: attestation }),
      ...(hashlock && { HashlockCondition: hashlock }),
      ...(kth && { KthCondition: kth }),
    });
  }

  /** Has a delivery judged, and tells the seller what came of it. */
  async function settle(ref: Hex, delivery: Delivery, offer: SessionOffer, call: Call): Promise<void> {
    const { paymentId, condition, amount, url } = delivery;
    const evidence = (await judge(delivery)) ?? "0x";
    const proven = evidence === "0x" ? 0n : min(await condition.amountDue({ paymentId, amount, evidence }), amount);
    const one = standing.get(ref);
    if (!one) return;
    one.judged = { due: proven, evidence };
    due += proven;
    onVerdict?.({ url, paymentId, due: proven });
    await inTurn(async () => {
      // Another statement may have carried it along.
      if (channel && standing.has(ref)) await till.give(await state(offer, channel, []), offer, call);
    });
  }

  async function pay(call: Call, offer: SessionOffer): Promise<Response> {
    const { conditional, chainId } = offer.request;
    if (!conditional) throw new ConditionalNotOfferedError(call.url.origin);
    const amount = priceOf(offer, call);
    if (amount > maxPrice) throw new PriceAboveLimitError(amount, maxPrice, call.url.origin);
    const ref = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
    const { payload, condition, paymentId } = await inTurn(async () => {
      await requireKnown(offer);
      const opened = (channel ??= await till.open(offer, call));
      const paid = { paymentId: computePaymentId({ channelId: opened.channelId, ref }) };
      const made = await parameters.condition({ ...paid, terms: conditional, chainId });
      const payment = { ref, condition: made.address, parameters: made.parameters, amount };
      return { payload: await state(offer, opened, [{ ref, payment, condition: made }]), condition: made, ...paid };
    });
    const credential = formatCredential({
      challenge: offer.challenge,
      payload: formatSessionPayload({ ...payload, ref }),
    });
    const response = await sendUntilAnswered(call, credential, till.buyer);
    if (response.ok) {
      const delivery = { url: call.url.href, paymentId, condition, amount, response: response.clone() };
      // What is not judged stands until the channel is closed, and is owed if its evaluators ever say so.
      const work = settle(ref, delivery, offer, call).catch(() => undefined);
      working.add(work);
      void work.finally(() => working.delete(work));
    } else {
      // It bought nothing: the next statement leaves it out.
      const one = standing.get(ref);
      if (one) one.judged = { due: 0n, evidence: "0x" };
    }
    return response;
  }

  async function fetchOnSuccess(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const call = await toCall(input, init);
    const offer = await till.offerFor(call);
    if (offer instanceof Response) return offer;
    if (isClosed) throw new ClosedError();
    const running = pay(call, offer);
    working.add(running);
    return running.finally(() => working.delete(running));
  }

  /** A plain voucher leaves every payment out: what was never judged is not owed. */
  async function fold(offer: SessionOffer, own: OpenChannel): Promise<Extract<SessionPayload, { action: "voucher" }>> {
    for (const one of standing.values()) one.judged ??= { due: 0n, evidence: "0x" };
    const { statement } = plan(termsOf(offer), own, []);
    const { chainId, escrowContract: contract } = offer.request;
    const { cumulativeAmount } = statement;
    const { channelId } = own;
    const signature = await signVoucher({ account, contract, chainId, channelId, cumulativeAmount });
    return { action: "voucher", channelId, cumulativeAmount, signature };
  }

  async function close(options: CloseOptions = {}): Promise<ClosedChannel | undefined> {
    isClosed = true;
    while (working.size > 0) await pause(20, options.signal);
    const own = channel;
    return own && till.close((offer) => fold(offer, own), due, options);
  }

  const paying = Object.assign(fetchOnSuccess, { close });
  return Object.defineProperties(paying, {
    due: { get: () => due },
    outstanding: { get: () => standing.size },
  }) as ConditionalFetch;
}

function termsOf({ request }: SessionOffer): ConditionalTerms {
  return request.conditional ?? { conditions: {}, evaluators: [], creditLimit: 0n };
}

export declare namespace conditionalFetch {
  type Parameters = TillParameters & {
    /** Base units that one call may cost. */
    maxPrice: bigint;
    /** Whose verdicts may make something due. */
    evaluators?: readonly Address[] | undefined;
    /** The most seconds from now in which a verdict may be issued; a day by default. */
    mostJudgePeriod?: bigint | undefined;
    /**
     * Makes the condition of a call's payment, of contracts and evaluators that the seller takes, such as by
     * `attestation`.
     */
    condition(call: { paymentId: Hex; terms: ConditionalTerms; chainId: number }): Condition | Promise<Condition>;
    /**
     * Has an answer judged, such as by `requestVerdict`.
     *
     * @returns The evidence, encoded as the condition takes it; `undefined` where the call failed. Where it throws, the
     * payment stands.
     */
    judge(delivery: Delivery): Promise<Hex | undefined>;
    /** Told each verdict; `due` in base units. */
    onVerdict?: ((verdict: { url: string; paymentId: Hex; due: bigint }) => void) | undefined;
  };
}
