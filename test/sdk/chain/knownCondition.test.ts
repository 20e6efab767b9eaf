import { expect } from "chai";
import { network } from "hardhat";
import { type Address, type Hex, keccak256, stringToHex, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { attestation, isKnownCode, signVerdict } from "../../../sdk/src/index.ts";

const chainId = 31337;

describe("isKnownCode of a condition", () => {
  it("is false where its domain is not its own, since no evaluator's verdict would count there", async () => {
    const { ethers, networkHelpers } = await network.create();
    const genuine = (await (await ethers.deployContract("AttestationCondition")).getAddress()) as Address;
    const code = (await ethers.provider.getCode(genuine)) as Hex;
    const domain = await (await ethers.getContractAt("AttestationCondition", genuine)).eip712Domain();
    const { TypedDataEncoder } = await import("ethers");
    const [, name, version] = domain;
    const separatorOf = (verifyingContract: string) =>
      TypedDataEncoder.hashDomain({ name, version, chainId, verifyingContract });
    // The genuine code at another address, deployed with another's separator and its own address.
    const forged = "0x00000000000000000000000000000000000f04ed";
    const word = (address: string) => address.slice(2).toLowerCase().padStart(64, "0");
    const forgedCode = code.replaceAll(word(genuine), word(forged)) as Hex;
    expect(forgedCode).to.include(separatorOf(genuine).slice(2));
    await networkHelpers.setCode(forged, forgedCode);

    const account = privateKeyToAccount(keccak256(stringToHex("an evaluator")));
    const evaluators = [account.address];
    const condition = attestation({
      condition: forged,
      chainId,
      evaluators,
      threshold: 1,
      specHash: zeroHash,
      judgeBy: 10n,
    });
    const verdict = { paymentId: zeroHash, specHash: zeroHash, deliverableHash: zeroHash, amount: 7n, issuedAt: 1n };
    const signature = await signVerdict({ account, condition: forged, chainId, ...verdict });
    const attestations = [{ evaluator: 0, amount: 7n, issuedAt: 1n, signature }];
    const evidence = condition.encodeEvidence({ deliverableHash: zeroHash, attestations });
    const contract = await ethers.getContractAt("AttestationCondition", forged);
    expect(await condition.amountDue({ paymentId: zeroHash, amount: 7n, evidence })).to.equal(7n);
    expect(await contract.amountDue(zeroHash, 7n, condition.parameters, evidence)).to.equal(0n);

    expect(isKnownCode(code, "AttestationCondition"), "the genuine one").to.equal(true);
    expect(isKnownCode(forgedCode, "AttestationCondition"), "the forged one").to.equal(false);
  });
});
