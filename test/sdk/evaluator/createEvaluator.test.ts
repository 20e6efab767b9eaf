import { expect } from "chai";
import { type Hex, hashTypedData } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import {
  CheckUnavailableError,
  createEvaluator,
  createMemoryRecord,
  hashDeliverable,
  hashSpec,
  InvalidDeliverableError,
  type Outcome,
  type Spec,
  type VerdictRecord,
} from "../../../sdk/src/evaluator/index.ts";
import { MAX_UINT128 } from "../../../sdk/src/protocol/index.ts";
import { rejection } from "../client/helpers.ts";
import { account, evaluatorWith, expectSigned, full, isGood, owner, paymentOf, scripted, spec } from "./helpers.ts";

const paymentId = paymentOf("a payment");
const good = { paymentId, amount: 1_000n, spec, deliverable: "good" };
const share = (numerator: bigint, denominator: bigint) =>
  scripted(() => ({ score: { numerator, denominator }, report: null }));

describe("an evaluator", () => {
  it("signs what its check has found, and says what that saw", async () => {
    let time = 1_800_000_000_900;
    const check = scripted((deliverable) => {
      time += 400;
      return isGood(deliverable);
    });
    const signed = await evaluatorWith({ checks: [check], now: () => time }).evaluate(good);
    expect(signed.verdict).to.deep.equal({
      paymentId,
      specHash: hashSpec(spec),
      deliverableHash: hashDeliverable("good"),
      amount: 1_000n,
      issuedAt: 1_800_000_001n,
    });
    expect(signed.report).to.deep.equal({
      spec,
      askedAmount: "1000",
      score: "1/1",
      startedAt: 1_800_000_000_900,
      endedAt: 1_800_000_001_300,
      saw: { deliverable: "good" },
    });
    await expectSigned(signed);
  });

  it("signs a verdict of nothing on what failed", async () => {
    const signed = await evaluatorWith().evaluate({ ...good, deliverable: "bad" });
    expect(signed.verdict).to.include({ amount: 0n, deliverableHash: hashDeliverable("bad") });
    await expectSigned(signed);
  });

  const shares: [bigint, bigint, bigint, Spec["payment"], bigint][] = [
    [2n, 3n, 100n, "graded", 66n],
    [2n, 3n, 100n, "all-or-nothing", 0n],
    [2n, 3n, 100n, undefined, 0n],
    [3n, 3n, 100n, undefined, 100n],
    [3n, 3n, 100n, "graded", 100n],
    [0n, 1n, 100n, "graded", 0n],
    [1n, 3n, 2n, "graded", 0n],
    [10n ** 30n - 1n, 10n ** 30n, MAX_UINT128, "graded", (MAX_UINT128 * (10n ** 30n - 1n)) / 10n ** 30n],
    [1n, 1n, 0n, undefined, 0n],
  ];
  for (const [numerator, denominator, amount, payment, due] of shares)
    it(`owes ${due} of ${amount} for ${numerator}/${denominator}, ${payment ?? "by default"}`, async () => {
      const evaluator = evaluatorWith({ checks: [share(numerator, denominator)] });
      const { verdict } = await evaluator.evaluate({ ...good, amount, spec: { check: "scripted", payment } });
      expect(verdict.amount).to.equal(due);
    });

  it("gives the same answer again, without checking again", async () => {
    let outcome = full;
    const check = scripted(() => ({ score: outcome, report: null }));
    const evaluator = evaluatorWith({ checks: [check] });
    const first = await evaluator.evaluate(good);
    outcome = { numerator: 0n, denominator: 1n };
    const deliverable = new TextEncoder().encode("good");
    const again = { ...good, deliverable, paymentId: paymentId.toUpperCase().replace("0X", "0x") as Hex };
    expect(await evaluator.evaluate(again)).to.deep.equal(first);
    expect(await evaluator.find(paymentId)).to.deep.equal({ verdict: first, failures: [] });
    expect(check.runs).to.equal(1);
  });

  const others: [string, object, string[]][] = [
    ["another deliverable", { deliverable: "bad" }, ["deliverableHash"]],
    ["another amount", { amount: 999n }, ["amount"]],
    ["another specification", { spec: { ...spec, payment: "all-or-nothing" } }, ["specHash"]],
    [
      "all of them",
      { deliverable: "", amount: 0n, spec: { check: "none" } },
      ["specHash", "deliverableHash", "amount"],
    ],
  ];
  for (const [what, other, differences] of others)
    it(`refuses ${what} for the same payment, for good`, async () => {
      const evaluator = evaluatorWith();
      const { verdict } = await evaluator.evaluate(good);
      const error = await rejection(evaluator.evaluate({ ...good, ...other }));
      expect(error).to.include({ code: "verdict-final", askedAmount: 1_000n });
      expect(error["verdict"]).to.deep.equal(verdict);
      expect(error["differences"]).to.deep.equal(differences);
    });

  it("evaluates once when it is asked for the same twice at once, and decides between two deliverables", async () => {
    let release: (outcome: Outcome) => void = () => undefined;
    const outcome = new Promise<Outcome>((resolve) => (release = resolve));
    const check = scripted(() => outcome);
    const evaluator = evaluatorWith({ checks: [check] });
    const [first, second, other] = [
      evaluator.evaluate(good),
      evaluator.evaluate(good),
      evaluator.evaluate({ ...good, deliverable: "b" }),
    ];
    const refused = rejection(other);
    const elsewhere = evaluatorWith().evaluate({ ...good, paymentId: paymentOf("another") });
    expect((await elsewhere).verdict.amount).to.equal(1_000n);
    release({ score: full, report: null });
    expect(await second).to.deep.equal(await first);
    expect(await refused).to.include({ code: "verdict-final" });
    expect(check.runs).to.equal(1);
  });

  const undone: [string, () => unknown][] = [
    ["throws", () => Promise.reject(new Error("out of paper"))],
    ["says it could not", () => Promise.reject(new CheckUnavailableError("the printer is out of paper"))],
    ["gives a score above one", () => ({ score: { numerator: 2n, denominator: 1n }, report: null })],
    ["gives a score below nothing", () => ({ score: { numerator: -1n, denominator: 1n }, report: null })],
    ["divides by nothing", () => ({ score: { numerator: 0n, denominator: 0n }, report: null })],
    ["gives a score of numbers", () => ({ score: { numerator: 1, denominator: 1 }, report: null })],
    ["gives no score", () => ({ report: null })],
    ["gives no report", () => ({ score: full })],
    ["gives a report that is too long", () => ({ score: full, report: "x".repeat(65_536) })],
    ["gives a report that is no JSON", () => ({ score: full, report: { size: 1n } })],
  ];
  for (const [what, decide] of undone)
    it(`signs nothing when its check ${what}, writes that down, and may be asked again`, async () => {
      let isMended = false;
      const told: unknown[] = [];
      const check = scripted(async (deliverable) => (isMended ? isGood(deliverable) : (decide() as Outcome)));
      const evaluator = evaluatorWith({ checks: [check], onError: (error) => told.push(error), now: () => 5_000 });
      const error = await rejection(evaluator.evaluate(good));
      expect(error).to.include({ code: "check-unavailable" });
      const { verdict, failures } = await evaluator.find(paymentId);
      expect(verdict).to.equal(undefined);
      expect(failures).to.deep.equal([
        {
          paymentId,
          specHash: hashSpec(spec),
          deliverableHash: hashDeliverable("good"),
          at: 5_000,
          reason: error["shortMessage"],
        },
      ]);
      expect(told).to.deep.equal([error]);
      isMended = true;
      await expectSigned(await evaluator.evaluate({ ...good, deliverable: "good" }));
    });

  it("signs nothing when its check takes too long", async () => {
    const check = scripted(() => new Promise<never>(() => undefined));
    const error = await rejection(evaluatorWith({ checks: [check], timeout: 20 }).evaluate(good));
    expect(error).to.include({ code: "check-unavailable" });
    expect(error.message).to.include("too long");
  });

  it("signs nothing before it is on record", async () => {
    const memory = createMemoryRecord();
    const steps: string[] = [];
    const record: VerdictRecord = {
      ...memory,
      async add(entry) {
        steps.push("recorded");
        return memory.add(entry);
      },
    };
    const signer = {
      ...account,
      async sign(parameters: { hash: Hex }) {
        steps.push("signed");
        return account.sign(parameters);
      },
    };
    const evaluator = evaluatorWith({ record, account: signer });
    await evaluator.evaluate(good);
    await evaluator.evaluate(good);
    await evaluator.find(paymentId);
    expect(steps).to.deep.equal(["recorded", "signed"]);

    const failing: VerdictRecord = { ...memory, add: () => Promise.reject(new Error("the disk is full")) };
    const another = { ...good, paymentId: paymentOf("another") };
    const error = await rejection(evaluatorWith({ record: failing, account: signer }).evaluate(another));
    expect(error.message).to.equal("the disk is full");
    expect(steps).to.have.lengthOf(2);
  });

  it("signs later what it could not sign when it decided", async () => {
    let isUp = false;
    const signer = {
      address: account.address,
      signTypedData: (data: Parameters<typeof hashTypedData>[0]) =>
        isUp ? account.sign({ hash: hashTypedData(data) }) : Promise.reject(new Error("the signer is down")),
    } as createEvaluator.Parameters["account"];
    const check = scripted(isGood);
    const evaluator = evaluatorWith({ account: signer, checks: [check] });
    expect(await rejection(evaluator.evaluate(good))).to.have.property("message", "the signer is down");
    expect(await rejection(evaluator.evaluate({ ...good, deliverable: "bad" }))).to.include({ code: "verdict-final" });
    isUp = true;
    const { verdict } = await evaluator.find(paymentId);
    await expectSigned(verdict!);
    expect(await evaluator.evaluate(good)).to.deep.equal(verdict);
    expect(check.runs).to.equal(1);
  });

  it("makes no verdict that would come too late, before or after its check", async () => {
    let time = 10_000_999;
    const check = scripted((deliverable) => {
      time += 1;
      return isGood(deliverable);
    });
    const evaluator = evaluatorWith({ checks: [check], now: () => time });
    const late = await rejection(evaluator.evaluate({ ...good, judgeBy: 9_999n }));
    expect(late).to.include({ code: "judge-by-passed" });
    expect(check.runs).to.equal(0);
    expect(await rejection(evaluator.evaluate({ ...good, judgeBy: 10_000n }))).to.include({ code: "judge-by-passed" });
    expect(check.runs).to.equal(1);
    expect((await evaluator.evaluate({ ...good, judgeBy: 10_001n })).verdict.issuedAt).to.equal(10_001n);
    // On record it may still be asked for.
    expect((await evaluator.evaluate({ ...good, judgeBy: 1n })).verdict.issuedAt).to.equal(10_001n);
  });

  const malformed: [string, object, string][] = [
    ["a payment that is none", { paymentId: "0x12" }, "invalid-field"],
    ["an amount that is no bigint", { amount: 1_000 }, "invalid-field"],
    ["an amount of 129 bits", { amount: MAX_UINT128 + 1n }, "invalid-field"],
    ["a time that is none", { judgeBy: -1n }, "invalid-field"],
    ["no specification", { spec: null }, "invalid-spec"],
    ["an unknown check", { spec: { check: "no-such" } }, "unknown-check"],
    ["half a character", { deliverable: "\udc00" }, "invalid-deliverable"],
    ["too long a deliverable", { deliverable: "x".repeat(11) }, "deliverable-too-large"],
  ];
  for (const [what, other, code] of malformed)
    it(`refuses ${what}, and signs and records nothing`, async () => {
      const evaluator = evaluatorWith({ maxDeliverable: 10 });
      expect(await rejection(evaluator.evaluate({ ...good, ...other }))).to.include({ code });
      expect(await evaluator.find(paymentId)).to.deep.equal({ verdict: undefined, failures: [] });
    });

  it("passes on what its check says about the request, and records nothing", async () => {
    const check = scripted(() => Promise.reject(new InvalidDeliverableError("it is no text")));
    const evaluator = evaluatorWith({ checks: [check] });
    expect(await rejection(evaluator.evaluate(good))).to.include({ code: "invalid-deliverable" });
    expect(await evaluator.find(paymentId)).to.deep.equal({ verdict: undefined, failures: [] });
  });

  it("checks the bytes that it has hashed, whatever becomes of the caller's", async () => {
    const deliverable = new TextEncoder().encode("good");
    const signing = evaluatorWith().evaluate({ ...good, deliverable });
    deliverable.set(new TextEncoder().encode("evil"));
    const { verdict, report } = await signing;
    expect(verdict.deliverableHash).to.equal(hashDeliverable("good"));
    expect(report.saw).to.deep.equal({ deliverable: "good" });
  });

  it("leaves what it evaluates without a verdict when it is closed, and closes its checks", async () => {
    let isClosed = false;
    const check = {
      ...scripted(() => new Promise<never>(() => undefined)),
      close: async () => void (isClosed = true),
    };
    const evaluator = evaluatorWith({ checks: [check] });
    const running = rejection(evaluator.evaluate(good));
    await new Promise((resolve) => setImmediate(resolve));
    await evaluator.close();
    expect(await running).to.include({ code: "evaluator-closed" });
    expect(isClosed).to.equal(true);
    expect(await rejection(evaluator.evaluate(good))).to.include({ code: "evaluator-closed" });
  });

  it("cannot be made with two checks of one name, a condition that is none, or another's record", async () => {
    const twice = [scripted(isGood), scripted(isGood)];
    expect(() => evaluatorWith({ checks: twice }))
      .to.throw()
      .with.property("code", "invalid-check");
    expect(() => evaluatorWith({ condition: "0x12" }))
      .to.throw()
      .with.property("code", "invalid-field");
    const evaluator = privateKeyToAccount(generatePrivateKey()).address;
    for (const [other, what] of [
      [{ evaluator }, "evaluator"],
      [{ condition: evaluator }, "condition"],
      [{ chainId: 1 }, "chainId"],
    ] as const) {
      const record = { ...createMemoryRecord(), owner: { ...owner, ...other } };
      expect(() => evaluatorWith({ record }))
        .to.throw(`another ${what}`)
        .with.property("code", "foreign-record");
    }
  });
});
