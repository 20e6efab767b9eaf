import type { Address, Hex } from "viem";

import type { DroppedPayment } from "../protocol/rules/statement.ts";
import { assembleLedger, defaultRetention } from "./assembleLedger.ts";
import type { Answer, ChannelRecord, Ledger, Purchase, SavedTransaction } from "./ledger.ts";
import { createMemoryCharges } from "./memoryCharges.ts";
import type { Lease, StatementRef, Store } from "./store.ts";

/**
 * A ledger in memory: for tests and for sellers that can afford to lose what is not settled when the process ends.
 *
 * @param options.keep - How many answers a channel are kept for repeated requests, 1,024 by default.
 * @param options.keepBytes - How many bytes of them, 8 MiB by default.
 * @param options.retention - Milliseconds that the purchases of a finalized channel are kept, 30 days by default.
 * @param options.now - The clock, in milliseconds; `Date.now` by default.
 * @returns The ledger.
 */
export function createMemoryLedger(
  options: { keep?: number; keepBytes?: number; retention?: number; now?: () => number } = {},
): Ledger {
  const { keep = 1024, keepBytes = 8 * 2 ** 20, retention = defaultRetention, now = Date.now } = options;
  const store = createMemoryStore({ keep, keepBytes });
  // One process and no waiting: a step that is run at once is alone.
  return assembleLedger({ store, run: async (step) => step(), now, retention, owner: undefined });
}

type Entry = {
  row: ChannelRecord;
  /** Payments that were dropped, by ref. */
  dropped: Map<Hex, DroppedPayment>;
  purchases: Map<bigint, Purchase>;
  /** The statement that was used last under each key. */
  keys: Map<string, bigint>;
  answers: Map<bigint, Answer>;
  answerBytes: number;
};

function createMemoryStore({ keep, keepBytes }: { keep: number; keepBytes: number }): Store {
  const entries = new Map<Hex, Entry>();
  const outbox = new Map<string, SavedTransaction>();
  const leases = new Map<string, Lease>();
  let hasLeft = false;

  function entryOf(channelId: Hex): Entry {
    const entry = entries.get(channelId);
    if (!entry) throw new Error("this channel was never put");
    return entry;
  }

  function* held(): Generator<StatementRef> {
    for (const [channelId, { purchases }] of entries) {
      for (const { status, cumulativeAmount } of purchases.values()) {
        if (status === "held") yield { channelId, cumulativeAmount };
      }
    }
  }

  return {
    ...createMemoryCharges(),

    channel: (channelId) => entries.get(channelId)?.row,
    putChannel(row) {
      const entry = entries.get(row.channelId);
      if (entry) entry.row = row;
      else {
        entries.set(row.channelId, {
          row,
          dropped: new Map(),
          purchases: new Map(),
          keys: new Map(),
          answers: new Map(),
          answerBytes: 0,
        });
      }
    },
    *channels({ unsettled, after }) {
      let isPast = after === undefined;
      for (const [channelId, { row }] of entries) {
        if (!isPast) isPast = channelId === after;
        else if (!unsettled || (row.firstUnsettledAt !== undefined && !row.finalized)) yield row;
      }
    },

    dropped: (channelId, ref) => entryOf(channelId).dropped.get(ref),
    putDropped: (channelId, payment) => void entryOf(channelId).dropped.set(payment.ref, payment),

    purchase: ({ channelId, cumulativeAmount }) => entries.get(channelId)?.purchases.get(cumulativeAmount),
    purchaseByKey(channelId, idempotencyKey) {
      const entry = entryOf(channelId);
      const statement = entry.keys.get(idempotencyKey);
      return statement === undefined ? undefined : entry.purchases.get(statement);
    },
    putPurchase(channelId, purchase) {
      const { purchases, keys } = entryOf(channelId);
      purchases.set(purchase.cumulativeAmount, purchase);
      if (purchase.idempotencyKey !== undefined) keys.set(purchase.idempotencyKey, purchase.cumulativeAmount);
    },
    isOwn: () => true,
    *purchases(channelId, { after = -1n } = {}) {
      const all = [...(entries.get(channelId)?.purchases.values() ?? [])];
      yield* all
        .filter(({ cumulativeAmount }) => cumulativeAmount > after)
        .sort((a, b) => (a.cumulativeAmount < b.cumulativeAmount ? -1 : 1));
    },
    firstCaptureAbove(channelId, settled) {
      let first: Purchase | undefined;
      for (const purchase of entryOf(channelId).purchases.values()) {
        if (purchase.status !== "captured" || purchase.spentAfter <= settled) continue;
        if (!first || purchase.spentAfter < first.spentAfter) first = purchase;
      }
      return first?.capturedAt;
    },

    answer: ({ channelId, cumulativeAmount }) => entryOf(channelId).answers.get(cumulativeAmount),
    putAnswer({ channelId, cumulativeAmount }, answer) {
      const entry = entryOf(channelId);
      entry.answers.set(cumulativeAmount, answer);
      entry.answerBytes += answer.body.length;
      while (entry.answers.size > keep || entry.answerBytes > keepBytes) {
        const oldest = [...entry.answers.keys()].reduce((a, b) => (a < b ? a : b));
        entry.answerBytes -= entry.answers.get(oldest)?.body.length ?? 0;
        entry.answers.delete(oldest);
      }
    },

    leave() {
      hasLeft = true;
    },
    takeAbandoned: () => (hasLeft ? [...held()] : []),
    finalizedBefore: (time) =>
      [...entries.values()].flatMap(({ row }) =>
        row.finalizedAt !== undefined && row.finalizedAt < time ? [row.channelId] : [],
      ),
    forgetPurchases(channelId) {
      const entry = entryOf(channelId);
      for (const forgotten of [entry.dropped, entry.purchases, entry.keys, entry.answers]) forgotten.clear();
      entry.answerBytes = 0;
      return true;
    },

    transactions: (account) =>
      [...outbox.values()]
        .filter((saved) => saved.account.toLowerCase() === account.toLowerCase())
        .sort((a, b) => a.nonce - b.nonce),
    putTransaction: (transaction) => void outbox.set(outboxKey(transaction.account, transaction.nonce), transaction),
    dropTransaction: (account, nonce) => void outbox.delete(outboxKey(account, nonce)),

    lease: (name) => leases.get(name),
    putLease: (name, lease) => void (lease ? leases.set(name, lease) : leases.delete(name)),
    close: () => undefined,
  };
}

function outboxKey(account: Address, nonce: number): string {
  return `${account.toLowerCase()} ${nonce}`;
}
