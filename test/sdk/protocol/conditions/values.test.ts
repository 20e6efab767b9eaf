import { expect } from "chai";
import { getAddress, type Hex, keccak256, zeroAddress, zeroHash } from "viem";

import {
  allOf,
  anyOf,
  attestation,
  type Condition,
  ConditionOnChainError,
  hashlock,
  hashPreimage,
  InvalidConditionError,
  InvalidEvidenceError,
  InvalidFieldError,
  InvalidSignatureError,
  kthOf,
  median,
  review,
  signVerdict,
  ticks,
} from "../../../../sdk/src/protocol/index.ts";
import { encodeKthParameters } from "../../../../sdk/src/protocol/conditions/kthOf.ts";
import { rejection } from "../random.ts";
import { readVectors } from "../vectors.ts";
import { chainId, contracts, encodeAttestations, evaluators, paymentId } from "./samples.ts";

const vectors = readVectors();
const keys = evaluators.map(({ address }) => address);
const bytes32 = (byte: string): Hex => `0x${byte.repeat(32)}`;

const attested = { condition: contracts.attestation, chainId, evaluators: keys, threshold: 2, specHash: zeroHash };
const judged = { ...attested, judgeBy: 1_000n };
const reviewed = {
  condition: contracts.review,
  provider: keys[0]!,
  reviewer: keys[1]!,
  arbiter: keys[2]!,
  reviewPeriod: 1n,
  arbitrationPeriod: 2n,
  deadline: 3n,
  silentArbiterPays: true,
};
const ticked = { condition: contracts.ticks, root: bytes32("ab"), tickAmount: 12n, tickCount: 100 };
const lock = () => hashlock({ condition: contracts.hashlock, sha256Hash: hashPreimage(bytes32("01")) });
const combined = { condition: contracts.kth };

/** The typed error, its field and reason, and that its message tells what to do. */
function expectRefusal(make: () => unknown, field: string, reason: string): void {
  let error: unknown;
  try {
    make();
  } catch (caught) {
    error = caught;
  }
  expect(error, `${field} ${reason}`).to.be.instanceOf(InvalidConditionError);
  expect(error).to.include({ code: "invalid-condition", field, reason });
  expect((error as Error).message).to.match(/^.+: .+\n\nGiven: .+\nDo: .+\.$/);
}

function expectFieldError(make: () => unknown, field: string): void {
  expect(make, field).to.throw(InvalidFieldError).that.includes({ field });
}

describe("conditions as values", () => {
  it("are frozen and carry parameters, their hash, a checksummed address and their fields", () => {
    const value = attestation({ ...judged, condition: vectors.verdictDomain.verifyingContract.toLowerCase() as Hex });
    expect(value).to.include({
      kind: "attestation",
      address: getAddress(vectors.verdictDomain.verifyingContract),
      parametersHash: keccak256(value.parameters),
      chainId,
      threshold: 2,
      specHash: zeroHash,
      judgeBy: 1_000n,
    });
    expect(value.evaluators).to.deep.equal(keys);
    const others = [ticks(ticked), review(reviewed), allOf([lock()], combined)];
    expect(others.map(({ kind }) => kind)).to.deep.equal(["ticks", "review", "kth"]);
    for (const condition of [value, lock(), ...others]) expect(condition).to.be.frozen;
    expect(value.evaluators).to.be.frozen;
    expect(allOf([lock()], combined).children).to.be.frozen;
  });

  it("agree with the vectors", () => {
    const { task, kth } = vectors as unknown as {
      task: { parameters: Hex; parametersHash: Hex };
      kth: { parameters: Hex; evidence: Hex };
    };
    const verdict = vectors.verdicts[0]!;
    const value = attestation({
      condition: vectors.verdictDomain.verifyingContract,
      chainId,
      evaluators: vectors.verdicts.map(({ evaluator }) => evaluator),
      threshold: 2,
      specHash: verdict.specHash,
      judgeBy: 1_850_000_000n,
    });
    expect(value).to.include({ parameters: task.parameters, parametersHash: task.parametersHash });
    expect(
      encodeKthParameters(1, [
        { condition: value.address, parameters: value.parameters },
        { condition: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9", parameters: "0x" },
      ]),
    ).to.equal(kth.parameters);
    expect(anyOf([lock(), lock()], combined).encodeEvidence(["0x1234", undefined])).to.equal(kth.evidence);
  });

  it("take the vectors' verdicts as evidence: the second highest of three", async () => {
    const [first] = vectors.verdicts;
    const value = attestation({
      condition: vectors.verdictDomain.verifyingContract,
      chainId,
      evaluators: vectors.verdicts.map(({ evaluator }) => evaluator),
      threshold: 2,
      specHash: first!.specHash,
      judgeBy: BigInt(first!.issuedAt),
    });
    const attestations = vectors.verdicts.map(({ amount, issuedAt, signature }, evaluator) => ({
      evaluator,
      amount: BigInt(amount),
      issuedAt: BigInt(issuedAt),
      signature,
    }));
    const evidence = value.encodeEvidence({
      deliverableHash: first!.deliverableHash,
      attestations: attestations.toReversed(),
    });
    const question = { paymentId: first!.paymentId, evidence };
    expect(await value.amountDue({ ...question, amount: 2_000n })).to.equal(600n);
    expect(await value.amountDue({ ...question, amount: 599n })).to.equal(599n);
    expect(await value.amountDue({ ...question, paymentId, amount: 2_000n })).to.equal(0n);
  });

  it("refuse a zero address wherever one stands", () => {
    const condition = zeroAddress;
    const reason = "zero-address";
    expectRefusal(() => hashlock({ condition, sha256Hash: zeroHash }), "hashlock.condition", reason);
    expectRefusal(() => attestation({ ...judged, condition }), "attestation.condition", reason);
    expectRefusal(() => ticks({ ...ticked, condition }), "ticks.condition", reason);
    expectRefusal(() => median([lock()], { condition }), "kth.condition", reason);
    expectRefusal(() => review({ ...reviewed, condition }), "review.condition", reason);
    for (const role of ["provider", "reviewer", "arbiter"])
      expectRefusal(() => review({ ...reviewed, [role]: zeroAddress }), `review.${role}`, reason);
    const withZero = () => attestation({ ...judged, evaluators: [keys[0]!, zeroAddress] });
    expectRefusal(withZero, "attestation.evaluators[1]", reason);
  });

  it("refuse malformed fields", () => {
    const condition = "0x12" as Hex;
    expectFieldError(() => hashlock({ condition, sha256Hash: zeroHash }), "hashlock.condition");
    expectFieldError(() => hashlock({ condition: contracts.hashlock, sha256Hash: "0x12" }), "hashlock.sha256Hash");
    expectFieldError(() => hashPreimage("0x12"), "hashlock.preimage");
    expectFieldError(() => lock().encodeEvidence({ preimage: "0x12" }), "hashlock.preimage");
    expectFieldError(() => attestation({ ...judged, chainId: 0.5 }), "Domain.chainId");
    expectFieldError(() => attestation({ ...judged, specHash: "0x12" }), "attestation.specHash");
    expectFieldError(() => attestation({ ...judged, judgeBy: 2n ** 64n }), "attestation.judgeBy");
    expectFieldError(() => attestation({ ...judged, evaluators: [condition] }), "attestation.evaluators[0]");
    expectFieldError(() => ticks({ ...ticked, root: "0x12" }), "ticks.root");
    expectFieldError(() => ticks({ ...ticked, tickAmount: 2n ** 128n }), "ticks.tickAmount");
    expectFieldError(() => review({ ...reviewed, provider: condition }), "review.provider");
    expectFieldError(() => review({ ...reviewed, reviewer: condition }), "review.reviewer");
    expectFieldError(() => review({ ...reviewed, arbiter: condition }), "review.arbiter");
    expectFieldError(() => review({ ...reviewed, reviewPeriod: -1n }), "review.reviewPeriod");
    expectFieldError(() => review({ ...reviewed, arbitrationPeriod: -1n }), "review.arbitrationPeriod");
    expectFieldError(() => review({ ...reviewed, deadline: -1n }), "review.deadline");
  });

  it("ask about a payment in its types only", async () => {
    const question = { paymentId, amount: 1n, evidence: "0x" as Hex };
    const byId = await rejection(lock().amountDue({ ...question, paymentId: "0x12" }));
    expect(byId).to.be.instanceOf(InvalidFieldError).and.include({ field: "Payment.paymentId" });
    const byAmount = await rejection(lock().amountDue({ ...question, amount: 2n ** 128n }));
    expect(byAmount).to.be.instanceOf(InvalidFieldError).and.include({ field: "Payment.amount" });
  });

  it("take garbage for no evidence", async () => {
    const all: Condition[] = [lock(), attestation(judged), ticks(ticked), anyOf([lock(), ticks(ticked)], combined)];
    for (const condition of all)
      for (const evidence of ["0x", "0x1", "0xzz", "", "1234", `0x${"ff".repeat(320)}`, undefined] as Hex[])
        expect(await condition.amountDue({ paymentId, amount: 5n, evidence }), condition.kind).to.equal(0n);
  });
});

describe("hashlock", () => {
  it("pays all for the preimage and nothing for another, in digits of either case", async () => {
    const sha256Hash = hashPreimage(bytes32("ab")).toUpperCase().replace("0X", "0x") as Hex;
    const value = hashlock({ condition: contracts.hashlock, sha256Hash });
    const due = (preimage: Hex) =>
      value.amountDue({ paymentId, amount: 7n, evidence: value.encodeEvidence({ preimage }) });
    expect(await due(bytes32("AB"))).to.equal(7n);
    expect(await due(bytes32("ac"))).to.equal(0n);
  });
});

describe("attestation", () => {
  it("refuses a key listed twice in any case, and more evaluators than an index has room for", () => {
    const twice = [keys[0]!, keys[1]!, keys[0]!.toLowerCase() as Hex];
    const field = "attestation.evaluators";
    expectRefusal(() => attestation({ ...judged, evaluators: twice }), `${field}[2]`, "duplicate-evaluator");
    const many = Array.from({ length: 256 }, (_, i): Hex => `0x${(i + 1).toString(16).padStart(40, "0")}`);
    expectRefusal(() => attestation({ ...judged, evaluators: many }), field, "too-many-evaluators");
    const most = many.slice(0, 255);
    expect(attestation({ ...judged, evaluators: most, threshold: 255 }).evaluators).to.have.length(255);
  });

  it("refuses a threshold of zero, above the evaluators, or in between", () => {
    for (const threshold of [0, keys.length + 1, 1.5, -1, Number.NaN])
      expectRefusal(() => attestation({ ...judged, threshold }), "attestation.threshold", "threshold-out-of-range");
    expectRefusal(
      () => attestation({ ...judged, evaluators: [], threshold: 0 }),
      "attestation.threshold",
      "threshold-out-of-range",
    );
    for (const threshold of [1, keys.length])
      expect(attestation({ ...judged, threshold }).threshold).to.equal(threshold);
  });

  it("refuses a time that no verdict can meet", () => {
    expectRefusal(() => attestation({ ...judged, judgeBy: 0n }), "attestation.judgeBy", "zero-time");
    expect(attestation({ ...judged, judgeBy: 1n }).judgeBy).to.equal(1n);
  });

  it("counts the highest verdict of each evaluator, by known evaluators and in time, whatever stands around it", async () => {
    const value = attestation({ ...judged, threshold: 1, evaluators: keys.slice(0, 2) });
    const sign = async (evaluator: number, amount: bigint, issuedAt = 1_000n) => {
      const verdict = { paymentId, specHash: zeroHash, deliverableHash: zeroHash, amount, issuedAt };
      const location = { condition: contracts.attestation, chainId };
      return {
        evaluator,
        amount,
        issuedAt,
        signature: await signVerdict({ ...location, ...verdict, account: evaluators[evaluator]! }),
      };
    };
    const due = async (...rows: ReturnType<typeof sign>[]) =>
      value.amountDue({ paymentId, amount: 100n, evidence: encodeAttestations(zeroHash, await Promise.all(rows)) });
    expect(await due(sign(0, 30n), sign(0, 20n))).to.equal(30n);
    expect(await due(sign(1, 20n), sign(0, 10n), sign(1, 40n))).to.equal(40n);
    expect(await due(sign(2, 90n), sign(0, 10n))).to.equal(10n);
    expect(await due(sign(0, 90n, 1_001n), sign(1, 10n))).to.equal(10n);
    expect(await due()).to.equal(0n);
  });

  it("encodes verdicts in one order", async () => {
    const { signature } = vectors.verdicts[0]!;
    const rows = [2, 0, 3, 1].map((evaluator) => ({ evaluator, amount: 1n, issuedAt: 1n, signature }));
    const sorted = rows.toSorted((a, b) => a.evaluator - b.evaluator);
    const evidence = attestation(judged).encodeEvidence({ deliverableHash: zeroHash, attestations: rows });
    expect(evidence).to.equal(encodeAttestations(zeroHash, sorted));
  });

  it("refuses evidence that would not count", () => {
    const value = attestation(judged);
    const row = { evaluator: 0, amount: 1n, issuedAt: 1n, signature: vectors.verdicts[0]!.signature };
    const encode = (...attestations: (typeof row)[]) =>
      value.encodeEvidence({ deliverableHash: zeroHash, attestations });
    const expectEvidenceError = (rows: (typeof row)[], reason: string) =>
      expect(() => encode(...rows))
        .to.throw(InvalidEvidenceError)
        .that.includes({ code: "invalid-evidence", reason });

    expectEvidenceError([row, row], "duplicate-evaluator");
    for (const evaluator of [-1, keys.length, 0.5])
      expectEvidenceError([{ ...row, evaluator }], "evaluator-out-of-range");
    expectFieldError(() => encode({ ...row, amount: 2n ** 128n }), "attestation.amount");
    expectFieldError(() => encode({ ...row, issuedAt: 2n ** 64n }), "attestation.issuedAt");
    const malformed = () => value.encodeEvidence({ deliverableHash: "0x12", attestations: [] });
    expectFieldError(malformed, "attestation.deliverableHash");
    expect(() => encode({ ...row, signature: "0x12" }))
      .to.throw(InvalidSignatureError)
      .that.includes({ reason: "malformed" });
    expect(encode(row, { ...row, evaluator: keys.length - 1 })).to.match(/^0x/);
    expect(() => encode(row, row)).to.throw(/Given: evaluator 0 of 4\nDo: give one verdict of each/);
  });
});

describe("ticks", () => {
  it("refuses ticks that are worth nothing, none of them, and more than the contract counts", () => {
    expectRefusal(() => ticks({ ...ticked, tickAmount: 0n }), "ticks.tickAmount", "zero-tick-amount");
    for (const tickCount of [0, 10_001, 1.5])
      expectRefusal(() => ticks({ ...ticked, tickCount }), "ticks.tickCount", "tick-count-out-of-range");
    for (const tickCount of [1, 10_000]) expect(ticks({ ...ticked, tickCount }).tickCount).to.equal(tickCount);
  });

  it("refuses evidence of a tick that the chain has not", () => {
    for (const n of [0, 101, 1.5])
      expect(() => ticks(ticked).encodeEvidence({ n, x: zeroHash }))
        .to.throw(InvalidEvidenceError)
        .that.includes({ reason: "tick-out-of-range" });
    expectFieldError(() => ticks(ticked).encodeEvidence({ n: 100, x: "0x12" }), "ticks.x");
  });
});

describe("kthOf, allOf, anyOf and median", () => {
  const child = (k: number) => kthOf({ ...combined, children: [lock(), lock()], k });

  it("choose k by their name; of an even number the lower middle", () => {
    const children = [lock(), lock(), lock(), lock()];
    expect(allOf(children, combined).k).to.equal(4);
    expect(anyOf(children, combined).k).to.equal(1);
    expect([1, 2, 3, 4].map((count) => median(children.slice(0, count), combined).k)).to.deep.equal([1, 2, 2, 3]);
  });

  it("refuse no children, more than eight, and a k that is none of them", () => {
    for (const make of [allOf, anyOf, median]) expectRefusal(() => make([], combined), "kth.k", "k-out-of-range");
    for (const k of [0, 3, 1.5]) expectRefusal(() => child(k), "kth.k", "k-out-of-range");
    const nine = Array.from({ length: 9 }, () => lock());
    expectRefusal(() => allOf(nine, combined), "kth.children", "too-many-children");
    expect(allOf(nine.slice(1), combined).k).to.equal(8);
  });

  it("combine combinations of plain conditions and nothing deeper", () => {
    const twice = allOf([lock(), child(1)], combined);
    expect(twice.children[1]?.kind).to.equal("kth");
    expectRefusal(() => anyOf([lock(), twice], combined), "kth.children", "nested-too-deep");
  });

  it("count a child without evidence as nothing, and a longer list as none at all", async () => {
    const evidence = lock().encodeEvidence({ preimage: bytes32("01") });
    const any = anyOf([lock(), lock()], combined);
    const due = (part: Hex) => any.amountDue({ paymentId, amount: 5n, evidence: part });
    expect(await due(any.encodeEvidence([undefined, evidence]))).to.equal(5n);
    expect(await due(any.encodeEvidence([evidence]))).to.equal(5n);
    const longer = anyOf([lock(), lock(), lock()], combined).encodeEvidence([evidence, evidence, "0x"]);
    expect(await due(longer)).to.equal(0n);
    expect(() => any.encodeEvidence([evidence, evidence, "0x"]))
      .to.throw(InvalidEvidenceError)
      .that.includes({ reason: "too-many-children" });
    const all = allOf([lock(), lock()], combined);
    expect(await all.amountDue({ paymentId, amount: 5n, evidence: all.encodeEvidence([evidence]) })).to.equal(0n);
  });
});

describe("review", () => {
  it("F034: refuses two roles in one hand unless that is said to be meant, and tells it in the value", () => {
    const same = keys[0]!.toLowerCase() as Hex;
    for (const overlap of [
      { provider: keys[1]!, reviewer: keys[1]! },
      { provider: same, arbiter: keys[0]! },
      { reviewer: same, arbiter: keys[0]!, provider: keys[3]! },
    ]) {
      const parameters = { ...reviewed, ...overlap };
      expectRefusal(() => review(parameters), "review", "role-overlap");
      expectRefusal(() => review({ ...parameters, allowRoleOverlap: false }), "review", "role-overlap");
      expect(review({ ...parameters, allowRoleOverlap: true }).hasRoleOverlap).to.equal(true);
    }
    expect(review({ ...reviewed, allowRoleOverlap: true }).hasRoleOverlap).to.equal(false);
  });

  it("refuses periods and a deadline of zero", () => {
    for (const field of ["reviewPeriod", "arbitrationPeriod", "deadline"])
      expectRefusal(() => review({ ...reviewed, [field]: 0n }), `review.${field}`, "zero-time");
  });

  it("has empty evidence, and what is due is not known off chain, nested or not", async () => {
    const value = review(reviewed);
    expect(value.encodeEvidence()).to.equal("0x");
    const any = anyOf([lock(), value], combined);
    for (const [condition, evidence] of [
      [value, "0x"],
      [any, "0x"],
      [any, any.encodeEvidence([])],
    ] as const) {
      const error = await rejection(condition.amountDue({ paymentId, amount: 1n, evidence }));
      expect(error).to.be.instanceOf(ConditionOnChainError).and.include({ code: "condition-on-chain" });
      expect((error as Error).message).to.match(/on chain only\.\n\nGiven: .+\nDo: .+\.$/);
    }
  });
});
