import { closeSync, openSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";

import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

import { isSubfenError } from "../errors.ts";
import { decodeAmount, decodeHex, encodeAmount, encodeHex } from "../ledger/sqlite/columns.ts";
import { describeFailure } from "../ledger/sqlite/describeFailure.ts";
import { loadSqlite, type NoSqliteError } from "../ledger/sqlite/loadSqlite.ts";
import { migrate } from "../ledger/sqlite/migrations.ts";
import { createTurns } from "../turns.ts";
import {
  assertOwner,
  type ForeignRecordError,
  keptFailures,
  type RecordedVerdict,
  type RecordOwner,
  RecordUnavailableError,
  type Report,
  type VerdictRecord,
} from "./record.ts";

/** How a file comes to be what is expected below. A published migration never changes. */
const migrations: Record<string, Migration> = {
  "0001-verdicts": {
    async up(db: Kysely<unknown>) {
      for (const statement of [
        sql`create table owner (field text primary key, content text not null) strict, without rowid`,
        sql`create table verdicts (paymentId blob primary key, specHash blob not null, deliverableHash blob not null,
          amount blob not null, issuedAt integer not null, askedAmount blob not null, report text not null,
          signature blob) strict, without rowid`,
        sql`create table failures (id integer primary key, paymentId blob not null, specHash blob not null,
          deliverableHash blob not null, at integer not null, reason text not null) strict`,
        sql`create index failures_payment on failures (paymentId, id)`,
      ])
        await statement.execute(db);
    },
  },
};

type Columns = Record<"paymentId" | "specHash" | "deliverableHash" | "amount" | "askedAmount", Uint8Array> & {
  issuedAt: number;
  report: string;
  signature: Uint8Array | null;
};

/** One opening at a time in a process: while SQLite waits for another's lock, nobody else here could let go of it. */
const inTurn = createTurns();

/**
 * Opens a record in a SQLite file, and makes the file (rights 0600) if there is none. What is written is on the disk
 * when the promise resolves. Several processes may share the file, if it is on a disk of their machine: a payment has
 * one row, so one of them decides.
 *
 * @param parameters - See each.
 * @returns The record.
 * @throws {NoSqliteError} when the runtime has no `node:sqlite`.
 * @throws {ForeignRecordError} when the file belongs to another evaluator, condition or chain.
 * @throws {RecordUnavailableError} when the file cannot be opened or written, or a newer version wrote it.
 * @example
 * import { createSqliteRecord } from "subfen/evaluator";
 *
 * const owner = { evaluator: account.address, condition, chainId: 31337 };
 * const record = await createSqliteRecord({ path: "verdicts.db", owner });
 */
export async function createSqliteRecord(
  parameters: createSqliteRecord.Parameters,
): Promise<createSqliteRecord.ReturnType> {
  const { path, owner, busyTimeout = 5_000 } = parameters;
  const sqlite = await loadSqlite();
  return inTurn(async () => {
    let database: DatabaseSync | undefined;
    try {
      // SQLite gives its other files the rights of this one.
      closeSync(openSync(path, "a", 0o600));
      database = new sqlite.DatabaseSync(path);
      // `FULL` makes a commit durable in this mode; the last two make it so on macOS.
      database.exec(`PRAGMA busy_timeout = ${busyTimeout}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; BEGIN IMMEDIATE`);
      await migrate(database, migrations);
      bind(database, owner);
      database.exec("COMMIT");
      return toRecord(database, owner);
    } catch (cause) {
      database?.close();
      throw isSubfenError(cause, "foreign-record") ? cause : unavailable(cause);
    }
  });
}

export declare namespace createSqliteRecord {
  type Parameters = {
    /** The file. Beside it stand SQLite's `-wal` and `-shm`. */
    path: string;
    /** Whose record it is: compared with what the file says. */
    owner: RecordOwner;
    /** Milliseconds to wait while another process writes; 5,000 by default. */
    busyTimeout?: number | undefined;
  };
  type ReturnType = VerdictRecord;
  type ErrorType = NoSqliteError | ForeignRecordError | RecordUnavailableError;
}

function bind(database: DatabaseSync, owner: RecordOwner): void {
  const rows = database.prepare("SELECT field, content FROM owner").all();
  if (rows.length > 0) {
    const found = Object.fromEntries(rows.map(({ field, content }) => [field, content]));
    return assertOwner(found as Record<keyof RecordOwner, unknown>, owner);
  }
  const add = database.prepare("INSERT INTO owner (field, content) VALUES (?, ?)");
  for (const [field, content] of Object.entries(owner)) add.run(field, String(content).toLowerCase());
}

function toRecord(database: DatabaseSync, owner: RecordOwner): VerdictRecord {
  const statements = {
    find: database.prepare("SELECT * FROM verdicts WHERE paymentId = ?"),
    add: database.prepare(
      `INSERT INTO verdicts (paymentId, specHash, deliverableHash, amount, issuedAt, askedAmount, report)
       VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (paymentId) DO NOTHING`,
    ),
    sign: database.prepare("UPDATE verdicts SET signature = ? WHERE paymentId = ? AND signature IS NULL"),
    fail: database.prepare(
      "INSERT INTO failures (paymentId, specHash, deliverableHash, at, reason) VALUES (?, ?, ?, ?, ?)",
    ),
    forget: database.prepare(
      `DELETE FROM failures WHERE paymentId = ?1 AND id <= (SELECT id FROM failures WHERE paymentId = ?1
       ORDER BY id DESC LIMIT 1 OFFSET ${keptFailures})`,
    ),
    failures: database.prepare("SELECT * FROM failures WHERE paymentId = ? ORDER BY id"),
  };
  let isOpen = true;

  /** Each statement that writes is a transaction of its own, committed when it returns. */
  async function run<result>(step: () => result): Promise<result> {
    if (!isOpen) throw new RecordUnavailableError("it is closed");
    try {
      return step();
    } catch (cause) {
      throw unavailable(cause);
    }
  }
  const find = (paymentId: `0x${string}`) => {
    const columns = statements.find.get(encodeHex(paymentId)) as Columns | undefined;
    return columns && toVerdict(columns);
  };
  const requireOne = (paymentId: `0x${string}`) => {
    const found = find(paymentId);
    if (!found) throw new Error("this verdict was never added");
    return found;
  };

  return {
    owner,
    find: (paymentId) => run(() => find(paymentId)),
    add: ({ verdict, askedAmount, report }) =>
      run(() => {
        statements.add.run(
          encodeHex(verdict.paymentId),
          encodeHex(verdict.specHash),
          encodeHex(verdict.deliverableHash),
          encodeAmount(verdict.amount),
          verdict.issuedAt,
          encodeAmount(askedAmount),
          JSON.stringify(report),
        );
        return requireOne(verdict.paymentId);
      }),
    addSignature: (paymentId, signature) =>
      run(() => {
        statements.sign.run(encodeHex(signature), encodeHex(paymentId));
        return requireOne(paymentId).signature ?? signature;
      }),
    addFailure: ({ paymentId, specHash, deliverableHash, at, reason }) =>
      run(() => {
        statements.fail.run(encodeHex(paymentId), encodeHex(specHash), encodeHex(deliverableHash), at, reason);
        statements.forget.run(encodeHex(paymentId));
      }),
    failures: (paymentId) =>
      run(() =>
        statements.failures.all(encodeHex(paymentId)).map((row) => ({
          paymentId: decodeHex(row["paymentId"] as Uint8Array),
          specHash: decodeHex(row["specHash"] as Uint8Array),
          deliverableHash: decodeHex(row["deliverableHash"] as Uint8Array),
          at: Number(row["at"]),
          reason: String(row["reason"]),
        })),
      ),
    async close() {
      if (isOpen) database.close();
      isOpen = false;
    },
  };
}

function toVerdict(columns: Columns): RecordedVerdict {
  return {
    verdict: {
      paymentId: decodeHex(columns.paymentId),
      specHash: decodeHex(columns.specHash),
      deliverableHash: decodeHex(columns.deliverableHash),
      amount: decodeAmount(columns.amount),
      issuedAt: BigInt(columns.issuedAt),
    },
    askedAmount: decodeAmount(columns.askedAmount),
    report: JSON.parse(columns.report) as Report,
    signature: columns.signature === null ? undefined : decodeHex(columns.signature),
  };
}

function unavailable(cause: unknown): RecordUnavailableError {
  const isTooNew = isSubfenError(cause, "ledger-too-new");
  const reason = isTooNew
    ? "a newer version or another part of this package has written it"
    : describeFailure(cause, "record of verdicts");
  return new RecordUnavailableError(reason, cause);
}
