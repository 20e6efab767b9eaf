import { expect } from "chai";
import { concat, type Hex, size } from "viem";

import {
  addEvidence,
  allOf,
  computePaymentId,
  createTickChain,
  estimateClaimGas,
  proveDue,
  ticks,
} from "../../../../sdk/src/protocol/index.ts";
import { chainId, contracts } from "../conditions/samples.ts";
import { accept, channel, channelId, judge, lock, payment, refOf } from "./stage.ts";

const maxClaimGas = 3_000_000n;

describe("a payer that means harm", () => {
  it("cannot make good evidence too large to be claimed", async () => {
    const chain = createTickChain({ paymentId: computePaymentId({ channelId, ref: refOf(1) }), tickCount: 10 });
    const condition = ticks({ condition: contracts.ticks, root: chain.root, tickAmount: 10n, tickCount: 10 });
    let accepted = accept(0n, [payment(1, 100n, condition)]);
    const raise = async (evidence: Hex) => {
      const due = await proveDue({ contracts, chainId, channelId, payment: payment(1, 100n, condition), evidence });
      const judgement = addEvidence({ accepted, ref: refOf(1), evidence, due });
      if (judgement.outcome === "raised") accepted = judgement.next;
    };
    await raise(condition.encodeEvidence(chain.tick(1)));
    // One tick more, and behind it what the contract's decoder does not look at.
    await raise(concat([condition.encodeEvidence(chain.tick(2)), `0x${"ff".repeat(200_000)}`]));

    const [standing] = accepted.payments;
    const calldata = 16n * BigInt(size(standing?.evidence ?? "0x"));
    expect(estimateClaimGas([condition]) <= maxClaimGas).to.equal(true);
    expect(calldata <= maxClaimGas, `calldata alone costs ${calldata} gas`).to.equal(true);
  });

  it("cannot make evidence take memory with the square of its length", async () => {
    // Every element of the list is one and the same long piece, in capitals so that each reading is a copy.
    const count = 2_000;
    const word = (n: number) => n.toString(16).padStart(64, "0");
    const piece = `${word(32 * count)}${"AB".repeat(32 * count)}`;
    const evidence: Hex = `0x${word(32)}${word(count)}${word(32 * count).repeat(count)}${piece}`;
    const condition = allOf([lock(), lock()], { condition: contracts.kth });
    const before = process.memoryUsage();
    await proveDue({ contracts, chainId, channelId, payment: payment(1, 100n, condition), evidence });
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    expect(grown, `${size(evidence)} bytes of evidence took ${grown}`).to.be.below(100 * size(evidence));
  });

  it("cannot have work done for payments over nothing", () => {
    const given = { policy: { creditLimit: 0n }, channel: { ...channel, deposit: 1n } };
    const judgement = judge({ ...given, statement: { cumulativeAmount: 0n, payments: [payment(1, 0n)] } });
    expect(judgement).to.deep.equal({ outcome: "refused", reason: { code: "amount-zero", ref: refOf(1) } });
  });
});
