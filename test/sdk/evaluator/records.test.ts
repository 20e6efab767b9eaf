import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";

import {
  createMemoryRecord,
  createSqliteRecord,
  type RecordedFailure,
  type RecordedVerdict,
  type VerdictRecord,
} from "../../../sdk/src/evaluator/index.ts";
import { createSqliteLedger } from "../../../sdk/src/ledger/index.ts";
import { MAX_UINT128 } from "../../../sdk/src/protocol/index.ts";
import { rejection } from "../client/helpers.ts";
import {
  condition,
  evaluatorWith,
  expectSigned,
  full,
  isGood,
  none,
  owner,
  paymentOf,
  scripted,
  spec,
  useFolder,
} from "./helpers.ts";

const paymentId = paymentOf("a payment");
const entry = (amount: bigint, id = paymentId): Omit<RecordedVerdict, "signature"> => ({
  verdict: {
    paymentId: id,
    specHash: paymentOf("spec"),
    deliverableHash: paymentOf("work"),
    amount,
    issuedAt: 2n ** 40n,
  },
  askedAmount: MAX_UINT128,
  report: {
    spec: { check: "分" },
    askedAmount: "1",
    score: "1/1",
    startedAt: 1,
    endedAt: 2,
    saw: ["\ud83d", 1.5, null],
  },
});
const failure = (at: number): RecordedFailure => ({
  paymentId,
  specHash: paymentOf("spec"),
  deliverableHash: paymentOf("work"),
  at,
  reason: `failed at ${at}`,
});
const signatureOf = (byte: string) => `0x${byte.repeat(65)}` as const;

for (const kind of ["memory", "SQLite"])
  describe(`a record in ${kind}`, () => {
    const folder = useFolder();
    let record: VerdictRecord;
    beforeEach(async () => {
      record =
        kind === "memory" ? createMemoryRecord() : await createSqliteRecord({ path: join(folder(), "v.db"), owner });
    });
    afterEach(() => record.close());

    it("keeps the first verdict on a payment, field by field, and every payment's own", async () => {
      const first = { ...entry(MAX_UINT128), signature: undefined };
      expect(await record.find(paymentId)).to.equal(undefined);
      expect(await record.add(entry(MAX_UINT128))).to.deep.equal(first);
      expect(await record.add(entry(7n))).to.deep.equal(first);
      expect(await record.find(paymentId)).to.deep.equal(first);
      const other = entry(0n, paymentOf("another"));
      expect(await record.add(other)).to.deep.equal({ ...other, signature: undefined });
    });

    it("keeps the first signature", async () => {
      await record.add(entry(7n));
      expect(await record.addSignature(paymentId, signatureOf("1b"))).to.equal(signatureOf("1b"));
      expect(await record.addSignature(paymentId, signatureOf("1c"))).to.equal(signatureOf("1b"));
      expect((await record.find(paymentId))?.signature).to.equal(signatureOf("1b"));
      await rejection(record.addSignature(paymentOf("another"), signatureOf("1b")));
    });

    it("keeps the last ten failures of a payment", async () => {
      for (let at = 1; at <= 12; at++) await record.addFailure(failure(at));
      const other = { ...failure(1), paymentId: paymentOf("another") };
      await record.addFailure(other);
      expect(await record.failures(paymentId)).to.deep.equal(Array.from({ length: 10 }, (_, i) => failure(i + 3)));
      expect(await record.failures(other.paymentId)).to.deep.equal([other]);
    });
  });

describe("a record in a file", () => {
  const folder = useFolder();
  const path = () => join(folder(), "verdicts.db");

  it("outlives its process, and is the owner's alone", async () => {
    const record = await createSqliteRecord({ path: path(), owner });
    const signed = await evaluatorWith({ record }).evaluate({ paymentId, amount: 5n, spec, deliverable: "good" });
    await record.close();
    expect(statSync(path()).mode & 0o777).to.equal(0o600);
    expect(await rejection(record.find(paymentId))).to.include({ code: "record-unavailable" });

    const again = await createSqliteRecord({
      path: path(),
      owner: { ...owner, condition: condition.toLowerCase() as never },
    });
    const check = scripted(() => ({ score: none, report: null }));
    const evaluator = evaluatorWith({ record: again, checks: [check] });
    expect(await evaluator.evaluate({ paymentId, amount: 5n, spec, deliverable: "good" })).to.deep.equal(signed);
    expect(check.runs).to.equal(0);
    await again.close();
  });

  it("commits through to the disk", async () => {
    // SIGKILL cannot tell FULL from OFF, since the operating system keeps what was written: so the pragmas are asked for.
    const { exec } = DatabaseSync.prototype;
    const opened: DatabaseSync[] = [];
    DatabaseSync.prototype.exec = function (this: DatabaseSync, ...args) {
      opened.push(this);
      return exec.apply(this, args);
    };
    try {
      const record = await createSqliteRecord({ path: path(), owner });
      const ask = (name: string) => Object.values(opened[0]?.prepare(`PRAGMA ${name}`).get() ?? {})[0];
      expect(["journal_mode", "synchronous", "fullfsync", "checkpoint_fullfsync"].map(ask)).to.deep.equal([
        "wal",
        2,
        1,
        1,
      ]);
      await record.close();
    } finally {
      DatabaseSync.prototype.exec = exec;
    }
  });

  it("is refused for another evaluator, condition or chain", async () => {
    await (await createSqliteRecord({ path: path(), owner })).close();
    for (const [other, what] of [
      [{ evaluator: condition }, "evaluator"],
      [{ condition: owner.evaluator }, "condition"],
      [{ chainId: 1 }, "chainId"],
    ] as const) {
      const error = await rejection(createSqliteRecord({ path: path(), owner: { ...owner, ...other } }));
      expect(error).to.include({ code: "foreign-record" });
      expect(error.message).to.include(`another ${what}`);
    }
    await (await createSqliteRecord({ path: path(), owner })).close();
  });

  it("is refused when it is something else, newer, or cannot be there", async () => {
    writeFileSync(path(), "a text, which is no database, and long enough to be seen as none ".repeat(20));
    const text = await rejection(createSqliteRecord({ path: path(), owner }));
    expect(text).to.include({ code: "record-unavailable" });
    expect(text.message).to.include("no record of verdicts");

    const ledgerPath = join(folder(), "ledger.db");
    const parties = { chainId: 31337, contract: condition, token: condition, payee: condition } as const;
    await (await createSqliteLedger({ path: ledgerPath, owner: parties })).close();
    const ledger = await rejection(createSqliteRecord({ path: ledgerPath, owner }));
    expect(ledger).to.include({ code: "record-unavailable" });
    expect(ledger.message).to.include("another part");

    const nowhere = await rejection(createSqliteRecord({ path: join(folder(), "none/v.db"), owner }));
    expect(nowhere).to.include({ code: "record-unavailable" });
  });

  it("decides between two evaluators of one key that have it open", async () => {
    const [first, second] = [
      await createSqliteRecord({ path: path(), owner }),
      await createSqliteRecord({ path: path(), owner }),
    ];
    let both: () => void = () => undefined;
    const started = new Promise<void>((resolve) => (both = resolve));
    let running = 0;
    const check = (score: typeof full) =>
      scripted(async () => {
        if (++running === 2) both();
        await started;
        return { score, report: null };
      });
    const request = { paymentId, amount: 5n, spec, deliverable: "work" };
    const [one, other] = await Promise.all([
      evaluatorWith({ record: first, checks: [check(full)] }).evaluate(request),
      evaluatorWith({ record: second, checks: [check(none)] }).evaluate(request),
    ]);
    expect(running).to.equal(2);
    expect(one).to.deep.equal(other);
    await expectSigned(one);
    const different = evaluatorWith({ record: second, checks: [scripted(isGood)] });
    expect(await rejection(different.evaluate({ ...request, amount: 6n }))).to.include({ code: "verdict-final" });
    await first.close();
    await second.close();
  });
});
