import { expect } from "chai";

import type { ChainState, Purchase, SavedTransaction } from "../../../sdk/src/ledger/index.ts";
import { type Bench, answer, channelId, open, request, signatureOf, terms } from "./bench.ts";

const day = 24 * 3600 * 1000;

/** What is kept and how long, and that amounts are kept exactly. */
export function describeKeeping(bench: Bench): void {
  const { start, channel, hold, capture, release, refusal, rejection, see } = bench;

  async function holds(): Promise<Purchase[]> {
    const found: Purchase[] = [];
    for await (const purchase of bench.ledger.holds(channelId)) found.push(purchase);
    return found;
  }

  describe("what was bought", () => {
    it("is listed by statement, and sums up to what was spent", async () => {
      await start({ keep: 1 });
      bench.time.now = 1_000;
      await hold(30n, { idempotencyKey: "k" });
      await hold(20n);
      await hold(10n);
      bench.time.now = 2_000;
      await capture(10n, 4n);
      await capture(30n, 7n);
      await release(20n);
      const common = { amount: 10n, heldAt: 1_000, idempotencyKey: undefined };
      expect(await holds()).to.deep.equal([
        {
          ...common,
          cumulativeAmount: 10n,
          requestHash: request(10n).requestHash,
          status: "captured",
          captured: 4n,
          spentAfter: 4n,
          ref: undefined,
          capturedAt: 2_000,
        },
        {
          ...common,
          cumulativeAmount: 20n,
          requestHash: request(20n).requestHash,
          status: "released",
          captured: 0n,
          spentAfter: 0n,
          ref: undefined,
          capturedAt: undefined,
        },
        {
          ...common,
          cumulativeAmount: 30n,
          requestHash: request(30n).requestHash,
          idempotencyKey: "k",
          status: "captured",
          captured: 7n,
          spentAfter: 11n,
          ref: undefined,
          capturedAt: 2_000,
        },
      ]);
    });

    it("is listed whole, however much it is", async () => {
      const count = 600;
      await start({ chain: { ...open, deposit: 10n ** 6n }, accepted: 10n ** 6n });
      const amounts = Array.from({ length: count }, (_, i) => BigInt(i) * 3n);
      await Promise.all(amounts.map((amount) => hold(amount, { amount: 1n })));
      await Promise.all(amounts.map((amount) => capture(amount, 1n)));
      const found = await holds();
      expect(found.map(({ cumulativeAmount }) => cumulativeAmount)).to.deep.equal(amounts);
      expect(found.reduce((sum, { captured }) => sum + captured, 0n)).to.equal((await channel()).spent);
    });

    it("is nothing for a channel that is not known", async () => {
      await bench.empty();
      expect(await holds()).to.deep.equal([]);
    });
  });

  describe("pruning", () => {
    beforeEach(async () => {
      bench.time.now = day;
      await start({ retention: 30 * day });
      await hold(10n, { idempotencyKey: "k" });
      await capture(10n, 7n);
    });

    it("leaves one row of a channel that was finalized long ago, and no id comes back to life", async () => {
      await see({ blockNumber: 101n, finalized: true, settled: 7n });
      bench.time.now = 31 * day;
      expect(await bench.ledger.maintain()).to.deep.equal({ released: 0, pruned: 0 });
      expect(await holds()).to.have.lengthOf(1);
      bench.time.now += 1;
      expect(await bench.ledger.maintain()).to.deep.equal({ released: 0, pruned: 1 });
      expect(await holds()).to.deep.equal([]);
      expect(await channel()).to.include({ spent: 7n, settled: 7n, accepted: 10n, signature: signatureOf(10n) });
      expect(await bench.ledger.maintain()).to.deep.equal({ released: 0, pruned: 0 });

      for (const amount of [10n, 20n]) {
        expect(await refusal(hold(amount, { idempotencyKey: "k", number: 10 }))).to.equal("channel-finalized");
      }
      await see({ blockNumber: 102n, finalized: false });
      for (const amount of [10n, 20n]) {
        expect(await refusal(hold(amount, { idempotencyKey: "k", number: 10 }))).to.equal("channel-closing");
      }
    });

    it("touches no channel that can be claimed, however old", async () => {
      await see({ blockNumber: 101n, closeRequestedAt: 1 });
      bench.time.now = 4000 * day;
      expect(await bench.ledger.maintain()).to.deep.equal({ released: 0, pruned: 0 });
      expect(await holds()).to.have.lengthOf(1);
      expect((await hold(10n, { idempotencyKey: "k" })).kind).to.equal("repeated");
    });

    it("forgets more purchases than it does in one step", async () => {
      const amounts = Array.from({ length: 4_500 }, (_, i) => BigInt(i) + 100n);
      await see({ blockNumber: 101n, deposit: 10n ** 6n });
      await Promise.all(amounts.map((amount) => hold(amount, { amount: 0n })));
      await Promise.all(amounts.map((amount) => capture(amount, 0n)));
      await see({ blockNumber: 102n, finalized: true });
      bench.time.now += 31 * day;
      expect(await bench.ledger.maintain()).to.deep.equal({ released: 0, pruned: 1 });
      expect(await holds()).to.deep.equal([]);
    });
  });

  describe("amounts", () => {
    const most = 2n ** 104n - 1n;

    it("F093: are exact above 2^64, up to the largest", async () => {
      await start({ chain: { ...open, deposit: most }, accepted: 25n * 10n ** 18n });
      expect(await channel()).to.include({ deposit: most, accepted: 25n * 10n ** 18n });
      await hold(2n ** 64n + 1n, { amount: 2n ** 64n + 1n, number: 1 });
      await capture(2n ** 64n + 1n, 2n ** 64n + 1n);
      expect(await channel()).to.include({ spent: 2n ** 64n + 1n });
      const rest = most - 2n ** 64n - 1n;
      expect((await hold(most, { amount: rest, number: 2 })).kind).to.equal("held");
      expect(await channel()).to.include({ accepted: most, held: rest, signature: signatureOf(most) });
      await capture(most, rest);
      expect(await channel()).to.include({ spent: most, held: 0n });
      expect((await holds()).map(({ cumulativeAmount }) => cumulativeAmount)).to.deep.equal([2n ** 64n + 1n, most]);
      expect(await see({ blockNumber: 2n ** 40n, settled: most })).to.include({ settled: most });
    });

    it("F093: that are no bigint of 128 bits are refused, and nothing changes", async () => {
      await start({ accepted: 100n });
      await hold(20n);
      const before = await channel();
      for (const wrong of [5, "5", null, undefined, 1.5, -1n, 2n ** 128n] as never[]) {
        const chains: ChainState[] = [
          { ...open, blockNumber: 101n, deposit: wrong },
          { ...open, blockNumber: 101n, settled: wrong },
        ];
        const attempts: Promise<unknown>[] = [
          hold(30n, { amount: wrong }),
          bench.ledger.hold({ ...request(30n), cumulativeAmount: wrong }),
          bench.ledger.hold({ ...request(30n), minVoucherDelta: wrong }),
          bench.ledger.accept({ ...request(30n), cumulativeAmount: wrong }),
          bench.ledger.beginClose({ ...request(30n), cumulativeAmount: wrong }),
          bench.ledger.capture({ channelId, cumulativeAmount: 20n, amount: wrong, answer }),
          bench.ledger.capture({ channelId, cumulativeAmount: wrong, amount: 1n, answer }),
          release(wrong),
          ...chains.flatMap((chain) => [
            bench.ledger.updateChain(channelId, chain),
            bench.ledger.retire({ channelId, terms, chain }),
            bench.add(channelId, chain, 0n),
          ]),
          bench.ledger.addChannel({ channelId, terms, chain: open, cumulativeAmount: wrong, signature: "0x" }),
          bench.ledger.saveTransaction({ ...request(1n), maxFeePerGas: wrong } as never as SavedTransaction & {
            hash: `0x${string}`;
          }),
        ];
        const codes = await Promise.all(attempts.map(rejection));
        expect(codes).to.deep.equal(codes.map(() => "invalid-field"));
      }
      expect(await channel()).to.deep.equal(before);
    });

    it("ids that are no 32 bytes are refused", async () => {
      await start();
      for (const wrong of ["0x", "0x12", `${channelId}00`, 5, undefined] as never[]) {
        expect(await rejection(bench.ledger.hold({ ...request(1n), channelId: wrong }))).to.equal("invalid-field");
        expect(await rejection(bench.ledger.hold({ ...request(1n), requestHash: wrong }))).to.equal("invalid-field");
        expect(await rejection(bench.ledger.getChannel(wrong))).to.equal("invalid-field");
      }
    });
  });

  describe("closing the ledger", () => {
    it("refuses every step afterwards, and may be done twice", async () => {
      await start();
      await hold(10n);
      const { ledger } = bench;
      await Promise.all([ledger.close(), ledger.close()]);
      for (const attempt of [() => hold(20n), () => capture(10n), () => ledger.getChannel(channelId)]) {
        expect(await rejection(attempt())).to.equal("ledger-unavailable");
      }
      expect(await rejection(ledger.maintain())).to.equal("ledger-unavailable");
      await ledger.close();
    });
  });
}
