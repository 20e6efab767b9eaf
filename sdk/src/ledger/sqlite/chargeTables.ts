import type { DatabaseSync } from "node:sqlite";

import type { Charge, ChargeRef, ChargeStore } from "../charge.ts";
import { decodeAmount, decodeHex, encodeAmount, encodeHex } from "./columns.ts";

const statuses = ["held", "released", "earned", "settled"] as const;
const columns = "payer, nonce, authorization, blockNumber, status, txHash, heldAt";
/** Charges forgotten in one step. */
const forgottenAtOnce = 500;

/** What SQLite returns is what was put: `never` lets each column be read as the type that its row gives it. */
type Columns = Record<"payer" | "nonce" | "authorization" | "blockNumber" | "status" | "txHash" | "heldAt", never>;

/**
 * Keeps charges in an open file whose schema is up to date.
 *
 * @param database - The file.
 * @param instance - The number of this instance.
 */
export function createChargeTables(
  database: DatabaseSync,
  instance: number,
): ChargeStore & { releaseHeldBy(ended: number): void } {
  const at = "WHERE payer = ? AND nonce = ?";
  const old = `SELECT payer, nonce FROM charges INDEXED BY charges_settled
    WHERE status = 3 AND heldAt < ? ORDER BY heldAt LIMIT ${forgottenAtOnce}`;
  const sql = {
    get: database.prepare(`SELECT ${columns} FROM charges ${at}`),
    put: database.prepare(
      `INSERT OR REPLACE INTO charges (${columns}, instance) VALUES (?, ?, ?, ?, ?, ?, ?, ${instance})`,
    ),
    drop: database.prepare(`DELETE FROM charges ${at}`),
    isOwn: database.prepare(`SELECT 1 FROM charges ${at} AND status = 0 AND instance = ${instance}`),
    earned: database.prepare(
      `SELECT ${columns} FROM charges INDEXED BY charges_earned WHERE status = 2 ORDER BY heldAt`,
    ),
    owe: database.prepare(`UPDATE charges SET status = 1 WHERE status = 0 AND instance = ? AND txHash IS NOT NULL`),
    dropHeld: database.prepare("DELETE FROM charges WHERE status = 0 AND instance = ?"),
    answer: database.prepare(`SELECT status, headers, body FROM chargeAnswers ${at}`),
    putAnswer: database.prepare(
      "INSERT OR REPLACE INTO chargeAnswers (payer, nonce, status, headers, body) VALUES (?, ?, ?, ?, ?)",
    ),
    dropAnswer: database.prepare(`DELETE FROM chargeAnswers ${at}`),
    old: database.prepare(old),
  };

  function drop(payer: Uint8Array, nonce: Uint8Array): void {
    sql.drop.run(payer, nonce);
    sql.dropAnswer.run(payer, nonce);
  }

  return {
    charge(ref) {
      const found = sql.get.get(...keyOf(ref));
      return found && toCharge(found as Columns);
    },
    putCharge(charge) {
      const { authorization, blockNumber, status, txHash, heldAt } = charge;
      const hash = txHash === undefined ? null : encodeHex(txHash);
      sql.put.run(...keyOf(charge), authorization, encodeAmount(blockNumber), statuses.indexOf(status), hash, heldAt);
    },
    dropCharge: (ref) => drop(...keyOf(ref)),
    isOwnCharge: (ref) => sql.isOwn.get(...keyOf(ref)) !== undefined,
    earnedCharges: () => sql.earned.all().map((found) => toCharge(found as Columns)),

    chargeAnswer(ref) {
      const found = sql.answer.get(...keyOf(ref));
      if (!found) return undefined;
      const { status, headers, body } = found as { status: number; headers: string; body: Uint8Array };
      return { status, headers: JSON.parse(headers) as [string, string][], body };
    },
    putChargeAnswer(ref, { status, headers, body }) {
      sql.putAnswer.run(...keyOf(ref), status, JSON.stringify(headers), body);
    },
    forgetCharges(before) {
      const rows = sql.old.all(before) as Pick<Columns, "payer" | "nonce">[];
      for (const { payer, nonce } of rows) drop(payer, nonce);
      return rows.length < forgottenAtOnce;
    },

    releaseHeldBy(ended) {
      sql.owe.run(ended);
      sql.dropHeld.run(ended);
    },
  };
}

function keyOf({ payer, nonce }: ChargeRef): [Uint8Array, Uint8Array] {
  return [encodeHex(payer), encodeHex(nonce)];
}

function toCharge({ payer, nonce, authorization, blockNumber, status, txHash, heldAt }: Columns): Charge {
  return {
    payer: decodeHex(payer),
    nonce: decodeHex(nonce),
    authorization,
    blockNumber: decodeAmount(blockNumber),
    status: statuses[status] as Charge["status"],
    txHash: txHash === null ? undefined : decodeHex(txHash),
    heldAt,
  };
}
