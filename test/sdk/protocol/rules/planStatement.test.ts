import { expect } from "chai";
import { type Address, type Hex, zeroHash } from "viem";

import {
  anyOf,
  attestation,
  type Condition,
  explainPlanRefusal,
  InvalidFieldError,
  nothingSigned,
  type PayerPolicy,
  type PlanRefusal,
  planStatement,
  review,
  type SignedStatements,
  ticks,
} from "../../../../sdk/src/protocol/index.ts";
import { chainId, contracts, evaluators } from "../conditions/samples.ts";
import { lock, now, payee, payment, refOf, token } from "./stage.ts";

const trusted = evaluators.map(({ address }) => address);
const policy: PayerPolicy = {
  mostLiability: 500n,
  mostPayment: 200n,
  contracts,
  kinds: ["hashlock", "attestation", "ticks"],
  evaluators: trusted.slice(0, 3).map((address) => address.toLowerCase() as Address),
  mostJudgePeriod: 60n,
};
const upper = (digits: Hex): Hex => digits.toUpperCase().replace("0X", "0x") as Hex;

type Given = Partial<Omit<planStatement.Parameters, "policy">> & { policy?: Partial<PayerPolicy> };
const plan = (given: Given) =>
  planStatement({
    signed: nothingSigned,
    deposit: 1_000n,
    spent: 0n,
    openCalls: [],
    now,
    ...given,
    policy: { ...policy, ...given.policy },
  });
const add = (n: number, amount = 100n, condition: Condition = lock()) => ({ ref: refOf(n), condition, amount });

/** What is signed after a plan that has to be made. */
function sign(given: Given): SignedStatements {
  const planned = plan(given);
  if (planned.outcome !== "sign") throw new Error(planned.reason.code);
  return planned.next;
}

function expectRefused(given: Given, reason: PlanRefusal): void {
  expect(plan(given), reason.code).to.deep.equal({ outcome: "refused", reason });
  const { message, remedy } = explainPlanRefusal(reason);
  expect(`${message} Do: ${remedy}`, reason.code).to.match(/^[A-Z].+\. Do: [a-z].+\.$/);
  for (const [field, value] of Object.entries(reason))
    if (field !== "code") expect(message, `${reason.code} ${field}`).to.include(String(value));
}

describe("planStatement: the total", () => {
  it("is above every earlier one, or what is spent and open", () => {
    const total = (given: Given) => sign(given).cumulativeAmount;
    expect(total({})).to.equal(1n);
    expect(total({ spent: 30n, openCalls: [5n, 7n] })).to.equal(42n);
    const signed = { ...nothingSigned, cumulativeAmount: 50n };
    expect(total({ signed, spent: 30n, openCalls: [5n, 7n] })).to.equal(51n);
    expect(total({ signed, spent: 30n, openCalls: [21n] })).to.equal(51n);
    expect(total({ signed, spent: 30n, openCalls: [22n] })).to.equal(52n);
  });

  it("grows by what is folded, above headroom and from then on beside what is spent", () => {
    const signed = sign({ openCalls: [50n], add: [add(1), add(2), add(3)] });
    const folded = plan({ signed, spent: 20n, fold: [{ ref: upper(refOf(1)), due: 40n }], drop: [refOf(2)] });
    expect(folded).to.deep.include({
      outcome: "sign",
      statement: {
        cumulativeAmount: 90n,
        payments: [{ ...payment(3), condition: payment(3).condition.toLowerCase() }],
      },
    });
    const { next } = folded as { next: SignedStatements };
    expect(next).to.include({ cumulativeAmount: 90n, folded: 40n, liability: 350n });
    expect(next.refs).to.deep.equal([1, 2, 3].map(refOf));
    expect(sign({ signed: next, spent: 20n, openCalls: [31n] }).cumulativeAmount).to.equal(91n);
    expect(sign({ signed: next, spent: 20n, openCalls: [33n] }).cumulativeAmount).to.equal(93n);
    expect(sign({ signed: next, fold: [{ ref: refOf(3), due: 0n }] }).cumulativeAmount).to.equal(91n);
    expect(sign({ signed: next, spent: 50n, fold: [{ ref: refOf(3), due: 2n }] }).cumulativeAmount).to.equal(92n);
    expect(sign({ signed: next, spent: 51n, fold: [{ ref: refOf(3), due: 2n }] }).cumulativeAmount).to.equal(93n);
  });
});

describe("planStatement: payments", () => {
  it("carries what is neither folded nor dropped, sorts by ref, and states what was signed", () => {
    const signed = sign({ add: [add(5), add(1)] });
    const planned = plan({ signed, add: [{ ...add(3), ref: upper(refOf(11)) }, add(3, 7n)] });
    const { statement, next } = planned as Extract<typeof planned, { outcome: "sign" }>;
    expect(statement.payments).to.deep.equal(
      [payment(1), payment(3, 7n), payment(5), payment(11)].map((one) => ({
        ...one,
        condition: one.condition.toLowerCase(),
      })),
    );
    expect(statement.cumulativeAmount).to.equal(2n);
    expect(next.payments.map(({ ref }) => ref)).to.deep.equal([1, 3, 5, 11].map(refOf));
  });

  it("folds and drops outstanding payments once, at most at their amount", () => {
    const signed = sign({ add: [add(1)] });
    const missing = { code: "payment-not-carried", ref: refOf(2) } as const;
    expectRefused({ signed, drop: [refOf(2)] }, missing);
    expectRefused({ signed, fold: [{ ref: refOf(2), due: 1n }] }, missing);
    const twice = { fold: [{ ref: refOf(1), due: 1n }], drop: [refOf(1)] };
    expectRefused({ signed, ...twice }, { code: "payment-not-carried", ref: refOf(1) });
    const tooMuch = { code: "fold-exceeds-amount", ref: refOf(1), due: 101n, amount: 100n } as const;
    expectRefused({ signed, fold: [{ ref: refOf(1), due: 101n }] }, tooMuch);
    expect(sign({ signed, fold: [{ ref: refOf(1), due: 100n }] }).folded).to.equal(100n);
  });

  it("uses a ref once, whatever became of it", () => {
    const signed = sign({ add: [add(11)] });
    const used = { code: "ref-used", ref: refOf(11) } as const;
    expectRefused({ signed, add: [{ ...add(1), ref: upper(refOf(11)) }] }, used);
    expectRefused({ signed: sign({ signed, drop: [refOf(11)] }), add: [add(11)] }, used);
    expectRefused({ add: [add(11), add(11)] }, used);
  });

  it("keeps to the policy's amounts and the protocol's number", () => {
    expectRefused({ add: [add(1, 0n)] }, { code: "amount-zero", ref: refOf(1) });
    const most = { code: "payment-exceeds-limit", ref: refOf(1), amount: 201n, most: 200n } as const;
    expectRefused({ add: [add(1, 201n)] }, most);
    expect(sign({ add: [add(1, 200n)] }).liability).to.equal(201n);
    const many = Array.from({ length: 17 }, (_, n) => add(n, 1n));
    expectRefused({ add: many }, { code: "too-many-payments", count: 17, most: 16 });
    expect(sign({ add: many.slice(1) }).payments).to.have.length(16);
    const long = ticks({ condition: contracts.ticks, root: zeroHash, tickAmount: 1n, tickCount: 10_000 });
    const heavy = plan({ add: [1, 2, 3, 4, 5].map((n) => add(n, 1n, long)) });
    const { reason } = heavy as { reason: Extract<PlanRefusal, { code: "claim-gas-too-high" }> };
    expect(reason).to.include({ code: "claim-gas-too-high", most: 3_000_000n });
    expectRefused({ add: [1, 2, 3, 4, 5].map((n) => add(n, 1n, long)) }, reason);
    expect(sign({ add: [1, 2, 3, 4].map((n) => add(n, 1n, long)) }).payments).to.have.length(4);
  });
});

describe("planStatement: gas", () => {
  it("is counted to the unit, with what is carried", () => {
    const claiming = (claimGas: bigint): Given => {
      const signed = sign({ add: [add(1)] });
      return { signed: { ...signed, payments: signed.payments.map((one) => ({ ...one, claimGas })) } };
    };
    expect(plan(claiming(2_880_000n)).outcome).to.equal("sign");
    expectRefused(claiming(2_880_001n), { code: "claim-gas-too-high", gas: 3_000_001n, most: 3_000_000n });
  });
});

describe("planStatement: conditions", () => {
  const judged = (judgeBy: bigint, judges = trusted.slice(0, 2)) =>
    attestation({
      condition: contracts.attestation,
      chainId,
      evaluators: judges,
      threshold: 1,
      specHash: zeroHash,
      judgeBy,
    });
  const any = (...children: Condition[]) => anyOf(children, { condition: contracts.kth });

  it("are known and allowed, within combinations too", () => {
    expect(sign({ add: [add(1, 1n, any(lock(), any(lock())))] }).payments).to.have.length(1);
    const { hashlock: _, ...others } = contracts;
    const unknown = { code: "condition-unknown", ref: refOf(1), condition: lock().address } as const;
    for (const condition of [lock(), any(judged(now), lock())])
      expectRefused({ add: [add(1, 1n, condition)], policy: { contracts: others } }, unknown);
    const { kth: __, ...plain } = contracts;
    const noKth = { ...unknown, condition: any(lock()).address };
    expectRefused({ add: [add(1, 1n, any(lock()))], policy: { contracts: plain } }, noKth);
    const swapped = { ...contracts, hashlock: contracts.ticks };
    expectRefused({ add: [add(1)], policy: { contracts: swapped } }, unknown);
    const refused = { code: "condition-not-allowed", ref: refOf(1), kind: "hashlock" } as const;
    for (const condition of [lock(), any(judged(now), lock())])
      expectRefused({ add: [add(1, 1n, condition)], policy: { kinds: ["attestation", "ticks"] } }, refused);
    const reviewed = review({
      condition: contracts.review,
      provider: payee,
      reviewer: token,
      arbiter: trusted[0]!,
      reviewPeriod: 1n,
      arbitrationPeriod: 1n,
      deadline: 1n,
      silentArbiterPays: true,
    });
    const all = ["hashlock", "review"] as unknown as PayerPolicy["kinds"];
    for (const condition of [reviewed, any(lock(), reviewed)])
      expectRefused({ add: [add(1, 1n, condition)], policy: { kinds: all } }, { ...refused, kind: "review" });
  });

  it("are judged by trusted evaluators alone", () => {
    const stranger = trusted[3]!;
    const reason = { code: "evaluator-not-trusted", ref: refOf(1), evaluator: stranger } as const;
    const condition = judged(now, [trusted[0]!, stranger]);
    for (const one of [condition, any(lock(), condition)]) expectRefused({ add: [add(1, 1n, one)] }, reason);
    expect(sign({ add: [add(1, 1n, condition)], policy: { evaluators: trusted } }).payments).to.have.length(1);
  });

  it("are judged from now on and not for ever", () => {
    const [earliest, latest] = [now, now + 60n];
    for (const judgeBy of [earliest, latest])
      expect(plan({ add: [add(1, 1n, judged(judgeBy))] }).outcome).to.equal("sign");
    for (const judgeBy of [earliest - 1n, latest + 1n]) {
      const reason = { code: "judge-by-out-of-range", ref: refOf(1), judgeBy, earliest, latest } as const;
      expectRefused({ add: [add(1, 1n, judged(judgeBy))] }, reason);
    }
  });
});

describe("planStatement: limits", () => {
  it("bound the worst case by the deposit and the policy, and remember the worst of all statements", () => {
    const many = [add(1), add(2), add(3), add(4)];
    expectRefused({ openCalls: [101n], add: many }, { code: "exceeds-limit", worstCase: 501n, most: 500n });
    const signed = sign({ openCalls: [100n], add: many });
    expect(signed.liability).to.equal(500n);
    const given = { openCalls: [100n], add: many, deposit: 499n };
    expectRefused(given, { code: "exceeds-deposit", worstCase: 500n, deposit: 499n });
    expect(plan({ ...given, deposit: 500n }).outcome).to.equal("sign");
    expect(sign({ signed, drop: [1, 2, 3, 4].map(refOf) }).liability).to.equal(500n);
    const grown = sign({ signed: sign({ add: [add(1)] }), add: [add(2)] });
    expect(grown.liability).to.equal(202n);
  });

  it("refuse malformed input", () => {
    const signed = sign({ add: [add(1)] });
    for (const [field, given] of [
      ["Plan.spent", { spent: -1n }],
      ["Plan.spent", { openCalls: [-1n] }],
      ["Plan.ref", { drop: ["0x12"] }],
      ["Plan.ref", { add: [{ ...add(1), ref: "0x12" }] }],
      ["Plan.due", { fold: [{ ref: refOf(1), due: -1n }] }],
      ["Plan.amount", { add: [add(2, -1n)] }],
    ] as [string, Given][])
      expect(() => plan({ signed, ...given }), field)
        .to.throw(InvalidFieldError)
        .that.includes({ field });
    expect(nothingSigned).to.be.frozen;
  });
});
