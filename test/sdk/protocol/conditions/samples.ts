import { type Address, encodeAbiParameters, type Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import {
  type Attestation,
  attestation,
  type Condition,
  type ConditionContracts,
  createTickChain,
  hashlock,
  hashPreimage,
  kthOf,
  review,
  signVerdict,
  type TickChain,
  ticks,
} from "../../../../sdk/src/protocol/index.ts";
import type { createRandom } from "../random.ts";

export const chainId = 31337;
export const paymentId: Hex = `0x${"b0".repeat(32)}`;
export const evaluators = ["21", "22", "23", "24"].map((byte) => privateKeyToAccount(`0x${byte.repeat(32)}`));

/** Addresses as `decodeCondition` wants them; random ones, or those of deployed contracts. */
export type Contracts = Required<{ [kind in keyof ConditionContracts]: Address }>;

export const contracts: Contracts = {
  hashlock: "0x0000000000000000000000000000000000000011",
  attestation: "0x0000000000000000000000000000000000000022",
  ticks: "0x0000000000000000000000000000000000000033",
  kth: "0x0000000000000000000000000000000000000044",
  review: "0x0000000000000000000000000000000000000055",
};

/** Evidence of an AttestationCondition as it is given, without the checks and the order of `encodeEvidence`. */
export function encodeAttestations(deliverableHash: Hex, attestations: readonly Attestation[]): Hex {
  const components = [
    { name: "evaluator", type: "uint8" },
    { name: "amount", type: "uint128" },
    { name: "issuedAt", type: "uint64" },
    { name: "signature", type: "bytes" },
  ];
  return encodeAbiParameters([{ type: "bytes32" }, { type: "tuple[]", components }], [deliverableHash, attestations]);
}

/** A condition, and a maker of evidence for it: good, partial, foreign or with faults. */
export type Sample = { condition: Condition; prove(): Promise<Hex> };

type Random = ReturnType<typeof createRandom>;

/** Makes random conditions and evidence for `paymentId`, whose amount should be below about 3,000. */
export function createSamples(random: Random, at: Contracts = contracts) {
  const pick = <item>(items: readonly item[]): item => items[random.below(items.length)]!;
  const other = random.hex(32);

  function hashlockSample(): Sample {
    const preimage = random.hex(32);
    const condition = hashlock({ condition: at.hashlock, sha256Hash: hashPreimage(preimage) });
    return { condition, prove: async () => condition.encodeEvidence({ preimage: pick([preimage, other]) }) };
  }

  function attestationSample(): Sample {
    const judges = evaluators.slice(0, 1 + random.below(evaluators.length));
    const [specHash, judgeBy] = [random.hex(32), 1_000n];
    const condition = attestation({
      condition: at.attestation,
      chainId,
      evaluators: judges.map(({ address }) => address),
      threshold: 1 + random.below(judges.length),
      specHash,
      judgeBy,
    });
    const prove = async () => {
      const deliverableHash = pick([random.hex(32), other]);
      const attestations: Attestation[] = [];
      let isTwice = false;
      for (const [evaluator, account] of judges.entries()) {
        if (random.below(4) === 0) continue;
        const [amount, issuedAt] = [BigInt(random.below(3_000)), pick([0n, 999n, 1_000n, 1_001n])];
        const verdict = { condition: at.attestation, chainId, paymentId, specHash, deliverableHash, amount, issuedAt };
        const wrong = pick([{}, {}, {}, {}, { paymentId: other }, { amount: amount + 1n }, { chainId: 1 }]);
        const signature = await signVerdict({ ...verdict, ...wrong, account });
        if (random.below(4) === 0) {
          const higher = { ...verdict, amount: amount + BigInt(random.below(500)) };
          const second = await signVerdict({ ...higher, account });
          attestations.push({ evaluator, amount: higher.amount, issuedAt, signature: second });
          isTwice = true;
        }
        attestations.push({ evaluator, amount, issuedAt, signature });
      }
      // In any order, and some of one evaluator: the contract takes that too.
      const given = random.below(2) === 0 ? attestations : attestations.toReversed();
      if (isTwice) return encodeAttestations(deliverableHash, given);
      return condition.encodeEvidence({ deliverableHash, attestations });
    };
    return { condition, prove };
  }

  function tickSample(): Sample {
    const tickCount = 1 + random.below(250);
    const chain: TickChain = createTickChain({ paymentId, tickCount, seed: random.hex(32) });
    const tickAmount = BigInt(1 + random.below(100));
    const condition = ticks({ condition: at.ticks, root: chain.root, tickAmount, tickCount });
    const prove = async () => {
      const tick = chain.tick(1 + random.below(tickCount));
      return condition.encodeEvidence(random.below(5) === 0 ? { ...tick, n: 1 + random.below(tickCount) } : tick);
    };
    return { condition, prove };
  }

  const plain = (): Sample => pick([hashlockSample, attestationSample, attestationSample, tickSample])();

  function kthSample(depth: number): Sample {
    const samples = Array.from({ length: 1 + random.below(4) }, () =>
      depth > 0 && random.below(3) === 0 ? kthSample(depth - 1) : plain(),
    );
    const children = samples.map(({ condition }) => condition);
    const condition = kthOf({ condition: at.kth, children, k: 1 + random.below(children.length) });
    const prove = async () => {
      const parts: (Hex | undefined)[] = [];
      for (const sample of samples.slice(0, samples.length - random.below(2)))
        parts.push(random.below(5) === 0 ? undefined : await sample.prove());
      return condition.encodeEvidence(parts);
    };
    return { condition, prove };
  }

  function reviewSample(): Sample {
    const condition = review({
      condition: at.review,
      provider: random.hex(20),
      reviewer: random.hex(20),
      arbiter: random.hex(20),
      reviewPeriod: 1n + random.uint(63),
      arbitrationPeriod: 1n + random.uint(63),
      deadline: 1n + random.uint(63),
      silentArbiterPays: random.below(2) === 0,
    });
    return { condition, prove: async () => "0x" };
  }

  return {
    /** Any kind but a review, which has no evidence. */
    provable: (): Sample => (random.below(2) === 0 ? plain() : kthSample(1)),
    review: reviewSample,
  };
}

/** Bytes with one fault: cut, longer, a changed byte, a changed word, or words in another order. */
export function corrupt(random: Random, data: Hex): Hex {
  const bytes = Buffer.from(data.slice(2), "hex");
  const words = Math.floor(bytes.length / 32);
  const place = words === 0 ? 0 : random.below(words) * 32;
  const kind = random.below(6);
  if (kind === 0) return `0x${bytes.subarray(0, random.below(bytes.length + 1)).toString("hex")}`;
  if (kind === 1) return `${data}${random.hex(1 + random.below(40)).slice(2)}`;
  if (kind === 2) return random.hex(random.below(100));
  if (bytes.length < 32) return data;
  if (kind === 3) bytes[random.below(bytes.length)] = random.below(256);
  else if (kind === 4) bytes[place + 31] = random.below(256);
  else bytes.copyWithin(place, random.below(words) * 32, bytes.length);
  return `0x${bytes.toString("hex")}`;
}
