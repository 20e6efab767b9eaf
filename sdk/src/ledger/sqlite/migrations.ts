import type { DatabaseSync, SQLInputValue } from "node:sqlite";

import { Kysely, sql, SqliteDialect } from "kysely";
import { type Migration, Migrator } from "kysely/migration";

import { LedgerVersionError } from "./ledgerVersionError.ts";

/**
 * The schema's one home: how a file comes to be what the store expects. A published migration never changes; the next
 * one is added below it. Amounts and blocks are BLOBs of 16 bytes, big-endian, so that they compare as numbers do;
 * times are Unix time in milliseconds unless the chain gave them.
 */
export const migrations: Record<string, Migration> = {
  "0001-ledger": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("owner")
        .addColumn("field", "text", (column) => column.primaryKey())
        .addColumn("content", "text", (column) => column.notNull())
        .modifyEnd(sql`strict, without rowid`)
        .execute();
      await db.schema
        .createTable("instances")
        // An ended instance's id must not become another's while its holds are still its own.
        .addColumn("id", "integer", (column) => column.primaryKey().autoIncrement())
        .addColumn("lock", "text", (column) => column.notNull())
        .modifyEnd(sql`strict`)
        .execute();
      await db.schema
        .createTable("channels")
        .addColumn("id", "integer", (column) => column.primaryKey())
        .addColumn("channelId", "blob", (column) => column.notNull().unique())
        .addColumn("terms", "text", (column) => column.notNull())
        .addColumn("blockNumber", "blob", (column) => column.notNull())
        .addColumn("deposit", "blob", (column) => column.notNull())
        .addColumn("settled", "blob", (column) => column.notNull())
        .addColumn("closeRequestedAt", "integer", (column) => column.notNull())
        .addColumn("finalized", "integer", (column) => column.notNull())
        .addColumn("accepted", "blob", (column) => column.notNull())
        .addColumn("signature", "blob", (column) => column.notNull())
        .addColumn("spent", "blob", (column) => column.notNull())
        .addColumn("held", "blob", (column) => column.notNull())
        .addColumn("closing", "integer", (column) => column.notNull())
        .addColumn("retired", "integer", (column) => column.notNull())
        .addColumn("firstUnsettledAt", "integer")
        .addColumn("finalizedAt", "integer")
        .addColumn("answerCount", "integer", (column) => column.notNull())
        .addColumn("answerBytes", "integer", (column) => column.notNull())
        .modifyEnd(sql`strict`)
        .execute();
      await sql`create index channels_unsettled on channels (id)
        where firstUnsettledAt is not null and finalized = 0`.execute(db);
      await sql`create index channels_finalized on channels (finalizedAt) where finalizedAt is not null`.execute(db);
      await db.schema
        .createTable("purchases")
        .addColumn("channel", "integer", (column) => column.notNull())
        .addColumn("statement", "blob", (column) => column.notNull())
        .addColumn("requestHash", "blob", (column) => column.notNull())
        .addColumn("idempotencyKey", "text")
        .addColumn("amount", "blob", (column) => column.notNull())
        .addColumn("status", "integer", (column) => column.notNull())
        .addColumn("captured", "blob", (column) => column.notNull())
        .addColumn("spentAfter", "blob", (column) => column.notNull())
        .addColumn("heldAt", "integer", (column) => column.notNull())
        .addColumn("capturedAt", "integer")
        .addColumn("instance", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("purchases_key", ["channel", "statement"])
        .modifyEnd(sql`strict, without rowid`)
        .execute();
      await sql`create index purchases_idempotency on purchases (channel, idempotencyKey)
        where idempotencyKey is not null`.execute(db);
      await sql`create index purchases_held on purchases (instance) where status = 0`.execute(db);
      await sql`create index purchases_captured on purchases (channel, spentAfter) where status = 1`.execute(db);
      await db.schema
        .createTable("answers")
        .addColumn("channel", "integer", (column) => column.notNull())
        .addColumn("statement", "blob", (column) => column.notNull())
        .addColumn("status", "integer", (column) => column.notNull())
        .addColumn("headers", "text", (column) => column.notNull())
        .addColumn("body", "blob", (column) => column.notNull())
        .addPrimaryKeyConstraint("answers_key", ["channel", "statement"])
        .modifyEnd(sql`strict`)
        .execute();
      await db.schema
        .createTable("transactions")
        .addColumn("account", "text", (column) => column.notNull())
        .addColumn("nonce", "integer", (column) => column.notNull())
        .addColumn("content", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("transactions_key", ["account", "nonce"])
        .modifyEnd(sql`strict, without rowid`)
        .execute();
      await db.schema
        .createTable("leases")
        .addColumn("name", "text", (column) => column.primaryKey())
        .addColumn("holder", "text", (column) => column.notNull())
        .addColumn("expiresAt", "integer", (column) => column.notNull())
        .addColumn("instance", "integer", (column) => column.notNull())
        .modifyEnd(sql`strict, without rowid`)
        .execute();
    },
  },

  "0002-conditional": {
    async up(db: Kysely<unknown>) {
      // What stands is read and written with its channel, and absent for most; what was dropped is many and asked for by ref.
      await db.schema.alterTable("channels").addColumn("payments", "text").execute();
      await db.schema.alterTable("channels").addColumn("lost", "blob").execute();
      await db.schema.alterTable("purchases").addColumn("ref", "blob").execute();
      await db.schema
        .createTable("dropped")
        .addColumn("channel", "integer", (column) => column.notNull())
        .addColumn("ref", "blob", (column) => column.notNull())
        .addColumn("content", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("dropped_key", ["channel", "ref"])
        .modifyEnd(sql`strict, without rowid`)
        .execute();
    },
  },

  "0003-charges": {
    async up(db: Kysely<unknown>) {
      await db.schema
        .createTable("charges")
        .addColumn("payer", "blob", (column) => column.notNull())
        .addColumn("nonce", "blob", (column) => column.notNull())
        .addColumn("authorization", "text", (column) => column.notNull())
        .addColumn("blockNumber", "blob", (column) => column.notNull())
        .addColumn("status", "integer", (column) => column.notNull())
        .addColumn("txHash", "blob")
        .addColumn("heldAt", "integer", (column) => column.notNull())
        .addColumn("instance", "integer", (column) => column.notNull())
        .addPrimaryKeyConstraint("charges_key", ["payer", "nonce"])
        .modifyEnd(sql`strict, without rowid`)
        .execute();
      await sql`create index charges_held on charges (instance) where status = 0`.execute(db);
      await sql`create index charges_earned on charges (heldAt) where status = 2`.execute(db);
      await sql`create index charges_settled on charges (heldAt) where status = 3`.execute(db);
      await db.schema
        .createTable("chargeAnswers")
        .addColumn("payer", "blob", (column) => column.notNull())
        .addColumn("nonce", "blob", (column) => column.notNull())
        .addColumn("status", "integer", (column) => column.notNull())
        .addColumn("headers", "text", (column) => column.notNull())
        .addColumn("body", "blob", (column) => column.notNull())
        .addPrimaryKeyConstraint("chargeAnswers_key", ["payer", "nonce"])
        .modifyEnd(sql`strict`)
        .execute();
    },
  },
};

/**
 * Brings the schema up to date, all of it or nothing.
 *
 * @param database - The open file, in a transaction that locks it.
 * @param known - The migrations; those of this version by default.
 * @throws {LedgerVersionError} when the file is newer than this version.
 */
export async function migrate(database: DatabaseSync, known: Record<string, Migration> = migrations): Promise<void> {
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: toKyselyDatabase(database) }) });
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (tables.some(({ name }) => name === "kysely_migration")) {
    const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db);
    const unknown = rows.map(({ name }) => name).filter((name) => !(name in known));
    if (unknown.length > 0) throw new LedgerVersionError(unknown);
  }
  const provider = { getMigrations: async () => known };
  const { error } = await new Migrator({ db, provider, disableTransactions: true }).migrateToLatest();
  if (error) throw error;
}

/** Kysely asks of a database what node:sqlite offers under other names. */
function toKyselyDatabase(database: DatabaseSync) {
  return {
    prepare(query: string) {
      const statement = database.prepare(query);
      return {
        reader: statement.columns().length > 0,
        all: (values: readonly unknown[]) => statement.all(...(values as SQLInputValue[])),
        run: (values: readonly unknown[]) => statement.run(...(values as SQLInputValue[])),
        iterate: (values: readonly unknown[]) => statement.iterate(...(values as SQLInputValue[])),
      };
    },
    // The ledger goes on using it.
    close: () => undefined,
  };
}
