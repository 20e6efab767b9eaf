import { expect } from "chai";
import { type Hex, zeroHash } from "viem";

import {
  createTickChain,
  InvalidConditionError,
  InvalidEvidenceError,
  InvalidFieldError,
  ticks,
  verifyTick,
} from "../../../../sdk/src/protocol/index.ts";
import { readVectors } from "../vectors.ts";
import { contracts } from "./samples.ts";

type TickVector = { paymentId: Hex; tickCount: number; root: Hex; x16: Hex; x1: Hex; x7: Hex };
const vector = (readVectors() as unknown as { tickChain: TickVector }).tickChain;
const { paymentId, tickCount } = vector;

describe("createTickChain", () => {
  it("agrees with the vectors", () => {
    const chain = createTickChain({ paymentId, tickCount, seed: vector.x16 });
    expect(chain).to.include({ root: vector.root, tickCount, seed: vector.x16 });
    expect([16, 7, 1].map((n) => chain.tick(n).x)).to.deep.equal([vector.x16, vector.x7, vector.x1]);
    expect(chain.tick(7).n).to.equal(7);
  });

  it("gives each tick in any order, where it keeps one of a hundred", () => {
    for (const count of [1, 99, 100, 101, 250]) {
      const seed: Hex = `0x${"AB".repeat(32)}`;
      const chain = createTickChain({ paymentId, tickCount: count, seed });
      let known = { n: 0, x: chain.root };
      const places = [1, 99, 100, 101, 199, 200, 201, 249, 250].filter((n) => n <= count);
      for (const n of places.toReversed()) expect(chain.tick(n), `${n} of ${count}`).to.include({ n });
      for (const n of places) {
        const tick = chain.tick(n);
        expect(tick.x, "lower case").to.equal(tick.x.toLowerCase());
        expect(verifyTick({ paymentId, known, tick }), `${n} of ${count}`).to.equal(true);
        known = tick;
      }
    }
  });

  it("makes a random chain each time", () => {
    const [one, two] = [1, 2].map(() => createTickChain({ paymentId, tickCount }));
    expect(one!.root).not.to.equal(two!.root);
    expect(createTickChain({ paymentId, tickCount, seed: one!.seed }).root).to.equal(one!.root);
  });

  it("refuses ticks it has not, and chains that nobody counts", () => {
    const chain = createTickChain({ paymentId, tickCount });
    for (const n of [0, -1, 17, 0.5, Number.NaN])
      expect(() => chain.tick(n), String(n))
        .to.throw(InvalidEvidenceError)
        .that.includes({ reason: "tick-out-of-range" });
    for (const count of [0, 10_001, 0.5])
      expect(() => createTickChain({ paymentId, tickCount: count }))
        .to.throw(InvalidConditionError)
        .that.includes({ reason: "tick-count-out-of-range" });
    expect(() => createTickChain({ paymentId: "0x12", tickCount }))
      .to.throw(InvalidFieldError)
      .that.includes({ field: "ticks.paymentId" });
    expect(() => createTickChain({ paymentId, tickCount, seed: "0x12" }))
      .to.throw(InvalidFieldError)
      .that.includes({ field: "ticks.seed" });
  });
});

describe("verifyTick", () => {
  const chainOf = () => createTickChain({ paymentId, tickCount, seed: vector.x16 });
  const upper = (x: Hex) => x.toUpperCase().replace("0X", "0x") as Hex;

  it("takes a later tick of the same chain and payment only", () => {
    const chain = chainOf();
    const known = chain.tick(5);
    const verify = (changes: object) => verifyTick({ paymentId, known, tick: chain.tick(9), ...changes });
    expect(verify({})).to.equal(true);
    expect(verify({ known: { n: 5, x: upper(known.x) }, tick: { n: 9, x: upper(chain.tick(9).x) } })).to.equal(true);
    expect(verify({ tick: chain.tick(6) })).to.equal(true);
    for (const tick of [known, chain.tick(4), { n: 8, x: chain.tick(9).x }, { n: Number.NaN, x: known.x }])
      expect(verify({ tick }), String(tick.n)).to.equal(false);
    expect(verify({ paymentId: zeroHash })).to.equal(false);
  });

  it("refuses what is not 32 bytes", () => {
    const chain = chainOf();
    const known = chain.tick(5);
    const x: Hex = "0x12";
    const tick = chain.tick(9);
    for (const [field, parameters] of [
      ["paymentId", { paymentId: x, known, tick }],
      ["known", { paymentId, known: { n: 5, x }, tick }],
      ["tick", { paymentId, known, tick: { n: 9, x } }],
    ] as const)
      expect(() => verifyTick(parameters))
        .to.throw(InvalidFieldError)
        .that.includes({ field: `verifyTick.${field}` });
  });

  it("INV14: the n-th tick proves n ticks and no more, up to the payment's amount and the chain's length", async () => {
    const chain = chainOf();
    const { root } = chain;
    const condition = ticks({ condition: contracts.ticks, root, tickAmount: 10n, tickCount: 12 });
    const longer = ticks({ condition: contracts.ticks, root, tickAmount: 10n, tickCount });
    const due = (n: number, amount: bigint) =>
      condition.amountDue({ paymentId, amount, evidence: longer.encodeEvidence(chain.tick(n)) });
    expect(await due(7, 1_000n)).to.equal(70n);
    expect(await due(12, 1_000n)).to.equal(120n);
    expect(await due(7, 69n)).to.equal(69n);
    expect(await due(13, 1_000n)).to.equal(0n);
    const early = longer.encodeEvidence({ n: 8, x: chain.tick(7).x });
    expect(await condition.amountDue({ paymentId, amount: 1_000n, evidence: early })).to.equal(0n);
  });
});
