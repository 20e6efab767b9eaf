import { expect } from "chai";
import type { Hex } from "viem";

import type {
  Answer,
  ChannelRecord,
  ChainState,
  HoldRefusal,
  HoldRequest,
  HoldResult,
  Ledger,
} from "../../../sdk/src/ledger/index.ts";
import type { Terms } from "../../../sdk/src/index.ts";
import { createRandom } from "../protocol/random.ts";

const bytes = (byte: string, count: number): Hex => `0x${byte.repeat(count)}`;
const signatureOf = (amount: bigint): Hex => `0x${amount.toString(16).padStart(130, "0")}`;

const channelId = bytes("c1", 32);
const other = bytes("c2", 32);
const terms: Terms = {
  payer: bytes("a1", 20),
  payee: bytes("b2", 20),
  token: bytes("70", 20),
  salt: bytes("5a", 32),
  authorizedSigner: bytes("00", 20),
};
const open: ChainState = { deposit: 1000n, settled: 0n, closeRequestedAt: 0, finalized: false };
const answer: Answer = { status: 200, headers: [["x", "1"]], body: new Uint8Array([1, 2, 3]) };

/** A request over this statement; the same number, the same request. */
function request(cumulativeAmount: bigint, changes: Partial<HoldRequest> & { number?: number } = {}): HoldRequest {
  const { number = Number(cumulativeAmount), ...rest } = changes;
  return {
    channelId,
    cumulativeAmount,
    signature: signatureOf(cumulativeAmount),
    requestHash: `0x${number.toString(16).padStart(64, "0")}`,
    idempotencyKey: undefined,
    amount: 10n,
    minVoucherDelta: 0n,
    ...rest,
  };
}

/**
 * What every ledger must do, whatever it is made of.
 *
 * @param name - Of the ledger.
 * @param create - Makes an empty one; `keep` is how many statements a channel it remembers.
 */
export function describeLedger(name: string, create: (options?: { keep?: number }) => Ledger | Promise<Ledger>): void {
  describe(name, () => {
    let ledger: Ledger;

    /** A ledger with one channel of 1,000. */
    async function start(options: { keep?: number; chain?: ChainState; accepted?: bigint } = {}): Promise<void> {
      ledger = await create(options.keep === undefined ? {} : { keep: options.keep });
      await add(channelId, options.chain ?? open, options.accepted ?? 0n);
    }
    const add = (id: Hex, chain: ChainState, cumulativeAmount: bigint) =>
      ledger.addChannel({
        channelId: id,
        terms,
        chain,
        cumulativeAmount,
        signature: signatureOf(cumulativeAmount),
      });

    async function channel(id = channelId): Promise<ChannelRecord> {
      return (await ledger.getChannel(id))!;
    }
    async function refusal(result: Promise<HoldResult>): Promise<HoldRefusal | string> {
      const settled = await result;
      return settled.kind === "refused" ? settled.reason : settled.kind;
    }
    const hold = (...parameters: Parameters<typeof request>) => ledger.hold(request(...parameters));
    const capture = (cumulativeAmount: bigint, amount = 10n, kept: Answer | undefined = answer) =>
      ledger.capture({ channelId, cumulativeAmount, amount, answer: kept });
    const release = (cumulativeAmount: bigint) => ledger.release({ channelId, cumulativeAmount });
    const accept = (cumulativeAmount: bigint, minVoucherDelta = 0n) =>
      ledger.accept(request(cumulativeAmount, { minVoucherDelta }));

    async function rejection(promise: Promise<unknown>): Promise<unknown> {
      return promise.then(
        () => expect.fail("resolved, where a rejection was expected"),
        (error: unknown) => (error as { code?: unknown }).code,
      );
    }

    describe("channels", () => {
      it("knows none until it is added", async () => {
        ledger = await create();
        expect(await ledger.getChannel(channelId)).to.equal(undefined);
        expect(await ledger.updateChain(channelId, open)).to.equal(undefined);
        expect(await ledger.accept(request(10n))).to.deep.equal({ kind: "unknown-channel" });
        expect(await ledger.hold(request(10n))).to.deep.equal({ kind: "unknown-channel" });
        expect(await ledger.beginClose(request(10n))).to.deep.equal({ kind: "unknown-channel" });
        expect(await rejection(capture(10n))).to.equal("unknown-hold");
        expect(await rejection(release(10n))).to.equal("unknown-hold");
        await ledger.cancelClose(channelId);
        expect(await ledger.getChannel(channelId)).to.equal(undefined);
      });

      it("starts one with its first statement, nothing spent and nothing held", async () => {
        ledger = await create();
        const expected: ChannelRecord = {
          ...open,
          channelId,
          terms,
          accepted: 5n,
          signature: signatureOf(5n),
          spent: 0n,
          held: 0n,
          closing: false,
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
        const chain: ChainState = { deposit: 2000n, settled: 40n, closeRequestedAt: 99, finalized: true };
        expect(await ledger.updateChain(channelId, chain)).to.include({ ...chain, accepted: 50n, spent: 0n, held: 0n });
      });

      it("lists all in the order they were added", async () => {
        await start();
        await add(other, open, 0n);
        await hold(10n);
        await add(channelId, open, 0n);
        const listed: Hex[] = [];
        for await (const record of ledger.channels()) listed.push(record.channelId);
        expect(listed).to.deep.equal([channelId, other]);
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
        await ledger.updateChain(channelId, { ...open, closeRequestedAt: 1 });
        expect(await refusal(accept(130n))).to.equal("channel-closing");
        expect(await refusal(accept(50n))).to.equal("channel-closing");
        await ledger.updateChain(channelId, { ...open, finalized: true });
        expect(await refusal(accept(130n))).to.equal("channel-finalized");
        await ledger.updateChain(channelId, open);
        await ledger.beginClose(request(120n));
        expect(await refusal(accept(130n))).to.equal("channel-closing");
      });
    });

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
        await ledger.updateChain(channelId, { ...open, closeRequestedAt: 1 });
        expect(await refusal(hold(10n))).to.equal("channel-closing");
        await ledger.updateChain(channelId, { ...open, closeRequestedAt: 1, finalized: true });
        expect(await refusal(hold(10n))).to.equal("channel-finalized");
        await ledger.updateChain(channelId, open);
        await ledger.beginClose(request(5n));
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
            answer,
          });
        expect(await channel()).to.include({ spent: 7n, held: 0n });
      });

      it("gives it from a closed channel too", async () => {
        await hold(10n);
        await capture(10n);
        await ledger.updateChain(channelId, { ...open, finalized: true });
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
        await ledger.capture({ channelId, cumulativeAmount: 10n, amount: 10n, answer: undefined });
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
        await ledger.beginClose(request(15n));
        await ledger.updateChain(channelId, { ...open, closeRequestedAt: 1 });
        expect((await capture(10n)).channel).to.include({ spent: 10n, held: 0n });
      });
    });

    describe("closing", () => {
      beforeEach(() => start({ accepted: 0n }));

      it("stops new holds, and takes a higher statement", async () => {
        await hold(10n);
        const result = await ledger.beginClose(request(15n));
        expect(result.kind).to.equal("held");
        expect(await channel()).to.include({ closing: true, accepted: 15n, held: 10n });
        expect(await refusal(hold(30n))).to.equal("channel-closing");
      });

      it("needs no higher statement and lowers none", async () => {
        await hold(20n);
        expect(await refusal(ledger.beginClose(request(5n)))).to.equal("held");
        expect(await channel()).to.include({ closing: true, accepted: 20n, signature: signatureOf(20n) });
      });

      it("keeps no statement above the deposit", async () => {
        expect(await refusal(ledger.beginClose(request(1001n)))).to.equal("held");
        expect(await channel()).to.include({ closing: true, accepted: 0n });
      });

      for (const status of ["held", "captured", "released"]) {
        it(`F023: refuses a statement that is ${status}: others have seen it`, async () => {
          await hold(10n);
          if (status === "captured") await capture(10n);
          if (status === "released") await release(10n);
          expect(await refusal(ledger.beginClose(request(10n)))).to.equal("statement-used");
          expect(await channel()).to.include({ closing: false });
        });
      }

      it("takes the statement of zero, with which it was opened, while nothing was bought", async () => {
        expect(await refusal(ledger.beginClose(request(0n)))).to.equal("held");
      });

      it("takes it when all that was tried has failed", async () => {
        await hold(10n);
        await release(10n);
        expect(await refusal(ledger.beginClose(request(0n)))).to.equal("held");
      });

      for (const status of ["held", "captured"]) {
        it(`F023: refuses the statement of zero once something is ${status}`, async () => {
          await hold(10n);
          if (status === "captured") await capture(10n);
          expect(await refusal(ledger.beginClose(request(0n)))).to.equal("statement-used");
          expect(await channel()).to.include({ closing: false });
        });
      }

      it("may be begun again, since a try may be cut off, and stays until it is cancelled", async () => {
        await ledger.beginClose(request(5n));
        expect(await refusal(ledger.beginClose(request(5n)))).to.equal("held");
        expect(await refusal(ledger.beginClose(request(6n)))).to.equal("held");
        expect(await channel()).to.include({ closing: true, accepted: 6n });
        expect(await refusal(hold(20n))).to.equal("channel-closing");
        await ledger.cancelClose(channelId);
        expect(await channel()).to.include({ closing: false });
        expect((await hold(20n)).kind).to.equal("held");
      });

      it("is possible while the payer's own request to close is pending, not once it is finalized", async () => {
        await ledger.updateChain(channelId, { ...open, closeRequestedAt: 1 });
        expect(await refusal(ledger.beginClose(request(5n)))).to.equal("held");
        await ledger.cancelClose(channelId);
        await ledger.updateChain(channelId, { ...open, finalized: true });
        expect(await refusal(ledger.beginClose(request(6n)))).to.equal("channel-finalized");
      });
    });

    describe("forgetting", () => {
      beforeEach(() => start({ keep: 3 }));

      /** Buys with statements 10, 20, … up to this one. */
      async function buyUpTo(last: bigint): Promise<void> {
        for (let amount = 10n; amount <= last; amount += 10n) {
          expect((await hold(amount, { idempotencyKey: `k${amount}` })).kind).to.equal("held");
          await capture(amount);
        }
      }

      it("keeps the latest answers and refuses the statements of the others", async () => {
        await buyUpTo(60n);
        for (const amount of [40n, 50n, 60n]) {
          expect((await hold(amount, { idempotencyKey: `k${amount}` })).kind).to.equal("repeated");
        }
        for (const amount of [10n, 20n, 30n]) {
          expect(await refusal(hold(amount, { idempotencyKey: `k${amount}` }))).to.equal("statement-used");
        }
        expect(await channel()).to.include({ spent: 60n, held: 0n });
      });

      it("refuses every statement that it could have forgotten, also to a close", async () => {
        await accept(500n);
        await buyUpTo(60n);
        for (const amount of [1n, 29n, 30n]) {
          expect(await refusal(hold(amount, { number: 99 }))).to.equal("statement-used");
          expect(await refusal(ledger.beginClose(request(amount)))).to.equal("statement-used");
        }
        expect((await hold(31n, { number: 99 })).kind).to.equal("held");
      });

      it("lets no forgotten statement buy again under the key of a released request", async () => {
        await accept(500n);
        await hold(5n, { number: 5 });
        await capture(5n);
        await buyUpTo(40n);
        await hold(50n, { idempotencyKey: "again", number: 50 });
        await release(50n);
        expect(await refusal(hold(5n, { idempotencyKey: "again", number: 50 }))).to.equal("statement-used");
        expect((await hold(50n, { idempotencyKey: "again", number: 50 })).kind).to.equal("held");
      });

      it("forgets a released try without the key under which the request was served", async () => {
        const keyed = { idempotencyKey: "key", number: 7 };
        await hold(5n, { ...keyed, amount: 5n });
        await release(5n);
        await hold(10n, keyed);
        await capture(10n);
        for (const amount of [20n, 30n]) {
          await hold(amount);
          await capture(amount);
        }
        // Of four statements three are kept: that of 5 is gone.
        const again = await hold(40n, keyed);
        expect(again).to.include({ kind: "repeated" });
        expect(await channel()).to.include({ spent: 30n, held: 0n });
      });

      it("never forgets what is held", async () => {
        await accept(500n);
        for (let amount = 10n; amount <= 60n; amount += 10n) await hold(amount);
        expect(await channel()).to.include({ held: 60n });
        for (let amount = 10n; amount <= 60n; amount += 10n) await capture(amount);
        expect(await channel()).to.include({ held: 0n, spent: 60n });
        for (let amount = 10n; amount <= 60n; amount += 10n) {
          expect(await refusal(hold(amount, { number: 99 }))).to.equal("statement-used");
        }
      });
    });

    describe("many at once", () => {
      it("F094: of 50 parallel requests as many are held as the statement covers", async () => {
        await start({ accepted: 200n });
        const results = await Promise.all(Array.from({ length: 50 }, (_, i) => hold(BigInt(i + 1))));
        const kinds = await Promise.all(results.map((result) => refusal(Promise.resolve(result))));
        expect(kinds.filter((kind) => kind === "held")).to.have.lengthOf(20);
        expect(kinds.filter((kind) => kind === "insufficient-balance")).to.have.lengthOf(30);
        expect(await channel()).to.include({ accepted: 200n, held: 200n });
      });

      it("F057: of 50 copies of one request one is held", async () => {
        await start();
        const results = await Promise.all(Array.from({ length: 50 }, () => refusal(hold(10n))));
        expect(results.filter((kind) => kind === "held")).to.have.lengthOf(1);
        expect(results.filter((kind) => kind === "request-in-progress")).to.have.lengthOf(49);
        expect(await channel()).to.include({ held: 10n });
      });

      it("of 50 captures of one hold one counts", async () => {
        await start();
        await hold(10n);
        const results = await Promise.allSettled(Array.from({ length: 50 }, () => capture(10n)));
        expect(results.filter(({ status }) => status === "fulfilled")).to.have.lengthOf(1);
        expect(await channel()).to.include({ spent: 10n, held: 0n });
      });
    });

    for (let seed = 1; seed <= 8; seed++) {
      it(`keeps its accounts exactly over 400 random steps, ${seed}`, async () => {
        const random = createRandom(seed);
        await start({ keep: seed % 2 === 0 ? 1000 : 4 });
        let deposit = 1000n;
        let accepted = 0n;
        /** The plain reference: what each statement has bought, and for which request. */
        const bought = new Map<
          bigint,
          { request: HoldRequest; status: "held" | "captured" | "released"; paid: bigint }
        >();
        const sum = (pick: (entry: { request: HoldRequest; status: string; paid: bigint }) => bigint): bigint =>
          [...bought.values()].reduce((total, entry) => total + pick(entry), 0n);
        const running = () => [...bought].filter(([, { status }]) => status === "held");

        for (let step = 0; step < 400; step++) {
          const choice = random.below(10);
          const cumulativeAmount = BigInt(random.below(Number(accepted) + 60));
          if (choice < 5) {
            const number = random.below(40);
            const asked = request(cumulativeAmount, {
              number,
              idempotencyKey: random.below(2) === 0 ? undefined : `k${number}`,
              amount: BigInt(random.below(30)),
            });
            const result = await ledger.hold(asked);
            const earlier = bought.get(cumulativeAmount);
            if (result.kind === "held") {
              // A statement buys again only what failed before, and the same.
              if (earlier) expect(earlier).to.deep.include({ status: "released" });
              if (earlier) expect(earlier.request.requestHash).to.equal(asked.requestHash);
              bought.set(cumulativeAmount, { request: asked, status: "held", paid: 0n });
            } else if (result.kind === "repeated") {
              const original = bought.get(result.hold.cumulativeAmount);
              expect(original).to.deep.include({ status: "captured", paid: result.hold.captured });
              expect(original?.request.requestHash).to.equal(asked.requestHash);
            }
          } else if (choice < 7) {
            const [held] = running()[random.below(running().length || 1)] ?? [];
            if (held !== undefined) {
              const entry = bought.get(held)!;
              const metered = BigInt(random.below(40));
              const paid = metered < entry.request.amount ? metered : entry.request.amount;
              await capture(held, metered);
              bought.set(held, { ...entry, status: "captured", paid });
            }
          } else if (choice < 8) {
            const [held] = running()[random.below(running().length || 1)] ?? [];
            if (held !== undefined) {
              await release(held);
              bought.set(held, { ...bought.get(held)!, status: "released" });
            }
          } else if (choice < 9) {
            await accept(cumulativeAmount);
          } else {
            deposit += BigInt(random.below(100));
            await ledger.updateChain(channelId, { ...open, deposit });
          }

          const now = await channel();
          expect(now.accepted >= accepted, "accepted never falls").to.equal(true);
          expect(now.accepted <= deposit, "accepted is at most the deposit").to.equal(true);
          expect(now.spent + now.held <= now.accepted, "spent + held <= accepted").to.equal(true);
          expect(now.signature).to.equal(signatureOf(now.accepted));
          expect(now.spent).to.equal(sum(({ paid }) => paid));
          expect(now.held).to.equal(sum(({ status, request: { amount } }) => (status === "held" ? amount : 0n)));
          ({ accepted } = now);
        }
        expect(sum(({ paid }) => paid) > 0n).to.equal(true);
      });
    }
  });
}
