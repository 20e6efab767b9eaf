import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";

import { isSubfenError, SubfenError } from "../../errors.ts";
import { LedgerUnavailableError } from "../assembleLedger.ts";
import { describeFailure } from "./describeFailure.ts";
import type { SqliteStore } from "./sqliteStore.ts";

/** The ledger's log cannot be emptied: somebody reads the file for very long, such as a backup or an export. */
export class LogTooLongError extends SubfenError {
  override readonly name = "LogTooLongError";

  constructor(bytes: number, maxLog: number) {
    super(`The ledger's log has grown to ${bytes} bytes.`, {
      code: "ledger-log-too-long",
      metaMessages: [
        `At ${maxLog} bytes nothing more is accepted.`,
        "End the reader that keeps it from being emptied.",
      ],
    });
  }
}

/**
 * Makes the function that runs steps. All that are asked for in one turn of the event loop are one transaction, and
 * each promise is settled after its commit. A step that throws an error of this package has written nothing and spoils
 * no other; anything else that fails undoes the whole group.
 *
 * @param database - The file.
 * @param store - What the steps write to.
 * @param options.path - The file's path.
 * @param options.maxLog - Bytes of the log beyond which nothing is written. From half of it on, `report` is told.
 * @param options.busyTimeout - Milliseconds to wait for other processes.
 * @param options.report - Told that the log grows.
 * @returns The function.
 */
export function createGroupCommit(
  database: DatabaseSync,
  store: SqliteStore,
  options: { path: string; maxLog: number; busyTimeout: number; report: (error: unknown) => void },
): <result>(step: () => result) => Promise<result> {
  type Outcome = { readonly result: unknown } | { readonly error: unknown };
  type Queued = { step: () => unknown; resolve: (result: never) => void; reject: (error: unknown) => void };
  const { path, maxLog, busyTimeout, report } = options;
  let queue: Queued[] = [];
  let isLogLong = false;

  function attempt({ step }: Queued): Outcome {
    try {
      return { result: step() };
    } catch (error) {
      if (isSubfenError(error)) return { error };
      throw error;
    }
  }

  const logSize = () => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;

  /** SQLite empties the log by itself, unless a reader needs what is in it. */
  function checkLog(): void {
    if (logSize() <= maxLog / 2) return;
    database.exec("PRAGMA busy_timeout = 0");
    database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
    database.exec(`PRAGMA busy_timeout = ${busyTimeout}`);
    const size = logSize();
    const wasLong = isLogLong;
    isLogLong = size > maxLog / 2;
    if (isLogLong && !wasLong) report(new LogTooLongError(size, maxLog));
    if (size > maxLog) throw new LogTooLongError(size, maxLog);
  }

  function commit(group: readonly Queued[]): Outcome[] {
    checkLog();
    database.exec("BEGIN IMMEDIATE");
    let isCommitted = false;
    try {
      store.begin();
      const outcomes = group.map(attempt);
      store.flush();
      database.exec("COMMIT");
      isCommitted = true;
      return outcomes;
    } catch (error) {
      try {
        database.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself.
      }
      throw error;
    } finally {
      store.end(isCommitted);
    }
  }

  function runGroup(): void {
    const group = queue;
    queue = [];
    try {
      const outcomes = commit(group);
      for (const [i, { resolve, reject }] of group.entries()) {
        const outcome = outcomes[i] as Outcome;
        if ("error" in outcome) reject(outcome.error);
        else resolve(outcome.result as never);
      }
    } catch (cause) {
      const error = new LedgerUnavailableError(describeFailure(cause), cause);
      for (const { reject } of group) reject(error);
    }
  }

  return (step) =>
    new Promise((resolve, reject) => {
      if (queue.length === 0) setImmediate(runGroup);
      queue.push({ step, resolve, reject });
    });
}
