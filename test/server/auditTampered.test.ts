import { expect } from "chai";

import { signVoucher } from "../../sdk/src/index.ts";
import { blob, hex, useBooks } from "./auditBench.ts";
import type { Channel } from "./stall.ts";

describe("audit of tampered books", () => {
  const books = useBooks();
  const { ownerIn, copy, auditFile, shortly, is, of } = books;

  /** Changes by SQL, and what is named for them. */
  const tampered: [name: string, sql: () => string | Promise<string>, named: string[]][] = [
    [
      "other terms",
      () => `UPDATE channels SET terms = json_set(terms, '$.payee', '0x${"11".repeat(20)}') WHERE ${is(books.idle)}`,
      ["channel-id idle: ID, SAME", `foreign-terms idle: PAYEE, 0x${"11".repeat(20)}`],
    ],
    [
      "a signature of something else",
      () =>
        `UPDATE channels SET signature = (SELECT signature FROM channels WHERE ${is(books.closed)}) WHERE ${is(books.busy)}`,
      ["signature busy 7200: a signature of PAYER, another one"],
    ],
    [
      "a statement that was never accepted",
      () => `UPDATE purchases SET statement = ${blob(7201n)} WHERE ${of(books.busy, 6000n)}`,
      ["statement-above-accepted busy 7201: at most 7200, 7201"],
    ],
    [
      "a hold below its charge",
      () => `UPDATE purchases SET amount = ${blob(1199n)} WHERE ${of(books.busy, 2400n)}`,
      ["charge-above-hold busy 2400: at most 1199, 1200"],
    ],
    [
      "a charge for what failed",
      () => `UPDATE purchases SET captured = ${blob(5n)} WHERE ${of(books.busy, 7200n)}`,
      ["charge-without-work busy 7200: 0, 5"],
    ],
    [
      "a key that was charged twice",
      () => `UPDATE purchases SET idempotencyKey = 'key 2' WHERE ${of(books.busy, 4800n)}`,
      ["charged-twice busy 4800: only the statement over 2400, also the one over 4800"],
    ],
    [
      "a smaller charge",
      () => `UPDATE purchases SET captured = ${blob(1199n)} WHERE ${of(books.busy, 2400n)}`,
      ["charge-order busy 2400: 1200, 1201"],
    ],
    [
      "a charge that is gone",
      () => `DELETE FROM purchases WHERE ${of(books.busy, 2400n)}`,
      ["charge-order busy 3600: 1200, 2400"],
    ],
    [
      "a charge that is there twice",
      () => `INSERT INTO purchases SELECT channel, ${blob(2401n)}, requestHash, 'other', amount, status, captured,
        spentAfter, heldAt, capturedAt, instance, ref FROM purchases WHERE ${of(books.busy, 2400n)}`,
      ["charge-order busy 2401: 2400, 1200"],
    ],
    [
      "a first charge that is gone",
      () => `DELETE FROM purchases WHERE ${of(books.busy, 1200n)}`,
      ["first-charge busy 2400: 0, 1200"],
    ],
    [
      "a last charge that is gone",
      () => `DELETE FROM purchases WHERE ${of(books.busy, 6000n)}`,
      ["spent busy: 4800, 6000"],
    ],
    [
      "a smaller total",
      () => `UPDATE channels SET spent = ${blob(5999n)} WHERE ${is(books.busy)}`,
      ["spent busy: 6000, 5999"],
    ],
    ["a hold of nobody", () => `UPDATE channels SET held = ${blob(1n)} WHERE ${is(books.idle)}`, ["held idle: 0, 1"]],
    [
      "a hold that is not booked",
      () => `UPDATE purchases SET status = 0 WHERE ${of(books.busy, 7200n)}`,
      ["held busy: 1200, 0"],
    ],
    [
      "less that was accepted",
      async () => `UPDATE purchases SET statement = ${blob(5999n)} WHERE ${of(books.busy, 6000n)};
        DELETE FROM purchases WHERE ${of(books.busy, 7200n)};
        UPDATE channels SET accepted = ${blob(5999n)}, signature = ${await signed(books.busy, 5999n)} WHERE ${is(books.busy)}`,
      ["overdrawn busy: at most 5999, 6000"],
    ],
    [
      "a deposit that the chain has not",
      () => `UPDATE channels SET deposit = ${blob(1_000_001n)} WHERE ${is(books.idle)}`,
      ["deposit-above-chain idle: 1000001, 1000000"],
    ],
    [
      "more sold than was deposited",
      async () => `INSERT INTO purchases SELECT (SELECT id FROM channels WHERE ${is(books.idle)}), ${blob(1_000_001n)}, requestHash,
          'other', ${blob(1_000_001n)}, 1, ${blob(1_000_001n)}, ${blob(1_000_001n)}, heldAt, capturedAt, instance, ref
          FROM purchases WHERE ${of(books.busy, 2400n)};
        UPDATE channels SET spent = ${blob(1_000_001n)}, accepted = ${blob(1_000_001n)},
          signature = ${await signed(books.idle, 1_000_001n)} WHERE ${is(books.idle)}`,
      ["deposit-too-small idle: at least 1000001, 1000000"],
    ],
    [
      "an older copy",
      () => `DELETE FROM purchases WHERE ${of(books.busy)} AND statement > ${blob(2400n)};
        UPDATE channels SET spent = ${blob(2400n)}, settled = ${blob(0n)} WHERE ${is(books.busy)}`,
      ["settled-above-spent busy: at most 2400, 3600"],
    ],
    [
      "more that is settled",
      () => `UPDATE channels SET settled = ${blob(3601n)} WHERE ${is(books.busy)}`,
      ["settlement-missing busy: 3601, 3600"],
    ],
    [
      "a closing that was not",
      () => `UPDATE channels SET finalized = 1 WHERE ${is(books.idle)}`,
      ["closing-missing idle: closed, open"],
    ],
    [
      "earnings without a proof",
      () => `UPDATE channels SET retired = 1, spent = ${blob(5n)} WHERE ${is(books.idle)}`,
      ["unproven-earnings idle: at most 0, 5"],
    ],
    [
      "charges of a retired channel that overlap",
      () => `UPDATE channels SET retired = 1 WHERE ${is(books.busy)};
        UPDATE purchases SET captured = ${blob(1201n)}, amount = ${blob(1201n)} WHERE ${of(books.busy, 2400n)}`,
      ["charge-order busy 2400: at least 1200, 1199"],
    ],
    [
      "a retired channel's total below its charges",
      () => `UPDATE channels SET retired = 1, spent = ${blob(5999n)} WHERE ${is(books.busy)}`,
      ["spent busy: at least 6000, 5999"],
    ],
    [
      "a channel that is gone with what it earned",
      () => `DELETE FROM purchases WHERE ${of(books.busy)}; DELETE FROM channels WHERE ${is(books.busy)}`,
      ["unknown-channel busy: 0, 3600"],
    ],
  ];
  async function signed(channel: Channel, cumulativeAmount: bigint): Promise<string> {
    const { contract, chainId } = ownerIn(books.world);
    const { channelId } = channel;
    return hex(await signVoucher({ account: books.world.payer, contract, chainId, channelId, cumulativeAmount }));
  }

  describe("with", () => {
    for (const [name, sql, named] of tampered) {
      it(`${name}, names that and nothing else`, async () => {
        const report = await auditFile(copy(await sql(), books.clean));
        const { payee } = ownerIn(books.world);
        const lines = shortly(report).map((line) =>
          line
            .replace(payee.toLowerCase(), "PAYEE")
            .replace(books.world.payer.address, "PAYER")
            .replace(books.world.payer.address.toLowerCase(), "PAYER")
            .replace(/0x[0-9a-f]{64}, 0x[0-9a-f]{64}/, "ID, SAME"),
        );
        expect(lines).to.deep.equal(named);
        for (const { meaning } of report.differences) expect(meaning).to.match(/^[A-Z].*\.$/);
      });
    }
  });
});
