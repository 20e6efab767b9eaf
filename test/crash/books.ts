import { expect } from "chai";
import { createPublicClient, http } from "viem";

import { openLedgerReader } from "../../sdk/src/ledger/index.ts";
import { audit, type AuditReport } from "../../sdk/src/server/index.ts";
import { checkAccount } from "../../sdk/src/server/audit/checkAccount.ts";
import { createVoucherVerifier } from "../../sdk/src/server/voucherVerifier.ts";

/** What the buyer was told, by key, and what it has asked for. */
export type Oracle = { acknowledged: ReadonlyMap<string, bigint>; asked: ReadonlySet<string> };

/** What the ledger came to. Amounts in base units. */
export type Books = { spent: bigint; held: bigint; holds: number; accounts: number };

/**
 * Compares the ledger's file with the oracle, whoever has it open. Every acknowledged call must be there once and at its
 * price, nothing may be charged twice or for nobody, and the sums must be equal.
 *
 * @returns What it came to.
 */
export async function compareBooks(path: string, { acknowledged, asked }: Oracle): Promise<Books> {
  // Taken first: what is acknowledged while the file is read need not be in what was read.
  const told = [...acknowledged];
  const reader = await openLedgerReader(path);
  try {
    const books = { spent: 0n, held: 0n, holds: 0, accounts: 0 };
    const charged = new Map<string, bigint>();
    const verifier = await createVoucherVerifier(reader.owner);
    for (const { channelId } of reader.channels()) {
      const account = reader.account(channelId)!;
      let [spent, held] = [0n, 0n];
      for (const { status, captured, amount, idempotencyKey: key = "" } of account.purchases) {
        expect(asked, "what was bought was asked for").to.include(key);
        if (status === "held") [held, books.holds] = [held + amount, books.holds + 1];
        if (status !== "captured") continue;
        expect(charged.has(key), `${key} is charged once`).to.equal(false);
        charged.set(key, captured);
        spent += captured;
      }
      expect(account.channel, "the sums are equal").to.include({ spent, held });
      expect(checkAccount(account, reader.owner, verifier, []).differences).to.deep.equal([]);
      books.spent += spent;
      books.held += held;
      books.accounts += 1;
    }
    for (const [key, cost] of told) expect(charged.get(key), `${key} was acknowledged`).to.equal(cost);
    return books;
  } finally {
    reader.close();
  }
}

/** Audits the ledger's file against the chain. */
export async function auditBooks(path: string, rpc: string): Promise<AuditReport> {
  const ledger = await openLedgerReader(path);
  try {
    return await audit({ client: createPublicClient({ transport: http(rpc), pollingInterval: 20 }), ledger });
  } finally {
    ledger.close();
  }
}
