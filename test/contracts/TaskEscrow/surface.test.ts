import { expect } from "chai";
import { Fragment } from "ethers";
import { network } from "hardhat";

import { deployEscrow } from "../helpers/tasks.ts";

const connection = await network.create();
const { ethers } = connection;
const { loadFixture } = connection.networkHelpers;

async function deployed() {
  return deployEscrow(connection);
}

describe("TaskEscrow: surface", () => {
  const TASK =
    "(address client, address provider, address token, uint128 amount, address condition, bytes32 parametersHash, uint64 deadline, bytes32 salt)";

  it("is the one that software elsewhere was built on", async () => {
    const { escrow } = await loadFixture(deployed);
    const ours = escrow.interface.fragments.map((fragment) => fragment.format("full"));
    for (const text of [
      `function fund(tuple${TASK} task) returns (bytes32 taskId)`,
      `function fundWithAuthorization(tuple${TASK} task, uint256 validAfter, uint256 validBefore, bytes signature) returns (bytes32 taskId)`,
      `function fundBatch(tuple${TASK}[] tasks) returns (bytes32[] taskIds)`,
      `function release(tuple${TASK} task, uint128 cumulativeAmount)`,
      `function releaseWithAuthorization(tuple${TASK} task, uint128 cumulativeAmount, uint64 deadline, bytes clientSignature)`,
      `function claim(tuple${TASK} task, bytes parameters, bytes evidence)`,
      `function refund(tuple${TASK} task)`,
      `function refundWithAuthorization(tuple${TASK} task, uint64 deadline, bytes providerSignature)`,
      "function claimCredit(address token, address account)",
      "function credit(address token, address account) view returns (uint256)",
      "function getTask(bytes32 taskId) view returns (tuple(uint104 funded, uint104 released, bool closed) state)",
      `function computeTaskId(tuple${TASK} task) view returns (bytes32)`,
    ])
      expect(ours).to.include(Fragment.from(text).format("full"));
  });

  it("F040, F041: no contract forwards, batches calls of the caller's choice, or takes Ether", async () => {
    for (const name of ["TaskEscrow", "PaymentChannels", "KthCondition", "ReviewCondition", "AttestationCondition"]) {
      const { interface: surface } = await ethers.getContractFactory(name);
      surface.forEachFunction(({ name: called, stateMutability }) => {
        expect(called, name).not.to.match(/multicall|forward|execute|delegate|aggregate/i);
        expect(stateMutability, `${name}.${called}`).not.to.equal("payable");
      });
      expect(surface.receive || surface.fallback, name).not.to.be.ok;
    }
  });
});
