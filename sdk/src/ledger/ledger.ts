import type { Address, Hex } from "viem";

import type { EvidenceRefusal } from "../protocol/rules/addEvidence.ts";
import type { ConditionPolicy } from "../protocol/rules/newPayments.ts";
import type { StandingPayment, StatedPayment } from "../protocol/rules/statement.ts";
import type { StatementRefusal } from "../protocol/rules/statementRefusal.ts";
import type { Terms } from "../protocol/terms.ts";
import type { ChargeLedger } from "./charge.ts";

/** What the chain says of a channel. Amounts in base units. */
export type ChainState = {
  /** The block this was read at: what was read at an older one than known changes nothing. */
  readonly blockNumber: bigint;
  /** Falls where a reorganisation took a deposit back. */
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
  /** Whether that is a conditional statement, which is signed otherwise and may have no payments. */
  readonly isConditional: boolean;
  /** The conditional payments that stand in it, ascending by `ref`. */
  readonly payments: readonly LedgerPayment[];
  /** Work for payments that the payer has dropped before it was proven. */
  readonly lost: bigint;
  /** Charged for work that succeeded; never decreases. */
  readonly spent: bigint;
  /** Reserved for work that is running. */
  readonly held: bigint;
  /** True once the seller closes the channel: no more holds. */
  readonly closing: boolean;
  /** True once the ledger no longer knows what the channel's statements have bought: no more holds, for good. */
  readonly retired: boolean;
  /** When the oldest capture was made that is not settled: Unix time in milliseconds; `undefined` while all is settled. */
  readonly firstUnsettledAt: number | undefined;
  /** When the ledger learned that it is finalized, until its purchases are forgotten: Unix time in milliseconds. */
  readonly finalizedAt: number | undefined;
};

/**
 * A conditional payment that stands. Its `work` is what was drawn from it: what is proven counts as available up to
 * that, so that what is due for one piece of work pays for no other.
 */
export type LedgerPayment = StandingPayment & {
  /** The statement that has bought its work, by its total; `undefined` while none has, and for ticks. */
  readonly statement?: bigint | undefined;
};

/** A kept answer, to be given again when the same request is repeated. */
export type Answer = {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
};

/**
 * What one statement has bought. A statement is known in its channel by its cumulative amount; ticks have numbers above
 * every amount, see `tickKey`.
 */
export type Purchase = {
  readonly cumulativeAmount: bigint;
  /** Binds idempotency key, method, path and body digest of the request it pays for. */
  readonly requestHash: Hex;
  readonly idempotencyKey: string | undefined;
  /** Base units reserved: the request's ceiling, or for a stream what was reserved for it so far. */
  readonly amount: bigint;
  /** `delivered` is work that its payment's condition decides about: nothing is charged yet. */
  readonly status: "held" | "captured" | "released" | "delivered";
  /** The conditional payment that pays for it, by its ref, where one does: then the amount is held on the payer's credit. */
  readonly ref: Hex | undefined;
  /** Base units charged, once captured; while a stream is held, what it had delivered at its last mark. */
  readonly captured: bigint;
  /** The channel's `spent` right after the capture. */
  readonly spentAfter: bigint;
  /** When it was held: Unix time in milliseconds. */
  readonly heldAt: number;
  /** When it was captured: Unix time in milliseconds; `undefined` before. */
  readonly capturedAt: number | undefined;
};

/** A purchase with its answer, while that is kept. */
export type Hold = Purchase & { readonly answer: Answer | undefined };

/** A request to reserve an amount on a channel, paid by a statement whose signature was found good. */
export type HoldRequest = {
  readonly channelId: Hex;
  readonly cumulativeAmount: bigint;
  readonly signature: Hex;
  readonly requestHash: Hex;
  readonly idempotencyKey: string | undefined;
  readonly amount: bigint;
  readonly minVoucherDelta: bigint;
  /** What makes it a conditional statement; a plain voucher has none, and so leaves all payments out. */
  readonly conditional?: Conditional | undefined;
};

/** What a conditional statement has beside a plain one, and by which rules new payments are taken up. */
export type Conditional = {
  /** Strictly ascending by `ref`. */
  readonly payments: readonly StatedPayment[];
  /** The payment that pays for this request; where it is left out, what is available does. */
  readonly ref?: Hex | undefined;
  readonly policy: ConditionPolicy & {
    /** Base units of work that may be done for this payer before it is proven. */
    readonly creditLimit: bigint;
  };
  readonly chainId: number;
};

/** A statement without a request. */
export type StatementRequest = Pick<
  HoldRequest,
  "channelId" | "cumulativeAmount" | "signature" | "minVoucherDelta" | "conditional"
>;

/** What became of a {@link HoldRequest}. */
export type HoldResult =
  /** Reserved: do the work, then capture or release. */
  | { readonly kind: "held"; readonly channel: ChannelRecord }
  /** The same request has been served: give its answer again. */
  | { readonly kind: "repeated"; readonly channel: ChannelRecord; readonly hold: Hold }
  | {
      readonly kind: "refused";
      readonly reason: HoldRefusal;
      readonly channel: ChannelRecord;
      /** Present with `statement-refused`. */
      readonly statement?: StatementRefusal | undefined;
    }
  | { readonly kind: "unknown-channel" };

/**
 * Why nothing was reserved: the same request still runs; the statement has bought another request; the idempotency key
 * belongs to another request; the statement grows too little, is above the deposit, or leaves too little beyond what is
 * spent and held; the deposit has fallen below what would be owed; the channel is closing, retired or closed. Of
 * conditional ones: the rules refuse the statement; the payment does not stand, has bought work before, is proven
 * already, or is over less than the request can cost.
 */
export type HoldRefusal =
  | "request-in-progress"
  | "statement-used"
  | "idempotency-key-reused"
  | "delta-too-small"
  | "amount-exceeds-deposit"
  | "insufficient-balance"
  | "channel-closing"
  | "channel-finalized"
  | "statement-refused"
  | "payment-unknown"
  | "payment-used"
  | "payment-proven"
  | "payment-too-small";

/** Evidence for a payment. */
export type Proof = {
  readonly channelId: Hex;
  readonly ref: Hex;
  readonly evidence: Hex;
  /** What it proves, in base units: see `proveDue`. */
  readonly due: bigint;
};

/** What became of a {@link Proof}. */
export type ProofResult =
  /** It is kept, or what was known proves as much; `due` in base units. */
  | { readonly kind: "proven"; readonly channel: ChannelRecord; readonly due: bigint }
  | { readonly kind: "refused"; readonly reason: ProofRefusal; readonly channel: ChannelRecord }
  | { readonly kind: "unknown-channel" };

/** Why evidence is not taken. While the work runs it is not, since a seller that fails must not have charged for it. */
export type ProofRefusal =
  | EvidenceRefusal
  | { readonly code: "request-in-progress"; readonly ref: Hex }
  /** Somebody else has drawn on these ticks. */
  | { readonly code: "ticks-moved"; readonly ref: Hex; readonly drawn: bigint };

/** What ticks have come to since they were written down last. Amounts in base units. */
export type TickMark = Proof & {
  /** What was drawn from the payment so far, as it was written down last: else somebody else serves its ticks. */
  readonly drawn: bigint;
  /** Charged since. */
  readonly charged: bigint;
  /** Made available beside it: to streams and vouchers. */
  readonly freed: bigint;
  /** Requests that run and are held from now on as those of statements are. */
  readonly holds: readonly {
    /** See `tickKey`. */
    readonly cumulativeAmount: bigint;
    readonly requestHash: Hex;
    readonly idempotencyKey: string | undefined;
    readonly amount: bigint;
  }[];
};

/** Whose ledger it is: nothing of another seller, token, contract or chain may get into it. */
export type LedgerOwner = {
  readonly chainId: number;
  readonly contract: Address;
  readonly token: Address;
  readonly payee: Address;
};

/** A transaction that was sent and whose outcome is not known yet, with what it takes to send it again. */
export type SavedTransaction = {
  /** What it is for, in the sender's words. */
  readonly id: string;
  readonly account: Address;
  readonly nonce: number;
  readonly to: Address;
  readonly data: Hex;
  /** The gas limit, where one was set. */
  readonly gas: bigint | undefined;
  /** Wei for each unit of gas. */
  readonly maxFeePerGas: bigint;
  /** Wei for each unit of gas. */
  readonly maxPriorityFeePerGas: bigint;
  /** When it was sent last: Unix time in milliseconds. */
  readonly sentAt: number;
  /** Every hash under which it was sent with this nonce, oldest first: any of them may be mined. */
  readonly hashes: readonly Hex[];
};

/** What {@link Ledger.maintain} came to. */
export type Maintenance = {
  /** Holds that ended because the process that made them has: given back, a stream's charged up to its last mark. */
  readonly released: number;
  /** Channels whose purchases were forgotten. */
  readonly pruned: number;
};

/**
 * A seller's memory. Every method is one atomic step, however many requests arrive at once, and its effect is as
 * durable as the ledger is when the promise resolves. Signatures are checked before a ledger is asked.
 *
 * Each method rejects with {@link InvalidFieldError} where an amount is no `bigint` of 128 bits or an id no 32 bytes,
 * and with {@link LedgerUnavailableError} where a durable ledger could not write: then nothing has changed.
 */
export type Ledger = ChargeLedger & {
  /** Whose it is, where it is bound to one seller. */
  readonly owner: LedgerOwner | undefined;

  /**
   * Adds a channel that the chain has, with its first statement. A channel that is known already keeps what is higher.
   *
   * @returns The channel as it is now.
   */
  addChannel(channel: NewChannel): Promise<ChannelRecord>;

  /** @returns The channel, or `undefined` if it was never added. */
  getChannel(channelId: Hex): Promise<ChannelRecord | undefined>;

  /**
   * Notes what the chain says, unless it was read at an older block than what is known. A newer block may say less than
   * an older one did: a reorganisation takes deposits and settlements back.
   *
   * @returns The channel as it is now, or `undefined` if it was never added.
   */
  updateChain(channelId: Hex, chain: ChainState): Promise<ChannelRecord | undefined>;

  /**
   * Accepts a statement without reserving anything. A statement that is not above the accepted one changes nothing.
   *
   * @returns As {@link Ledger.hold}, `held` meaning accepted.
   */
  accept(statement: StatementRequest): Promise<HoldResult>;

  /** Accepts the statement and reserves the amount, or says why not. See {@link HoldResult}. */
  hold(request: HoldRequest): Promise<HoldResult>;

  /**
   * Keeps evidence for a payment that stands, where it proves more than what is known. Work that was delivered for it
   * is charged at what is due.
   */
  prove(proof: Proof): Promise<ProofResult>;

  /**
   * Admits that the work for a payment is worth no more than what is proven, as when a task was judged to have failed:
   * it takes no more of the payer's credit, and nothing more is charged for it.
   */
  concede(payment: Pick<Proof, "channelId" | "ref">): Promise<ProofResult>;

  /**
   * Writes down the newest tick of a payment and what its ticks have bought, as one capture. Nothing is written where
   * `drawn` is not what is known.
   */
  markTicks(mark: TickMark): Promise<ProofResult>;

  /**
   * Goes on with a stream: marks what it has delivered, which is charged if this process ends, and reserves more for it
   * as far as the channel has it. A channel that is ending gives nothing more.
   *
   * @param advance.delivered - Base units that what was delivered is worth; a mark never falls.
   * @param advance.amount - Base units that the stream would like to have reserved in all.
   * @returns The channel and the hold as they are now; the hold's `amount` is what is reserved.
   * @throws {UnknownHoldError} when this statement holds nothing, or another process made the hold.
   */
  advance(advance: {
    channelId: Hex;
    cumulativeAmount: bigint;
    delivered: bigint;
    amount: bigint;
  }): Promise<{ channel: ChannelRecord; hold: Purchase }>;

  /**
   * Charges what the work was worth, at most what was held, and keeps the answer. Work that a conditional payment pays
   * for is delivered: what is due is charged when that is proven.
   *
   * @returns The channel and the hold as they are now.
   * @throws {UnknownHoldError} when this statement holds nothing, or another process made the hold.
   */
  capture(capture: {
    channelId: Hex;
    cumulativeAmount: bigint;
    amount: bigint;
    answer: Answer | undefined;
  }): Promise<{ channel: ChannelRecord; hold: Hold }>;

  /**
   * Gives back what was held, whatever a stream had delivered, because the seller failed. The same request may use the
   * same statement again.
   *
   * @returns The channel as it is now.
   * @throws {UnknownHoldError} when this statement holds nothing, or another process made the hold.
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

  /**
   * Serves nothing more on a channel, for good, because what its statements have bought is not known: see
   * {@link resynchronize}. What the chain has settled counts as spent. A channel that is not known is added, retired.
   *
   * @returns The channel as it is now.
   */
  retire(channel: Pick<NewChannel, "channelId" | "terms" | "chain">): Promise<ChannelRecord>;

  /**
   * Lists channels in the order they were added. No lock is held between two of them.
   *
   * @param filter.unsettled - Only those where something was captured that is not settled and still can be.
   * @param filter.after - Only those added after this channel; none where it was never added.
   */
  channels(filter?: { unsettled?: boolean; after?: Hex | undefined }): AsyncIterable<ChannelRecord>;

  /**
   * Lists what the statements of a channel have bought, by rising cumulative amount: the proof of what was spent. Kept
   * until the channel can no longer be claimed.
   *
   * @param filter.after - Only those above this cumulative amount.
   */
  holds(channelId: Hex, filter?: { after?: bigint | undefined }): AsyncIterable<Purchase>;

  /**
   * Remembers a transaction before it is sent. Under the account and nonce of an earlier one it replaces that, and the
   * hashes of both are kept.
   *
   * @returns The transaction with every hash.
   */
  saveTransaction(transaction: Omit<SavedTransaction, "hashes"> & { hash: Hex }): Promise<SavedTransaction>;

  /** @returns The account's transactions by rising nonce. */
  transactions(account: Address): Promise<SavedTransaction[]>;

  /** Forgets a transaction whose outcome is final. */
  removeTransaction(transaction: { account: Address; nonce: number }): Promise<void>;

  /**
   * Takes a lease, or renews it, so that of many processes one does a thing. It ends after `ttl`, or with the process.
   * A clock that steps forward can end it early: what it guards must stand being done twice.
   *
   * @param lease.name - What is leased.
   * @param lease.holder - Who wants it: another word in each process.
   * @param lease.ttl - Milliseconds.
   * @returns `true` if the holder has it now.
   */
  acquireLease(lease: { name: string; holder: string; ttl: number }): Promise<boolean>;

  /** Gives a lease back, if the holder has it. */
  releaseLease(lease: { name: string; holder: string }): Promise<void>;

  /**
   * Ends what ended processes hold, and forgets the purchases of channels that were finalized long ago, and charges
   * that were settled a day ago. A ledger that others may share does it by itself when it is opened and from time to
   * time.
   *
   * @returns How many of each.
   */
  maintain(): Promise<Maintenance>;

  /** Ends the use of the ledger: what it holds is given back, and its resources are freed. */
  close(): Promise<void>;
};

/** A channel to add. */
export type NewChannel = {
  channelId: Hex;
  terms: Terms;
  chain: ChainState;
  /** Base units of the first statement. */
  cumulativeAmount: bigint;
  signature: Hex;
};
