import { expect } from "chai";
import type { Hex } from "viem";

import type { ChannelRecord, ChainState } from "../../../sdk/src/ledger/index.ts";
import { type Bench, answer, channelId, open, other, request, signatureOf, terms } from "./bench.ts";

/** Channels, what is accepted on them, and how holds end. */
export function describeChannels(bench: Bench): void {
  const { start, add, channel, hold, capture, release, accept, refusal, rejection } = bench;

  describe("channels", () => {
    it("knows none until it is added", async () => {
      await bench.empty();
      expect(await bench.ledger.getChannel(channelId)).to.equal(undefined);
      expect(await bench.ledger.updateChain(channelId, open)).to.equal(undefined);
      expect(await bench.ledger.accept(request(10n))).to.deep.equal({ kind: "unknown-channel" });
      expect(await bench.ledger.hold(request(10n))).to.deep.equal({ kind: "unknown-channel" });
      expect(await bench.ledger.beginClose(request(10n))).to.deep.equal({ kind: "unknown-channel" });
      expect(await rejection(capture(10n))).to.equal("unknown-hold");
      expect(await rejection(release(10n))).to.equal("unknown-hold");
      await bench.ledger.cancelClose(channelId);
      expect(await bench.ledger.getChannel(channelId)).to.equal(undefined);
    });

    it("starts one with its first statement, nothing spent and nothing held", async () => {
      await bench.empty();
      const expected: ChannelRecord = {
        ...open,
        channelId,
        terms,
        accepted: 5n,
        signature: signatureOf(5n),
        isConditional: false,
        payments: [],
        lost: 0n,
        spent: 0n,
        held: 0n,
        closing: false,
        retired: false,
        firstUnsettledAt: undefined,
        finalizedAt: undefined,
      };
      expect(await add(channelId, open, 5n)).to.deep.equal(expected);
      expect(await channel()).to.deep.equal(expected);
    });

    it("counts what the chain has settled as spent, where it was used before the ledger began", async () => {
      await start({ chain: { ...open, settled: 300n }, accepted: 0n });
      expect(await channel()).to.include({ spent: 300n, accepted: 0n });
      expect(await refusal(hold(305n))).to.equal("insufficient-balance");
      expect((await hold(310n)).kind).to.equal("held");
    });

    it("keeps what is higher when one is added again, and nothing that it has bought is lost", async () => {
      await start({ accepted: 50n });
      await hold(60n);
      await capture(60n);
      expect(await add(channelId, { ...open, deposit: 2000n }, 20n)).to.include({
        deposit: 2000n,
        accepted: 60n,
        signature: signatureOf(60n),
        spent: 10n,
      });
      expect(await add(channelId, open, 70n)).to.include({ accepted: 70n, signature: signatureOf(70n), spent: 10n });
      expect(await refusal(hold(60n, { number: 1 }))).to.equal("statement-used");
    });

    it("takes no statement above the deposit when one is added again", async () => {
      await start({ accepted: 50n });
      expect(await add(channelId, open, 1001n)).to.include({ accepted: 50n, signature: signatureOf(50n) });
      expect(await add(channelId, open, 1000n)).to.include({ accepted: 1000n });
    });

    it("notes what the chain says, and that alone", async () => {
      await start({ accepted: 50n });
      const chain: ChainState = {
        blockNumber: 101n,
        deposit: 2000n,
        settled: 40n,
        closeRequestedAt: 99,
        finalized: true,
      };
      expect(await bench.ledger.updateChain(channelId, chain)).to.include({
        ...chain,
        accepted: 50n,
        spent: 0n,
        held: 0n,
      });
    });

    it("lists all in the order they were added", async () => {
      await start();
      await add(other, open, 0n);
      await hold(10n);
      await add(channelId, open, 0n);
      const listed: Hex[] = [];
      for await (const record of bench.ledger.channels()) listed.push(record.channelId);
      expect(listed).to.deep.equal([channelId, other]);
    });

    it("lists them page by page: those after one, none after one that was never added", async () => {
      await start();
      await add(other, open, 0n);
      await hold(10n);
      const after = async (id: Hex): Promise<Hex[]> => {
        const listed: Hex[] = [];
        for await (const record of bench.ledger.channels({ after: id })) listed.push(record.channelId);
        return listed;
      };
      expect(await after(channelId)).to.deep.equal([other]);
      expect(await after(other)).to.deep.equal([]);
      expect(await after(`0x${"9".repeat(64)}`)).to.deep.equal([]);
    });

    it("lists what was bought page by page: what is above an amount", async () => {
      await start();
      for (const amount of [10n, 25n, 300n]) await hold(amount, { number: Number(amount) });
      const above = async (after: bigint): Promise<bigint[]> => {
        const listed: bigint[] = [];
        for await (const { cumulativeAmount } of bench.ledger.holds(channelId, { after }))
          listed.push(cumulativeAmount);
        return listed;
      };
      expect(await above(0n)).to.deep.equal([10n, 25n, 300n]);
      expect(await above(10n)).to.deep.equal([25n, 300n]);
      expect(await above(299n)).to.deep.equal([300n]);
      expect(await above(300n)).to.deep.equal([]);
    });

    it("keeps them apart", async () => {
      await start();
      await add(other, open, 0n);
      await hold(10n, { idempotencyKey: "k" });
      expect((await hold(10n, { channelId: other, idempotencyKey: "k", number: 2 })).kind).to.equal("held");
      await capture(10n);
      expect(await channel(other)).to.include({ spent: 0n, held: 10n });
      expect(await channel()).to.include({ spent: 10n, held: 0n });
    });

    it("gives out records that do not change afterwards", async () => {
      await start();
      const before = await channel();
      await hold(10n);
      expect(before).to.include({ accepted: 0n, held: 0n });
    });
  });

  describe("accept", () => {
    beforeEach(() => start({ accepted: 100n }));

    it("raises what is accepted and reserves nothing", async () => {
      const result = await accept(130n);
      expect(result.kind).to.equal("held");
      expect(await channel()).to.include({ accepted: 130n, signature: signatureOf(130n), spent: 0n, held: 0n });
    });

    it("F011: answers an equal or lower statement with the highest, and changes nothing", async () => {
      for (const amount of [0n, 99n, 100n]) {
        const result = await accept(amount, 50n);
        expect(result.kind).to.equal("held");
        expect(await channel()).to.include({ accepted: 100n, signature: signatureOf(100n) });
      }
    });

    it("takes the whole deposit and nothing above it", async () => {
      expect(await refusal(accept(1001n))).to.equal("amount-exceeds-deposit");
      expect(await channel()).to.include({ accepted: 100n });
      expect(await refusal(accept(1000n))).to.equal("held");
    });

    it("wants the least growth where there is one", async () => {
      expect(await refusal(accept(109n, 10n))).to.equal("delta-too-small");
      expect(await refusal(accept(110n, 10n))).to.equal("held");
    });

    it("refuses once the channel is finalized, closing or wanted back", async () => {
      await bench.ledger.updateChain(channelId, { ...open, closeRequestedAt: 1 });
      expect(await refusal(accept(130n))).to.equal("channel-closing");
      expect(await refusal(accept(50n))).to.equal("channel-closing");
      await bench.ledger.updateChain(channelId, { ...open, finalized: true });
      expect(await refusal(accept(130n))).to.equal("channel-finalized");
      await bench.ledger.updateChain(channelId, open);
      await bench.ledger.beginClose(request(120n));
      expect(await refusal(accept(130n))).to.equal("channel-closing");
    });
  });

  describe("capture and release", () => {
    beforeEach(async () => {
      await start();
      await hold(10n);
    });

    it("charge what was metered, at most what was held", async () => {
      const { channel: after, hold: captured } = await capture(10n, 3n);
      expect(after).to.include({ spent: 3n, held: 0n, accepted: 10n });
      expect(captured).to.deep.include({ status: "captured", captured: 3n, spentAfter: 3n, amount: 10n, answer });
      await hold(20n);
      expect((await capture(20n, 999n)).channel).to.include({ spent: 13n, held: 0n });
      await hold(30n);
      expect((await capture(30n, 0n)).channel).to.include({ spent: 13n, held: 0n });
    });

    it("free what was not charged for the next request", async () => {
      await capture(10n, 3n);
      expect((await hold(13n)).kind).to.equal("held");
    });

    it("keep no answer where none is given", async () => {
      await bench.ledger.capture({ channelId, cumulativeAmount: 10n, amount: 10n, answer: undefined });
      const again = await hold(10n);
      expect(again).to.include({ kind: "repeated" });
      expect(again).to.have.nested.property("hold.answer", undefined);
    });

    it("give back all that was held when the seller failed", async () => {
      expect(await release(10n)).to.include({ spent: 0n, held: 0n, accepted: 10n });
    });

    it("happen once", async () => {
      await capture(10n);
      for (const attempt of [() => capture(10n), () => release(10n)]) {
        expect(await rejection(attempt())).to.equal("unknown-hold");
      }
      await hold(20n);
      await release(20n);
      for (const attempt of [() => capture(20n), () => release(20n), () => capture(30n), () => release(30n)]) {
        expect(await rejection(attempt())).to.equal("unknown-hold");
      }
      expect(await channel()).to.include({ spent: 10n, held: 0n });
    });

    it("go on while the channel closes, so that what runs is paid", async () => {
      await bench.ledger.beginClose(request(15n));
      await bench.ledger.updateChain(channelId, { ...open, closeRequestedAt: 1 });
      expect((await capture(10n)).channel).to.include({ spent: 10n, held: 0n });
    });
  });
}
