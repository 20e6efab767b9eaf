import { expect } from "chai";
import { network } from "hardhat";
import { type Address, type Hex, keccak256, stringToHex, zeroHash } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { attestation, isKnownCode, signVerdict } from "../../../sdk/src/index.ts";
import { defaultCodes } from "../../../sdk/src/chain/abis/defaultCodes.ts";
import { productionCodes } from "../../../sdk/src/chain/abis/productionCodes.ts";

const chainId = 31337;

describe("isKnownCode of a condition", () => {
  it("says everything about it: no value that a deployer could choose is left out of the hash", () => {
    const conditions = [...defaultCodes, ...productionCodes].filter(({ contract }) => contract.endsWith("Condition"));
    expect(conditions).to.have.lengthOf(10);
    for (const { contract, immutables } of conditions) expect(immutables, contract).to.deep.equal([]);
  });

  it("holds wherever the code stands: verdicts count in the domain of that address", async () => {
    const { ethers, networkHelpers } = await network.create();
    const genuine = await (await ethers.deployContract("AttestationCondition")).getAddress();
    const code = (await ethers.provider.getCode(genuine)) as Hex;
    const copy: Address = "0x00000000000000000000000000000000000f04ed";
    await networkHelpers.setCode(copy, code);
    expect(isKnownCode(code, "AttestationCondition")).to.equal(true);

    const account = privateKeyToAccount(keccak256(stringToHex("an evaluator")));
    const rule = { chainId, evaluators: [account.address], threshold: 1, specHash: zeroHash, judgeBy: 10n };
    const condition = attestation({ ...rule, condition: copy });
    const verdict = { paymentId: zeroHash, specHash: zeroHash, deliverableHash: zeroHash, amount: 7n, issuedAt: 1n };
    const evidenceFor = async (at: Address) => {
      const signature = await signVerdict({ account, condition: at, chainId, ...verdict });
      const attestations = [{ evaluator: 0, amount: 7n, issuedAt: 1n, signature }];
      return condition.encodeEvidence({ deliverableHash: zeroHash, attestations });
    };
    const contract = await ethers.getContractAt("AttestationCondition", copy);
    for (const [at, due] of [
      [copy, 7n],
      [genuine as Address, 0n],
    ] as const) {
      const evidence = await evidenceFor(at);
      expect(await condition.amountDue({ paymentId: zeroHash, amount: 7n, evidence })).to.equal(due);
      expect(await contract.amountDue(zeroHash, 7n, condition.parameters, evidence)).to.equal(due);
    }
  });
});
