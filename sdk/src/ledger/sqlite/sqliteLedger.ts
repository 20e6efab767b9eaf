import { closeSync, openSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";

import { isSubfenError, SubfenError } from "../../errors.ts";
import { createReport } from "../../report.ts";
import { assembleLedger, defaultRetention, LedgerUnavailableError } from "../assembleLedger.ts";
import type { Ledger, LedgerOwner } from "../ledger.ts";
import { describeFailure } from "./describeFailure.ts";
import { createGroupCommit } from "./groupCommit.ts";
import { registerInstance } from "./instances.ts";
import { loadSqlite } from "./loadSqlite.ts";
import { createSqliteStore } from "./sqliteStore.ts";

/** The ledger belongs to another seller, token, contract or chain. */
export class ForeignLedgerError extends SubfenError {
  override readonly name = "ForeignLedgerError";

  constructor(field: string, found: string, wanted: string) {
    super(`The ledger is of another ${field}.`, {
      code: "foreign-ledger",
      metaMessages: [
        `Found: ${found}`,
        `Wanted: ${wanted}`,
        "Use one file for each seller, token, contract and chain.",
      ],
    });
  }
}

/**
 * Opens a ledger in a file, and makes the file if there is none. What is promised is on the disk: each group of steps
 * is committed before it is answered. Several processes may share the file, if it is on a disk of their machine.
 *
 * @param parameters - See each.
 * @returns The ledger. What ended processes held was given back.
 * @throws {NoSqliteError} when the runtime has no `node:sqlite`.
 * @throws {ForeignLedgerError} when the file belongs to another seller, token, contract or chain.
 * @throws {LedgerVersionError} when the file was written by a newer version.
 * @throws {LedgerUnavailableError} when the file cannot be opened or written.
 * @example
 * const owner = { chainId: 31337, contract, token, payee };
 * const ledger = await createSqliteLedger({ path: "subfen-ledger.db", owner });
 */
export function createSqliteLedger(parameters: createSqliteLedger.Parameters): Promise<Ledger> {
  const ledger = lastOpening.then(() => open(parameters));
  lastOpening = ledger.catch(() => undefined);
  return ledger;
}

/** One at a time in a process: while SQLite waits for another's lock, nobody else here could let go of it. */
let lastOpening: Promise<unknown> = Promise.resolve();

async function open(parameters: createSqliteLedger.Parameters): Promise<Ledger> {
  const { path, owner, keep = 1024, keepBytes = 8 * 2 ** 20, retention = defaultRetention } = parameters;
  const { busyTimeout = 5_000, maxLog = 256 * 2 ** 20, maintainEvery = 60_000, now = Date.now } = parameters;
  const sqlite = await loadSqlite();
  const { migrate } = await import("./migrations.ts");
  const report = createReport(parameters.onError);

  let database: DatabaseSync | undefined;
  try {
    // SQLite gives its other files the rights of this one.
    closeSync(openSync(path, "a", 0o600));
    database = new sqlite.DatabaseSync(path);
    configure(database, { busyTimeout, maxLog });
    database.exec("BEGIN IMMEDIATE");
    await migrate(database);
    bind(database, owner);
    const instances = registerInstance(sqlite, database, path);
    database.exec("COMMIT");

    const store = createSqliteStore(database, instances, { keep, keepBytes });
    const run = createGroupCommit(database, store, { path, maxLog, busyTimeout, report });
    const ledger = assembleLedger({ store, run, now, retention, owner });
    await ledger.maintain();
    const timer = setInterval(() => void ledger.maintain().catch(report), maintainEvery);
    timer.unref();
    return {
      ...ledger,
      close() {
        clearInterval(timer);
        return ledger.close();
      },
    };
  } catch (cause) {
    database?.close();
    throw isSubfenError(cause) ? cause : new LedgerUnavailableError(describeFailure(cause), cause);
  }
}

/**
 * `FULL` alone makes a commit durable in this mode; the last two make it so on macOS, whose fsync does not. A page that
 * many commits write is copied out of the log once, so the log is let grow: at 4 kB a page to an eighth of what it may.
 */
function configure(database: DatabaseSync, { busyTimeout, maxLog }: { busyTimeout: number; maxLog: number }): void {
  database.exec(`
    PRAGMA busy_timeout = ${busyTimeout};
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = ${maxLog / 4};
    PRAGMA wal_autocheckpoint = ${Math.max(1, Math.floor(maxLog / 8 / 4096))};
    PRAGMA cache_size = -32768;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
  `);
}

/** Writes whose the ledger is into a new file, and compares it in an old one. */
function bind(database: DatabaseSync, owner: LedgerOwner): void {
  const find = database.prepare("SELECT content FROM owner WHERE field = ?");
  const add = database.prepare("INSERT INTO owner (field, content) VALUES (?, ?)");
  for (const field of ["chainId", "contract", "token", "payee"] as const) {
    const wanted = String(owner[field]).toLowerCase();
    const found = find.get(field)?.["content"];
    if (found === undefined) add.run(field, wanted);
    else if (found !== wanted) throw new ForeignLedgerError(field, String(found), wanted);
  }
}

export declare namespace createSqliteLedger {
  type Parameters = {
    /** The file. Beside it stand SQLite's `-wal` and `-shm`, and a lock for each process that has it open. */
    path: string;
    /** Whose ledger it is: compared with what the file says. */
    owner: LedgerOwner;
    /** How many answers a channel are kept for repeated requests, at times an eighth more; 1,024 by default. */
    keep?: number | undefined;
    /** How many bytes of answers a channel are kept; 8 MiB by default. */
    keepBytes?: number | undefined;
    /** Milliseconds that what a finalized channel has bought is kept; 30 days by default. */
    retention?: number | undefined;
    /** Milliseconds to wait while another process writes; 5,000 by default. */
    busyTimeout?: number | undefined;
    /** Bytes of SQLite's log beyond which nothing is accepted; 256 MiB by default. From half of it on, `onError` is told. */
    maxLog?: number | undefined;
    /** Milliseconds between two runs of {@link Ledger.maintain}; 60,000 by default. */
    maintainEvery?: number | undefined;
    /** Told what goes wrong without making a step fail. */
    onError?: ((error: unknown) => void) | undefined;
    /** The clock, in milliseconds; `Date.now` by default. */
    now?: (() => number) | undefined;
  };
}
