import { expect } from "chai";
import type { Address, Hex } from "viem";

import { type Bench, channelId, open, other } from "./bench.ts";

const account: Address = "0xabcdefabcdefabcdefabcdefabcdefabcdefabcd";
const hashOf = (number: number): Hex => `0x${number.toString(16).padStart(64, "0")}`;

function transaction(nonce: number, changes: { hash?: Hex; id?: string; gas?: bigint; sentAt?: number } = {}) {
  const { hash = hashOf(nonce), id = `t${nonce}`, gas, sentAt = 5 } = changes;
  const fees = { maxFeePerGas: 2n ** 70n, maxPriorityFeePerGas: 0n };
  return { id, account, nonce, hash, to: account, data: "0x1234" as Hex, gas, ...fees, sentAt };
}

/** What a settler asks of a ledger: what is unsettled since when, its outbox, and leases. */
export function describeSettling(bench: Bench): void {
  const { start, add, channel, hold, capture, see } = bench;

  describe("what is unsettled", () => {
    beforeEach(() => start());

    /** Buys at this time. */
    async function buyAt(now: number, cumulativeAmount: bigint, amount = 10n): Promise<void> {
      bench.time.now = now;
      await hold(cumulativeAmount);
      await capture(cumulativeAmount, amount);
    }
    const since = async () => (await channel()).firstUnsettledAt;

    it("dates from its oldest capture", async () => {
      expect(await since()).to.equal(undefined);
      await hold(10n);
      expect(await since(), "a hold is not earned yet").to.equal(undefined);
      bench.time.now = 1_000;
      await capture(10n, 0n);
      expect(await since(), "nothing was charged").to.equal(undefined);
      await buyAt(2_000, 20n);
      await buyAt(3_000, 30n);
      expect(await since()).to.equal(2_000);
    });

    it("dates from the first capture that a settlement leaves", async () => {
      await buyAt(1_000, 10n);
      await buyAt(2_000, 20n);
      await buyAt(3_000, 30n);
      await see({ blockNumber: 101n, settled: 10n });
      expect(await since()).to.equal(2_000);
      // A part of a capture is unsettled as long as one base unit of it is.
      await see({ blockNumber: 102n, settled: 29n });
      expect(await since()).to.equal(3_000);
      await see({ blockNumber: 103n, settled: 30n });
      expect(await since()).to.equal(undefined);
      await buyAt(9_000, 40n);
      expect(await since()).to.equal(9_000);
    });

    it("is not changed by news of other things", async () => {
      await buyAt(1_000, 10n);
      bench.time.now = 5_000;
      await see({ blockNumber: 101n, deposit: 5000n });
      expect(await since()).to.equal(1_000);
    });

    it("is listed: only channels that have some and can still be settled", async () => {
      const unsettled = async (): Promise<Hex[]> => {
        const ids: Hex[] = [];
        for await (const record of bench.ledger.channels({ unsettled: true })) ids.push(record.channelId);
        return ids;
      };
      await add(other, open, 0n);
      expect(await unsettled()).to.deep.equal([]);
      await hold(10n, { channelId: other });
      await bench.ledger.capture({ channelId: other, cumulativeAmount: 10n, amount: 10n, answer: undefined });
      expect(await unsettled()).to.deep.equal([other]);
      await buyAt(1_000, 10n);
      expect(await unsettled()).to.deep.equal([channelId, other]);
      await see({ blockNumber: 101n, settled: 10n });
      expect(await unsettled()).to.deep.equal([other]);
      await bench.ledger.updateChain(other, { ...open, finalized: true });
      expect(await unsettled()).to.deep.equal([]);
    });

    it("lists more channels than are read at once, each once", async () => {
      const ids = Array.from({ length: 600 }, (_, i) => hashOf(i + 1));
      await Promise.all(ids.map((id) => add(id, open, 10n)));
      await Promise.all(ids.map((id) => hold(10n, { channelId: id })));
      await Promise.all(
        ids.map((id) => bench.ledger.capture({ channelId: id, cumulativeAmount: 10n, amount: 1n, answer: undefined })),
      );
      for (const unsettled of [true, false]) {
        const seen: Hex[] = [];
        for await (const record of bench.ledger.channels({ unsettled })) seen.push(record.channelId);
        expect(seen).to.deep.equal(unsettled ? ids : [channelId, ...ids]);
      }
    });
  });

  describe("the outbox", () => {
    beforeEach(() => bench.empty());
    const saved = () => bench.ledger.transactions(account);

    it("keeps transactions of an account by nonce until they are removed", async () => {
      expect(await saved()).to.deep.equal([]);
      for (const nonce of [10, 9, 11]) await bench.ledger.saveTransaction(transaction(nonce, { gas: 2n ** 64n }));
      await bench.ledger.saveTransaction({ ...transaction(9), account: `0x${"11".repeat(20)}` });
      const { hash, ...rest } = transaction(9, { gas: 2n ** 64n });
      const found = await saved();
      expect(found[0]).to.deep.equal({ ...rest, hashes: [hash] });
      expect(found.map(({ nonce }) => nonce)).to.deep.equal([9, 10, 11]);
      await bench.ledger.removeTransaction({ account, nonce: 10 });
      await bench.ledger.removeTransaction({ account, nonce: 10 });
      expect((await saved()).map(({ nonce }) => nonce)).to.deep.equal([9, 11]);
    });

    it("keeps every hash of a nonce: any of them may be mined", async () => {
      await bench.ledger.saveTransaction(transaction(9));
      const replacement = transaction(9, { hash: hashOf(77), id: "again", sentAt: 6 });
      const { hash: _, ...rest } = replacement;
      const expected = { ...rest, hashes: [hashOf(9), hashOf(77)] };
      expect(await bench.ledger.saveTransaction(replacement)).to.deep.equal(expected);
      expect(await bench.ledger.saveTransaction(replacement), "the same again").to.deep.equal(expected);
      expect(await saved()).to.deep.equal([expected]);
    });

    it("knows an account however its address is written", async () => {
      await bench.ledger.saveTransaction(transaction(9));
      const upper = `0x${account.slice(2).toUpperCase()}` as Address;
      expect(await bench.ledger.transactions(upper)).to.have.lengthOf(1);
      await bench.ledger.removeTransaction({ account: upper, nonce: 9 });
      expect(await saved()).to.deep.equal([]);
    });
  });

  describe("leases", () => {
    beforeEach(() => bench.empty());
    const acquire = (holder: string, name = "settler") => bench.ledger.acquireLease({ name, holder, ttl: 100 });
    const release = (holder: string, name = "settler") => bench.ledger.releaseLease({ name, holder });

    it("belong to one of many at once", async () => {
      const results = await Promise.all(["a", "b", "c", "d"].map((holder) => acquire(holder)));
      expect(results.filter(Boolean)).to.have.lengthOf(1);
    });

    it("are renewed by their holder, and end", async () => {
      bench.time.now = 1_000;
      expect(await acquire("a")).to.equal(true);
      bench.time.now = 1_099;
      expect(await acquire("b")).to.equal(false);
      expect(await acquire("a")).to.equal(true);
      bench.time.now = 1_198;
      expect(await acquire("b")).to.equal(false);
      bench.time.now = 1_199;
      expect(await acquire("b")).to.equal(true);
      expect(await acquire("a")).to.equal(false);
    });

    it("F103: stay with their holder when the clock steps back", async () => {
      bench.time.now = 1_000_000;
      await acquire("a");
      bench.time.now = 400_000;
      expect(await acquire("b")).to.equal(false);
    });

    it("are given back by their holder alone", async () => {
      await acquire("a");
      await release("b");
      expect(await acquire("b")).to.equal(false);
      await release("a");
      expect(await acquire("b")).to.equal(true);
    });

    it("are apart by name", async () => {
      await acquire("a");
      expect(await acquire("b", "other")).to.equal(true);
    });
  });
}
