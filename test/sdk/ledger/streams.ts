import { expect } from "chai";

import { type Bench, channelId } from "./bench.ts";

/** A hold that grows while the answer flows, and what is charged when the seller's process ends in the middle. */
export function describeStreams(bench: Bench): void {
  const { start, channel, hold, capture, release, accept, rejection } = bench;
  const advance = (delivered: bigint, amount: bigint, cumulativeAmount = 10n) =>
    bench.ledger.advance({ channelId, cumulativeAmount, delivered, amount });

  describe("advance", () => {
    beforeEach(async () => {
      await start();
      await hold(10n);
    });

    it("reserves more as far as the channel has it", async () => {
      await accept(25n);
      const { hold: raised, channel: after } = await advance(0n, 18n);
      expect(raised).to.include({ status: "held", amount: 18n, captured: 0n });
      expect(after).to.include({ held: 18n, spent: 0n });
      expect((await advance(0n, 100n)).hold).to.include({ amount: 25n });
      expect((await advance(0n, 100n)).hold).to.include({ amount: 25n });
      expect(await channel()).to.include({ held: 25n, accepted: 25n });
    });

    it("takes nothing that other requests hold or have spent", async () => {
      await hold(20n);
      await capture(20n, 4n);
      await hold(24n);
      expect((await advance(0n, 100n)).hold).to.include({ amount: 10n });
      await accept(27n);
      expect((await advance(0n, 100n)).hold).to.include({ amount: 13n });
    });

    it("never gives back what was reserved, and never lowers a mark", async () => {
      expect((await advance(6n, 3n)).hold).to.include({ amount: 10n, captured: 6n });
      expect((await advance(2n, 3n)).hold).to.include({ amount: 10n, captured: 6n });
    });

    it("marks at most what is reserved", async () => {
      expect((await advance(500n, 10n)).hold).to.include({ amount: 10n, captured: 10n });
    });

    it("gives nothing more beyond the deposit, or once the channel is ending", async () => {
      await accept(1000n);
      await bench.see({ deposit: 12n, blockNumber: 101n });
      expect((await advance(0n, 100n)).hold).to.include({ amount: 12n });
      await bench.see({ deposit: 5n, blockNumber: 102n });
      expect((await advance(0n, 100n)).hold).to.include({ amount: 12n });
      await bench.see({ deposit: 1000n, closeRequestedAt: 1, blockNumber: 103n });
      expect((await advance(3n, 100n)).hold).to.include({ amount: 12n, captured: 3n });
      await bench.see({ closeRequestedAt: 0, blockNumber: 104n });
      expect((await advance(3n, 100n)).hold).to.include({ amount: 100n });
    });

    it("charges what the stream was worth in the end, whatever was marked", async () => {
      await accept(30n);
      await advance(8n, 30n);
      const { channel: after, hold: charged } = await capture(10n, 5n);
      expect(after).to.include({ spent: 5n, held: 0n });
      expect(charged).to.include({ status: "captured", captured: 5n, spentAfter: 5n });
    });

    it("releases all of it when the seller failed, whatever was marked", async () => {
      await advance(8n, 10n);
      expect(await release(10n)).to.include({ spent: 0n, held: 0n });
      for await (const purchase of bench.ledger.holds(channelId)) {
        expect(purchase).to.include({ status: "released", captured: 0n });
      }
      expect((await hold(10n)).kind).to.equal("held");
    });

    it("needs a hold", async () => {
      expect(await rejection(advance(1n, 10n, 11n))).to.equal("unknown-hold");
      await capture(10n);
      expect(await rejection(advance(1n, 10n))).to.equal("unknown-hold");
    });

    it("refuses what is no amount", async () => {
      expect(await rejection(advance(-1n, 10n))).to.equal("invalid-field");
      expect(await rejection(advance(1n, 2n ** 128n))).to.equal("invalid-field");
    });
  });
}
