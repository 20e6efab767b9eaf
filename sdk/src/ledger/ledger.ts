import type { Hex } from "viem";

import type { Terms } from "../protocol/terms.ts";

/** What the chain says of a channel. Amounts in base units. */
export type ChainState = {
  readonly deposit: bigint;
  readonly settled: bigint;
  /** Unix time in seconds; 0 while no request to close is pending. */
  readonly closeRequestedAt: number;
  readonly finalized: boolean;
};

/** Everything a seller knows of a channel. Amounts in base units. */
export type ChannelRecord = ChainState & {
  readonly channelId: Hex;
  readonly terms: Terms;
  /** The highest statement accepted; never decreases. */
  readonly accepted: bigint;
  /** The signature of the highest statement. */
  readonly signature: Hex;
  /** Charged for work that succeeded; never decreases. */
  readonly spent: bigint;
  /** Reserved for work that is running. */
  readonly held: bigint;
  /** True once the seller closes the channel: no more holds. */
  readonly closing: boolean;
};

/** A kept answer, to be given again when the same request is repeated. */
export type Answer = {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
};

/** What one statement has bought. A statement is known in its channel by its cumulative amount. */
export type Hold = {
  readonly cumulativeAmount: bigint;
  /** Binds idempotency key, method, path and body digest of the request it pays for. */
  readonly requestHash: Hex;
  readonly idempotencyKey: string | undefined;
  /** Base units reserved: the request's ceiling. */
  readonly amount: bigint;
  readonly status: "held" | "captured" | "released";
  /** Base units charged, once captured. */
  readonly captured: bigint;
  /** The channel's `spent` right after the capture. */
  readonly spentAfter: bigint;
  /** The answer, once captured, while it is kept. */
  readonly answer: Answer | undefined;
};

/** A request to reserve an amount on a channel, paid by a statement whose signature was found good. */
export type HoldRequest = {
  readonly channelId: Hex;
  readonly cumulativeAmount: bigint;
  readonly signature: Hex;
  readonly requestHash: Hex;
  readonly idempotencyKey: string | undefined;
  readonly amount: bigint;
  readonly minVoucherDelta: bigint;
};

/** What became of a {@link HoldRequest}. */
export type HoldResult =
  /** Reserved: do the work, then capture or release. */
  | { readonly kind: "held"; readonly channel: ChannelRecord }
  /** The same request has been served: give its answer again. */
  | { readonly kind: "repeated"; readonly channel: ChannelRecord; readonly hold: Hold }
  | { readonly kind: "refused"; readonly reason: HoldRefusal; readonly channel: ChannelRecord }
  | { readonly kind: "unknown-channel" };

/**
 * Why nothing was reserved: the same request still runs; the statement has bought another request, or is so old that
 * what it bought is forgotten; the idempotency key belongs to another request; the statement grows too little, is above
 * the deposit, or leaves too little beyond what is spent and held; the channel is closing or closed.
 */
export type HoldRefusal =
  | "request-in-progress"
  | "statement-used"
  | "idempotency-key-reused"
  | "delta-too-small"
  | "amount-exceeds-deposit"
  | "insufficient-balance"
  | "channel-closing"
  | "channel-finalized";

/**
 * A seller's memory. Every method is one atomic step on one channel, however many requests arrive at once, and its
 * effect is as durable as the ledger is when the promise resolves. Signatures are checked before a ledger is asked.
 */
export type Ledger = {
  /**
   * Adds a channel that the chain has, with its first statement. A channel that is known already keeps what is higher.
   *
   * @returns The channel as it is now.
   */
  addChannel(channel: {
    channelId: Hex;
    terms: Terms;
    chain: ChainState;
    cumulativeAmount: bigint;
    signature: Hex;
  }): Promise<ChannelRecord>;

  /** @returns The channel, or `undefined` if it was never added. */
  getChannel(channelId: Hex): Promise<ChannelRecord | undefined>;

  /**
   * Notes what the chain says now.
   *
   * @returns The channel as it is now, or `undefined` if it was never added.
   */
  updateChain(channelId: Hex, chain: ChainState): Promise<ChannelRecord | undefined>;

  /**
   * Accepts a statement without reserving anything. A statement that is not above the accepted one changes nothing.
   *
   * @returns As {@link Ledger.hold}, `held` meaning accepted.
   */
  accept(
    statement: Pick<HoldRequest, "channelId" | "cumulativeAmount" | "signature" | "minVoucherDelta">,
  ): Promise<HoldResult>;

  /** Accepts the statement and reserves the amount, or says why not. See {@link HoldResult}. */
  hold(request: HoldRequest): Promise<HoldResult>;

  /**
   * Charges what the work was worth, at most what was held, and keeps the answer.
   *
   * @returns The channel and the hold as they are now.
   * @throws {UnknownHoldError} when this statement holds nothing.
   */
  capture(capture: {
    channelId: Hex;
    cumulativeAmount: bigint;
    amount: bigint;
    answer: Answer | undefined;
  }): Promise<{ channel: ChannelRecord; hold: Hold }>;

  /**
   * Gives back what was held, because the seller failed. The same request may use the same statement again.
   *
   * @returns The channel as it is now.
   * @throws {UnknownHoldError} when this statement holds nothing.
   */
  release(release: { channelId: Hex; cumulativeAmount: bigint }): Promise<ChannelRecord>;

  /**
   * Stops new holds because the payer wants to close. A statement that has bought something is refused as
   * `statement-used`: whoever saw it on its way must not be able to close the channel with it. May be asked again.
   *
   * @returns As {@link Ledger.hold}, `held` meaning that the channel is closing.
   */
  beginClose(statement: Pick<HoldRequest, "channelId" | "cumulativeAmount" | "signature">): Promise<HoldResult>;

  /** Allows holds again after a closing failed. */
  cancelClose(channelId: Hex): Promise<void>;

  /** All channels, in the order they were added. */
  channels(): AsyncIterable<ChannelRecord>;
};
