import { expect } from "chai";
import { keccak256, numberToHex, zeroHash } from "viem";

import { hashlock, type StatedPayment, ticks } from "../../../sdk/src/index.ts";
import {
  availableOn,
  type Conditional,
  type HoldRequest,
  isOfStatement,
  tickKey,
} from "../../../sdk/src/ledger/index.ts";
import { type Bench, answer, channelId, request, signatureOf } from "./bench.ts";

const contracts = { hashlock: `0x${"11".repeat(20)}`, ticks: `0x${"22".repeat(20)}` } as const;
const lock = hashlock({ condition: contracts.hashlock, sha256Hash: zeroHash });
const chain = ticks({ condition: contracts.ticks, root: zeroHash, tickAmount: 1n, tickCount: 1_000 });
const evidence = zeroHash;

export const refOf = (number: number) => numberToHex(number, { size: 32 });
function payment(number: number, amount = 100n, { address, parameters } = lock as typeof lock | typeof chain) {
  const stated: StatedPayment = {
    ref: refOf(number),
    condition: address,
    parametersHash: keccak256(parameters),
    amount,
    parameters,
  };
  return stated;
}

/** A request over a conditional statement; `by` says which payment pays. */
function conditional(
  cumulativeAmount: bigint,
  payments: readonly StatedPayment[],
  changes: Partial<HoldRequest> & { number?: number; by?: number; creditLimit?: bigint } = {},
): HoldRequest {
  const { by, creditLimit = 250n, ...rest } = changes;
  const policy: Conditional["policy"] = { contracts, creditLimit, prepaidTicks: true };
  const ref = by === undefined ? undefined : refOf(by);
  return request(cumulativeAmount, { conditional: { payments, ref, policy, chainId: 31337 }, ...rest });
}

/** Conditional statements: what stands, what is proven, what was drawn, and what it has bought. */
export function describeConditional(bench: Bench): void {
  const { start, channel, hold, capture, release, accept, refusal } = bench;
  const state = (...parameters: Parameters<typeof conditional>) => bench.ledger.accept(conditional(...parameters));
  const buy = (...parameters: Parameters<typeof conditional>) => bench.ledger.hold(conditional(...parameters));
  const prove = (number: number, due: bigint) => bench.ledger.prove({ channelId, ref: refOf(number), evidence, due });
  const story = async () => {
    const all = [];
    for await (const one of bench.ledger.holds(channelId)) all.push(one);
    return all.map(({ cumulativeAmount, status, ref, captured }) => ({ cumulativeAmount, status, ref, captured }));
  };
  const available = async () => availableOn(await channel());

  describe("a conditional statement", () => {
    beforeEach(() => start());

    it("stands with its payments, as they were stated", async () => {
      expect((await state(10n, [payment(1), payment(2, 50n)])).kind).to.equal("held");
      const { payments, ...rest } = await channel();
      expect(rest).to.include({ accepted: 10n, signature: signatureOf(10n), lost: 0n, held: 0n, spent: 0n });
      expect(payments.map(({ ref, amount, due, work, evidence: at }) => [ref, amount, due, work, at])).to.deep.equal([
        [refOf(1), 100n, 0n, 0n, "0x"],
        [refOf(2), 50n, 0n, 0n, "0x"],
      ]);
      expect(payments[0]).to.deep.include(payment(1));
    });

    it("carries and adds, and refuses a changed payment, a used ref, and one too large", async () => {
      await state(10n, [payment(1)]);
      expect((await state(11n, [payment(1), payment(2)])).kind).to.equal("held");
      const refused = async (...parameters: Parameters<typeof conditional>) => {
        const result = await state(...parameters);
        return result.kind === "refused" && result.statement;
      };
      expect(await refused(12n, [payment(1, 99n)])).to.include({ code: "payment-changed", ref: refOf(1) });
      expect(await refused(12n, [payment(3, 1001n)])).to.include({ code: "exceeds-deposit", worstCase: 1013n });
      await state(12n, [payment(2)]);
      expect(await refused(13n, [payment(1), payment(2)])).to.include({ code: "ref-used", ref: refOf(1) });
      expect(await refused(13n, [payment(4, 251n)])).to.include({ code: "credit-exceeded", creditLimit: 250n });
      expect((await channel()).payments.map(({ ref }) => ref)).to.deep.equal([refOf(2)]);
    });

    it("is acknowledged when it comes late, and what it alone had is gone for good", async () => {
      await state(20n, [payment(2)]);
      expect((await state(10n, [payment(1), payment(2)])).kind).to.equal("held");
      expect(await channel()).to.include({ accepted: 20n });
      expect(await refusal(state(21n, [payment(1), payment(2)]))).to.equal("statement-refused");
    });

    it("is not refused for growing little when it adds or leaves out", async () => {
      await state(20n, [payment(1)], { minVoucherDelta: 10n });
      expect((await state(21n, [payment(1), payment(2)], { minVoucherDelta: 10n })).kind).to.equal("held");
      expect(await refusal(state(22n, [payment(1), payment(2)], { minVoucherDelta: 10n }))).to.equal("delta-too-small");
      expect((await state(22n, [payment(2)], { minVoucherDelta: 10n })).kind).to.equal("held");
    });

    it("buys from what is accepted like any other, and once", async () => {
      expect((await buy(10n, [payment(1)])).kind).to.equal("held");
      expect(await refusal(buy(11n, [payment(1)]))).to.equal("insufficient-balance");
      expect(await refusal(buy(10n, [payment(1)], { number: 99 }))).to.equal("statement-used");
      await capture(10n);
      expect(await channel()).to.include({ spent: 10n, held: 0n });
      expect((await channel()).payments).to.have.lengthOf(1);
    });
  });

  it("may be without payments, and is a conditional one all the same: it is signed otherwise", async () => {
    await start();
    await state(10n, []);
    expect(await channel()).to.deep.include({ accepted: 10n, isConditional: true, payments: [] });
    await accept(11n);
    expect(await channel()).to.deep.include({ accepted: 11n, isConditional: false, payments: [] });
  });

  describe("a plain voucher on a channel with payments", () => {
    beforeEach(async () => {
      await start();
      await state(10n, [payment(1), payment(2)]);
      await prove(1, 60n);
    });

    it("has to have what is due on them, and drops them for good", async () => {
      const low = await accept(69n);
      expect(low).to.deep.include({ kind: "refused", reason: "statement-refused" });
      expect(low).to.have.nested.property("statement.required", 70n);
      expect(await channel()).to.include({ accepted: 10n });
      expect((await accept(70n)).kind).to.equal("held");
      expect(await channel()).to.deep.include({ accepted: 70n, signature: signatureOf(70n), payments: [] });
      expect(await prove(1, 100n)).to.deep.include({ kind: "refused" });
      expect(await prove(1, 100n)).to.have.nested.property("reason.due", 60n);
      expect(await refusal(state(71n, [payment(1)]))).to.equal("statement-refused");
    });

    it("buys, when it has what is due", async () => {
      expect(await refusal(hold(69n))).to.equal("statement-refused");
      expect((await hold(70n, { amount: 70n })).kind).to.equal("held");
      expect(await refusal(hold(71n, { amount: 2n }))).to.equal("insufficient-balance");
    });

    it("closes by the same rule", async () => {
      expect(await refusal(bench.ledger.beginClose(request(69n)))).to.equal("statement-refused");
      expect(await channel()).to.include({ closing: false });
      expect((await bench.ledger.beginClose(request(70n))).kind).to.equal("held");
      expect(await channel()).to.deep.include({ closing: true, accepted: 70n, payments: [] });
    });
  });

  describe("work for a payment", () => {
    beforeEach(() => start());

    it("is held on credit, delivered, and charged at what is due once that is proven", async () => {
      expect((await buy(1n, [payment(1)], { by: 1, amount: 80n })).kind).to.equal("held");
      expect(await channel()).to.include({ held: 0n, spent: 0n });
      expect(await prove(1, 60n)).to.have.nested.property("reason.code", "request-in-progress");
      const { hold: delivered } = await capture(1n, 80n);
      expect(delivered).to.include({ status: "delivered", captured: 0n, ref: refOf(1) });
      expect(await buy(1n, [payment(1)], { by: 1, amount: 80n })).to.deep.include({ kind: "repeated" });
      expect(await prove(1, 60n)).to.include({ kind: "proven", due: 60n });
      expect(await channel()).to.include({ spent: 60n, held: 0n, firstUnsettledAt: bench.time.now });
      expect(await available()).to.equal(1n);
      expect(await prove(1, 40n)).to.include({ kind: "proven", due: 60n });
      expect(await prove(1, 90n)).to.include({ kind: "proven", due: 90n });
      expect(await channel()).to.include({ spent: 90n });
      expect((await accept(91n)).kind).to.equal("held");
      expect(await available()).to.equal(1n);
      expect(await channel()).to.include({ lost: 0n });
      expect((await story()).map(({ status, ref, captured }) => [status, ref, captured])).to.deep.equal([
        ["captured", refOf(1), 60n],
        ["captured", refOf(1), 30n],
      ]);
    });

    it("costs nothing when it is found to be worth nothing, and the ledger shows it", async () => {
      await buy(1n, [payment(1)], { by: 1 });
      await capture(1n);
      expect(await prove(1, 0n)).to.include({ kind: "proven", due: 0n });
      await accept(2n);
      expect(await channel()).to.deep.include({ accepted: 2n, spent: 0n, held: 0n, lost: 100n, payments: [] });
      expect(await story()).to.deep.equal([{ cumulativeAmount: 1n, status: "released", ref: refOf(1), captured: 0n }]);
    });

    it("takes no more credit once it is conceded to be worth no more than what is proven", async () => {
      const concede = () => bench.ledger.concede({ channelId, ref: refOf(1) });
      await buy(1n, [payment(1)], { by: 1 });
      expect(await concede()).to.have.nested.property("reason.code", "request-in-progress");
      await capture(1n);
      expect(await concede()).to.include({ kind: "proven", due: 0n });
      expect((await story()).map(({ status }) => status)).to.deep.equal(["released"]);
      await accept(2n);
      expect(await channel()).to.include({ lost: 0n, spent: 0n });
      expect(await concede()).to.have.nested.property("reason.code", "payment-unknown");
    });

    it("F085: may be tried again when the seller failed, under the same or a later statement", async () => {
      await buy(1n, [payment(1)], { by: 1 });
      await release(1n);
      expect((await channel()).payments[0]).to.include({ work: 0n });
      expect(await refusal(buy(1n, [payment(1)], { by: 1, number: 9 }))).to.equal("statement-used");
      expect((await buy(2n, [payment(1)], { by: 1 })).kind).to.equal("held");
      await capture(2n);
      await prove(1, 100n);
      expect(await channel()).to.include({ spent: 100n });
      expect((await story()).map(({ status }) => status)).to.deep.equal(["released", "captured"]);
    });

    it("is one piece, over no more than the payment, within the credit", async () => {
      expect(await refusal(buy(1n, [payment(1)], { by: 1, amount: 101n }))).to.equal("payment-too-small");
      expect(await refusal(buy(2n, [payment(1)], { by: 7 }))).to.equal("payment-unknown");
      expect((await buy(3n, [payment(1)], { by: 1 })).kind).to.equal("held");
      expect(await refusal(buy(4n, [payment(1)], { by: 1 }))).to.equal("payment-used");
      await state(5n, [payment(1), payment(2), payment(3)], { creditLimit: 300n });
      expect((await buy(6n, [payment(1), payment(2), payment(3)], { by: 2 })).kind).to.equal("held");
      const beyond = await buy(7n, [payment(1), payment(2), payment(3)], { by: 3 });
      expect(beyond).to.deep.include({ kind: "refused", reason: "statement-refused" });
      const numbers = { code: "credit-exceeded", unproven: 300n, creditLimit: 250n };
      expect(beyond).to.have.deep.property("statement", numbers);
      await capture(3n);
      await prove(1, 100n);
      expect((await buy(8n, [payment(1), payment(2), payment(3)], { by: 3 })).kind).to.equal("held");
    });

    it("is not for a payment that is proven before: that is folded", async () => {
      await state(1n, [payment(1)]);
      await prove(1, 70n);
      expect(await refusal(buy(2n, [payment(1)], { by: 1 }))).to.equal("payment-proven");
      expect(await available()).to.equal(2n);
      await accept(72n);
      expect(await available()).to.equal(72n);
    });

    it("is owed nothing when the payer drops the payment while it runs: that is the credit it had", async () => {
      await buy(1n, [payment(1)], { by: 1 });
      await accept(2n);
      const { hold: done } = await capture(1n);
      expect(done).to.include({ status: "released", captured: 0n });
      expect(await channel()).to.include({ lost: 100n, spent: 0n });
      expect(await refusal(buy(3n, [payment(2, 200n)], { by: 2 }))).to.equal("statement-refused");
    });

    it("answers a repeated key by what was delivered under it, though an earlier try had failed", async () => {
      const again = { idempotencyKey: "k", number: 7, amount: 80n };
      await buy(1n, [payment(1)], { by: 1, ...again });
      await release(1n);
      await buy(2n, [payment(2)], { by: 2, ...again });
      await capture(2n, 80n);
      expect((await buy(3n, [payment(2), payment(3)], { by: 3, ...again })).kind).to.equal("repeated");
    });

    it("serves swapped parallel calls, each by its own payment", async () => {
      expect((await buy(2n, [payment(1), payment(2)], { by: 2 })).kind).to.equal("held");
      expect((await buy(1n, [payment(1)], { by: 1 })).kind).to.equal("held");
      expect(await channel()).to.include({ accepted: 2n, held: 0n });
      expect((await channel()).payments.map(({ work }) => work)).to.deep.equal([100n, 100n]);
    });
  });

  describe("ticks", () => {
    const mark = (changes: Partial<Parameters<Bench["ledger"]["markTicks"]>[0]> = {}) =>
      bench.ledger.markTicks({
        channelId,
        ref: refOf(1),
        evidence,
        due: 10n,
        drawn: 0n,
        charged: 0n,
        freed: 0n,
        holds: [],
        ...changes,
      });
    beforeEach(async () => {
      await start();
      await state(1n, [payment(1, 500n, chain)], { creditLimit: 0n });
    });

    it("are written down with what they have bought, and pay for nothing else", async () => {
      expect(await mark({ due: 10n, charged: 7n })).to.include({ kind: "proven", due: 10n });
      expect(await channel()).to.include({ spent: 7n, held: 0n, firstUnsettledAt: bench.time.now });
      expect(await available()).to.equal(1n);
      await mark({ due: 20n, drawn: 7n, charged: 5n });
      expect(await channel()).to.include({ spent: 12n });
      expect((await channel()).payments[0]).to.include({ due: 20n, work: 12n });
      expect((await story()).map(({ status, captured }) => [status, captured])).to.deep.equal([
        ["captured", 7n],
        ["captured", 5n],
      ]);
    });

    it("are free for streams and vouchers where they are given to them", async () => {
      await mark({ due: 10n, freed: 4n });
      expect(await available()).to.equal(5n);
      expect((await bench.ledger.hold(conditional(2n, [payment(1, 500n, chain)], { amount: 6n }))).kind).to.equal(
        "held",
      );
      expect(await available()).to.equal(0n);
    });

    it("hand running requests over to the ledger, which captures or releases them", async () => {
      const keys = [tickKey(refOf(1), 3), tickKey(refOf(1), 4)] as const;
      const holds = keys.map((cumulativeAmount) => ({
        cumulativeAmount,
        requestHash: zeroHash,
        idempotencyKey: undefined,
        amount: 2n,
      }));
      await mark({ holds });
      expect(await channel()).to.include({ held: 4n });
      expect(await available()).to.equal(1n);
      await bench.ledger.capture({ channelId, cumulativeAmount: keys[0], amount: 2n, answer });
      await bench.ledger.release({ channelId, cumulativeAmount: keys[1] });
      expect(await channel()).to.include({ held: 0n, spent: 2n });
      expect(await available()).to.equal(3n);
    });

    it("are told apart however alike the refs are that a payer has chosen", () => {
      const keys = [tickKey(refOf(1), 3), tickKey(refOf(2), 3), tickKey(refOf(1), 4), tickKey(refOf(1), 10_000)];
      expect(new Set(keys).size).to.equal(4);
      expect(tickKey(refOf(1), 3)).to.equal(keys[0]);
      for (const key of keys) expect([isOfStatement(key), key < 2n ** 128n]).to.deep.equal([false, true]);
    });

    it("are folded with everything due on them", async () => {
      await mark({ due: 10n, charged: 7n });
      expect(await refusal(accept(10n))).to.equal("statement-refused");
      expect((await accept(11n)).kind).to.equal("held");
      expect(await available()).to.equal(4n);
      expect(await mark({ due: 20n, drawn: 7n })).to.have.nested.property("reason.code", "payment-dropped");
    });

    it("are not drawn from twice by two who serve them", async () => {
      await mark({ charged: 7n });
      expect(await mark({ charged: 7n })).to.have.deep.property("reason", {
        code: "ticks-moved",
        ref: refOf(1),
        drawn: 7n,
      });
      expect(await channel()).to.include({ spent: 7n });
    });
  });
}
