import { max, min } from "../bigints.ts";
import { isSubfenError } from "../errors.ts";
import { createTurns } from "../turns.ts";
import { formatCredential } from "../wire/credential.ts";
import { formatSessionPayload, type TickPayload } from "../wire/session.ts";
import { type Call, pause, toCall } from "./call.ts";
import type { ClosedChannel, CloseOptions } from "./closeSession.ts";
import { createTickPayer, type TickPayer } from "./createTickPayer.ts";
import { ClosedError, PriceAboveLimitError, TicksNotOfferedError } from "./errors.ts";
import { payFlow } from "./flow.ts";
import { priceOf, startingPriceOf } from "./priceOf.ts";
import { readReceipt } from "./readReceipt.ts";
import type { SessionOffer } from "./sellerSession.ts";
import { isReleased, readSellerProblem } from "./sellerProblem.ts";
import { sendUntilAnswered } from "./sendUntilAnswered.ts";
import { createTill, type TillParameters } from "./till.ts";

/** A `fetch` that pays one seller by ticks. */
export type TickFetch = {
  (input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** Base units that calls have cost. */
  readonly paid: bigint;
  /**
   * Ends it, once no call runs: everything that ticks have paid is folded into a voucher, by which the seller closes
   * the channel and brings the change back.
   *
   * @param options - As for `payingFetch`.
   * @returns What became of the channel; `undefined` where none was opened.
   */
  close(options?: CloseOptions): Promise<ClosedChannel | undefined>;
};

/**
 * Makes a `fetch` that pays one seller by ticks of hash chains: a 32-byte value in place of a signature, for calls that
 * come by the thousand and for streams that are paid token by token. The first call opens a channel of its own; a
 * statement over a whole chain is signed once, and each side risks at most a window of ticks. Everything is kept in
 * memory: of a process that ends without `close` the seller settles what was paid, and the rest comes back by
 * `payingFetch` with `recoverFrom`, or over the chain.
 *
 * @param parameters - Who pays, by which chain, what a tick is worth, within which limits.
 * @returns The fetch, with `paid` and `close()`.
 * @throws Its calls reject with {PriceAboveLimitError}, {TicksNotOfferedError}, {TickWindowError},
 * {StatementNotPlannedError}, {UnsafeOriginError}, {ClosedError}, with what `payingFetch` rejects with when a channel
 * cannot be funded, or as `fetch` does.
 * @example
 * const fetch = tickFetch({ account, client, deposit: parseYuan("1"), tickAmount: 8n, maxPrice: parseYuan("0.01") });
 * const response = await fetch("https://models.example/v1/chat/completions", { method: "POST", body });
 */
export function tickFetch(parameters: tickFetch.Parameters): TickFetch {
  const { account, deposit, tickAmount, tickCount = 1_000, window = 64, maxPrice } = parameters;
  const till = createTill(parameters);
  const inTurn = createTurns();
  let payer: TickPayer | undefined;
  let paid = 0n;
  /** Calls that are not booked yet. */
  const running = new Set<Call>();
  let isClosed = false;

  /** Opens the channel, and lets the first chain stand. */
  async function open(offer: SessionOffer, call: Call): Promise<TickPayer> {
    const { ticks, chainId, escrowContract: contract } = offer.request;
    if (!ticks) throw new TicksNotOfferedError(call.url.origin);
    const { condition } = ticks;
    await till.requireKnown(offer, { TickCondition: condition });
    const { channelId, deposit: locked } = await till.open(offer, call);
    const opened = createTickPayer({
      account,
      contract,
      chainId,
      channelId,
      condition,
      tickAmount,
      deposit: locked,
      mostLiability: locked,
      tickCount: Math.min(tickCount, Number(deposit / tickAmount)),
      window: Math.min(window, ticks.window),
    });
    await till.give(await opened.renew(), offer, call);
    return opened;
  }

  /** Shows a tick over so much; where the chain is used up and nothing runs, another one is begun. */
  function show(own: TickPayer, amount: bigint, offer: SessionOffer, call: Call): Promise<TickPayload> {
    return inTurn(async () => {
      try {
        return await own.begin(amount);
      } catch (error) {
        if (!isSubfenError(error, "ticks-used-up") || running.size > 1) throw error;
        await till.give(await own.renew(), offer, call);
        return own.begin(amount);
      }
    });
  }

  async function pay(call: Call, offer: SessionOffer, leave: () => void): Promise<Response> {
    const { pricing } = offer.request;
    const [start, ceiling] = [startingPriceOf(offer, call), priceOf(offer, call)];
    if (ceiling > maxPrice) throw new PriceAboveLimitError(ceiling, maxPrice, call.url.origin);
    const own = await inTurn(async () => (payer ??= await open(offer, call)));
    const first = await show(own, start, offer, call);
    /** What was shown and is not booked. */
    const shown = [{ tick: first, ceiling: start }];
    let booked = 0n;

    /** Books a charge on the ticks that were shown for the call. */
    function book(charge: bigint): void {
      let rest = max(charge - booked, 0n);
      for (const { tick, ceiling: most } of shown) {
        own.end(tick, min(rest, most));
        rest -= min(rest, most);
      }
      paid += charge - rest;
      leave();
    }

    /** What has come is worth these ticks: they are no longer at risk. */
    function confirm(measured: bigint): void {
      for (let [next] = shown; next && shown.length > 1 && booked + next.ceiling <= measured; [next] = shown) {
        own.end(next.tick, next.ceiling);
        booked += next.ceiling;
        shown.shift();
      }
    }

    const worth = (): bigint => shown.reduce((sum, one) => sum + one.ceiling, booked);
    const credential = formatCredential({ challenge: offer.challenge, payload: formatSessionPayload(first) });
    let response: Response;
    try {
      response = await sendUntilAnswered(call, credential, till.buyer);
    } catch (error) {
      // Whether it was served is not known: it counts as what it may have cost.
      book(start);
      throw error;
    }
    const receipt = readReceipt(response.headers.get("payment-receipt"));
    if (receipt?.isPending) {
      return payFlow(response, {
        call,
        pricing,
        ceiling,
        authorised: worth,
        isBehind: () => true,
        async raise(more, measured) {
          confirm(measured);
          if (more > 0n) shown.push({ tick: await show(own, more, offer, call), ceiling: more });
          await till.give(shown.at(-1)?.tick ?? first, offer, call);
        },
        onEnd: async (last) => book(last?.amount ?? worth()),
      });
    }
    const problem = await readSellerProblem(response);
    const isFree = problem !== undefined || isReleased(response);
    book(receipt?.amount ?? (isFree ? 0n : start));
    return response;
  }

  async function fetchByTicks(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const call = await toCall(input, init);
    const offer = await till.offerFor(call);
    if (offer instanceof Response) return offer;
    // Closing may have begun while the price was asked; nothing is awaited between this and the count.
    if (isClosed) throw new ClosedError();
    running.add(call);
    const leave = (): void => void running.delete(call);
    try {
      return await pay(call, offer, leave);
    } catch (error) {
      leave();
      throw error;
    }
  }

  async function close(options: CloseOptions = {}): Promise<ClosedChannel | undefined> {
    isClosed = true;
    while (running.size > 0) await pause(20, options.signal);
    const own = payer;
    return own && till.close(() => own.fold("voucher"), paid, options);
  }

  const paying = Object.assign(fetchByTicks, { close });
  return Object.defineProperty(paying, "paid", { get: () => paid }) as typeof paying & { paid: bigint };
}

export declare namespace tickFetch {
  type Parameters = TillParameters & {
    /** Base units that one tick pays: of a stream, what a token costs. */
    tickAmount: bigint;
    /** Ticks of one chain, from 1 to 10,000; 1,000 by default. */
    tickCount?: number | undefined;
    /** The most ticks at risk; 64 by default, and no more than the seller's. */
    window?: number | undefined;
    /** Base units that one call may cost. */
    maxPrice: bigint;
  };
}
