// Conditions for the model test, with evidence of every kind. What is due is known by how the evidence was made: nothing here
// evaluates a condition.
import { AbiCoder, type BaseWallet, keccak256, sha256, ZeroAddress } from "ethers";

import type { Random } from "./random.ts";
import type { Signing } from "./signing.ts";

/** Evidence, and what it must be worth. */
export type Proof = { evidence: string; due: bigint };

/** A condition with its parameters. */
export type Condition = {
  address: string;
  parameters: string;
  /** Draws evidence for a payment of at most `amount`: good, partial or bad. */
  prove(paymentId: string, amount: bigint): Proof;
  /** What is due without any evidence. */
  silent(amount: bigint): bigint;
};

export type ConditionAddresses = { hashlock: string; attestation: string; ticks: string; kth: string; odd: string };

const coder = AbiCoder.defaultAbiCoder();
const verdictTypes = {
  Verdict: [
    { name: "paymentId", type: "bytes32" },
    { name: "specHash", type: "bytes32" },
    { name: "deliverableHash", type: "bytes32" },
    { name: "amount", type: "uint128" },
    { name: "issuedAt", type: "uint64" },
  ],
};

/** The contract `OddCondition` does what its first parameter says. */
const oddKinds = { answers: 0, reverts: 1, answersShort: 2, answersLong: 3 };
const identityPrecompile = "0x0000000000000000000000000000000000000004";

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** The k-th largest, told by sorting. */
function kthLargest(values: readonly bigint[], k: number): bigint {
  const sorted = [...values].sort((a, b) => (a < b ? 1 : a > b ? -1 : 0));
  return sorted[k - 1] ?? 0n;
}

export function createPayments(parameters: {
  random: Random;
  chainId: bigint;
  addresses: ConditionAddresses;
  evaluators: readonly BaseWallet[];
  signing: Signing;
}) {
  const { random, chainId, addresses, evaluators, signing } = parameters;
  const domain = {
    name: "subfen AttestationCondition",
    version: "1",
    chainId,
    verifyingContract: addresses.attestation,
  };
  const garbage = (): string => random.pick(["0x", "0x00", random.bytes32(), `${random.bytes32()}${"00".repeat(31)}`]);

  function hashlock(): Condition {
    const preimage = random.bytes32();
    return {
      silent: () => 0n,
      address: addresses.hashlock,
      parameters: sha256(preimage),
      prove(_paymentId, amount) {
        if (random.chance(0.8)) return { evidence: preimage, due: amount };
        return { evidence: random.pick([random.bytes32(), "0x", preimage.slice(0, -2)]), due: 0n };
      },
    };
  }

  function attestation(): Condition {
    const chosen = evaluators.slice(0, 1 + random.below(evaluators.length));
    const threshold = random.chance(0.95) ? 1 + random.below(chosen.length) : random.pick([0, chosen.length + 1]);
    const [specHash, deliverableHash] = [random.bytes32(), random.bytes32()];
    const judgeBy = 1_900_000_000 + random.below(1000);
    const types = ["address[]", "uint8", "bytes32", "uint64"];
    const addressesOf = chosen.map(({ address }) => address);

    function attest(index: number, paymentId: string, amount: bigint) {
      const said = least(random.pick([amount, amount, amount / 2n, 1n, 0n, amount + 7n]), 2n ** 128n - 2n);
      const issuedAt = random.pick([judgeBy, judgeBy - 1, judgeBy - 1, judgeBy + 1]);
      const isRight = random.chance(0.9);
      const message = random.pick([
        { paymentId: random.bytes32(), specHash, deliverableHash, amount: said, issuedAt },
        { paymentId, specHash: random.bytes32(), deliverableHash, amount: said, issuedAt },
        { paymentId, specHash, deliverableHash: random.bytes32(), amount: said, issuedAt },
        { paymentId, specHash, deliverableHash, amount: said + 1n, issuedAt },
      ]);
      const right = { paymentId, specHash, deliverableHash, amount: said, issuedAt };
      const signer = isRight ? evaluators[index]! : random.pick(evaluators);
      const isSame = isRight || random.chance(0.5);
      const signed = signing.spoil(signing.sign(signer, domain, verdictTypes, isSame ? right : message));
      const isGood = signed.isGood && isSame && signer === evaluators[index] && issuedAt <= judgeBy;
      return { row: [index, said, issuedAt, signed.signature], counts: isGood && index < chosen.length ? said : 0n };
    }

    return {
      silent: () => 0n,
      address: addresses.attestation,
      parameters: coder.encode(types, [addressesOf, threshold, specHash, judgeBy]),
      prove(paymentId, amount) {
        if (random.chance(0.05)) return { evidence: garbage(), due: 0n };
        // An evaluator may be left out, speak twice, or be none of those that count.
        const indices = evaluators.flatMap((_, index) => (random.chance(0.8) ? [index] : []));
        if (random.chance(0.2)) indices.push(random.below(evaluators.length));
        const given = indices.map((index) => ({ index, ...attest(index, paymentId, amount) }));
        const words = chosen.map((_, index) =>
          given.reduce((best, { index: of, counts }) => (of === index && counts > best ? counts : best), 0n),
        );
        const evidence = coder.encode(
          ["bytes32", "tuple(uint8,uint128,uint64,bytes)[]"],
          [deliverableHash, given.map(({ row }) => row)],
        );
        return { evidence, due: threshold === 0 ? 0n : least(kthLargest(words, threshold), amount) };
      },
    };
  }

  /** The root depends on the payment, so only where that is known before. */
  function ticks(paymentId: string, amount: bigint): Condition {
    const length = 1 + random.below(12);
    const tickAmount = random.pick([1n, amount / BigInt(length), amount, 2n ** 128n - 1n]);
    const values = [random.bytes32()];
    for (let i = 0; i < length; i++) values.unshift(keccak256(values[0]! + paymentId.slice(2)));
    // The payer's chain may go on beyond what it agreed to pay for.
    const tickCount = random.chance(0.85) ? length : random.pick([length - 1, 10_001]);
    return {
      silent: () => 0n,
      address: addresses.ticks,
      parameters: coder.encode(["bytes32", "uint128", "uint32"], [values[0], tickAmount, tickCount]),
      prove(of, most) {
        const n = random.below(length + 1);
        const x = random.chance(0.9) ? values[n]! : random.bytes32();
        const told = random.chance(0.93) ? n : random.pick([n + 1, length + 1, 2 ** 32 - 1]);
        const isGood = x === values[n] && told === n && n <= tickCount && tickCount <= length && of === paymentId;
        return {
          evidence: coder.encode(["uint32", "bytes32"], [told, x]),
          due: isGood ? least(BigInt(n) * tickAmount, most) : 0n,
        };
      },
    };
  }

  function odd(): Condition {
    const kind = random.pick(Object.values(oddKinds));
    const value = random.pick([0n, 1n, 50n, 2n ** 128n - 1n, 2n ** 256n - 1n]);
    const answers = kind === oddKinds.answers || kind === oddKinds.answersLong;
    const isContract = random.chance(0.7);
    const silent = (amount: bigint): bigint => (isContract && answers ? least(value, amount) : 0n);
    return {
      silent,
      address: isContract ? addresses.odd : random.pick([identityPrecompile, ZeroAddress, evaluators[0]!.address]),
      parameters: coder.encode(["uint8", "uint256"], [kind, value]),
      prove: (_paymentId, amount) => ({ evidence: garbage(), due: silent(amount) }),
    };
  }

  function kth(makeChild: () => Condition): Condition {
    const children = Array.from({ length: 1 + random.below(3) }, makeChild);
    if (random.chance(0.04)) while (children.length < 9) children.push(hashlock());
    const k = random.chance(0.95) ? 1 + random.below(children.length) : random.pick([0, children.length + 1]);
    const isCounted = k > 0 && children.length <= 8;
    return {
      silent: (amount) =>
        isCounted
          ? kthLargest(
              children.map(({ silent }) => silent(amount)),
              k,
            )
          : 0n,
      address: addresses.kth,
      parameters: coder.encode(
        ["uint8", "tuple(address,bytes)[]"],
        [k, children.map(({ address, parameters: own }) => [address, own])],
      ),
      prove(paymentId, amount) {
        const proofs = children.map((child) => child.prove(paymentId, amount));
        const given = random.chance(0.8) ? proofs.length : random.below(proofs.length + 2);
        const evidence = Array.from({ length: given }, (_, i) => proofs[i]?.evidence ?? "0x");
        // Children are asked also where no evidence is given.
        const words = proofs.map(({ due }, i) => (i < given ? due : children[i]!.silent(amount)));
        const isSound = isCounted && given <= children.length;
        return { evidence: coder.encode(["bytes[]"], [evidence]), due: isSound ? kthLargest(words, k) : 0n };
      },
    };
  }

  function plain(): Condition {
    return random.pick([hashlock, attestation, attestation, odd])();
  }

  function nested(depth: number): Condition {
    return depth < 2 && random.chance(0.3) ? kth(() => nested(depth + 1)) : plain();
  }

  return {
    /** A condition that pays whatever it is asked for. */
    generous: (): Condition => ({
      address: addresses.odd,
      parameters: coder.encode(["uint8", "uint256"], [oddKinds.answers, 2n ** 256n - 1n]),
      prove: (_paymentId, amount) => ({ evidence: "0x", due: amount }),
      silent: (amount) => amount,
    }),
    /** A condition for a task, whose id depends on it. */
    forTask: (): Condition => nested(0),
    /** A condition for a payment in a channel. */
    forPayment: (paymentId: string, amount: bigint): Condition =>
      random.chance(0.25) ? ticks(paymentId, amount) : nested(0),
  };
}

export type Payments = ReturnType<typeof createPayments>;
