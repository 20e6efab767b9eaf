import { expect } from "chai";
import { type Hex, zeroHash } from "viem";

import {
  type AcceptedStatement,
  addEvidence,
  entitlementOf,
  hashlock,
  hashPreimage,
  InvalidFieldError,
  nothingAccepted,
  proveDue,
  setWork,
  ticks,
  createTickChain,
  computePaymentId,
  UnknownConditionError,
} from "../../../../sdk/src/protocol/index.ts";
import { rejection } from "../random.ts";
import { chainId, contracts } from "../conditions/samples.ts";
import { accept, channelId, lock, payment, refOf } from "./stage.ts";

const standing = () => accept(10n, [payment(1), payment(2)]);
const upper = (digits: Hex): Hex => digits.toUpperCase().replace("0X", "0x") as Hex;

describe("addEvidence", () => {
  const add = (accepted: AcceptedStatement, due: bigint, ref = refOf(1), evidence: Hex = "0x12") =>
    addEvidence({ accepted, ref, evidence, due });

  it("keeps the better evidence and never lowers what is due", () => {
    const first = add(standing(), 30n);
    const payments = [{ ...standing().payments[0]!, evidence: "0x12", due: 30n }, standing().payments[1]];
    expect(first).to.deep.equal({ outcome: "raised", next: { ...standing(), payments }, gain: 30n });
    const { next } = first as { next: AcceptedStatement };
    for (const due of [0n, 29n, 30n]) expect(add(next, due)).to.deep.equal({ outcome: "kept", due: 30n });
    expect(add(next, 31n, upper(refOf(1)))).to.deep.include({ outcome: "raised", gain: 1n });
    expect(add(standing(), 0n)).to.deep.equal({ outcome: "kept", due: 0n });
  });

  it("counts no more than the payment's amount", () => {
    const judgement = add(standing(), 101n);
    expect(judgement).to.deep.include({ outcome: "raised", gain: 100n });
    expect((judgement as { next: AcceptedStatement }).next.payments[0]?.due).to.equal(100n);
  });

  it("is refused for payments that were never accepted, and for dropped ones", () => {
    const { next } = add(standing(), 30n) as { next: AcceptedStatement };
    const dropped = accept(40n, [payment(2)], { accepted: next });
    const gone = { code: "payment-dropped", ref: refOf(1), due: 30n };
    expect(add(dropped, 100n, upper(refOf(1)))).to.deep.equal({ outcome: "refused", reason: gone });
    const unknown = { code: "payment-unknown", ref: refOf(3) };
    expect(add(dropped, 100n, refOf(3))).to.deep.equal({ outcome: "refused", reason: unknown });
  });

  it("refuses malformed input", () => {
    for (const [field, changes] of [
      ["Evidence.ref", { ref: "0x12" }],
      ["Evidence.due", { due: -1n }],
    ] as const)
      expect(() =>
        addEvidence({ accepted: standing(), ref: refOf(1), evidence: "0x", due: 1n, ...(changes as object) }),
      )
        .to.throw(InvalidFieldError)
        .that.includes({ field });
  });
});

describe("setWork", () => {
  const set = (work: bigint, creditLimit: bigint, ref = refOf(1)) =>
    setWork({ accepted: standing(), ref, work, creditLimit });

  it("takes more work within the credit and less at any time", () => {
    const payments = [{ ...standing().payments[0]!, work: 150n }, standing().payments[1]];
    expect(set(150n, 250n, upper(refOf(1)))).to.deep.equal({ outcome: "set", next: { ...standing(), payments } });
    const reason = { code: "credit-exceeded", unproven: 251n, creditLimit: 250n };
    expect(set(151n, 250n)).to.deep.equal({ outcome: "refused", reason });
    for (const work of [0n, 99n, 100n]) expect(set(work, 0n).outcome, String(work)).to.equal("set");
    expect(set(101n, 0n).outcome).to.equal("refused");
  });

  it("knows payments that stand only, and refuses malformed input", () => {
    const reason = { code: "payment-unknown", ref: refOf(3) };
    expect(set(1n, 1_000n, refOf(3))).to.deep.equal({ outcome: "refused", reason });
    expect(() => set(1n, 1n, "0x12"))
      .to.throw(InvalidFieldError)
      .that.includes({ field: "Work.ref" });
    expect(() => set(-1n, 1n))
      .to.throw(InvalidFieldError)
      .that.includes({ field: "Work.work" });
  });
});

describe("entitlementOf", () => {
  it("is the total and what is due of each payment, at most its amount", () => {
    const statement = { cumulativeAmount: 5n, payments: [payment(10, 100n), payment(11, 50n), payment(12, 7n)] };
    const dues = [
      { ref: upper(refOf(10)), due: 30n },
      { ref: refOf(11), due: 51n },
      { ref: refOf(13), due: 1_000n },
    ];
    expect(entitlementOf(statement, dues)).to.equal(85n);
    expect(entitlementOf(statement, [])).to.equal(5n);
    const spelled = { cumulativeAmount: 5n, payments: [{ ...payment(10), ref: upper(refOf(10)) }] };
    expect(entitlementOf(spelled, [{ ref: refOf(10), due: 30n }])).to.equal(35n);
  });
});

describe("proveDue", () => {
  const at = { contracts, chainId, channelId };

  it("asks the condition about this channel's payment and nothing else", async () => {
    const tickOf = async (n: number, provenAs: number) => {
      const chain = createTickChain({ paymentId: computePaymentId({ channelId, ref: refOf(n) }), tickCount: 9 });
      const condition = ticks({ condition: contracts.ticks, root: chain.root, tickAmount: 7n, tickCount: 9 });
      const evidence = condition.encodeEvidence(chain.tick(3));
      return proveDue({ ...at, payment: payment(provenAs, 20n, condition), evidence });
    };
    expect(await tickOf(1, 1)).to.equal(20n);
    expect(await tickOf(1, 2)).to.equal(0n);
    expect(await proveDue({ ...at, payment: payment(1), evidence: zeroHash })).to.equal(100n);
    expect(await proveDue({ ...at, payment: payment(1), evidence: "0x" })).to.equal(0n);
  });

  it("knows no condition that is not named", async () => {
    const elsewhere = hashlock({ condition: contracts.kth, sha256Hash: hashPreimage(zeroHash) });
    const { kth: _, ...known } = contracts;
    const parameters = { ...at, contracts: known, payment: payment(1, 1n, elsewhere), evidence: zeroHash };
    expect(await rejection(proveDue(parameters))).to.be.instanceOf(UnknownConditionError);
    expect(lock().kind).to.equal("hashlock");
    expect(nothingAccepted.payments).to.deep.equal([]);
  });
});
