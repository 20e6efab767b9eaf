import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { expect } from "chai";
import { artifacts } from "hardhat";
import { type Address, encodeDeployData, type Hex, keccak256, stringToHex } from "viem";

import { describeDeployments } from "../../../scripts/deploy/describeDeployments.ts";
import { addressOf, contracts, factory, salt } from "../../../scripts/deploy/plan.ts";
import { writeRecord } from "../../../scripts/deploy/record.ts";
import { findCreation } from "../../../scripts/deploy/survey.ts";
import { recordedDeployments, usualAddresses } from "../../../sdk/src/chain/abis/deployments.ts";
import { type Deployment, getDeployment } from "../../../sdk/src/index.ts";

const publicChain = 11_155_111;
const addressAt = (index: number): Address => `0x${String(index).padStart(40, "0")}`;
const hashOf = (text: string): Hex => keccak256(stringToHex(text));

describe("getDeployment", () => {
  const recorded = recordedDeployments as Record<number, (typeof recordedDeployments)[number]>;
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "subfen-deployments-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
    delete recorded[publicChain];
  });

  /** The generated module, of this build and of what is recorded in the folder. */
  async function generate() {
    const path = join(folder, "module.ts");
    writeFileSync(path, describeDeployments({ artifacts: "artifacts", folder }));
    return (await import(pathToFileURL(path).href)) as {
      usualAddresses: typeof usualAddresses;
      recordedDeployments: typeof recordedDeployments;
    };
  }

  type Places = Record<string, [address: Address, blockNumber: number | undefined]>;

  function record(network: string, chainId: number, token: Address, deployed: Places): void {
    const described = Object.entries(deployed).map(([name, [address, blockNumber]]) => [
      name,
      { address, blockNumber, codeHash: hashOf(name), arguments: [] },
    ]);
    const compiler = { version: "0.8.37", profile: "production", settings: hashOf("settings") };
    const rest = { chainId, factory, salt, compiler, token, contracts: Object.fromEntries(described) };
    writeRecord(join(folder, network), { network, ...rest });
  }

  it("tells the same addresses on every chain, and neither token nor block, where nothing is recorded", () => {
    const one = getDeployment(1);
    expect(one).to.deep.equal({ ...getDeployment(8453), chainId: 1 });
    expect(one).to.deep.equal({
      chainId: 1,
      paymentChannels: usualAddresses.PaymentChannels,
      taskEscrow: usualAddresses.TaskEscrow,
      conditions: {
        hashlock: usualAddresses.HashlockCondition,
        attestation: usualAddresses.AttestationCondition,
        ticks: usualAddresses.TickCondition,
        kth: usualAddresses.KthCondition,
        review: usualAddresses.ReviewCondition,
      },
      token: undefined,
      fromBlock: undefined,
    } satisfies Deployment);
    expect(new Set(Object.values(usualAddresses)).size).to.equal(7);
  });

  it("is not made of two records of one chain", async () => {
    for (const network of ["chain-11155111", "sepolia"]) record(network, publicChain, addressAt(8), {});
    const failure = await generate().catch((error: unknown) => error);
    expect(failure).to.be.an("error").with.property("message").that.includes(`record chain ${publicChain}`);
  });

  it("tells what was recorded for the chain, and for it alone", async () => {
    record("sepolia", publicChain, addressAt(8), {
      PaymentChannels: [addressAt(1), 70],
      TaskEscrow: [addressAt(2), 60],
    });
    record("other", 5, addressAt(9), { MockDigitalYuan: [addressAt(9), 3] });
    const { recordedDeployments: generated } = await generate();
    expect(Object.keys(generated)).to.deep.equal(["5", String(publicChain)]);
    expect(generated[publicChain]).to.deep.equal({
      token: addressAt(8),
      fromBlock: 60n,
      contracts: {
        PaymentChannels: { address: addressAt(1), codeHash: hashOf("PaymentChannels") },
        TaskEscrow: { address: addressAt(2), codeHash: hashOf("TaskEscrow") },
      },
    });
    recorded[publicChain] = generated[publicChain]!;
    expect(getDeployment(publicChain)).to.deep.equal({
      ...getDeployment(1),
      chainId: publicChain,
      paymentChannels: addressAt(1),
      taskEscrow: addressAt(2),
      token: addressAt(8),
      fromBlock: 60n,
    });
  });

  it("F106: tells no first block where a contract was found and its creation was not", async () => {
    const address = addressAt(1);
    const client = {
      getBlockNumber: async () => 90n,
      getCode: async ({ blockNumber }: { blockNumber: bigint }) => {
        if (blockNumber < 80n) throw new Error("missing trie node");
        return "0x00";
      },
    };
    expect(await findCreation({ client } as never, address)).to.deep.equal({});
    record("sepolia", publicChain, addressAt(8), {
      PaymentChannels: [address, undefined],
      TaskEscrow: [addressAt(2), 60],
    });
    const { recordedDeployments: generated } = await generate();
    recorded[publicChain] = generated[publicChain]!;
    expect(getDeployment(publicChain)).to.include({ paymentChannels: address, fromBlock: undefined });
  });

  it("is generated from the code that is deployed, which stands where the factory puts it", async () => {
    const { usualAddresses: generated } = await generate();
    expect(Object.keys(generated)).to.deep.equal(Object.keys(usualAddresses));
    for (const { name, source } of contracts.filter((one) => one.name !== "MockDigitalYuan")) {
      const { abi, bytecode } = await artifacts.readArtifact(`${source}:${name}`);
      const args = name === "PaymentChannels" ? [900] : [];
      const initCode = encodeDeployData({ abi, bytecode: bytecode as Hex, args } as never);
      expect(generated[name as keyof typeof generated], name).to.equal(addressOf(initCode));
    }
  });
});
