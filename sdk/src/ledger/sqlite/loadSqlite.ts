import { SubfenError } from "../../errors.ts";

/** This runtime has no SQLite. */
export class NoSqliteError extends SubfenError {
  override readonly name = "NoSqliteError";

  constructor(cause: unknown) {
    super("This runtime has no node:sqlite, in which a seller's ledger is kept.", {
      code: "no-sqlite",
      metaMessages: ["Use Node 22.13 or newer, or pass another ledger."],
      cause,
    });
  }
}

/**
 * Loads `node:sqlite`: only for who keeps a ledger in a file.
 *
 * @throws {NoSqliteError} when the runtime has none.
 */
export async function loadSqlite(): Promise<typeof import("node:sqlite")> {
  return import("node:sqlite").catch((cause: unknown) => {
    throw new NoSqliteError(cause);
  });
}
