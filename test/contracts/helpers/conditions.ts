import { concat, keccak256, type Signer } from "ethers";
import type { NetworkConnection } from "hardhat/types/network";

import { encodeValues, saltOf } from "./channels.ts";

/** How a HostileCondition may behave so that nothing is due by it. */
export const HOSTILE = [
  { name: "reverts", behaviour: 1 },
  { name: "reverts with a good answer", behaviour: 2 },
  { name: "returns nothing", behaviour: 3 },
  { name: "returns 31 bytes", behaviour: 4 },
  { name: "reverts with a megabyte", behaviour: 6 },
  { name: "burns all gas", behaviour: 7 },
  { name: "writes to its storage", behaviour: 8 },
] as const;

/** The type that evaluators sign, told once more so that the contract's own is checked. */
export const VERDICT_TYPES = {
  Verdict: [
    { name: "paymentId", type: "bytes32" },
    { name: "specHash", type: "bytes32" },
    { name: "deliverableHash", type: "bytes32" },
    { name: "amount", type: "uint128" },
    { name: "issuedAt", type: "uint64" },
  ],
};

export type Verdict = {
  paymentId: string;
  specHash: string;
  deliverableHash: string;
  amount: bigint;
  issuedAt: bigint;
};

export type Attestation = { evaluator: number; amount: bigint; issuedAt: bigint; signature: string };

export const verdictDomain = (verifyingContract: string, chainId = 31337n) => ({
  name: "subfen AttestationCondition",
  version: "1",
  chainId,
  verifyingContract,
});

export const signVerdict = (
  signer: Signer,
  domain: ReturnType<typeof verdictDomain>,
  verdict: Verdict,
): Promise<string> => signer.signTypedData(domain, VERDICT_TYPES, verdict);

export const attestationParameters = (
  evaluators: string[],
  threshold: number,
  specHash: string,
  judgeBy: bigint,
): string => encodeValues(["address[]", "uint8", "bytes32", "uint64"], [evaluators, threshold, specHash, judgeBy]);

export const attestationEvidence = (deliverableHash: string, attestations: Attestation[]): string =>
  encodeValues(
    ["bytes32", "tuple(uint8 evaluator, uint128 amount, uint64 issuedAt, bytes signature)[]"],
    [deliverableHash, attestations],
  );

export const tickParameters = (root: string, tickAmount: bigint, tickCount: number | bigint): string =>
  encodeValues(["bytes32", "uint128", "uint32"], [root, tickAmount, tickCount]);

export const tickEvidence = (n: number | bigint, x: string): string => encodeValues(["uint32", "bytes32"], [n, x]);

/** `x_0`, the root, to `x_count`, the seed. */
export function tickChain(seed: string, count: number, paymentId: string): string[] {
  const chain = [seed];
  for (let i = 0; i < count; i++) chain.push(keccak256(concat([chain[i]!, paymentId])));
  return chain.toReversed();
}

export type Child = { condition: string; parameters: string };

export const kthParameters = (k: number, children: Child[]): string =>
  encodeValues(["uint8", "tuple(address condition, bytes parameters)[]"], [k, children]);

export const kthEvidence = (evidence: string[]): string => encodeValues(["bytes[]"], [evidence]);

export type ReviewParameters = {
  provider: string;
  reviewer: string;
  arbiter: string;
  reviewPeriod: bigint;
  arbitrationPeriod: bigint;
  deadline: bigint;
  silentArbiterPays: boolean;
};

export const reviewParameters = (parameters: ReviewParameters): string =>
  encodeValues(
    ["address", "address", "address", "uint64", "uint64", "uint64", "bool"],
    [
      parameters.provider,
      parameters.reviewer,
      parameters.arbiter,
      parameters.reviewPeriod,
      parameters.arbitrationPeriod,
      parameters.deadline,
      parameters.silentArbiterPays,
    ],
  );

/** The payment that conditions are asked about, if no other is named. */
export const PAYMENT = saltOf(77);

/** Deploys all conditions, those that misbehave too, and what asks them as the contracts that pay do. */
export async function deployConditions({ ethers }: NetworkConnection) {
  const deployer = (await ethers.getSigners())[0]!;
  const probe = await ethers.deployContract("ConditionProbe");
  const attestation = await ethers.deployContract("AttestationCondition");
  const hashlock = await ethers.deployContract("HashlockCondition");
  const tick = await ethers.deployContract("TickCondition");
  const kth = await ethers.deployContract("KthCondition");
  const review = await ethers.deployContract("ReviewCondition");
  const echo = await ethers.deployContract("EchoCondition");
  const hostile = await ethers.deployContract("HostileCondition");
  return { deployer, probe, attestation, hashlock, tick, kth, review, echo, hostile };
}

export type Conditions = Awaited<ReturnType<typeof deployConditions>>;

/** What counts as due: what a condition that is asked by one of the contracts that pay says. */
export const dueOf = (
  { probe }: Pick<Conditions, "probe">,
  condition: Parameters<Conditions["probe"]["amountDue"]>[0],
  parameters: string,
  evidence: string,
  { paymentId = PAYMENT, amount = 1_000n } = {},
): Promise<bigint> => probe.amountDue(condition, paymentId, amount, parameters, evidence);
