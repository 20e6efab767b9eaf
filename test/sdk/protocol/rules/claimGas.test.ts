import { expect } from "chai";
import { network } from "hardhat";
import { type Address, encodeFunctionData, type Hex, keccak256, parseAbi, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import {
  allOf,
  attestation,
  computeChannelId,
  computePaymentId,
  type Condition,
  createTickChain,
  estimateClaimGas,
  hashConditionalPayment,
  hashlock,
  hashPreimage,
  signConditionalVoucher,
  signVerdict,
  ticks,
} from "../../../../sdk/src/protocol/index.ts";
import { chainId } from "../conditions/samples.ts";
import { payment, refOf } from "./stage.ts";

const abi = parseAbi([
  "struct Terms { address payer; address payee; address token; bytes32 salt; address authorizedSigner; }",
  "struct ProvenPayment { uint8 index; bytes32 ref; address condition; uint128 amount; bytes parameters; bytes evidence; }",
  "struct ConditionalClaim { Terms terms; uint128 amount; uint128 cumulativeAmount; bytes32[] paymentHashes; ProvenPayment[] proven; bytes signature; }",
  "function settleConditional(ConditionalClaim claim)",
  "function open(address payee, address token, uint128 deposit, bytes32 salt, address authorizedSigner)",
]);
const signer = privateKeyToAccount(`0x${"31".repeat(32)}`);

/** A condition, and full evidence for it. */
type Proof = { condition: Condition; prove(paymentId: Hex): Promise<Hex> };

describe("estimateClaimGas", () => {
  it("is above what claims with full evidence cost, and not far above", async () => {
    const { ethers, provider } = await network.create();
    const deploy = async (name: string, args: unknown[] = []) =>
      (await (await ethers.deployContract(name, args)).getAddress()) as Address;
    const channels = await deploy("PaymentChannels", [900]);
    const token = await ethers.deployContract("GasToken");
    const [hashlocks, attestations, tickCondition, kth] = [
      await deploy("HashlockCondition"),
      await deploy("AttestationCondition"),
      await deploy("TickCondition"),
      await deploy("KthCondition"),
    ];
    const [payer, payee] = (await ethers.getSigners()).map(({ address }) => address as Address);
    await token.getFunction("mint")(payer!, 10n ** 9n);
    await token.getFunction("approve")(channels, 10n ** 9n);
    const tokenAddress = (await token.getAddress()) as Address;

    const lock = (): Proof => {
      const preimage = keccak256("0x");
      return {
        condition: hashlock({ condition: hashlocks, sha256Hash: hashPreimage(preimage) }),
        prove: async () => preimage,
      };
    };
    const judged = (threshold: number, count: number): Proof => {
      const judges = Array.from({ length: count }, (_, i) => privateKeyToAccount(keccak256(refOf(i))));
      const condition = attestation({
        condition: attestations,
        chainId,
        evaluators: judges.map(({ address }) => address),
        threshold,
        specHash: keccak256("0x"),
        judgeBy: 2n ** 40n,
      });
      const verdict = { deliverableHash: keccak256("0x12"), amount: 10n, issuedAt: 1_800_000_000n };
      const location = { condition: attestations, chainId, specHash: condition.specHash };
      const prove = async (paymentId: Hex) => {
        const rows = judges.slice(0, threshold).map(async (account, evaluator) => {
          const signature = await signVerdict({ account, ...location, paymentId, ...verdict });
          return { evaluator, ...verdict, signature };
        });
        return condition.encodeEvidence({ ...verdict, attestations: await Promise.all(rows) });
      };
      return { condition, prove };
    };
    const all = (...children: Proof[]): Proof => {
      const condition = allOf(
        children.map((child) => child.condition),
        { condition: kth },
      );
      const prove = async (paymentId: Hex) =>
        condition.encodeEvidence(await Promise.all(children.map((child) => child.prove(paymentId))));
      return { condition, prove };
    };
    /** The root depends on the payment. */
    const ticked = (n: number, tickCount: number): Proof => {
      const chain = createTickChain({
        paymentId: computePaymentId({ channelId, ref: refOf(n) }),
        tickCount,
        seed: zeroHash,
      });
      const condition = ticks({ condition: tickCondition, root: chain.root, tickAmount: 1n, tickCount });
      return { condition, prove: async () => condition.encodeEvidence(chain.tick(tickCount)) };
    };

    let salt: Hex;
    let channelId: Hex;
    async function open(n: number) {
      salt = refOf(n);
      const terms = { payer: payer!, payee: payee!, token: tokenAddress, salt, authorizedSigner: signer.address };
      channelId = computeChannelId({ terms, contract: channels, chainId });
      const args = [terms.payee, terms.token, 100_000n, salt, signer.address] as const;
      const data = encodeFunctionData({ abi, functionName: "open", args });
      await provider.request({ method: "eth_sendTransaction", params: [{ from: payer, to: channels, data }] });
      return terms;
    }

    /** @returns Gas of settling everything, which is all due. */
    async function cost(terms: Awaited<ReturnType<typeof open>>, proofs: Proof[]): Promise<bigint> {
      const payments = proofs.map(({ condition }, n) => payment(n, 10n, condition));
      const signature = await signConditionalVoucher({
        account: signer,
        contract: channels,
        chainId,
        channelId,
        cumulativeAmount: 5n,
        payments,
      });
      const proven = [];
      for (const [index, one] of payments.entries()) {
        const evidence = await proofs[index]!.prove(computePaymentId({ channelId, ref: one.ref }));
        proven.push({ ...one, index, evidence });
      }
      const claim = {
        terms,
        amount: 5n + 10n * BigInt(proofs.length),
        cumulativeAmount: 5n,
        paymentHashes: payments.map(hashConditionalPayment),
        proven,
        signature,
      };
      const data = encodeFunctionData({ abi, functionName: "settleConditional", args: [claim] });
      const params = [{ from: payee, to: channels, data }];
      return BigInt((await provider.request({ method: "eth_estimateGas", params })) as string);
    }

    const times = (count: number, proof: Proof) => Array.from({ length: count }, () => proof);
    const mixes: (() => Proof[])[] = [
      () => [],
      () => times(16, lock()),
      () => times(16, judged(1, 1)),
      () => times(16, judged(3, 5)),
      () => times(2, judged(1, 255)),
      () => times(1, judged(40, 120)),
      () => [ticked(0, 10)],
      () => [0, 1, 2].map((n) => ticked(n, 5_000)),
      () => times(16, all(lock(), judged(2, 3))),
      () => times(4, all(...times(8, lock()))),
      () => times(2, all(...times(4, all(lock(), judged(1, 3))))),
    ];
    for (const [n, mix] of mixes.entries()) {
      const terms = await open(n);
      const proofs = mix();
      const used = await cost(terms, proofs);
      const estimate = estimateClaimGas(proofs.map(({ condition }) => condition));
      expect(estimate, `mix ${n}: ${used} gas`).to.be.greaterThan(Number(used));
      expect(Number(estimate) / Number(used), `mix ${n}: ${used} gas`).to.be.lessThan(2.5);
    }
  });
});
