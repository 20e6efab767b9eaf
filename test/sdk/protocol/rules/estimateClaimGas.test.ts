import { expect } from "chai";
import { zeroHash } from "viem";

import { allOf, attestation, estimateClaimGas, review, ticks } from "../../../../sdk/src/protocol/index.ts";
import { chainId, contracts, evaluators } from "../conditions/samples.ts";
import { lock, now, payee, token } from "./stage.ts";

describe("estimateClaimGas, by kind", () => {
  const [one, two, three] = evaluators.map(({ address }) => address);
  const ofKind = {
    none: () => [],
    hashlock: () => [lock()],
    "two of them": () => [lock(), lock()],
    ticks: () => [ticks({ condition: contracts.ticks, root: zeroHash, tickAmount: 1n, tickCount: 100 })],
    attestation: () => [
      attestation({
        condition: contracts.attestation,
        chainId,
        evaluators: [one!, two!, three!],
        threshold: 2,
        specHash: zeroHash,
        judgeBy: now,
      }),
    ],
    kth: () => [allOf([lock(), lock()], { condition: contracts.kth })],
    review: () => [
      review({
        condition: contracts.review,
        provider: payee,
        reviewer: token,
        arbiter: one!,
        reviewPeriod: 1n,
        arbitrationPeriod: 1n,
        deadline: now,
        silentArbiterPays: true,
      }),
    ],
  };

  /** Told apart from what claims cost by claimGas.test.ts: above, and not far. */
  const expected: Record<keyof typeof ofKind, bigint> = {
    none: 120_000n,
    hashlock: 136_024n,
    "two of them": 152_048n,
    ticks: 143_432n,
    attestation: 171_556n,
    kth: 174_074n,
    review: 141_220n,
  };

  for (const [kind, make] of Object.entries(ofKind))
    it(`is the sum of its parts: ${kind}`, () => {
      expect(estimateClaimGas(make())).to.equal(expected[kind as keyof typeof ofKind]);
    });
});
