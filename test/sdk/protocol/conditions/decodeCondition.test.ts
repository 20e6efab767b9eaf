import { expect } from "chai";
import { type Address, encodeAbiParameters, type Hex, zeroHash } from "viem";

import {
  allOf,
  type Condition,
  decodeCondition,
  hashlock,
  InvalidFieldError,
  MalformedParametersError,
  review,
  ticks,
  UnknownConditionError,
} from "../../../../sdk/src/protocol/index.ts";
import { encodeKthParameters } from "../../../../sdk/src/protocol/conditions/kthOf.ts";
import { createRandom } from "../random.ts";
import { chainId, contracts, corrupt, createSamples } from "./samples.ts";

const lock = () => hashlock({ condition: contracts.hashlock, sha256Hash: zeroHash });
const decode = (condition: Address, parameters: Hex, more: object = {}) =>
  decodeCondition({ contracts, chainId, condition, parameters, ...more });

/** The fields of a value, those of its children included. */
const fieldsOf = (condition: Condition): unknown =>
  JSON.parse(JSON.stringify(condition, (_, member: unknown) => (typeof member === "bigint" ? `${member}n` : member)));

/** A typed refusal: of the payee's allow-list, or of the parameters. */
function refusalOf(condition: Address, parameters: Hex): unknown {
  try {
    decode(condition, parameters);
  } catch (error) {
    if (error instanceof MalformedParametersError) return error.reason;
    if (error instanceof UnknownConditionError) return error.condition;
    throw error;
  }
  return undefined;
}

describe("decodeCondition", () => {
  it("gives back every condition, over 200 random ones", () => {
    const samples = createSamples(createRandom(3));
    for (let i = 0; i < 200; i++) {
      const { condition } = i % 10 === 0 ? samples.review() : samples.provable();
      const decoded = decode(condition.address.toLowerCase() as Address, condition.parameters);
      expect(fieldsOf(decoded)).to.deep.equal(fieldsOf(condition));
      expect(decoded).to.be.frozen;
    }
  });

  it("reads what encodes to exactly these bytes or nothing, over 500 parameters with a fault", () => {
    const random = createRandom(4);
    const samples = createSamples(random);
    const outcomes = new Map<unknown, number>();
    for (let i = 0; i < 500; i++) {
      const { condition } = i % 10 === 0 ? samples.review() : samples.provable();
      const parameters = corrupt(random, condition.parameters);
      const refusal = refusalOf(condition.address, parameters);
      if (refusal === undefined) expect(decode(condition.address, parameters).parameters).to.equal(parameters);
      else expect(parameters).not.to.equal(condition.parameters);
      const outcome = String(refusal).startsWith("0x") ? "unknown" : refusal;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    for (const outcome of [undefined, "unreadable", "not-canonical", "refused", "unknown"])
      expect(outcomes.get(outcome), String(outcome)).to.be.greaterThan(0);
  });

  it("knows only contracts that are named, nested ones too", () => {
    const stranger: Address = "0x0000000000000000000000000000000000000066";
    expect(refusalOf(stranger, lock().parameters)).to.equal(stranger);
    expect(() => decode(stranger, lock().parameters))
      .to.throw(UnknownConditionError, /is not a known condition\.\n\nGiven: .+\nDo: .+\.$/)
      .that.includes({ code: "unknown-condition" });
    const parent = encodeKthParameters(1, [{ condition: stranger, parameters: lock().parameters }]);
    expect(refusalOf(contracts.kth, parent)).to.equal(stranger);
    const { hashlock: _, ...others } = contracts;
    expect(() => decode(lock().address, lock().parameters, { contracts: others })).to.throw(UnknownConditionError);
    expect(() => decode("0x12", lock().parameters))
      .to.throw(InvalidFieldError)
      .that.includes({
        field: "Condition.condition",
      });
  });

  it("tells why parameters are refused, with the cause", () => {
    expect(refusalOf(contracts.hashlock, "0x12")).to.equal("unreadable");
    expect(refusalOf(contracts.hashlock, "nothing" as Hex)).to.equal("unreadable");
    expect(refusalOf(contracts.hashlock, `${lock().parameters}00`)).to.equal("not-canonical");
    expect(refusalOf(contracts.hashlock, lock().parameters.toUpperCase().replace("0X", "0x") as Hex)).to.equal(
      undefined,
    );
    const { parameters } = ticks({ condition: contracts.ticks, root: zeroHash, tickAmount: 1n, tickCount: 1 });
    const none: Hex = `${parameters.slice(0, -1) as Hex}0`;
    expect(refusalOf(contracts.ticks, none)).to.equal("refused");
    try {
      decode(contracts.ticks, none);
    } catch (error) {
      expect((error as Error).cause).to.include({ code: "invalid-condition", reason: "tick-count-out-of-range" });
      expect((error as Error).message).to.match(/kind ticks cannot be used: refused\.\n\nGiven: .+\nDo: .+\.$/);
    }
  });

  it("F034: reads a review of overlapping roles only where that is said to be meant", () => {
    const role: Address = "0x0000000000000000000000000000000000000077";
    const { address, parameters } = review({
      condition: contracts.review,
      provider: role,
      reviewer: role,
      arbiter: contracts.kth,
      reviewPeriod: 1n,
      arbitrationPeriod: 1n,
      deadline: 1n,
      silentArbiterPays: false,
      allowRoleOverlap: true,
    });
    expect(refusalOf(address, parameters)).to.equal("refused");
    expect(decode(address, parameters, { allowRoleOverlap: true })).to.include({ hasRoleOverlap: true });
  });

  it("does not follow nesting that its own functions refuse, however much is hidden in it", () => {
    let { parameters } = allOf([allOf([lock()], { condition: contracts.kth })], { condition: contracts.kth });
    expect(refusalOf(contracts.kth, parameters)).to.equal(undefined);
    const nest = (inner: Hex, copies: number) =>
      encodeKthParameters(
        1,
        Array.from({ length: copies }, () => ({ condition: contracts.kth, parameters: inner })),
      );
    for (let depth = 0; depth < 4; depth++) {
      parameters = nest(parameters, 1);
      expect(refusalOf(contracts.kth, parameters)).to.equal("refused");
    }
    expect(refusalOf(contracts.kth, nest("0x", 9))).to.equal("refused");
    expect(refusalOf(contracts.kth, nest("0x", 8))).to.equal("unreadable");
    // Refused before it is looked at: it could not be read.
    expect(refusalOf(contracts.kth, nest(nest("0x", 1), 1))).to.equal("refused");
  });

  it("reads as Solidity does: a bool of two, or a pointer outside the data, is nothing", () => {
    const word = (value: bigint) => encodeAbiParameters([{ type: "uint256" }], [value]).slice(2);
    const roles = [1n, 2n, 3n].map(word).join("");
    const times = [1n, 1n, 1n].map(word).join("");
    expect(refusalOf(contracts.review, `0x${roles}${times}${word(2n)}`)).to.equal("unreadable");
    expect(refusalOf(contracts.review, `0x${roles}${times}${word(1n)}`)).to.equal(undefined);
    expect(refusalOf(contracts.kth, `0x${word(1n)}${word(2n ** 255n)}`)).to.equal("unreadable");
  });
});
