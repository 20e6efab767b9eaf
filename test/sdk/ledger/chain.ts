import { expect } from "chai";

import { type Bench, channelId, open, other, request, signatureOf, terms } from "./bench.ts";

/** What the chain says, in what order it is heard, and what becomes of it when the chain takes it back. */
export function describeChain(bench: Bench): void {
  const { start, add, channel, hold, capture, accept, refusal, see } = bench;

  describe("blocks", () => {
    beforeEach(() => start({ accepted: 50n }));

    it("hears nothing from an older block than it knows", async () => {
      await see({ blockNumber: 105n, deposit: 2000n, settled: 5n });
      const late = { ...open, blockNumber: 104n, deposit: 1n, settled: 0n, closeRequestedAt: 9, finalized: true };
      const known = { blockNumber: 105n, deposit: 2000n, settled: 5n, closeRequestedAt: 0, finalized: false };
      expect(await bench.ledger.updateChain(channelId, late)).to.include(known);
      expect(await add(channelId, late, 0n)).to.include(known);
      expect(await channel()).to.include({ ...known, accepted: 50n });
    });

    it("takes a statement with an older block, by the deposit that it knows", async () => {
      await see({ blockNumber: 105n, deposit: 60n });
      expect(await add(channelId, open, 61n)).to.include({ accepted: 50n, deposit: 60n });
      expect(await add(channelId, open, 60n)).to.include({ accepted: 60n, deposit: 60n });
    });

    it("hears the same block again", async () => {
      expect(await see({ closeRequestedAt: 9 })).to.include({ blockNumber: 100n, closeRequestedAt: 9 });
    });

    it("counts blocks beyond what a double holds", async () => {
      await see({ blockNumber: 2n ** 53n + 1n });
      expect((await see({ blockNumber: 2n ** 53n, deposit: 1n })).deposit).to.equal(1000n);
      expect((await channel()).blockNumber).to.equal(2n ** 53n + 1n);
    });
  });

  describe("reorganisations", () => {
    beforeEach(() => start());

    it("F107: keep what was accepted, and stop what the deposit covers no longer", async () => {
      await accept(500n);
      await hold(10n, { amount: 100n });
      await capture(10n, 100n);
      await hold(20n, { amount: 100n });
      await see({ blockNumber: 101n, deposit: 230n });
      expect(await channel()).to.include({ accepted: 500n, signature: signatureOf(500n), spent: 100n, held: 100n });
      expect(await refusal(hold(30n, { amount: 31n }))).to.equal("amount-exceeds-deposit");
      expect((await hold(30n, { amount: 30n })).kind).to.equal("held");
      await see({ blockNumber: 102n, deposit: 0n });
      expect(await refusal(hold(40n, { amount: 1n }))).to.equal("amount-exceeds-deposit");
      // What runs is charged all the same: the deposit may come back.
      expect((await capture(20n, 100n)).channel).to.include({ spent: 200n, deposit: 0n });
      await see({ blockNumber: 103n, deposit: 1000n });
      expect((await hold(40n, { amount: 1n })).kind).to.equal("held");
    });

    it("F107: take a settlement back, and count from the capture that is unsettled again", async () => {
      bench.time.now = 1_000;
      await hold(10n);
      await capture(10n);
      bench.time.now = 2_000;
      await hold(20n);
      await capture(20n);
      await see({ blockNumber: 101n, settled: 20n });
      expect(await channel()).to.include({ settled: 20n, firstUnsettledAt: undefined });
      await see({ blockNumber: 102n, settled: 10n });
      expect(await channel()).to.include({ settled: 10n, spent: 20n, firstUnsettledAt: 2_000 });
      await see({ blockNumber: 103n, settled: 0n });
      expect(await channel()).to.include({ settled: 0n, firstUnsettledAt: 1_000 });
    });

    it("take a finalization back", async () => {
      bench.time.now = 7_000;
      expect(await see({ blockNumber: 101n, finalized: true })).to.include({ finalized: true, finalizedAt: 7_000 });
      expect(await see({ blockNumber: 102n, finalized: false })).to.include({ finalizedAt: undefined });
      expect((await hold(10n)).kind).to.equal("held");
    });
  });

  describe("retiring", () => {
    beforeEach(() => start());
    const settled = { ...open, blockNumber: 101n, settled: 300n };

    it("counts what the chain has settled as spent, and buys nothing more", async () => {
      await hold(10n);
      await capture(10n);
      const retired = { retired: true, spent: 300n, settled: 300n, accepted: 10n };
      expect(await bench.ledger.retire({ channelId, terms, chain: settled })).to.include(retired);
      for (const amount of [5n, 11n, 400n]) expect(await refusal(hold(amount))).to.equal("channel-closing");
      expect(await refusal(accept(400n))).to.equal("channel-closing");
      await bench.ledger.cancelClose(channelId);
      expect(await refusal(hold(400n))).to.equal("channel-closing");
      expect((await hold(10n)).kind, "what is known is answered").to.equal("repeated");
    });

    it("never lowers what was spent", async () => {
      await hold(10n);
      await capture(10n);
      const chain = { ...open, blockNumber: 101n, settled: 3n };
      expect(await bench.ledger.retire({ channelId, terms, chain })).to.include({ spent: 10n, settled: 3n });
    });

    it("adds a channel that it has never seen", async () => {
      await bench.ledger.retire({ channelId: other, terms, chain: settled });
      const expected = { channelId: other, retired: true, spent: 300n, accepted: 0n, signature: "0x", held: 0n };
      expect(await channel(other)).to.include(expected);
      expect(await add(other, settled, 400n)).to.include({ retired: true });
      expect(await refusal(hold(400n, { channelId: other }))).to.equal("channel-closing");
    });

    it("lets any statement close it, since it serves nothing", async () => {
      await hold(10n);
      await capture(10n);
      expect(await refusal(bench.ledger.beginClose(request(10n)))).to.equal("statement-used");
      await bench.ledger.retire({ channelId, terms, chain: settled });
      for (const amount of [0n, 10n, 20n]) {
        expect(await refusal(bench.ledger.beginClose(request(amount)))).to.equal("held");
      }
    });
  });
}
