import { expect } from "chai";

import type { Answer } from "../../../sdk/src/ledger/index.ts";
import { type Bench, answer, channelId, open, request, signatureOf } from "./bench.ts";

/** What one statement buys, and that it buys once. */
export function describeHolds(bench: Bench): void {
  const { start, channel, hold, capture, release, accept, refusal } = bench;

  describe("hold", () => {
    beforeEach(() => start());

    it("accepts the statement and reserves the amount", async () => {
      const result = await hold(10n);
      expect(result).to.deep.include({ kind: "held" });
      expect(await channel()).to.include({ accepted: 10n, signature: signatureOf(10n), held: 10n, spent: 0n });
    });

    it("wants spent, held and this amount covered, exactly", async () => {
      await hold(10n);
      await capture(10n);
      await hold(20n);
      expect(await refusal(hold(29n))).to.equal("insufficient-balance");
      expect((await hold(30n)).kind).to.equal("held");
      expect(await channel()).to.include({ accepted: 30n, spent: 10n, held: 20n });
    });

    it("keeps a good statement that covers too little: it is owed whatever it buys", async () => {
      const result = await hold(9n);
      expect(result).to.include({ kind: "refused", reason: "insufficient-balance" });
      expect(result).to.have.nested.property("channel.accepted", 9n);
      expect(await channel()).to.include({ accepted: 9n, signature: signatureOf(9n), held: 0n });
      // It has bought nothing, so it may still buy what it covers.
      expect((await hold(9n, { amount: 9n })).kind).to.equal("held");
    });

    it("refuses a statement above the deposit and keeps it not", async () => {
      expect(await refusal(hold(1001n))).to.equal("amount-exceeds-deposit");
      expect(await channel()).to.include({ accepted: 0n, held: 0n });
      expect((await hold(1000n)).kind).to.equal("held");
    });

    it("refuses a statement that grows too little", async () => {
      await hold(10n);
      expect(await refusal(hold(19n, { minVoucherDelta: 10n, amount: 1n }))).to.equal("delta-too-small");
      expect((await hold(20n, { minVoucherDelta: 10n })).kind).to.equal("held");
    });

    it("serves a lower statement that arrives late, once, and lowers nothing", async () => {
      await hold(30n);
      expect((await hold(20n)).kind).to.equal("held");
      expect((await hold(10n)).kind).to.equal("held");
      expect(await channel()).to.include({ accepted: 30n, signature: signatureOf(30n), held: 30n });
      expect(await refusal(hold(20n, { number: 99 }))).to.equal("statement-used");
      expect(await refusal(hold(5n))).to.equal("insufficient-balance");
    });

    it("holds nothing for a price of nothing, once a statement", async () => {
      expect((await hold(0n, { amount: 0n })).kind).to.equal("held");
      expect(await refusal(hold(0n, { amount: 0n, number: 1 }))).to.equal("statement-used");
      expect(await channel()).to.include({ accepted: 0n, held: 0n });
    });

    it("refuses on a channel that is finalized, closing or wanted back", async () => {
      await bench.ledger.updateChain(channelId, { ...open, closeRequestedAt: 1 });
      expect(await refusal(hold(10n))).to.equal("channel-closing");
      await bench.ledger.updateChain(channelId, { ...open, closeRequestedAt: 1, finalized: true });
      expect(await refusal(hold(10n))).to.equal("channel-finalized");
      await bench.ledger.updateChain(channelId, open);
      await bench.ledger.beginClose(request(5n));
      expect(await refusal(hold(10n))).to.equal("channel-closing");
      expect(await channel()).to.include({ accepted: 5n, held: 0n });
    });
  });

  describe("one statement, one hold", () => {
    beforeEach(() => start());

    it("tells the same request that it still runs", async () => {
      await hold(10n);
      expect(await refusal(hold(10n))).to.equal("request-in-progress");
      expect(await channel()).to.include({ held: 10n });
    });

    it("gives the same request its answer again, and charges nothing", async () => {
      await hold(10n);
      await capture(10n, 7n);
      const again = await hold(10n);
      expect(again.kind).to.equal("repeated");
      expect(again)
        .to.have.property("hold")
        .that.deep.equals({
          cumulativeAmount: 10n,
          requestHash: request(10n).requestHash,
          idempotencyKey: undefined,
          amount: 10n,
          status: "captured",
          captured: 7n,
          spentAfter: 7n,
          ref: undefined,
          heldAt: 1_000,
          capturedAt: 1_000,
          answer,
        });
      expect(await channel()).to.include({ spent: 7n, held: 0n });
    });

    it("gives it from a closed channel too", async () => {
      await hold(10n);
      await capture(10n);
      await bench.ledger.updateChain(channelId, { ...open, finalized: true });
      expect((await hold(10n)).kind).to.equal("repeated");
      expect(await refusal(hold(20n))).to.equal("channel-finalized");
    });

    for (const status of ["held", "captured", "released"]) {
      it(`refuses another request on a statement that is ${status}`, async () => {
        await accept(500n);
        await hold(10n);
        if (status === "captured") await capture(10n);
        if (status === "released") await release(10n);
        expect(await refusal(hold(10n, { number: 1 }))).to.equal("statement-used");
        expect(await channel()).to.include({ held: status === "held" ? 10n : 0n });
      });
    }

    it("lets the same request use a released statement again, and charges once", async () => {
      await hold(10n);
      await release(10n);
      expect((await hold(10n)).kind).to.equal("held");
      await capture(10n);
      expect((await hold(10n)).kind).to.equal("repeated");
      expect(await channel()).to.include({ spent: 10n, held: 0n });
    });

    it("asks a released statement for its amount anew", async () => {
      await hold(10n);
      await release(10n);
      await hold(15n, { amount: 15n });
      expect(await refusal(hold(10n))).to.equal("insufficient-balance");
      expect((await hold(10n, { amount: 0n })).kind).to.equal("held");
    });
  });

  describe("idempotency keys", () => {
    const keyed = { idempotencyKey: "key", number: 7 };
    beforeEach(() => start());

    it("find the answer under a new statement, which is not needed and not accepted", async () => {
      await hold(10n, keyed);
      await capture(10n);
      const again = await hold(20n, keyed);
      expect(again).to.include({ kind: "repeated" });
      expect(again).to.have.nested.property("hold.cumulativeAmount", 10n);
      expect(await channel()).to.include({ accepted: 10n, spent: 10n, held: 0n });
    });

    it("find the request that still runs", async () => {
      await hold(10n, keyed);
      expect(await refusal(hold(20n, keyed))).to.equal("request-in-progress");
    });

    for (const status of ["held", "captured", "released"]) {
      it(`refuse another request while one is ${status}`, async () => {
        await hold(10n, keyed);
        if (status === "captured") await capture(10n);
        if (status === "released") await release(10n);
        expect(await refusal(hold(20n, { ...keyed, number: 8 }))).to.equal("idempotency-key-reused");
        expect(await channel()).to.include({ accepted: 10n });
      });
    }

    it("let a released request go on under a new statement", async () => {
      await hold(10n, keyed);
      await release(10n);
      expect((await hold(20n, keyed)).kind).to.equal("held");
      await capture(20n);
      expect(await channel()).to.include({ spent: 10n, held: 0n });
    });

    it("let no late copy of a released try run again once the request was served", async () => {
      await hold(10n, keyed);
      await release(10n);
      await hold(20n, keyed);
      expect(await refusal(hold(10n, keyed))).to.equal("request-in-progress");
      await capture(20n);
      const late = await hold(10n, keyed);
      expect(late).to.include({ kind: "repeated" });
      expect(late).to.have.nested.property("hold.cumulativeAmount", 20n);
      expect(await channel()).to.include({ spent: 10n, held: 0n });
    });

    it("are no part of the statement: another key on a used one is another request", async () => {
      await hold(10n, keyed);
      await capture(10n);
      expect(await refusal(hold(10n, { idempotencyKey: "other", number: 8 }))).to.equal("statement-used");
    });
  });

  describe("keeping answers", () => {
    /** Buys with these statements, each with an answer of three bytes. */
    async function buy(...amounts: bigint[]): Promise<void> {
      for (const amount of amounts) {
        expect((await hold(amount, { idempotencyKey: `k${amount}` })).kind).to.equal("held");
        await capture(amount);
      }
    }

    /** The statements of these whose answers are still kept. All are repeated, none is bought again. */
    async function kept(...amounts: bigint[]): Promise<bigint[]> {
      const found: bigint[] = [];
      for (const amount of amounts) {
        const again = await hold(amount, { idempotencyKey: `k${amount}` });
        expect(again).to.include({ kind: "repeated" });
        if (again.kind === "repeated" && again.hold.answer) found.push(amount);
      }
      return found;
    }

    it("drops those of the lowest statements beyond the number, and never what was bought", async () => {
      await start({ keep: 3 });
      await buy(10n, 20n, 30n, 40n, 50n, 60n);
      expect(await kept(10n, 20n, 30n, 40n, 50n, 60n)).to.deep.equal([40n, 50n, 60n]);
      expect(await refusal(hold(10n, { number: 99 }))).to.equal("statement-used");
      expect(await refusal(bench.ledger.beginClose(request(10n)))).to.equal("statement-used");
      expect(await channel()).to.include({ spent: 60n, held: 0n });
    });

    it("drops them beyond the bytes", async () => {
      await start({ keepBytes: 7 });
      await buy(10n, 20n, 30n);
      expect(await kept(10n, 20n, 30n)).to.deep.equal([20n, 30n]);
    });

    it("keeps none that is too large by itself, and counts on", async () => {
      await start({ keepBytes: 2 });
      await buy(10n, 20n);
      expect(await kept(10n, 20n)).to.deep.equal([]);
    });

    it("keeps an answer as it was given", async () => {
      await start();
      const given: Answer = {
        status: 201,
        headers: [
          ["set-cookie", "a"],
          ["set-cookie", "b"],
          ["x", "\u00fc \"'\\"],
        ],
        body: Uint8Array.from({ length: 256 }, (_, i) => i),
      };
      await hold(10n);
      await bench.ledger.capture({ channelId, cumulativeAmount: 10n, amount: 1n, answer: given });
      const again = await hold(10n);
      expect(again).to.have.nested.property("hold.answer").that.deep.equals(given);
      await hold(20n);
      const empty: Answer = { status: 204, headers: [], body: new Uint8Array(0) };
      await bench.ledger.capture({ channelId, cumulativeAmount: 20n, amount: 1n, answer: empty });
      expect(await hold(20n))
        .to.have.nested.property("hold.answer")
        .that.deep.equals(empty);
    });
  });
}
