import { expect } from "chai";

import type { HoldRequest } from "../../../sdk/src/ledger/index.ts";
import { createRandom } from "../protocol/random.ts";
import { type Bench, channelId, open, request, signatureOf } from "./bench.ts";

/** That sums are exact, whatever happens and however much at once. */
export function describeAccounts(bench: Bench): void {
  const { start, channel, hold, capture, release, accept, refusal } = bench;

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
          const result = await bench.ledger.hold(asked);
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
          await bench.ledger.updateChain(channelId, { ...open, deposit });
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
}
