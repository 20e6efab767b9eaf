import { expect } from "chai";
import { type Hex, zeroAddress } from "viem";

import {
  allOf,
  computeChannelId,
  computePaymentId,
  createTickChain,
  estimateClaimGas,
  judgeStatement,
  nothingAccepted,
  planConditionalClaim,
  signConditionalVoucher,
  ticks,
} from "../../../sdk/src/index.ts";
import { bytes32, chainId, createStage } from "./helpers.ts";

describe("the claim of an accepted statement", () => {
  it("proves by default whatever the payee's rules have accepted", async () => {
    const { channels, payer, seller, token, payerSdk, sellerClient, deploy, now } = await createStage();
    const [contract, deposit] = [channels.address, 10_000n];
    const contracts = { ticks: await deploy("TickCondition"), kth: await deploy("KthCondition") };
    const salt = bytes32("a channel");
    const terms = {
      payer: payer.address,
      payee: seller.address,
      token: token.address,
      salt,
      authorizedSigner: zeroAddress,
    };
    const channelId = computeChannelId({ terms, contract, chainId });
    await payerSdk.approveToken({ token: token.address, spender: contract, amount: deposit });
    await payerSdk.openChannel({ contract, terms, deposit });

    const ref = bytes32("a payment");
    const paymentId = computePaymentId({ channelId, ref });
    const seed: Hex = bytes32("a seed");
    const chain = createTickChain({ paymentId, tickCount: 10_000, seed });
    const stream = ticks({ condition: contracts.ticks, root: chain.root, tickAmount: 1n, tickCount: 10_000 });
    const condition = allOf([stream, stream, stream], { condition: contracts.kth });
    expect(estimateClaimGas([condition]) <= 3_000_000n).to.equal(true);

    const { address, parameters, parametersHash } = condition;
    const payments = [{ ref, condition: address, parameters, parametersHash, amount: 10_000n }];
    const signature = await signConditionalVoucher({
      account: payer,
      contract,
      chainId,
      channelId,
      cumulativeAmount: 0n,
      payments,
    });
    const judgement = judgeStatement({
      channel: {
        contract,
        chainId,
        terms,
        isContractKnown: true,
        deposit,
        closeGracePeriod: 900,
        closeRequestedAt: 0,
        finalized: false,
      },
      policy: { payee: seller.address, token: token.address, contracts, creditLimit: 10_000n },
      accepted: nothingAccepted,
      statement: { channelId, cumulativeAmount: 0n, payments, isSignatureValid: true },
      now: await now(),
    });
    expect(judgement.outcome).to.equal("accepted");

    const tick = stream.encodeEvidence(chain.tick(10_000));
    const evidence = [{ ref, parameters, evidence: condition.encodeEvidence([tick, tick, tick]) }];
    const statement = { cumulativeAmount: 0n, payments, signature };
    const claim = { contract, terms, statement, evidence };
    const patient = await planConditionalClaim(sellerClient, { ...claim, conditionGas: 3_000_000n });
    expect(patient.amount).to.equal(10_000n);
    const { entitlement, left } = await planConditionalClaim(sellerClient, { ...claim, amount: 0n });
    expect(left).to.deep.equal([]);
    expect(entitlement).to.equal(10_000n);
  });
});
