import { readFileSync, statSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";
import type { Hex } from "viem";

import { type ChargeRef, createSqliteLedger, type Ledger } from "../../../sdk/src/ledger/index.ts";
import { migrate, migrations } from "../../../sdk/src/ledger/sqlite/migrations.ts";
import { answer, channelId, open, owner, request, terms } from "./bench.ts";
import { addChannel, useFiles } from "./files.ts";

async function failure(promise: Promise<unknown>): Promise<{ code?: string; message: string }> {
  return promise.then(
    () => expect.fail("resolved, where a rejection was expected"),
    (error: unknown) => error as { code?: string; message: string },
  );
}

/** How many transactions a log holds: in each the last frame tells the size of the file after it. */
function commitsIn(path: string): number {
  const log = readFileSync(`${path}-wal`);
  const frame = 24 + log.readUInt32BE(8);
  const salt = log.readBigUInt64BE(16);
  let commits = 0;
  for (let at = 32; at + frame <= log.length && log.readBigUInt64BE(at + 8) === salt; at += frame) {
    if (log.readUInt32BE(at + 4) !== 0) commits++;
  }
  return commits;
}

describe("the file of the SQLite ledger", () => {
  const files = useFiles();
  let path: string;
  let ledger: Ledger;
  beforeEach(async () => {
    path = files.path();
    ledger = await files.open(path, { busyTimeout: 20 });
    await addChannel(ledger);
  });
  const channel = async (of = ledger) => (await of.getChannel(channelId))!;
  /** What another process sees. */
  function peek<value>(look: (file: DatabaseSync) => value): value {
    const file = new DatabaseSync(path);
    try {
      return look(file);
    } finally {
      file.close();
    }
  }
  const countPurchases = () => peek((file) => file.prepare("SELECT count(*) AS n FROM purchases").get()?.["n"]);

  it("F058: gives the charges of an ended process back, and owes those whose money has moved", async () => {
    const other = await files.open(path, {});
    const payer = terms.payer;
    const [unpaid, paid, earned] = (["01", "02", "03"] as const).map((byte): ChargeRef => {
      return { payer, nonce: `0x${byte.repeat(32)}` };
    }) as [ChargeRef, ChargeRef, ChargeRef];
    for (const ref of [unpaid, paid, earned]) {
      await ledger.holdCharge({ ...ref, authorization: "{}", blockNumber: 1n, txHash: undefined });
    }
    await ledger.settleCharge({ ...paid, txHash: `0x${"77".repeat(32)}` });
    await ledger.earnCharge({ ...earned, answer });
    // Not while it lives, and not by another.
    await other.maintain();
    expect((await failure(other.releaseCharge(unpaid))).code).to.equal("unknown-hold");
    expect((await other.getCharge(unpaid))?.status).to.equal("held");
    await ledger.close();
    await other.maintain();
    expect(await other.getCharge(unpaid)).to.equal(undefined);
    expect((await other.getCharge(paid))?.status).to.equal("released");
    expect(await other.getCharge(earned)).to.deep.include({ status: "earned", answer });
    ledger = other;
  });

  it("is a log that is written through to the disk at each commit, by its own connection's word", async () => {
    const seen: DatabaseSync[] = [];
    const { exec } = DatabaseSync.prototype;
    DatabaseSync.prototype.exec = function (sql) {
      if (sql === "COMMIT") seen.push(this);
      return exec.call(this, sql);
    };
    try {
      await ledger.hold(request(10n));
    } finally {
      DatabaseSync.prototype.exec = exec;
    }
    expect(seen).to.have.lengthOf(1);
    const pragma = (name: string) => Object.values(seen[0]!.prepare(`PRAGMA ${name}`).get() ?? {})[0];
    const names = ["journal_mode", "synchronous", "fullfsync", "checkpoint_fullfsync", "busy_timeout"];
    expect(names.map(pragma)).to.deep.equal(["wal", 2, 1, 1, 20]);
    expect(pragma("wal_autocheckpoint")).to.equal(8192);
  });

  it("is for its owner alone", function () {
    if (process.platform === "win32") this.skip();
    for (const name of [path, `${path}-wal`]) expect(statSync(name).mode & 0o777).to.equal(0o600);
  });

  it("keeps amounts as BLOBs of 16 bytes that compare as they do", async () => {
    await ledger.hold(request(10n));
    const types = peek((file) =>
      file.prepare("SELECT typeof(amount) AS type, length(amount) AS size, hex(amount) AS hex FROM purchases").get(),
    );
    expect({ ...types }).to.deep.equal({ type: "blob", size: 16, hex: "0000000000000000000000000000000A" });
  });

  it("answers what was asked in one turn after one commit", async () => {
    const before = commitsIn(path);
    let answered = 0;
    const steps = Array.from({ length: 64 }, (_, i) =>
      ledger.hold(request(BigInt(i + 1), { amount: 1n })).then(() => answered++),
    );
    // Whatever promises alone can do is done here; the commit is still to come.
    for (let i = 0; i < 100; i++) await Promise.resolve();
    expect(answered).to.equal(0);
    expect(countPurchases()).to.equal(0);
    const seen = await Promise.all(steps.map((step) => step.then(countPurchases)));
    expect(new Set(seen), "durable before the first answer").to.deep.equal(new Set([64]));
    expect(commitsIn(path) - before).to.equal(1);
    await ledger.hold(request(100n));
    await ledger.hold(request(200n));
    expect(commitsIn(path) - before).to.equal(3);
  });

  it("does the other steps of a turn when one throws", async () => {
    await ledger.hold(request(10n));
    const capture = (cumulativeAmount: bigint) =>
      ledger.capture({ channelId, cumulativeAmount, amount: 4n, answer: undefined });
    const results = await Promise.allSettled([
      ledger.hold(request(20n)),
      capture(999n),
      capture(10n),
      capture(10n),
      ledger.hold(request(30n)),
    ]);
    const statuses = ["fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"];
    expect(results.map(({ status }) => status)).to.deep.equal(statuses);
    expect(await channel()).to.include({ spent: 4n, held: 20n });
    const other = await files.open(path);
    expect(await channel(other)).to.deep.equal(await channel());
  });

  it("acknowledges nothing of a turn that could not be written, and goes on when it can", async () => {
    await ledger.hold(request(10n));
    const before = await channel();
    const blocker = new DatabaseSync(path);
    blocker.exec("BEGIN IMMEDIATE");
    const steps = [
      ledger.hold(request(20n)),
      ledger.capture({ channelId, cumulativeAmount: 10n, amount: 4n, answer }),
      ledger.updateChain(channelId, { ...before, blockNumber: 200n, deposit: 1n }),
    ];
    for (const error of await Promise.all(steps.map(failure))) {
      expect(error.code).to.equal("ledger-unavailable");
      expect(error.message).to.include("another process is writing");
    }
    expect(await channel()).to.deep.equal(before);
    blocker.exec("ROLLBACK");
    blocker.close();
    expect((await ledger.hold(request(20n))).kind).to.equal("held");
    await ledger.capture({ channelId, cumulativeAmount: 10n, amount: 4n, answer });
    expect(await channel()).to.include({ spent: 4n, held: 10n });
  });

  it("undoes the whole turn when the database fails in the middle of it", async () => {
    const before = await channel();
    peek((file) =>
      file.exec(`CREATE TRIGGER fail BEFORE INSERT ON purchases WHEN new.amount = x'0000000000000000000000000000000B'
        BEGIN SELECT raise(ABORT, 'no'); END`),
    );
    const steps = [ledger.hold(request(20n)), ledger.hold(request(30n, { amount: 11n })), ledger.hold(request(40n))];
    for (const error of await Promise.all(steps.map(failure))) expect(error.code).to.equal("ledger-unavailable");
    expect(await channel()).to.deep.equal(before);
    expect(countPurchases()).to.equal(0);
    expect((await ledger.hold(request(20n))).kind).to.equal("held");
  });

  it("F094: sees at once what another has done to it", async () => {
    const other = await files.open(path);
    await other.hold(request(600n, { amount: 600n }));
    const result = await ledger.hold(request(700n, { amount: 500n }));
    expect(result).to.include({ kind: "refused", reason: "insufficient-balance" });
    expect(await channel()).to.include({ held: 600n });
  });

  it("is of one mind about a channel, however its id is written", async () => {
    const upper: Hex = `0x${channelId.slice(2).toUpperCase()}`;
    expect((await ledger.getChannel(upper))?.channelId).to.equal(channelId);
    await ledger.hold(request(10n));
    await ledger.capture({ channelId, cumulativeAmount: 10n, amount: 10n, answer: undefined });
    expect(await ledger.updateChain(upper, { ...open, blockNumber: 101n })).to.include({ spent: 10n });
    expect(await channel()).to.include({ spent: 10n, held: 0n });
  });

  describe("its log", () => {
    const large = { ...answer, body: new Uint8Array(50_000).fill(7) };
    async function buy(of: Ledger, statement: bigint): Promise<void> {
      await of.hold(request(statement, { amount: 1n }));
      await of.capture({ channelId, cumulativeAmount: statement, amount: 1n, answer: large });
    }

    it("F099: is bounded while somebody reads for long: its owner is told, then nothing is accepted", async () => {
      const told: unknown[] = [];
      const maxLog = 400_000;
      const limited = await files.open(path, { maxLog, onError: (error) => told.push((error as Error).message) });
      const reader = new DatabaseSync(path);
      reader.exec("BEGIN");
      reader.prepare("SELECT * FROM channels").all();
      let bought = 0;
      let refused: { code?: string; message: string } | undefined;
      for (; bought < 100; bought++) {
        refused = await buy(limited, BigInt(bought + 1)).then(
          () => undefined,
          (error: unknown) => error as { code?: string; message: string },
        );
        if (refused) break;
      }
      expect(refused?.code).to.equal("ledger-unavailable");
      expect(refused?.message).to.include("log has grown");
      expect(told.length).to.be.greaterThan(0);
      expect(told[0]).to.include("log has grown");
      expect(bought).to.be.within(2, 99);
      expect(statSync(`${path}-wal`).size).to.be.lessThan(2 * maxLog);
      reader.close();
      await buy(limited, 200n);
      expect(statSync(`${path}-wal`).size).to.be.lessThan(maxLog);
    });
  });

  describe("whose it is", () => {
    for (const [field, wrong] of [
      ["chainId", 1],
      ["contract", `0x${"11".repeat(20)}`],
      ["token", `0x${"11".repeat(20)}`],
      ["payee", `0x${"11".repeat(20)}`],
    ] as const) {
      it(`F112: is refused for another ${field}`, async () => {
        const error = await failure(createSqliteLedger({ path, owner: { ...owner, [field]: wrong } }));
        expect(error.code).to.equal("foreign-ledger");
        expect(error.message).to.include(field).and.to.include(String(wrong)).and.to.include(String(owner[field]));
      });
    }

    it("does not depend on how an address is written", async () => {
      const payee = `0x${owner.payee.slice(2).toUpperCase()}` as const;
      expect(await channel(await files.open(path, { owner: { ...owner, payee } }))).to.include({ accepted: 1000n });
    });
  });

  describe("its schema", () => {
    it("is refused when a newer version wrote it, and left as it is", async () => {
      peek((file) => file.exec("INSERT INTO kysely_migration VALUES ('9999-future', '2030-01-01')"));
      const error = await failure(createSqliteLedger({ path, owner }));
      expect(error.code).to.equal("ledger-too-new");
      expect(error.message).to.include("9999-future");
      expect(await channel()).to.include({ accepted: 1000n });
    });

    it("is brought up to date, all of it or nothing, and what is in it stays", async () => {
      await ledger.close();
      const file = new DatabaseSync(path);
      const next = {
        ...migrations,
        "9998-next": {
          async up(db: Parameters<(typeof migrations)[string]["up"]>[0]) {
            await db.schema.alterTable("channels").addColumn("note", "text").execute();
          },
        },
      };
      file.exec("BEGIN IMMEDIATE");
      await migrate(file, next);
      file.exec("COMMIT");
      expect({ ...file.prepare("SELECT note, closing FROM channels").get() }).to.deep.equal({ note: null, closing: 0 });
      const failing = {
        ...next,
        "9999-fails": {
          async up(db: Parameters<(typeof migrations)[string]["up"]>[0]) {
            await db.schema.dropTable("channels").execute();
            throw new Error("no");
          },
        },
      };
      file.exec("BEGIN IMMEDIATE");
      expect((await failure(migrate(file, failing))).message).to.equal("no");
      file.exec("ROLLBACK");
      expect(file.prepare("SELECT count(*) AS n FROM channels").get()).to.include({ n: 1 });
      file.close();
    });

    it("is made once when two open a new file at once", async () => {
      const fresh = files.path();
      const [one, two] = await Promise.all([files.open(fresh), files.open(fresh)]);
      await addChannel(one);
      expect(await channel(two)).to.deep.equal(await channel(one));
    });
  });

  it("is refused where it is no ledger, or cannot be made", async () => {
    const text = files.path();
    writeFileSync(text, "this is a letter and not a ledger. ".repeat(100));
    const noLedger = await failure(createSqliteLedger({ path: text, owner }));
    expect(noLedger).to.include({ code: "ledger-unavailable" });
    expect(noLedger.message).to.include("no ledger");
    const nowhere = await failure(createSqliteLedger({ path: `${files.folder}/none/x.db`, owner }));
    expect(nowhere.code).to.equal("ledger-unavailable");
  });
});
