import { expect } from "chai";
import { TypedDataEncoder } from "ethers";
import { network } from "hardhat";

import { GRACE_PERIOD, vectors as readVectors } from "../helpers/channels.ts";
import {
  attestationEvidence,
  attestationParameters,
  deployConditions,
  tickChain,
  tickEvidence,
  tickParameters,
  VERDICT_TYPES,
} from "../helpers/conditions.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture } = connection.networkHelpers;

const { verdicts, verdictDomain, tickChain: ticks } = readVectors();

/** Deploys in the order of the vectors, so that the condition stands where they say. */
async function deployed() {
  const [operator] = await ethers.getSigners();
  await ethers.deployContract("MockDigitalYuan", [operator!.address]);
  await ethers.deployContract("PaymentChannels", [GRACE_PERIOD]);
  const attestation = await ethers.deployContract("AttestationCondition");
  return { attestation, tick: await ethers.deployContract("TickCondition") };
}

describe("Conditions: values made outside the project", () => {
  it("verdicts have the same domain and digests, and count", async () => {
    const { attestation } = await loadFixture(deployed);
    expect(await attestation.getAddress()).to.equal(verdictDomain.verifyingContract);
    const { name, version, chainId, verifyingContract } = verdictDomain;
    expect([...(await attestation.eip712Domain())].slice(1, 5)).to.deep.equal([
      name,
      version,
      BigInt(chainId),
      verifyingContract,
    ]);

    const evaluators = verdicts.map(({ evaluator }) => evaluator);
    const { specHash, deliverableHash, paymentId } = verdicts[0]!;
    const judgeBy = BigInt(verdicts[0]!.issuedAt);
    const attestations = verdicts.map((verdict, evaluator) => {
      const { amount, issuedAt, signature, digest } = verdict;
      expect(TypedDataEncoder.hash(verdictDomain, VERDICT_TYPES, verdict)).to.equal(digest);
      return { evaluator, amount: BigInt(amount), issuedAt: BigInt(issuedAt), signature };
    });
    const evidence = attestationEvidence(deliverableHash, attestations);
    for (const [i, due] of [1_000n, 600n, 0n].entries()) {
      const parameters = attestationParameters(evaluators, i + 1, specHash, judgeBy);
      expect(await attestation.amountDue(paymentId, 1_000n, parameters, evidence)).to.equal(due);
    }
    const before = attestationParameters(evaluators, 1, specHash, judgeBy - 1n);
    expect(await attestation.amountDue(paymentId, 1_000n, before, evidence)).to.equal(0n);
  });

  it("ticks are walked the same way", async () => {
    const { tick } = await loadFixture(deployed);
    const { paymentId, tickCount, root, x1, x7, x16 } = ticks;
    const chain = tickChain(x16, tickCount, paymentId);
    expect([chain[0], chain[1], chain[7]]).to.deep.equal([root, x1, x7]);
    const parameters = tickParameters(root, 10n, tickCount);
    for (const [n, x] of [
      [1, x1],
      [7, x7],
      [16, x16],
    ] as const)
      expect(await tick.amountDue(paymentId, 1_000n, parameters, tickEvidence(n, x))).to.equal(10n * BigInt(n));
  });

  it("every condition is asked by the same function", async () => {
    const conditions = await deployConditions(connection);
    for (const name of ["attestation", "hashlock", "tick", "kth", "review"] as const) {
      const asked = conditions[name].interface.getFunction("amountDue")!;
      expect(asked.format("sighash"), name).to.equal("amountDue(bytes32,uint128,bytes,bytes)");
      expect(
        asked.outputs.map(({ type }) => type),
        name,
      ).to.deep.equal(["uint128"]);
    }
    for (const text of [
      "function submit(bytes32 paymentId, bytes parameters, bytes32 deliverableHash)",
      "function object(bytes32 paymentId, bytes parameters, bytes32 reasonHash)",
      "function arbitrate(bytes32 paymentId, bytes parameters, uint128 amount)",
    ])
      expect(conditions.review.interface.fragments.map((fragment) => fragment.format("full"))).to.include(text);
  });
});
