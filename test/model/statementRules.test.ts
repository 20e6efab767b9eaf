import { expect } from "chai";
import { type Hex, zeroAddress, zeroHash } from "viem";

import {
  type AcceptedStatement,
  addEvidence,
  type ChannelFacts,
  computeChannelId,
  hashlock,
  hashPreimage,
  judgeStatement,
  nothingAccepted,
  nothingSigned,
  type PayeePolicy,
  type PayerPolicy,
  planStatement,
  setWork,
  type StatedPayment,
  unprovenWork,
} from "../../sdk/src/protocol/index.ts";
import { createRandom, type Random } from "./random.ts";
import { createReference, type Statement } from "./statementReference.ts";

/** Few steps in every test run; `npm run test:deep` names seeds, and each gets 20,000. */
const seeds = process.env.SUBFEN_SEEDS?.split(",").map(Number) ?? [5];
const isDeep = process.env.SUBFEN_SEEDS !== undefined;
const steps = isDeep ? 20_000 : 1_500;
/** So many steps are made in each channel. */
const channelLife = 100;

const [deposit, creditLimit, now] = [20_000n, 1_500n, 1_000n];
const payee = "0x00000000000000000000000000000000000000aa";
const token = "0x00000000000000000000000000000000000000bb";
const contracts = { hashlock: "0x0000000000000000000000000000000000000011" } as const;
const channel: ChannelFacts = {
  contract: "0x00000000000000000000000000000000000000cc",
  chainId: 31337,
  terms: { payer: zeroAddress, payee, token, salt: zeroHash, authorizedSigner: zeroAddress },
  isContractKnown: true,
  deposit,
  closeGracePeriod: 900,
  closeRequestedAt: 0,
  finalized: false,
};
const channelId = computeChannelId(channel);
const policy: PayeePolicy = { payee, token, contracts, creditLimit };
const payerPolicy: PayerPolicy = {
  mostLiability: 15_000n,
  mostPayment: 400n,
  contracts,
  kinds: ["hashlock"],
  evaluators: [],
  mostJudgePeriod: 0n,
};
const conditions = ["01", "02", "03"].map((byte) =>
  hashlock({ condition: contracts.hashlock, sha256Hash: hashPreimage(`0x${byte.repeat(32)}`) }),
);

/** A payee that follows the rules, beside the reference: after each step both must say the same. */
function createPayee(where: () => string) {
  const reference = createReference({ deposit, creditLimit });
  let accepted: AcceptedStatement = nothingAccepted;

  function check(): void {
    const { payments, dropped, cumulativeAmount } = accepted;
    const expected = reference.accepted();
    expect(cumulativeAmount, where()).to.equal(expected.cumulativeAmount);
    expect(
      payments.map(({ ref, amount, parametersHash, due }) => ({ ref, amount, parametersHash, due })),
      where(),
    ).to.deep.equal(
      expected.payments.map(({ ref, amount, parametersHash }) => ({
        ref,
        amount,
        parametersHash,
        due: reference.held(ref),
      })),
    );
    const refs = [...payments, ...dropped].map(({ ref }) => ref);
    expect(new Set(refs).size, `${where()}: a ref twice`).to.equal(refs.length);
    const worst = payments.reduce((sum, { amount }) => sum + amount, cumulativeAmount);
    expect(worst <= deposit, `${where()}: worst case ${worst}`).to.equal(true);
    expect(unprovenWork(accepted), where()).to.equal(reference.unproven());
    expect(reference.unproven() <= creditLimit, `${where()}: unproven ${reference.unproven()}`).to.equal(true);
    // An old statement never beats the accepted one.
    expect(reference.worth(expected), where()).to.equal(reference.best());
  }

  return {
    reference,
    receive(statement: Statement): string {
      const verdict = reference.judge(statement);
      const judgement = judgeStatement({
        channel,
        policy,
        accepted,
        statement: { ...statement, channelId, isSignatureValid: true },
        now,
      });
      const told = judgement.outcome === "refused" ? judgement.reason.code : "";
      expect(judgement.outcome, `${where()}: ${told}`).to.equal(verdict);
      reference.take(statement, verdict);
      if (judgement.outcome !== "refused") accepted = judgement.next;
      if (judgement.outcome === "dominated") {
        const standing = statement.payments.map(({ ref }) => ref).filter(reference.stands);
        expect(judgement.standing, where()).to.deep.equal(standing);
      }
      check();
      return told === "" ? verdict : told;
    },
    prove(ref: Hex, due: bigint): string {
      const before = reference.held(ref);
      const isTaken = reference.prove(ref, due);
      const judgement = addEvidence({ accepted, ref, evidence: "0x12", due });
      const raised = reference.held(ref) > before;
      expect(judgement.outcome, where()).to.equal(isTaken ? (raised ? "raised" : "kept") : "refused");
      if (judgement.outcome === "raised") accepted = judgement.next;
      check();
      return judgement.outcome === "refused" ? judgement.reason.code : judgement.outcome;
    },
    work(ref: Hex, work: bigint): string {
      const judgement = setWork({ accepted, ref, work, creditLimit });
      expect(judgement.outcome, where()).to.equal(reference.work(ref, work) ? "set" : "refused");
      if (judgement.outcome === "set") accepted = judgement.next;
      check();
      return judgement.outcome === "set" ? "set" : judgement.reason.code;
    },
  };
}

/** What an honest payer knows of a payment. Its evaluators give evidence bit by bit, and say when it is all. */
type Bought = { amount: bigint; proven: bigint; isFinal: boolean; isCarried: boolean };
type Message = Statement & { evidence: readonly { ref: Hex; due: bigint }[] };

/** Signs by the payer's rules; keeps every statement, and all that was bought and proven. */
function createHonestPayer(random: Random, payeeSide: ReturnType<typeof createPayee>, where: () => string) {
  const bought = new Map<Hex, Bought>();
  const messages: Message[] = [];
  let signed = nothingSigned;
  let [spent, ceilings, folded, worst] = [0n, 0n, 0n, 0n];
  let open: bigint[] = [];
  /** What was folded in statements that may not have arrived: its evidence goes along until one has. */
  let unsent: { ref: Hex; due: bigint }[] = [];

  function sign(): string {
    const carried = [...bought].filter(([, one]) => one.isCarried);
    const fold = carried.filter(([, { isFinal }]) => isFinal && random.chance(0.5));
    const lost = carried.filter(
      ([ref, { isFinal }]) => !isFinal && !payeeSide.reference.stands(ref) && random.chance(0.2),
    );
    const leaving = new Set([...fold, ...lost].map(([ref]) => ref));
    let credit = carried
      .filter(([ref]) => !leaving.has(ref))
      .reduce((rest, [, { amount }]) => rest - amount, creditLimit);
    const add = Array.from({ length: random.below(3) }, () => {
      const amount = BigInt(1 + random.below(400));
      return { ref: random.bytes32() as Hex, condition: random.pick(conditions), amount };
    }).filter(({ amount }) => (credit -= amount) >= 0n);
    if (open.length > 0 && random.chance(0.5)) {
      const ceiling = open.pop() ?? 0n;
      spent += BigInt(random.below(Number(ceiling) + 1));
    }
    const call = random.chance(0.5) ? [BigInt(random.below(200))] : [];
    const dues = fold.map(([ref, { proven }]) => ({ ref, due: proven }));
    const plan = planStatement({
      signed,
      policy: payerPolicy,
      deposit,
      spent,
      openCalls: [...open, ...call],
      fold: dues,
      drop: lost.map(([ref]) => ref),
      add,
      now,
    });
    if (plan.outcome === "refused") return plan.reason.code;
    signed = plan.next;
    open = [...open, ...call];
    ceilings += call.reduce((sum, ceiling) => sum + ceiling, 0n);
    folded += dues.reduce((sum, { due }) => sum + due, 0n);
    for (const ref of leaving) bought.get(ref)!.isCarried = false;
    for (const { ref, amount } of add) {
      expect(bought.has(ref), `${where()}: ref ${ref} twice`).to.equal(false);
      bought.set(ref, { amount, proven: 0n, isFinal: false, isCarried: true });
    }
    unsent = [...unsent, ...dues];
    messages.push({ ...plan.statement, evidence: unsent });

    const { cumulativeAmount, payments } = plan.statement;
    const most = payments.reduce((sum, { amount }) => sum + amount, cumulativeAmount);
    if (most > worst) worst = most;
    expect(signed.liability, `${where()}: liability`).to.equal(worst);
    expect(worst <= payerPolicy.mostLiability, `${where()}: liability ${worst}`).to.equal(true);
    // Never charged above what was proven and bought; each statement is one base unit above the last at the least.
    const limit = ceilings + folded + BigInt(messages.length);
    expect(cumulativeAmount <= limit, `${where()}: ${cumulativeAmount} of ${limit}`).to.equal(true);
    // A payment whose statement is still on its way is given up only by one that arrives first, or work is done for it.
    return lost.length > 0 ? `signed, ${send(messages.at(-1)!)}` : "signed";
  }

  /** The payee refuses none of its statements. */
  function send(message: Message): string {
    for (const { ref, due } of message.evidence) payeeSide.prove(ref, due);
    const told = payeeSide.receive({ cumulativeAmount: message.cumulativeAmount, payments: message.payments });
    expect(["accepted", "dominated"], where()).to.include(told);
    if (message === messages.at(-1)) unsent = [];
    return told;
  }

  /** Any statement, in any order and again. */
  function deliver(): string {
    if (messages.length === 0) return "nothing to deliver";
    return send(random.chance(0.6) ? messages.at(-1)! : random.pick(messages));
  }

  /** An evaluator says more about work that was done. */
  function evaluate(): string {
    const judged = [...bought].filter(([ref, { isFinal }]) => !isFinal && payeeSide.reference.stands(ref));
    if (judged.length === 0) return "nothing to judge";
    const [ref, payment] = random.pick(judged);
    payment.proven += BigInt(random.below(Number(payment.amount - payment.proven) + 1));
    payment.isFinal = random.chance(0.6);
    // The seller learns what its work was worth, and may get the evidence only later.
    if (payment.isFinal) payeeSide.work(ref, payment.proven);
    return "judged";
  }

  /** Evidence arrives in part, late and again. */
  function prove(): string {
    if (bought.size === 0) return "nothing to prove";
    const [ref, { proven }] = random.pick([...bought]);
    return payeeSide.prove(ref, random.chance(0.7) ? proven : BigInt(random.below(Number(proven) + 1)));
  }

  return () => {
    const act = random.pick([sign, sign, deliver, deliver, deliver, evaluate, evaluate, prove]);
    return `${act.name}: ${act()}`;
  };
}

/** States anything: old and new totals, any payments it ever made, changed ones, too many, evidence out of nowhere. */
function createHostilePayer(random: Random, payeeSide: ReturnType<typeof createPayee>) {
  const payments: StatedPayment[] = [];
  const statements: Statement[] = [];

  function invent(): StatedPayment {
    const condition = random.pick(conditions);
    const { address, parameters, parametersHash } = condition;
    const amount = BigInt(random.below(random.chance(0.05) ? 30_000 : 400));
    const payment = { ref: random.bytes32() as Hex, condition: address, parameters, parametersHash, amount };
    payments.push(payment);
    return payment;
  }

  function state(): string {
    const { cumulativeAmount: total, payments: standing } = payeeSide.reference.accepted();
    const listed = standing.filter(() => random.chance(0.8));
    const isNew = random.chance(0.6);
    for (let i = random.below(3); i > 0; i--)
      listed.push(isNew ? invent() : random.pick([invent(), ...payments.slice(-9)]));
    if (random.chance(0.02)) for (let i = 0; i < 17; i++) listed.push(invent());
    const changed = listed.map((payment) =>
      random.chance(0.03) ? { ...payment, amount: payment.amount + 1n } : payment,
    );
    const byRef = new Map(changed.map((payment) => [payment.ref, payment]));
    const step = random.pick([-50, -1, 0, 1, 1, 10, 100, 400, random.below(5_000)]);
    const statement = {
      cumulativeAmount: total + BigInt(step) < 0n ? 0n : total + BigInt(step),
      payments: [...byRef.values()].toSorted((a, b) => (a.ref < b.ref ? -1 : 1)),
    };
    statements.push(statement);
    return payeeSide.receive(statement);
  }

  /** Payments that the total has already, among the payments again, at a total that is no higher. */
  function countTwice(): string {
    const { cumulativeAmount: total, payments: standing } = payeeSide.reference.accepted();
    const { held, stands } = payeeSide.reference;
    const folded = payments.filter(({ ref }) => held(ref) > 0n && !stands(ref)).slice(-3);
    const byRef = new Map([...standing, ...folded].map((payment) => [payment.ref, payment]));
    const statement = {
      cumulativeAmount: random.chance(0.5) || total === 0n ? total : total - 1n,
      payments: [...byRef.values()].toSorted((a, b) => (a.ref < b.ref ? -1 : 1)),
    };
    return payeeSide.receive(statement);
  }

  function repeat(): string {
    return statements.length === 0 ? "nothing to repeat" : payeeSide.receive(random.pick(statements));
  }

  function prove(): string {
    const { ref } = random.pick([...payeeSide.reference.accepted().payments, ...payments, invent()]);
    return payeeSide.prove(ref, BigInt(random.below(450)));
  }

  function work(): string {
    const { ref } = random.pick([...payeeSide.reference.accepted().payments, invent()]);
    return payeeSide.work(ref, BigInt(random.below(500)));
  }

  return () => {
    const act = random.pick([state, state, state, repeat, countTwice, prove, prove, work]);
    return `${act.name}: ${act()}`;
  };
}

/** What must have happened, or the run has shown nothing. */
const reached = [
  "honest sign: signed",
  "honest sign: signed, accepted",
  "honest deliver: accepted",
  "honest deliver: dominated",
  "honest prove: raised",
  "honest prove: kept",
  "honest prove: payment-dropped",
  ...["accepted", "dominated", "fold-too-low", "payment-changed", "ref-used"].map((told) => `hostile state: ${told}`),
  ...["exceeds-deposit", "credit-exceeded", "too-many-payments"].map((told) => `hostile state: ${told}`),
  ...["dominated", "fold-too-low", "ref-used"].map((told) => `hostile repeat: ${told}`),
  ...["dominated", "fold-too-low", "ref-used"].map((told) => `hostile countTwice: ${told}`),
  ...["raised", "kept", "payment-dropped", "payment-unknown"].map((told) => `hostile prove: ${told}`),
  ...["set", "credit-exceeded", "payment-unknown"].map((told) => `hostile work: ${told}`),
];

describe("the rules for statements against the model", function () {
  this.timeout(isDeep ? 300_000 : 60_000);

  for (const seed of seeds) {
    it(`INV5, INV6, INV18: nobody loses by any order of statements and evidence, over ${steps} steps (seed ${seed})`, () => {
      const random = createRandom(seed);
      const outcomes = new Map<string, number>();
      for (let i = 0; i < steps;) {
        const isHonest = random.chance(0.5);
        const where = () => `seed ${seed}, step ${i}, ${isHonest ? "honest" : "hostile"}`;
        const payeeSide = createPayee(where);
        const act = isHonest ? createHonestPayer(random, payeeSide, where) : createHostilePayer(random, payeeSide);
        for (let turn = 0; turn < channelLife && i < steps; turn++, i++) {
          const what = `${isHonest ? "honest" : "hostile"} ${act()}`;
          outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
        }
      }
      for (const what of reached)
        expect(outcomes.get(what) ?? 0, `${what}: ${JSON.stringify([...outcomes])}`).to.be.greaterThan(0);
    });
  }
});
