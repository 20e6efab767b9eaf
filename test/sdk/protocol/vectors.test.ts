import { expect } from "chai";
import { privateKeyToAccount } from "viem/accounts";

import * as protocol from "../../../sdk/src/protocol/index.ts";
import { readVectors } from "./vectors.ts";

describe("vectors", () => {
  const vectors = readVectors();
  const { contract, chainId, terms, channelId } = vectors;
  const account = privateKeyToAccount(vectors.key);
  const seller = privateKeyToAccount(`0x${"31".repeat(32)}`);
  const channels = { contract, chainId };

  it("channel id, domain and separator", () => {
    expect(protocol.computeChannelId({ terms, contract, chainId })).to.equal(channelId);
    expect(protocol.channelsDomain(channels)).to.deep.equal(vectors.domain);
    expect(protocol.hashDomain(vectors.domain)).to.equal(vectors.domainSeparator);
  });

  it("vouchers", async () => {
    expect(vectors.vouchers).to.have.length(4);
    for (const { cumulativeAmount, digest, signature } of vectors.vouchers) {
      const voucher = { ...channels, channelId, cumulativeAmount: BigInt(cumulativeAmount) };
      expect(protocol.hashVoucher(voucher)).to.equal(digest);
      expect(await protocol.signVoucher({ ...voucher, account })).to.equal(signature);
      expect(await protocol.verifyVoucher({ ...voucher, signature, signer: terms.payer })).to.equal(true);
    }
  });

  it("conditional vouchers, payment ids and struct hashes", async () => {
    expect(vectors.conditionalVouchers.map(({ payments }) => payments.length)).to.deep.equal([0, 1, 2]);
    for (const {
      cumulativeAmount,
      digest,
      signature,
      structHashes,
      paymentIds,
      ...rest
    } of vectors.conditionalVouchers) {
      const payments = rest.payments.map((payment) => ({ ...payment, amount: BigInt(payment.amount) }));
      const statement = { ...channels, channelId, cumulativeAmount: BigInt(cumulativeAmount), payments };
      expect(payments.map(({ ref }) => protocol.computePaymentId({ channelId, ref }))).to.deep.equal(paymentIds);
      expect(payments.map(protocol.hashConditionalPayment)).to.deep.equal(structHashes);
      expect(protocol.hashConditionalVoucher(statement)).to.equal(digest);
      expect(await protocol.signConditionalVoucher({ ...statement, account })).to.equal(signature);
      expect(await protocol.verifyConditionalVoucher({ ...statement, signature, signer: terms.payer })).to.equal(true);
    }
  });

  it("settle and close authorizations and the close request", async () => {
    const { hashSettleAuthorization, signSettleAuthorization, hashCloseAuthorization, signCloseAuthorization } =
      protocol;
    for (const { vector, hash, sign } of [
      { vector: vectors.settleAuthorization, hash: hashSettleAuthorization, sign: signSettleAuthorization },
      { vector: vectors.closeAuthorization, hash: hashCloseAuthorization, sign: signCloseAuthorization },
    ]) {
      const authorization = {
        ...channels,
        channelId,
        cumulativeAmount: BigInt(vector.cumulativeAmount),
        nonce: BigInt(vector.nonce),
        deadline: BigInt(vector.deadline),
      };
      expect(hash(authorization)).to.equal(vector.digest);
      expect(await sign({ ...authorization, account: seller })).to.equal(vector.signature);
    }
    const { deadline, digest, signature } = vectors.closeRequest;
    const request = { ...channels, channelId, deadline: BigInt(deadline) };
    expect(protocol.hashCloseRequest(request)).to.equal(digest);
    expect(await protocol.signCloseRequest({ ...request, account })).to.equal(signature);
  });

  it("EIP-3009 nonces, digest and signature", async () => {
    const { deposit, validAfter, validBefore, nonce, digest, signature } = vectors.openWithAuthorization;
    expect(protocol.openAuthorizationNonce(terms)).to.equal(nonce);
    const authorization = {
      domain: vectors.tokenDomain,
      from: terms.payer,
      to: contract,
      value: BigInt(deposit),
      validAfter: BigInt(validAfter),
      validBefore: BigInt(validBefore),
      nonce,
    };
    expect(protocol.hashReceiveWithAuthorization(authorization)).to.equal(digest);
    expect(await protocol.signReceiveWithAuthorization({ ...authorization, account })).to.equal(signature);

    const topUp = vectors.topUpWithAuthorization;
    const additionalDeposit = BigInt(topUp.additionalDeposit);
    expect(
      protocol.topUpAuthorizationNonce({ channelId, additionalDeposit, from: terms.payer, topUpSalt: topUp.topUpSalt }),
    ).to.equal(topUp.nonce);
  });

  it("verdicts", async () => {
    expect(vectors.verdicts).to.have.length(3);
    const { verifyingContract: condition } = vectors.verdictDomain;
    expect(protocol.attestationDomain({ condition, chainId })).to.deep.equal(vectors.verdictDomain);
    for (const { evaluator, privateKey, digest, signature, amount, issuedAt, ...hashes } of vectors.verdicts) {
      const verdict = { condition, chainId, ...hashes, amount: BigInt(amount), issuedAt: BigInt(issuedAt) };
      expect(protocol.hashVerdict(verdict)).to.equal(digest);
      expect(await protocol.signVerdict({ ...verdict, account: privateKeyToAccount(privateKey) })).to.equal(signature);
      expect(await protocol.verifyVerdict({ ...verdict, signature, signer: evaluator })).to.equal(true);
    }
  });

  it("receipt", async () => {
    const { signer, digest, signature, spent, issuedAt, ...hashes } = vectors.receipt;
    const receipt = { ...channels, ...hashes, spent: BigInt(spent), issuedAt: BigInt(issuedAt) };
    expect(protocol.hashReceipt(receipt)).to.equal(digest);
    expect(await protocol.verifyReceipt({ ...receipt, signature, signer })).to.equal(true);
    expect(await protocol.signReceipt({ ...receipt, account: seller })).to.equal(signature);
  });
});
