import { expect } from "chai";
import { network } from "hardhat";
import { type Address, decodeFunctionResult, encodeFunctionData, type Hex, parseAbi } from "viem";

import { createRandom } from "../random.ts";
import { type Contracts, corrupt, createSamples, paymentId } from "./samples.ts";

/** A few in every test run; `npm run test:deep` asks for more. */
const cases = Number(process.env.SUBFEN_CONDITION_CASES ?? 200);
const abi = parseAbi(["function amountDue(bytes32, uint128, bytes, bytes) view returns (uint128)"]);

describe("amountDue of conditions as values", function () {
  this.timeout(cases > 1_000 ? 900_000 : 60_000);

  it(`is what the contracts say, over ${cases} conditions with good, partial and malformed evidence`, async () => {
    const { ethers, provider } = await network.create();
    const deploy = async (name: string) => (await (await ethers.deployContract(name)).getAddress()) as Address;
    const contracts: Contracts = {
      hashlock: await deploy("HashlockCondition"),
      attestation: await deploy("AttestationCondition"),
      ticks: await deploy("TickCondition"),
      kth: await deploy("KthCondition"),
      review: await deploy("ReviewCondition"),
    };
    const random = createRandom(7);
    const samples = createSamples(random, contracts);

    /** Where the contract reverts, whoever asks it counts nothing due. */
    async function ask(to: Address, args: [Hex, bigint, Hex, Hex]): Promise<bigint> {
      const data = encodeFunctionData({ abi, functionName: "amountDue", args });
      const result = await provider
        .request({ method: "eth_call", params: [{ to, data, gas: "0x1000000" }, "latest"] })
        .catch(() => undefined);
      if (result === undefined) return 0n;
      return decodeFunctionResult({ abi, functionName: "amountDue", data: result as Hex });
    }

    const seen = { nothing: 0, something: 0, all: 0, corrupt: 0 };
    for (let i = 0; i < cases; i++) {
      const { condition, prove } = samples.provable();
      const good = await prove();
      const amount = BigInt(1 + random.below(3_000));
      for (const evidence of [good, corrupt(random, good), corrupt(random, good)]) {
        const due = await condition.amountDue({ paymentId, amount, evidence });
        const { address, parameters } = condition;
        const where = `case ${i}: ${JSON.stringify({ kind: condition.kind, parameters, evidence })}`;
        expect(due, where).to.equal(await ask(address, [paymentId, amount, parameters, evidence]));
        seen[due === 0n ? "nothing" : due === amount ? "all" : "something"]++;
        if (evidence !== good && due > 0n) seen.corrupt++;
      }
    }
    for (const [what, count] of Object.entries(seen)) expect(count, what).to.be.greaterThan(cases / 20);
  });
});
