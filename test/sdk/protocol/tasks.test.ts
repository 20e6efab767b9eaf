import { expect } from "chai";
import { AbiCoder, keccak256, TypedDataEncoder } from "ethers";

import {
  computeTaskId,
  escrowDomain,
  hashDomain,
  hashRefund,
  hashRelease,
  type Task,
} from "../../../sdk/src/protocol/index.ts";
import { createRandom } from "./random.ts";

const contract = "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9";
const chainId = 31337;
const domain = { name: "subfen TaskEscrow", version: "1", chainId, verifyingContract: contract };

describe("tasks, against ethers", () => {
  const random = createRandom(16);

  it("are named as abi.encode and keccak256 name them", () => {
    const types = ["address", "address", "address", "uint128", "address", "bytes32", "uint64", "bytes32"];
    for (let i = 0; i < 20; i++) {
      const task: Task = {
        client: random.hex(20),
        provider: random.hex(20),
        token: random.hex(20),
        amount: random.uint(128),
        condition: random.hex(20),
        parametersHash: random.hex(32),
        deadline: random.uint(64),
        salt: random.hex(32),
      };
      const values = [...Object.values(task), contract, chainId];
      const encoded = AbiCoder.defaultAbiCoder().encode([...types, "address", "uint256"], values);
      expect(computeTaskId({ task, contract, chainId })).to.equal(keccak256(encoded));
    }
  });

  it("have releases and refunds that hash alike", () => {
    expect(escrowDomain({ contract, chainId })).to.deep.equal(domain);
    expect(hashDomain(escrowDomain({ contract, chainId }))).to.equal(TypedDataEncoder.hashDomain(domain));
    const deadlineField = { name: "deadline", type: "uint64" };
    const idField = { name: "taskId", type: "bytes32" };
    const Release = [idField, { name: "cumulativeAmount", type: "uint128" }, deadlineField];
    for (let i = 0; i < 20; i++) {
      const refund = { taskId: random.hex(32), deadline: random.uint(64) };
      const release = { ...refund, cumulativeAmount: random.uint(128) };
      expect(hashRelease({ contract, chainId, ...release })).to.equal(
        TypedDataEncoder.hash(domain, { Release }, release),
      );
      expect(hashRefund({ contract, chainId, ...refund })).to.equal(
        TypedDataEncoder.hash(domain, { Refund: [idField, deadlineField] }, refund),
      );
    }
  });
});
