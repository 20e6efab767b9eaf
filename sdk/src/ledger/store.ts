import type { Address, Hex } from "viem";

import type { DroppedPayment } from "../protocol/rules/statement.ts";
import type { ChargeStore } from "./charge.ts";
import type { Answer, ChannelRecord, Purchase, SavedTransaction } from "./ledger.ts";

/** Who holds a lease, and until when: Unix time in milliseconds. */
export type Lease = { readonly holder: string; readonly expiresAt: number };

/** Which statement of which channel. */
export type StatementRef = { readonly channelId: Hex; readonly cumulativeAmount: bigint };

/**
 * Where a ledger keeps things. It decides nothing and is synchronous: whoever calls it makes a step, or a group of
 * steps, atomic. Rows and purchases are replaced whole.
 */
export type Store = ChargeStore & {
  channel(channelId: Hex): ChannelRecord | undefined;
  putChannel(row: ChannelRecord): void;
  /** In the order they were added. */
  channels(filter: { unsettled: boolean; after?: Hex | undefined }): Iterable<ChannelRecord>;

  /** A payment that was dropped, for good. */
  dropped(channelId: Hex, ref: Hex): DroppedPayment | undefined;
  putDropped(channelId: Hex, payment: DroppedPayment): void;

  purchase(ref: StatementRef): Purchase | undefined;
  /** What is held or captured under the key, else what was released. */
  purchaseByKey(channelId: Hex, idempotencyKey: string): Purchase | undefined;
  /** A purchase that is held becomes this instance's. */
  putPurchase(channelId: Hex, purchase: Purchase): void;
  /** Whether this instance made the hold. */
  isOwn(ref: StatementRef): boolean;
  /** By rising cumulative amount. */
  purchases(channelId: Hex, filter?: { after?: bigint | undefined }): Iterable<Purchase>;
  /** When the first capture was made that brought `spent` above this amount. */
  firstCaptureAbove(channelId: Hex, settled: bigint): number | undefined;

  answer(ref: StatementRef): Answer | undefined;
  /** Keeps an answer and drops those of the channel's lowest statements beyond what may be kept. */
  putAnswer(ref: StatementRef, answer: Answer): void;

  /** Gives up this instance: from now on it counts as ended. */
  leave(): void;
  /** Takes leases and charges of ended instances away and forgets these; returns what they hold on channels. */
  takeAbandoned(): StatementRef[];
  /** Channels whose purchases are kept and that were finalized before this time. */
  finalizedBefore(time: number): Hex[];
  /** Forgets some of a channel's purchases; `true` once none is left. */
  forgetPurchases(channelId: Hex): boolean;

  transactions(account: Address): SavedTransaction[];
  putTransaction(transaction: SavedTransaction): void;
  dropTransaction(account: Address, nonce: number): void;

  lease(name: string): Lease | undefined;
  /** Replaces a lease, or ends it. */
  putLease(name: string, lease: Lease | undefined): void;

  /** Frees what it uses. */
  close(): void;
};
