import type { DatabaseSync } from "node:sqlite";
import type { Hex } from "viem";

import { stringify } from "../../bigints.ts";
import type { DroppedPayment } from "../../protocol/rules/statement.ts";
import type { ChannelRecord, LedgerPayment, Purchase, SavedTransaction } from "../ledger.ts";
import type { StatementRef, Store } from "../store.ts";
import { createChargeTables } from "./chargeTables.ts";
import { decodeAmount, decodeHex, encodeAmount, encodeHex } from "./columns.ts";
import type { Instances } from "./instances.ts";

/**
 * A store whose steps run in groups: a channel is written once in a group, and read once while nobody else writes to
 * the file.
 */
export type SqliteStore = Store & {
  /** Begins a group, inside a writing transaction. */
  begin(): void;
  /** Writes what the group has changed. */
  flush(): void;
  /** Ends the group. One that was not committed takes what is remembered with it. */
  end(isCommitted: boolean): void;
};

type Entry = {
  id: number;
  row: ChannelRecord;
  /** The payments as they were read, and the text they were read from: written again only where they changed. */
  read: { payments: readonly LedgerPayment[]; text: string | null };
  answerCount: number;
  answerBytes: number;
  /** This instance's holds, by their statement; most channels have none at any time. */
  holds: Map<bigint, Purchase> | undefined;
};

const statuses = ["held", "captured", "released", "delivered"] as const;
const noPayments: readonly LedgerPayment[] = Object.freeze([]);
/** Rows read at once, so that no lock is held between two of them and no list is held in memory. */
const page = 256;
/** Channels that are remembered from one group to the next: some 10 MB. */
const remembered = 4_096;
/** Purchases forgotten in one step. */
const forgottenAtOnce = 2_000;

const channelColumns = [
  "blockNumber",
  "deposit",
  "settled",
  "closeRequestedAt",
  "finalized",
  "accepted",
  "signature",
  "spent",
  "held",
  "closing",
  "retired",
  "firstUnsettledAt",
  "finalizedAt",
  "answerCount",
  "answerBytes",
  "payments",
  "lost",
] as const;
const purchaseColumns =
  "statement, requestHash, idempotencyKey, amount, status, captured, spentAfter, heldAt, capturedAt, ref";

/** What SQLite returns is what was put: `never` lets each column be read as the type that its row gives it. */
type ChannelColumns = Record<(typeof channelColumns)[number] | "id" | "channelId" | "terms", never>;
type PurchaseColumns = Record<"statement" | "requestHash" | "idempotencyKey" | "amount" | "status", never> &
  Record<"captured" | "spentAfter" | "heldAt" | "capturedAt" | "ref", never>;

/**
 * Makes a store of an open file whose schema is up to date.
 *
 * @param database - The file.
 * @param instances - Who has it open.
 * @param options - How many answers a channel are kept, and how many bytes of them.
 * @returns The store.
 */
export function createSqliteStore(
  database: DatabaseSync,
  instances: Instances,
  { keep, keepBytes }: { keep: number; keepBytes: number },
): SqliteStore {
  const known = new Map<Hex, Entry>();
  const changed = new Set<Entry>();
  /** Dropped together, since each by itself would be one more page to write. */
  const spare = Math.floor(keep / 8);
  let isInGroup = false;
  let hasLooked = false;
  /** Another one as soon as anybody else has written to the file. */
  let version: unknown;
  const { releaseHeldBy, ...charges } = createChargeTables(database, instances.own);
  const selectChannels = `SELECT id, channelId, terms, ${channelColumns.join(", ")} FROM channels`;
  const sql = {
    version: database.prepare("PRAGMA data_version"),
    channel: database.prepare(`${selectChannels} WHERE channelId = ?`),
    channels: database.prepare(`${selectChannels} WHERE id > ? ORDER BY id LIMIT ${page}`),
    unsettled: database.prepare(
      `${selectChannels} INDEXED BY channels_unsettled
       WHERE id > ? AND firstUnsettledAt IS NOT NULL AND finalized = 0 ORDER BY id LIMIT ${page}`,
    ),
    addChannel: database.prepare(
      `INSERT INTO channels (channelId, terms, ${channelColumns.join(", ")})
       VALUES (?, ?, ${channelColumns.map(() => "?").join(", ")})`,
    ),
    changeChannel: database.prepare(
      `UPDATE channels SET ${channelColumns.map((column) => `${column} = ?`).join(", ")} WHERE id = ?`,
    ),
    dropped: database.prepare("SELECT content FROM dropped WHERE channel = ? AND ref = ?"),
    putDropped: database.prepare("INSERT OR REPLACE INTO dropped (channel, ref, content) VALUES (?, ?, ?)"),
    forgetDropped: database.prepare("DELETE FROM dropped WHERE channel = ?"),
    purchase: database.prepare(`SELECT ${purchaseColumns} FROM purchases WHERE channel = ? AND statement = ?`),
    purchaseByKey: database.prepare(
      `SELECT ${purchaseColumns} FROM purchases INDEXED BY purchases_idempotency
       WHERE channel = ? AND idempotencyKey = ? ORDER BY status = ${statuses.indexOf("released")} LIMIT 1`,
    ),
    putPurchase: database.prepare(
      `INSERT INTO purchases (channel, ${purchaseColumns}, instance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (channel, statement) DO UPDATE SET requestHash = excluded.requestHash,
         idempotencyKey = excluded.idempotencyKey, amount = excluded.amount, status = excluded.status,
         captured = excluded.captured, spentAfter = excluded.spentAfter, heldAt = excluded.heldAt,
         capturedAt = excluded.capturedAt, ref = excluded.ref, instance = excluded.instance`,
    ),
    isOwn: database.prepare(
      "SELECT 1 FROM purchases WHERE channel = ? AND statement = ? AND status = 0 AND instance = ?",
    ),
    purchases: database.prepare(
      `SELECT ${purchaseColumns} FROM purchases WHERE channel = ? AND statement > ? ORDER BY statement LIMIT ${page}`,
    ),
    firstCaptureAbove: database.prepare(
      `SELECT capturedAt FROM purchases INDEXED BY purchases_captured
       WHERE channel = ? AND status = 1 AND spentAfter > ? ORDER BY spentAfter LIMIT 1`,
    ),
    answer: database.prepare("SELECT status, headers, body FROM answers WHERE channel = ? AND statement = ?"),
    putAnswer: database.prepare(
      "INSERT INTO answers (channel, statement, status, headers, body) VALUES (?, ?, ?, ?, ?)",
    ),
    oldestAnswer: database.prepare(
      "SELECT rowid AS id, length(body) AS size FROM answers WHERE channel = ? ORDER BY statement LIMIT 1",
    ),
    dropAnswer: database.prepare("DELETE FROM answers WHERE rowid = ?"),
    dropAnswers: database.prepare("DELETE FROM answers WHERE channel = ?"),
    heldBy: database.prepare(
      `SELECT channelId, statement FROM purchases INDEXED BY purchases_held JOIN channels ON channels.id = channel
       WHERE status = 0 AND instance = ?`,
    ),
    dropLeasesOf: database.prepare("DELETE FROM leases WHERE instance = ?"),
    finalizedBefore: database.prepare(
      "SELECT channelId FROM channels INDEXED BY channels_finalized WHERE finalizedAt < ?",
    ),
    forgetPurchases: database.prepare(
      `DELETE FROM purchases WHERE channel = ?1 AND statement IN
       (SELECT statement FROM purchases WHERE channel = ?1 ORDER BY statement LIMIT ${forgottenAtOnce})`,
    ),
    transactions: database.prepare("SELECT content FROM transactions WHERE account = ? ORDER BY nonce"),
    putTransaction: database.prepare("INSERT OR REPLACE INTO transactions (account, nonce, content) VALUES (?, ?, ?)"),
    dropTransaction: database.prepare("DELETE FROM transactions WHERE account = ? AND nonce = ?"),
    lease: database.prepare("SELECT holder, expiresAt FROM leases WHERE name = ?"),
    putLease: database.prepare("INSERT OR REPLACE INTO leases (name, holder, expiresAt, instance) VALUES (?, ?, ?, ?)"),
    dropLease: database.prepare("DELETE FROM leases WHERE name = ?"),
  };

  /** Forgets what was read before somebody else wrote to the file. */
  function refresh(): void {
    const current = sql.version.get()?.["data_version"];
    if (current !== version) known.clear();
    version = current;
  }

  /** Asked once in a turn of the event loop: whoever decides by what it read does so in a group, which asks again. */
  function look(): void {
    if (hasLooked) return;
    refresh();
    hasLooked = true;
    setImmediate(() => (hasLooked = false));
  }

  function find(channelId: Hex): Entry | undefined {
    // In a group nobody else can write.
    if (!isInGroup) look();
    const found = known.get(keyOf(channelId));
    if (found) return found;
    const columns = sql.channel.get(encodeHex(channelId)) as ChannelColumns | undefined;
    if (!columns) return undefined;
    const entry = toEntry(columns);
    known.set(keyOf(channelId), entry);
    return entry;
  }

  function requireEntry(channelId: Hex): Entry {
    const entry = find(channelId);
    if (!entry) throw new Error("this channel was never put");
    return entry;
  }

  return {
    ...charges,

    begin() {
      refresh();
      isInGroup = true;
    },
    flush() {
      for (const entry of changed) {
        sql.changeChannel.run(...toValues(entry), entry.id);
      }
      changed.clear();
    },
    end(isCommitted) {
      isInGroup = false;
      changed.clear();
      if (!isCommitted) known.clear();
      for (const [channelId] of known) {
        if (known.size <= remembered) break;
        known.delete(channelId);
      }
    },

    channel: (channelId) => find(channelId)?.row,
    putChannel(row) {
      const entry = find(row.channelId);
      if (entry) {
        entry.row = row;
        changed.add(entry);
        return;
      }
      const read = { payments: noPayments, text: null };
      const added = { id: 0, row, read, answerCount: 0, answerBytes: 0, holds: undefined };
      const values = [encodeHex(row.channelId), JSON.stringify(row.terms), ...toValues(added)];
      added.id = Number(sql.addChannel.run(...values).lastInsertRowid);
      known.set(keyOf(row.channelId), added);
    },
    *channels({ unsettled, after }) {
      const from = after === undefined ? { id: 0 } : find(after);
      if (!from) return;
      for (let last = from.id; ;) {
        const rows = (unsettled ? sql.unsettled : sql.channels).all(last) as ChannelColumns[];
        for (const columns of rows) {
          const { id, row } = toEntry(columns);
          last = id;
          yield row;
        }
        if (rows.length < page) return;
      }
    },

    dropped(channelId, ref) {
      const found = sql.dropped.get(requireEntry(channelId).id, encodeHex(ref));
      return found && (parseAmounts(String(found["content"])) as DroppedPayment);
    },
    putDropped(channelId, payment) {
      sql.putDropped.run(requireEntry(channelId).id, encodeHex(payment.ref), stringify(payment));
    },

    purchase({ channelId, cumulativeAmount }) {
      const entry = find(channelId);
      const held = entry?.holds?.get(cumulativeAmount);
      if (held) return held;
      const columns = entry && sql.purchase.get(entry.id, encodeAmount(cumulativeAmount));
      return columns && toPurchase(columns as PurchaseColumns);
    },
    purchaseByKey(channelId, idempotencyKey) {
      const columns = sql.purchaseByKey.get(requireEntry(channelId).id, idempotencyKey);
      return columns && toPurchase(columns as PurchaseColumns);
    },
    putPurchase(channelId, purchase) {
      const entry = requireEntry(channelId);
      note(entry, purchase);
      sql.putPurchase.run(
        entry.id,
        encodeAmount(purchase.cumulativeAmount),
        encodeHex(purchase.requestHash),
        purchase.idempotencyKey ?? null,
        encodeAmount(purchase.amount),
        statuses.indexOf(purchase.status),
        encodeAmount(purchase.captured),
        encodeAmount(purchase.spentAfter),
        purchase.heldAt,
        purchase.capturedAt ?? null,
        purchase.ref === undefined ? null : encodeHex(purchase.ref),
        instances.own,
      );
    },
    isOwn({ channelId, cumulativeAmount }) {
      const { id, holds } = requireEntry(channelId);
      if (holds?.has(cumulativeAmount)) return true;
      return sql.isOwn.get(id, encodeAmount(cumulativeAmount), instances.own) !== undefined;
    },
    *purchases(channelId, { after } = {}) {
      const entry = find(channelId);
      if (!entry) return;
      for (let last = after === undefined ? new Uint8Array(0) : encodeAmount(after); ;) {
        const rows = sql.purchases.all(entry.id, last) as PurchaseColumns[];
        for (const columns of rows) {
          last = columns.statement;
          yield toPurchase(columns);
        }
        if (rows.length < page) return;
      }
    },
    firstCaptureAbove(channelId, settled) {
      const found = sql.firstCaptureAbove.get(requireEntry(channelId).id, encodeAmount(settled));
      return found && Number(found["capturedAt"]);
    },

    answer({ channelId, cumulativeAmount }) {
      const found = sql.answer.get(requireEntry(channelId).id, encodeAmount(cumulativeAmount));
      if (!found) return undefined;
      const { status, headers, body } = found as { status: number; headers: string; body: Uint8Array };
      return { status, headers: JSON.parse(headers) as [string, string][], body };
    },
    putAnswer({ channelId, cumulativeAmount }, { status, headers, body }) {
      const entry = requireEntry(channelId);
      sql.putAnswer.run(entry.id, encodeAmount(cumulativeAmount), status, JSON.stringify(headers), body);
      entry.answerCount += 1;
      entry.answerBytes += body.length;
      changed.add(entry);
      if (entry.answerCount <= keep + spare && entry.answerBytes <= keepBytes) return;
      while (entry.answerCount > keep || entry.answerBytes > keepBytes) {
        const { id, size } = sql.oldestAnswer.get(entry.id) as { id: number; size: number };
        sql.dropAnswer.run(id);
        entry.answerCount -= 1;
        entry.answerBytes -= size;
      }
    },

    leave: () => instances.leave(),
    takeAbandoned: () =>
      instances.takeEnded().flatMap((ended) => {
        sql.dropLeasesOf.run(ended);
        releaseHeldBy(ended);
        const rows = sql.heldBy.all(ended) as { channelId: Uint8Array; statement: Uint8Array }[];
        return rows.map(({ channelId, statement }): StatementRef => ({
          channelId: decodeHex(channelId),
          cumulativeAmount: decodeAmount(statement),
        }));
      }),
    finalizedBefore: (time) => sql.finalizedBefore.all(time).map((row) => decodeHex(row["channelId"] as Uint8Array)),
    forgetPurchases(channelId) {
      const entry = requireEntry(channelId);
      entry.holds = undefined;
      sql.dropAnswers.run(entry.id);
      sql.forgetDropped.run(entry.id);
      entry.answerCount = 0;
      entry.answerBytes = 0;
      changed.add(entry);
      return Number(sql.forgetPurchases.run(entry.id).changes) < forgottenAtOnce;
    },

    transactions: (account) =>
      sql.transactions.all(account.toLowerCase()).map(({ content }) => parseTransaction(String(content))),
    putTransaction(saved) {
      sql.putTransaction.run(saved.account.toLowerCase(), saved.nonce, stringify(saved));
    },
    dropTransaction: (account, nonce) => void sql.dropTransaction.run(account.toLowerCase(), nonce),

    lease(name) {
      const found = sql.lease.get(name);
      return found && { holder: String(found["holder"]), expiresAt: Number(found["expiresAt"]) };
    },
    putLease(name, lease) {
      if (lease) sql.putLease.run(name, lease.holder, lease.expiresAt, instances.own);
      else sql.dropLease.run(name);
    },

    close: () => database.close(),
  };
}

/** One entry for each channel, however its id is written: two would undo what the other knows. */
function keyOf(channelId: Hex): Hex {
  return channelId.toLowerCase() as Hex;
}

function note(entry: Entry, purchase: Purchase): void {
  const { cumulativeAmount, status } = purchase;
  if (status === "held") {
    entry.holds ??= new Map();
    entry.holds.set(cumulativeAmount, purchase);
  } else if (entry.holds?.delete(cumulativeAmount) && entry.holds.size === 0) {
    entry.holds = undefined;
  }
}

function toValues({ row, read, answerCount, answerBytes }: Entry) {
  return [
    encodeAmount(row.blockNumber),
    encodeAmount(row.deposit),
    encodeAmount(row.settled),
    row.closeRequestedAt,
    Number(row.finalized),
    encodeAmount(row.accepted),
    encodeHex(row.signature),
    encodeAmount(row.spent),
    encodeAmount(row.held),
    Number(row.closing),
    Number(row.retired),
    row.firstUnsettledAt ?? null,
    row.finalizedAt ?? null,
    answerCount,
    answerBytes,
    formatPayments(row, read),
    row.lost === 0n ? null : encodeAmount(row.lost),
  ];
}

/** An empty list is a conditional statement too. */
function formatPayments({ isConditional, payments }: ChannelRecord, read: Entry["read"]): string | null {
  if (!isConditional) return null;
  return payments === read.payments && read.text !== null ? read.text : stringify(payments);
}

const amountFields = new Set(["amount", "due", "work", "claimGas", "statement"]);

function parseAmounts(content: string): unknown {
  return JSON.parse(content, (key, value: unknown) => (amountFields.has(key) ? BigInt(value as string) : value));
}

function toEntry(columns: ChannelColumns): Entry {
  const { id, answerCount, answerBytes, channelId, terms, blockNumber, closeRequestedAt } = columns;
  const text: string | null = columns.payments;
  const payments = text === null ? noPayments : (parseAmounts(text) as LedgerPayment[]);
  const row: ChannelRecord = {
    channelId: decodeHex(channelId),
    terms: JSON.parse(terms) as ChannelRecord["terms"],
    blockNumber: decodeAmount(blockNumber),
    deposit: decodeAmount(columns.deposit),
    settled: decodeAmount(columns.settled),
    closeRequestedAt,
    finalized: columns.finalized === 1,
    accepted: decodeAmount(columns.accepted),
    signature: decodeHex(columns.signature),
    isConditional: text !== null,
    payments,
    lost: columns.lost === null ? 0n : decodeAmount(columns.lost),
    spent: decodeAmount(columns.spent),
    held: decodeAmount(columns.held),
    closing: columns.closing === 1,
    retired: columns.retired === 1,
    firstUnsettledAt: columns.firstUnsettledAt ?? undefined,
    finalizedAt: columns.finalizedAt ?? undefined,
  };
  return { id, row, read: { payments, text }, answerCount, answerBytes, holds: undefined };
}

function toPurchase(columns: PurchaseColumns): Purchase {
  return {
    cumulativeAmount: decodeAmount(columns.statement),
    requestHash: decodeHex(columns.requestHash),
    idempotencyKey: columns.idempotencyKey ?? undefined,
    amount: decodeAmount(columns.amount),
    status: statuses[columns.status] as Purchase["status"],
    captured: decodeAmount(columns.captured),
    spentAfter: decodeAmount(columns.spentAfter),
    heldAt: columns.heldAt,
    capturedAt: columns.capturedAt ?? undefined,
    ref: columns.ref === null ? undefined : decodeHex(columns.ref),
  };
}

const weiFields = new Set(["gas", "maxFeePerGas", "maxPriorityFeePerGas"]);

function parseTransaction(content: string): SavedTransaction {
  const revived = JSON.parse(content, (key, value: unknown) =>
    weiFields.has(key) ? BigInt(value as string) : value,
  ) as SavedTransaction;
  return { ...revived, gas: revived.gas };
}
