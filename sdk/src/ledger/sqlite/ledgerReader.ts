import type { DatabaseSync } from "node:sqlite";
import type { Address, Hex } from "viem";

import { SubfenError } from "../../errors.ts";
import type { ChannelRecord, LedgerOwner, Purchase } from "../ledger.ts";
import { describeFailure } from "./describeFailure.ts";
import { LedgerVersionError } from "./ledgerVersionError.ts";
import { loadSqlite } from "./loadSqlite.ts";
import { createSqliteStore } from "./sqliteStore.ts";

/** A ledger's file could not be read. */
export class UnreadableLedgerError extends SubfenError {
  override readonly name = "UnreadableLedgerError";

  constructor(reason: string, cause?: unknown) {
    super(`The ledger could not be read: ${reason}.`, {
      code: "unreadable-ledger",
      metaMessages: [
        "Name the file of a gateway of this version. Its -wal and -shm belong to it, and its folder must be writable.",
      ],
      cause,
    });
  }
}

/** A ledger's file, open for reading alone: nothing in it changes, whoever else has it open. */
export type LedgerReader = {
  /** Whose ledger it is, by its own word. */
  readonly owner: LedgerOwner;
  /** The channels in the order they were added. No lock is held between two of them. */
  channels(): Iterable<ChannelRecord>;
  /** A channel, or `undefined` where the ledger does not know it. */
  channel(channelId: Hex): ChannelRecord | undefined;
  /** A channel and what its statements have bought, as they were at one moment, by rising cumulative amount. */
  account(channelId: Hex): { channel: ChannelRecord; purchases: Purchase[] } | undefined;
  close(): void;
};

/** Nobody holds anything through a reader. */
const noInstances = { own: 0, leave: () => undefined, takeEnded: () => [] };

/**
 * Opens a ledger's file for reading, while a gateway uses it or not. It is neither migrated nor bound nor locked.
 *
 * @param path - The file.
 * @returns The reader; `close` it.
 * @throws {NoSqliteError} when the runtime has no `node:sqlite`.
 * @throws {LedgerVersionError} when a newer version has written the file.
 * @throws {UnreadableLedgerError} when the file is no ledger, one of an older version, or cannot be opened.
 */
export async function openLedgerReader(path: string): Promise<LedgerReader> {
  const sqlite = await loadSqlite();
  const { migrations } = await import("./migrations.ts");
  let database: DatabaseSync | undefined;
  try {
    database = new sqlite.DatabaseSync(path, { readOnly: true });
    database.exec("PRAGMA busy_timeout = 5000");
    requireMigrations(database, Object.keys(migrations));
    return createReader(database, readOwner(database));
  } catch (cause) {
    database?.close();
    if (cause instanceof SubfenError) throw cause;
    throw new UnreadableLedgerError(describeFailure(cause), cause);
  }
}

function createReader(database: DatabaseSync, owner: LedgerOwner): LedgerReader {
  const store = createSqliteStore(database, noInstances, { keep: 0, keepBytes: 0 });
  return {
    owner,
    channels: () => store.channels({ unsettled: false }),
    channel: (channelId) => store.channel(channelId),
    account(channelId) {
      // One transaction is one moment. It ends before anything is awaited: a long reader keeps the log from being emptied.
      database.exec("BEGIN");
      store.begin();
      try {
        const channel = store.channel(channelId);
        return channel && { channel, purchases: [...store.purchases(channelId)] };
      } finally {
        store.end(true);
        database.exec("COMMIT");
      }
    },
    close: () => store.close(),
  };
}

function requireMigrations(database: DatabaseSync, known: readonly string[]): void {
  const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
  if (!tables.some(({ name }) => name === "kysely_migration")) throw new UnreadableLedgerError("its file is no ledger");
  const done = database.prepare("SELECT name FROM kysely_migration").all();
  const names = done.map(({ name }) => String(name));
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new LedgerVersionError(unknown);
  if (names.length < known.length) {
    throw new UnreadableLedgerError("an older version has written it, and no gateway of this one has opened it yet");
  }
}

function readOwner(database: DatabaseSync): LedgerOwner {
  const find = database.prepare("SELECT content FROM owner WHERE field = ?");
  const read = (field: keyof LedgerOwner): string => {
    const content = find.get(field)?.["content"];
    if (content === undefined) throw new UnreadableLedgerError(`it does not say its ${field}`);
    return String(content);
  };
  return {
    chainId: Number(read("chainId")),
    contract: read("contract") as Address,
    token: read("token") as Address,
    payee: read("payee") as Address,
  };
}
