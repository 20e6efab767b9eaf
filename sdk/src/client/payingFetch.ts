import type { Address, Hex } from "viem";

import type { ChainClient } from "../chain/write.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import { formatBuyerState, parseBuyerState } from "./buyerState.ts";
import { type Call, send, toCall } from "./call.ts";
import { type ClosedChannel, closeSession, type CloseOptions } from "./closeSession.ts";
import { ClosedError, UnsafeOriginError } from "./errors.ts";
import { payCall, type Payment } from "./payCall.ts";
import { type ChargePayment, payCharge, takeCharge } from "./payCharge.ts";
import { requireSafeOrigin } from "./safeOrigin.ts";
import {
  type Budget,
  createSellerSession,
  hasChannel,
  knownOffer,
  type SellerSession,
  stateOf,
  takeOffer,
  toActionCall,
} from "./sellerSession.ts";
import { type BuyerStore, createJournal } from "./store.ts";
import { createWallet } from "./wallet.ts";

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
   * seller does not answer, closing is requested on the chain and the change is withdrawn after the grace period. May
   * be called again after it failed, or reported a channel as pending. The store stays open: close it afterwards.
   *
   * @param options.signal - Stops waiting; what was requested on the chain goes on.
   * @returns What became of each channel.
   * @throws {NoGasError} when closing has to go over the chain and the account cannot pay for it.
   * @throws {WrongChainError} when the client is on another chain than the channels.
   * @throws {StoreWriteError} when the store cannot be written.
   */
  close(options?: CloseOptions): Promise<ClosedChannel[]>;
};

/** How often a call is sent again when no answer comes, and how often it is priced anew. */
const maxTries = 4;

/**
 * Makes a `fetch` that pays: what costs nothing passes through, a 402 of the `evm` session kind is paid from a channel
 * that is opened and topped up within the limits, one that offers `evm` charges alone by a transfer for the call. Works
 * with every client that takes a `fetch`, such as `openai`.
 *
 * Thrown errors are this package's; a client that wraps them keeps them as `cause`. Whatever is refused here was not
 * signed and cost nothing.
 *
 * @param parameters - Who pays, by which chain, within which limits.
 * @returns The fetch, with `balance()` and `close()`.
 * @throws Its calls reject with {PriceAboveLimitError}, {DepositAboveLimitError}, {InsufficientTokensError},
 * {WrongChainError}, {NodeUnreachableError}, {UnknownContractError}, {SellerChangedError}, {SellerDistrustedError},
 * {UnsafeOriginError}, {FundingRefusedError}, {FundingPendingError}, {RecoveryFailedError}, {StoreWriteError},
 * {AnswerPendingError}, {ClosedError}, or as `fetch` does.
 * @throws {StoreInUseError} when the store was given to another fetch before.
 * @throws {StoreUnreadableError} when what the store holds was not saved by this account's fetch on this chain.
 * @example
 * const fetch = payingFetch({ account, client, maxDeposit: parseYuan("5"), maxPrice: parseYuan("0.01") });
 * const openai = new OpenAI({ baseURL: "https://models.example/v1", apiKey: "unused", fetch });
 */
export function payingFetch(parameters: payingFetch.Parameters): PayingFetch {
  const {
    account,
    client,
    maxDeposit,
    maxPrice,
    onPayment,
    onCharge,
    store,
    recoverFrom,
    trustedContracts = [],
  } = parameters;
  const transport = parameters.fetch ?? fetch;
  const text = store?.take();
  const kept = text === undefined ? undefined : parseBuyerState(text, account.address, client.chain?.id);
  const budget: Budget = { maxDeposit, committed: kept?.committed ?? 0n };
  const sessions = new Map(kept?.sellers.map((seller) => [seller.origin, createSellerSession(seller.origin, seller)]));
  const journal = createJournal(store, () =>
    formatBuyerState({
      account: account.address,
      committed: budget.committed,
      sellers: [...sessions.values()].map(stateOf),
    }),
  );
  const wallet = createWallet(account, client, trustedContracts);
  const isInUse = (channelId: Hex): boolean => [...sessions.values()].some((one) => hasChannel(one, channelId));
  const buyer = { wallet, budget, transport, journal, tries: maxTries, recoverFrom, isInUse, maxPrice, onPayment };
  let isClosed = false;

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
      const taken = await takeOffer(sessionOf(call), call, response);
      if (!taken) return payOnce(call, response);
      offer = taken;
      await response.body?.cancel();
    }
    // Closing may have begun while the price was asked; nothing is awaited between this and the count.
    if (isClosed) throw new ClosedError();
    const session = sessionOf(call);
    session.actionCall ??= toActionCall(call.method, call.url);
    session.inFlight++;
    try {
      return await payCall(session, call, offer, buyer);
    } finally {
      session.inFlight--;
    }
  }

  /** A seller that offers no channel may take a transfer of its own for each call. */
  async function payOnce(call: Call, response: Response): Promise<Response> {
    const session = sessionOf(call);
    const offer = await takeCharge(session, response);
    if (!offer) return response;
    if (isClosed) throw new ClosedError();
    await response.body?.cancel();
    return payCharge(session, call, offer, { ...buyer, onCharge });
  }

  function sessionOf({ url }: Call): SellerSession {
    requireSafeOrigin(url);
    const session = sessions.get(url.origin) ?? createSellerSession(url.origin);
    sessions.set(url.origin, session);
    return session;
  }

  return Object.assign(pay, {
    balance: () => [...sessions.values()].flatMap(balancesOf),
    async close(options: CloseOptions = {}): Promise<ClosedChannel[]> {
      isClosed = true;
      const closed = await Promise.all([...sessions.values()].map((session) => closeSession(session, buyer, options)));
      await journal.commit();
      return closed.flat();
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
    /**
     * Where channels and unanswered calls outlive this process, such as `await createFileStore({ path })`. Without it
     * they are kept in memory.
     */
    store?: BuyerStore | undefined;
    /**
     * For an account whose store is lost: the block from which channels to a seller are looked for before a first one
     * is opened, such as that of the contract's deployment. Left out, none is looked for.
     */
    recoverFrom?: bigint | undefined;
    /** Told each confirmed payment. */
    onPayment?: ((payment: Payment) => void) | undefined;
    /** Told each single transfer, by which sellers are paid that offer no channel. */
    onCharge?: ((payment: ChargePayment) => void) | undefined;
    /** Channel contracts and tokens to use although their code is not known to this package. */
    trustedContracts?: readonly Address[] | undefined;
    /** The `fetch` below; the global one by default. */
    fetch?: typeof fetch | undefined;
  };
}

function balancesOf({ origin, purse, spares }: SellerSession): ChannelBalance[] {
  return [...(purse ? [purse] : []), ...spares].map(({ channelId, terms, deposit, charged: spent, uncertain }) => {
    const { token } = terms;
    return { origin, channelId, token, deposit, spent, uncertain, available: deposit - spent - uncertain };
  });
}
