import { expect } from "chai";
import { type Hex, keccak256, zeroHash } from "viem";

import {
  type AcceptedStatement,
  addEvidence,
  allOf,
  anyOf,
  attestation,
  explainStatementRefusal,
  InvalidFieldError,
  nothingAccepted,
  review,
  setWork,
  type StatementRefusal,
  ticks,
  unprovenWork,
} from "../../../../sdk/src/protocol/index.ts";
import { chainId, contracts, evaluators } from "../conditions/samples.ts";
import { accept, channel, channelId, type Given, judge, lock, now, payee, payment, refOf, token } from "./stage.ts";

const stranger: Hex = "0x00000000000000000000000000000000000000ee";
const upper = (digits: Hex): Hex => digits.toUpperCase().replace("0X", "0x") as Hex;

const judged = (judgeBy: bigint) =>
  attestation({
    condition: contracts.attestation,
    chainId,
    evaluators: [evaluators[0]!.address],
    threshold: 1,
    specHash: zeroHash,
    judgeBy,
  });

/** Evidence for the payment under `refOf(n)`, as if it proved `due`. */
function prove(accepted: Parameters<typeof addEvidence>[0]["accepted"], n: number, due: bigint) {
  const judgement = addEvidence({ accepted, ref: refOf(n), evidence: "0x1234", due });
  if (judgement.outcome !== "raised") throw new Error(judgement.outcome);
  return judgement.next;
}

function expectRefused(given: Given, reason: StatementRefusal): void {
  expect(judge(given), reason.code).to.deep.equal({ outcome: "refused", reason });
  const { message, remedy } = explainStatementRefusal(reason);
  expect(`${message} Do: ${remedy}`, reason.code).to.match(/^[A-Zp].+\. Do: [a-z].+\.$/);
  for (const [field, value] of Object.entries(reason))
    if (field !== "code" && field !== "dropped" && field !== "chainId")
      expect(message, `${reason.code} ${field}`).to.include(String(value));
}

function expectAccepted(given: Given): void {
  expect(judge(given).outcome).to.equal("accepted");
}

describe("judgeStatement: the channel", () => {
  it("is refused for what speaks against it, and accepted at the limit", () => {
    expectAccepted({});
    expectRefused({ channel: { isContractKnown: false } }, { code: "contract-unknown", contract: channel.contract });
    const foreign = { ...channel, contract: stranger };
    const { reason } = judge({ channel: { contract: stranger } }) as { reason: { expected: Hex } };
    expectRefused({ channel: foreign }, { code: "channel-id-mismatch", channelId, expected: reason.expected });
    expect(reason.expected).not.to.equal(channelId);
    expectAccepted({ statement: { channelId: upper(channelId) } });
    const policies = { payee: upper(payee), token: upper(token) };
    expectAccepted({ policy: policies });
    expectRefused({ policy: { payee: stranger } }, { code: "payee-mismatch", given: payee, expected: stranger });
    expectRefused({ policy: { token: stranger } }, { code: "token-mismatch", given: token, expected: stranger });
    const short = { code: "grace-period-too-short", closeGracePeriod: 599, least: 600 } as const;
    expectRefused({ channel: { closeGracePeriod: 599 } }, short);
    expectRefused({ channel: { deposit: 0n }, statement: { cumulativeAmount: 0n } }, { code: "not-funded" });
    expectRefused({ channel: { closeRequestedAt: 7 } }, { code: "close-requested", closeRequestedAt: 7 });
    expectRefused({ channel: { finalized: true } }, { code: "channel-finalized" });
  });

  it("comes first, and the signature before everything that the statement says", () => {
    const payments = [payment(2), payment(1)];
    const bad = { isSignatureValid: false, payments };
    expectRefused({ statement: bad }, { code: "signature-invalid" });
    expectRefused({ statement: bad, channel: { finalized: true } }, { code: "channel-finalized" });
  });
});

describe("judgeStatement: fold and carry", () => {
  const one = () => accept(10n, [payment(1), payment(2)]);

  it("carries payments with their evidence, adds new ones in order, and leaves nothing out of the total", () => {
    const proven = prove(one(), 1, 30n);
    const statement = { cumulativeAmount: 11n, payments: [payment(1), payment(2), payment(3, 5n)] };
    const judgement = judge({ accepted: proven, statement });
    expect(judgement).to.deep.include({ outcome: "accepted", added: [refOf(3)], dropped: [], folded: 0n });
    const { next } = judgement as { next: AcceptedStatement };
    expect(next.cumulativeAmount).to.equal(11n);
    expect(next.payments.map(({ ref, due, evidence, work }) => [ref, due, evidence, work])).to.deep.equal([
      [refOf(1), 30n, "0x1234", 100n],
      [refOf(2), 0n, "0x", 100n],
      [refOf(3), 0n, "0x", 5n],
    ]);
    const before = judge({
      accepted: one(),
      statement: { cumulativeAmount: 11n, payments: [payment(0), ...one().payments] },
    });
    expect((before as { next: AcceptedStatement }).next.payments.map(({ ref }) => ref)).to.deep.equal(
      [0, 1, 2].map(refOf),
    );
  });

  it("demands the accepted total and all that is due on what is dropped, to the base unit", () => {
    const proven = prove(prove(one(), 1, 30n), 2, 100n);
    const dropped = [
      { ref: refOf(1), due: 30n },
      { ref: refOf(2), due: 100n },
    ];
    const refusal = { code: "fold-too-low", cumulativeAmount: 139n, required: 140n, dropped } as const;
    expectRefused({ accepted: proven, statement: { cumulativeAmount: 139n } }, refusal);
    const judgement = judge({ accepted: proven, statement: { cumulativeAmount: 140n } });
    expect(judgement).to.deep.include({ outcome: "accepted", added: [], folded: 130n });
    const { next } = judgement as { next: AcceptedStatement };
    expect(next.payments).to.deep.equal([]);
    const gone = [1, 2].map((n) => {
      const { ref, condition, parametersHash, amount } = proven.payments[n - 1]!;
      return { ref, condition, parametersHash, amount, due: n === 1 ? 30n : 100n };
    });
    expect(next.dropped).to.deep.equal(gone);
    expect(judgement).to.deep.include({ dropped: gone });
    expectRefused(
      { accepted: proven, statement: { cumulativeAmount: 39n, payments: [payment(2)] } },
      { code: "fold-too-low", cumulativeAmount: 39n, required: 40n, dropped: dropped.slice(0, 1) },
    );
    expectAccepted({ accepted: proven, statement: { cumulativeAmount: 40n, payments: [payment(2)] } });
  });

  it("refuses a carried payment with any of its fields changed", () => {
    const other = allOf([lock()], { condition: contracts.kth });
    const changes = [
      payment(1, 101n),
      payment(1, 99n),
      payment(1, 100n, other),
      { ...payment(1), condition: contracts.ticks },
      { ...payment(1), parametersHash: keccak256("0x") },
    ];
    for (const changed of changes) {
      const statement = { cumulativeAmount: 11n, payments: [changed, payment(2)] };
      expectRefused({ accepted: one(), statement }, { code: "payment-changed", ref: refOf(1) });
    }
    const spelled = [payment(1), payment(2)].map((same) => ({
      ...same,
      ref: upper(same.ref),
      condition: upper(same.condition),
      parametersHash: upper(same.parametersHash),
      parameters: upper(same.parameters),
    }));
    expectAccepted({ accepted: one(), statement: { cumulativeAmount: 11n, payments: spelled } });
  });

  it("never takes up a dropped payment again, changed or not", () => {
    const next = accept(20n, [payment(2)], { accepted: one() });
    const statement = { cumulativeAmount: 21n, payments: [payment(1), payment(2)] };
    expectRefused({ accepted: next, statement }, { code: "ref-used", ref: refOf(1) });
    const changed = { cumulativeAmount: 21n, payments: [payment(1, 7n), payment(2)] };
    expectRefused({ accepted: next, statement: changed }, { code: "payment-changed", ref: refOf(1) });
  });

  it("bounds the worst case by the confirmed deposit", () => {
    const statement = { cumulativeAmount: 801n, payments: [payment(1), payment(2)] };
    expectRefused({ statement }, { code: "exceeds-deposit", worstCase: 1_001n, deposit: 1_000n });
    expectAccepted({ statement: { ...statement, cumulativeAmount: 800n } });
    expectRefused(
      { statement: { cumulativeAmount: 1_001n } },
      { code: "exceeds-deposit", worstCase: 1_001n, deposit: 1_000n },
    );
  });
});

describe("judgeStatement: dominated statements", () => {
  const first = () => accept(10n, [payment(1)]);
  const second = () => accept(11n, [payment(1), payment(2)], { accepted: first() });
  const third = () => accept(12n, [payment(2)], { accepted: second() });

  it("are acknowledged, and told which payments stand", () => {
    const late = judge({ accepted: second(), statement: { cumulativeAmount: 10n, payments: [payment(1)] } });
    expect(late).to.deep.equal({ outcome: "dominated", next: second(), standing: [refOf(1)], missing: [] });
    const later = judge({
      accepted: third(),
      statement: { cumulativeAmount: 11n, payments: [payment(1), payment(2)] },
    });
    expect(later).to.deep.equal({ outcome: "dominated", next: third(), standing: [refOf(2)], missing: [refOf(1)] });
    const again = judge({ accepted: third(), statement: { cumulativeAmount: 12n, payments: [payment(2)] } });
    expect(again).to.deep.equal({ outcome: "dominated", next: third(), standing: [refOf(2)], missing: [] });
    const plain = judge({ accepted: third(), statement: { cumulativeAmount: 12n } });
    expect(plain).to.deep.equal({ outcome: "dominated", next: third(), standing: [], missing: [] });
    expect(judge({ statement: { cumulativeAmount: 0n } }).outcome).to.equal("dominated");
    const accepted = second();
    expect(judge({ accepted, statement: { cumulativeAmount: 10n } })).to.have.property("next", accepted);
  });

  it("burn the payments that arrive after they were dropped: their evidence is never taken", () => {
    const statement = { cumulativeAmount: 11n, payments: [payment(2), payment(3)] };
    const judgement = judge({ accepted: third(), statement });
    expect(judgement).to.deep.include({ outcome: "dominated", standing: [refOf(2)], missing: [refOf(3)] });
    const { next } = judgement as { next: AcceptedStatement };
    const { ref, condition, parametersHash, amount } = payment(3);
    expect(next).to.deep.equal({
      ...third(),
      dropped: [...third().dropped, { ref, condition, parametersHash, amount, due: 0n }],
    });
    const revived = { cumulativeAmount: 13n, payments: [payment(2), payment(3)] };
    expectRefused({ accepted: next, statement: revived }, { code: "ref-used", ref: refOf(3) });
  });

  it("are not those that count a payment in the total and among the payments", () => {
    const folded = accept(110n, [], { accepted: prove(first(), 1, 100n) });
    const both = { cumulativeAmount: 110n, payments: [payment(1)] };
    expectRefused({ accepted: folded, statement: both }, { code: "ref-used", ref: refOf(1) });
    const lower = { cumulativeAmount: 11n, payments: [payment(1)] };
    const refusal = { code: "fold-too-low", cumulativeAmount: 11n, required: 110n, dropped: [] } as const;
    expectRefused({ accepted: folded, statement: lower }, refusal);
    expect(judge({ accepted: folded, statement: { ...lower, cumulativeAmount: 10n } }).outcome).to.equal("dominated");
  });

  it("are not those with a changed payment, and a new payment at an equal total is no late one", () => {
    const changed = { cumulativeAmount: 9n, payments: [payment(1, 5n)] };
    const refusal = { code: "fold-too-low", cumulativeAmount: 9n, required: 10n, dropped: [] } as const;
    expectRefused({ accepted: first(), statement: changed }, refusal);
    const changedAtOnce = { cumulativeAmount: 10n, payments: [payment(1, 5n)] };
    expectRefused({ accepted: first(), statement: changedAtOnce }, { code: "payment-changed", ref: refOf(1) });
    expectAccepted({ accepted: first(), statement: { cumulativeAmount: 10n, payments: [payment(1), payment(2)] } });
  });
});

describe("judgeStatement: new payments", () => {
  const adding = (added: ReturnType<typeof payment>): Given => ({ statement: { payments: [added] } });

  it("are strictly ascending and at most 16", () => {
    const many = Array.from({ length: 17 }, (_, n) => payment(n, 1n));
    expectRefused({ statement: { payments: many } }, { code: "too-many-payments", count: 17, most: 16 });
    expectAccepted({ statement: { payments: many.slice(1) } });
    for (const payments of [
      [payment(1), payment(3), payment(2)],
      [payment(1), payment(2), payment(2)],
    ])
      expectRefused({ statement: { payments } }, { code: "payments-not-ascending", index: 2, ref: refOf(2) });
  });

  it("depend on known conditions only, nested ones too, with their parameters", () => {
    const kth = anyOf([lock()], { condition: contracts.kth });
    expectAccepted(adding(payment(1, 100n, kth)));
    const { hashlock: _, ...others } = contracts;
    const unknown = {
      code: "condition-unknown",
      ref: refOf(1),
      condition: lock().address.toLowerCase() as Hex,
    } as const;
    for (const condition of [lock(), kth])
      expectRefused({ ...adding(payment(1, 100n, condition)), policy: { contracts: others } }, unknown);
    const malformed = { code: "parameters-malformed", ref: refOf(1) } as const;
    expectRefused(adding({ ...payment(1), parameters: "0x12" }), { ...malformed, reason: "unreadable" });
    const longer = `${lock().parameters}00` as Hex;
    expectRefused(adding({ ...payment(1), parameters: longer }), { ...malformed, reason: "not-canonical" });
    const parametersHash = keccak256("0x");
    const mismatch = {
      code: "parameters-mismatch",
      ref: refOf(1),
      parametersHash,
      actual: lock().parametersHash,
    } as const;
    expectRefused(adding({ ...payment(1), parametersHash }), mismatch);
  });

  it("depend on no review, nested or not, and on what the payee works for only", () => {
    const reviewed = review({
      condition: contracts.review,
      provider: stranger,
      reviewer: payee,
      arbiter: token,
      reviewPeriod: 1n,
      arbitrationPeriod: 1n,
      deadline: 1n,
      silentArbiterPays: true,
    });
    const refusal = { code: "condition-not-allowed", ref: refOf(1) } as const;
    expectRefused(adding(payment(1, 100n, reviewed)), { ...refusal, kind: "review" });
    const nested = anyOf([lock(), reviewed], { condition: contracts.kth });
    expectRefused(adding(payment(1, 100n, nested)), { ...refusal, kind: "kth" });
    const acceptsCondition = ({ kind }: { kind: string }) => kind !== "hashlock";
    expectRefused({ ...adding(payment(1)), policy: { acceptsCondition } }, { ...refusal, kind: "hashlock" });
    expectAccepted({ ...adding(payment(1, 100n, judged(now))), policy: { acceptsCondition } });
  });

  it("leave evaluators time to judge, nested ones too", () => {
    const refusal = { code: "judge-by-too-soon", ref: refOf(1) } as const;
    expectRefused(adding(payment(1, 100n, judged(now - 1n))), { ...refusal, judgeBy: now - 1n, earliest: now });
    const nested = anyOf([lock(), judged(now + 59n)], { condition: contracts.kth });
    const policy = { leastJudgePeriod: 60n };
    const late = { ...refusal, judgeBy: now + 59n, earliest: now + 60n };
    expectRefused({ ...adding(payment(1, 100n, nested)), policy }, late);
    expectAccepted({ ...adding(payment(1, 100n, judged(now + 60n))), policy });
  });

  it("can be claimed together for 3,000,000 gas", () => {
    const ticked = ticks({ condition: contracts.ticks, root: zeroHash, tickAmount: 1n, tickCount: 10_000 });
    const payments = Array.from({ length: 5 }, (_, n) => payment(n, 1n, ticked));
    const judgement = judge({ statement: { payments } });
    expect(judgement).to.have.nested.property("reason.code", "claim-gas-too-high");
    const { reason } = judgement as { reason: Extract<StatementRefusal, { code: "claim-gas-too-high" }> };
    expectRefused({ statement: { payments } }, { ...reason, most: 3_000_000n });
    expectAccepted({ statement: { payments: payments.slice(1) } });
    const standing = accept(10n, payments.slice(1));
    expect(judge({ accepted: standing, statement: { cumulativeAmount: 11n, payments } }).outcome).to.equal("refused");
  });

  it("counts gas to the unit, with what stands already", () => {
    const claiming = (claimGas: bigint): Given => {
      const accepted = accept(10n, [payment(1)]);
      const payments = accepted.payments.map((one) => ({ ...one, claimGas }));
      return { accepted: { ...accepted, payments }, statement: { cumulativeAmount: 11n, payments: [payment(1)] } };
    };
    expectAccepted(claiming(2_880_000n));
    expectRefused(claiming(2_880_001n), { code: "claim-gas-too-high", gas: 3_000_001n, most: 3_000_000n });
  });

  it("does not take a fault of its own for one of the payer", () => {
    const contractsOf = {
      get hashlock(): Hex {
        throw new TypeError("a fault");
      },
    };
    expect(() => judge({ ...adding(payment(1)), policy: { contracts: contractsOf } })).to.throw(TypeError, "a fault");
  });

  it("refuses to judge what nobody can have signed", () => {
    const field = (given: Given, name: string) =>
      expect(() => judge(given))
        .to.throw(InvalidFieldError)
        .that.includes({ field: name });
    field({ statement: { cumulativeAmount: -1n } }, "ConditionalVoucher.cumulativeAmount");
    field(adding({ ...payment(1), ref: "0x12" }), "ConditionalPayment.ref");
    field(adding({ ...payment(1), condition: "0x12" }), "ConditionalPayment.condition");
    field(adding({ ...payment(1), parametersHash: "0x12" }), "ConditionalPayment.parametersHash");
    field(adding({ ...payment(1), amount: -1n }), "ConditionalPayment.amount");
  });
});

describe("judgeStatement: credit", () => {
  const five = (amount: bigint) => [1, 2, 3, 4, 5].map((n) => payment(n, amount));

  it("bounds the work that is not proven, of new payments and of those that stand", () => {
    expectAccepted({ statement: { payments: five(100n) } });
    const payments = [...five(100n).slice(1), payment(6, 101n)];
    const refusal = { code: "credit-exceeded", unproven: 501n, creditLimit: 500n } as const;
    expectRefused({ statement: { payments } }, refusal);
    const full = accept(10n, five(100n));
    const more = { cumulativeAmount: 11n, payments: [...five(100n), payment(6, 1n)] };
    expectRefused({ accepted: full, statement: more }, refusal);
    expectAccepted({ accepted: prove(full, 5, 1n), statement: more });
    const within = setWork({ accepted: full, ref: refOf(5), work: 99n, creditLimit: 0n });
    expectAccepted({ accepted: (within as { next: AcceptedStatement }).next, statement: more });
  });

  it("counts work for payments that were dropped unproven for good, so that dropping buys nothing", () => {
    const full = accept(10n, five(100n));
    const dropped = accept(80n, five(100n).slice(1), { accepted: prove(full, 1, 70n) });
    expect(dropped.lost).to.equal(30n);
    expect(unprovenWork(dropped)).to.equal(430n);
    const payments = [...five(100n).slice(1), payment(6, 71n)];
    const refusal = { code: "credit-exceeded", unproven: 501n, creditLimit: 500n } as const;
    expectRefused({ accepted: dropped, statement: { cumulativeAmount: 81n, payments } }, refusal);
    const all = accept(81n, [], { accepted: dropped });
    expect(all.lost).to.equal(430n);
    expect(accept(82n, [payment(6, 70n)], { accepted: all }).lost).to.equal(430n);
    const over = { cumulativeAmount: 82n, payments: [payment(6, 71n)] };
    expectRefused({ accepted: all, statement: over }, refusal);
  });

  it("does not stop a statement that adds no payment", () => {
    const full = accept(10n, five(100n));
    expectAccepted({
      accepted: full,
      policy: { creditLimit: 0n },
      statement: { cumulativeAmount: 11n, payments: five(100n) },
    });
    expectAccepted({ accepted: full, policy: { creditLimit: 0n }, statement: { cumulativeAmount: 11n } });
  });

  it("counts proven work once: what is due beyond the work pays for no other work", () => {
    const light = setWork({ accepted: accept(10n, five(100n)), ref: refOf(1), work: 10n, creditLimit: 0n });
    const proven = prove((light as { next: AcceptedStatement }).next, 1, 90n);
    expect(unprovenWork(proven)).to.equal(400n);
    expect(accept(101n, five(100n).slice(1), { accepted: proven }).lost).to.equal(0n);
  });

  it("lets a stream run one tick ahead, and further only within the credit", () => {
    const streamed = ticks({ condition: contracts.ticks, root: zeroHash, tickAmount: 7n, tickCount: 100 });
    const accepted = accept(10n, [payment(1, 700n, streamed)]);
    expect(unprovenWork(accepted)).to.equal(7n);
    expect(accept(10n, [payment(1, 5n, streamed)]).payments[0]?.work).to.equal(5n);
    const ahead = setWork({ accepted: prove(accepted, 1, 70n), ref: refOf(1), work: 570n, creditLimit: 500n });
    expect(ahead.outcome).to.equal("set");
  });
});

describe("judgeStatement: what it is given", () => {
  it("is plain data before and after, and never changed", () => {
    const accepted = accept(10n, [payment(1)]);
    const copy = structuredClone(accepted);
    judge({ accepted, statement: { cumulativeAmount: 12n, payments: [payment(2)] } });
    judge({ accepted, statement: { cumulativeAmount: 9n, payments: [payment(2)] } });
    prove(accepted, 1, 5n);
    expect(accepted).to.deep.equal(copy);
    expect(nothingAccepted).to.be.frozen;
  });
});
