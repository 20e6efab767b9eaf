import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { expect } from "chai";
import { type Address, type Hex, keccak256, parseAbiItem } from "viem";

import { mockDigitalYuanAbi, paymentChannelsAbi } from "../../sdk/src/index.ts";
import { readBuild } from "../../scripts/deploy/build.ts";
import { gasFor } from "../../scripts/deploy/survey.ts";
import { contracts, factory } from "../../scripts/deploy/plan.ts";
import {
  addressesOf,
  deployer,
  key,
  makeFolder,
  type Node,
  readDeployment,
  removeFolder,
  type Run,
  runDeploy,
  startDeploy,
  startHardhatNode,
  startNode,
} from "./deployment.ts";

const created = parseAbiItem("event ContractCreation(address indexed newContract, bytes32 indexed salt)");

/** Every file below a folder, with what would change if it were written again. */
function filesBelow(folder: string): Record<string, string> {
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
  return Object.fromEntries(names.map((name) => [name, `${statSync(join(folder, name)).mtimeMs}`]));
}

describe("npm run deploy", () => {
  let folder: string;
  const committed = filesBelow("deployments");
  const inCache = (network: string) => join(folder, "cache/deployments", network);
  let sepolia: Node;
  let base: Node;
  let local: Node;
  let runs: Run[];

  const toSepolia = (...args: string[]) =>
    runDeploy(folder, ["--network", "sepolia", ...args], {
      SUBFEN_SEPOLIA_RPC_URL: sepolia.rpc,
      SUBFEN_DEPLOYER_KEY: key,
    });
  const toBase = (from = folder, ...args: string[]) =>
    runDeploy(from, ["--network", "base-sepolia", ...args], {
      SUBFEN_BASE_SEPOLIA_RPC_URL: base.rpc,
      SUBFEN_DEPLOYER_KEY: key.slice(2),
    });
  const toLocal = (...args: string[]) =>
    runDeploy(folder, ["--network", "local", ...args], { SUBFEN_LOCAL_RPC_URL: local.rpc });

  before(async () => {
    folder = makeFolder();
    [sepolia, base, local] = await Promise.all([startNode(11155111), startNode(84532), startHardhatNode()]);
    runs = await Promise.all([toSepolia(), toBase(), toLocal()]);
  });

  after(async () => {
    await Promise.all([sepolia, base, local].map((node) => node.process.kill()));
    removeFolder(folder);
  });

  it("deploys everything to the same addresses on chains of different ids", async () => {
    for (const { code, output } of runs) expect(code, output).to.equal(0);
    const [one, two, three] = ["sepolia", "base-sepolia", "local"].map((network) => readDeployment(folder, network));
    expect(Object.keys(one!.contracts)).to.have.members(contracts.map(({ name }) => name));
    expect(addressesOf(two!)).to.deep.equal(addressesOf(one!));
    // The account of Hardhat's node is another operator, so that its token is another contract.
    expect({ ...addressesOf(three!), MockDigitalYuan: "" }).to.deep.equal({
      ...addressesOf(one!),
      MockDigitalYuan: "",
    });
    expect(three!.contracts.MockDigitalYuan!.address).to.not.equal(one!.contracts.MockDigitalYuan!.address);
    expect([one!.chainId, two!.chainId, three!.chainId]).to.deep.equal([11155111, 84532, 31337]);
  });

  it("asks for the gas that it needs, and less than twice that", async () => {
    const { contracts: recorded } = readDeployment(folder, "sepolia");
    const hashes = Object.values(recorded).map(({ transactionHash }) => transactionHash as Hex);
    const receipts = await Promise.all(hashes.map((hash) => sepolia.client.getTransactionReceipt({ hash })));
    const used = receipts.reduce((sum, { gasUsed }) => sum + gasUsed, 0n);
    const built = await readBuild({ gracePeriod: 900, operator: deployer }, { withToken: true });
    expect(Number(gasFor(built))).to.be.within(Number(used), 2 * Number(used));
  });

  it("records each contract as the chain has it", async () => {
    const { client } = sepolia;
    const deployment = readDeployment(folder, "sepolia");
    for (const [name, contract] of Object.entries(deployment.contracts)) {
      expect(keccak256((await client.getCode({ address: contract.address })) as Hex), name).to.equal(contract.codeHash);
      const receipt = await client.getTransactionReceipt({ hash: contract.transactionHash as Hex });
      expect(Number(receipt.blockNumber), name).to.equal(contract.blockNumber);
      const ofContract = { address: factory, event: created, args: { newContract: contract.address } } as const;
      const logs = await client.getLogs({ ...ofContract, fromBlock: 0n });
      expect(logs.map(({ transactionHash }) => transactionHash)).to.deep.equal([contract.transactionHash]);
    }
    expect(deployment.contracts.PaymentChannels!.arguments).to.deep.equal([900]);
    expect(deployment.contracts.MockDigitalYuan!.arguments).to.deep.equal([deployer]);
    expect(deployment.token).to.equal(deployment.contracts.MockDigitalYuan!.address);
    const recorded = JSON.parse(readFileSync(join(inCache("sepolia"), "deployed_addresses.json"), "utf8")) as object;
    expect(Object.values(recorded)).to.have.members(Object.values(addressesOf(deployment)));
    const { abi } = JSON.parse(
      readFileSync(join(inCache("sepolia"), "artifacts/Token#MockDigitalYuan.json"), "utf8"),
    ) as {
      abi: unknown;
    };
    expect(abi).to.deep.equal(mockDigitalYuanAbi);
  });

  it("frees the channels and the escrow from the limits of wallets", async () => {
    const { token, contracts: recorded } = readDeployment(folder, "sepolia");
    const isExempt = (holder: Address) =>
      sepolia.client.readContract({
        address: token,
        abi: mockDigitalYuanAbi,
        functionName: "isExempt",
        args: [holder],
      });
    expect(await isExempt(recorded.PaymentChannels!.address)).to.equal(true);
    expect(await isExempt(recorded.TaskEscrow!.address)).to.equal(true);
    expect(await isExempt(recorded.TickCondition!.address)).to.equal(false);
  });

  it("does nothing the second time", async () => {
    const twice = async (again: () => Promise<Run>, node: Node, network: string) => {
      const before = filesBelow(inCache(network));
      const block = await node.client.getBlockNumber();
      const { code, output } = await again();
      expect(code, output).to.equal(0);
      expect(output).to.contain("Nothing to do").and.not.contain("to be deployed");
      expect(await node.client.getBlockNumber()).to.equal(block);
      expect(filesBelow(inCache(network))).to.deep.equal(before);
    };
    await Promise.all([twice(toSepolia, sepolia, "sepolia"), twice(toLocal, local, "local")]);
  });

  it("sends nothing in a dry run", async () => {
    const before = filesBelow(inCache("sepolia"));
    const block = await sepolia.client.getBlockNumber();
    const { code, output } = await toSepolia("--grace-period", "1200", "--dry-run");
    expect(code, output).to.equal(0);
    expect(output)
      .to.match(/PaymentChannels +0x\w+ +to be deployed/)
      .and.contain("Nothing was sent");
    expect(await sepolia.client.getBlockNumber()).to.equal(block);
    expect(filesBelow(inCache("sepolia"))).to.deep.equal(before);
  });

  it("never writes into the committed folder for a throw-away chain, whatever its id", async () => {
    const asked = await toSepolia("--folder", "deployments");
    expect(asked.code).to.equal(1);
    expect(asked.output).to.contain("what stands there is not recorded in deployments. Omit --folder.");
    expect(filesBelow("deployments")).to.deep.equal(committed);
    expect(existsSync(join(folder, "deployments"))).to.equal(false);
    expect(readdirSync(join(folder, "cache/deployments"))).to.have.members(["base-sepolia", "local", "sepolia"]);
  });

  it("gives mock yuan by npm run faucet, to an address and of an amount that can be", async () => {
    const to = `0x${"e5".repeat(20)}` as const;
    const env = { SUBFEN_SEPOLIA_RPC_URL: sepolia.rpc, SUBFEN_DEPLOYER_KEY: key };
    const give = (...args: string[]) =>
      startDeploy(folder, ["--network", "sepolia", ...args], env, "scripts/faucet.ts").ended();
    const elsewhere = makeFolder();
    const [given, toNobody, tooMuch, none, unrecorded] = await Promise.all([
      give("--to", to, "--yuan", "2.5"),
      give("--to", "0x12"),
      give("--to", to, "--yuan", "500000.000001"),
      give("--to", to, "--yuan", "0"),
      give("--to", to, "--folder", elsewhere),
    ]);
    const { token } = readDeployment(folder, "sepolia");
    expect(given.code, given.output).to.equal(0);
    expect(given.output).to.contain(`${to} was given 2.5 yuan of the mock token ${token} by transaction 0x`);
    const contract = { address: token, abi: mockDigitalYuanAbi } as const;
    const balance = await sepolia.client.readContract({ ...contract, functionName: "balanceOf", args: [to] });
    expect(balance).to.equal(2_500_000n);
    expect(toNobody.output).to.contain('--to takes an address of 20 bytes, not "0x12".');
    expect(tooMuch.output).to.contain('at most 500000, not "500000.000001".');
    expect(none.output).to.contain('at most 500000, not "0".');
    expect(unrecorded.output).to.contain("Deploy it first: `npm run deploy -- --network sepolia`.");
    for (const { code } of [toNobody, tooMuch, none, unrecorded]) expect(code).to.equal(1);

    const code = (await sepolia.client.getCode({ address: token })) as Hex;
    await sepolia.client.setCode({ address: token, bytecode: "0x" });
    expect((await give("--to", to)).output).to.contain(`The mock token ${token} is not on the chain.`);
    await sepolia.client.setCode({ address: token, bytecode: code });
  });

  it("takes what somebody else has deployed, and records where it was created", async () => {
    const elsewhere = makeFolder();
    const block = await base.client.getBlockNumber();
    await base.client.mine({ blocks: 3 });
    const { code, output } = await toBase(elsewhere);
    expect(code, output).to.equal(0);
    expect(await base.client.getBlockNumber()).to.equal(block + 3n);
    const [ours, theirs] = [readDeployment(elsewhere, "base-sepolia"), readDeployment(folder, "base-sepolia")];
    expect(ours.contracts).to.deep.equal(theirs.contracts);
    expect(
      existsSync(join(elsewhere, "cache/deployments/base-sepolia/artifacts/Channels#PaymentChannels.json")),
    ).to.equal(true);
    removeFolder(elsewhere);
  });

  it("leaves the others where they are when one contract changes", async () => {
    const before = readDeployment(folder, "sepolia");
    const { code, output } = await toSepolia("--grace-period", "1200");
    expect(code, output).to.equal(0);
    const { contracts: after } = readDeployment(folder, "sepolia");
    const { PaymentChannels: changed, ...others } = after;
    const { PaymentChannels: old, ...same } = before.contracts;
    expect(others).to.deep.equal(same);
    expect(changed!.address).to.not.equal(old!.address);
    expect(changed!.arguments).to.deep.equal([1200]);
    const contract = { address: changed!.address, abi: paymentChannelsAbi } as const;
    expect(await sepolia.client.readContract({ ...contract, functionName: "CLOSE_GRACE_PERIOD" })).to.equal(1200);
    expect(await sepolia.client.getCode({ address: old!.address })).to.not.equal(undefined);
    // What was chosen once holds until something else is asked for.
    expect((await toSepolia()).output).to.contain("Nothing to do");
  });

  it("refuses a foreign contract at an address, recorded or not", async () => {
    const { address } = readDeployment(folder, "sepolia").contracts.TickCondition!;
    const code = (await sepolia.client.getCode({ address })) as Hex;
    await sepolia.client.setCode({ address, bytecode: "0x600160015500" });
    const elsewhere = makeFolder();
    const env = { SUBFEN_SEPOLIA_RPC_URL: sepolia.rpc, SUBFEN_DEPLOYER_KEY: key };
    const [recorded, planned] = await Promise.all([toSepolia(), runDeploy(elsewhere, ["--network", "sepolia"], env)]);
    expect(recorded.code).to.equal(1);
    expect(recorded.output).to.contain(`At ${address}, where TickCondition was recorded, stands a foreign contract`);
    expect(recorded.output).to.contain("Start that chain anew, or reach another node.");
    expect(planned.code).to.equal(1);
    expect(planned.output).to.contain(`At ${address}, where TickCondition belongs, stands a foreign contract`);
    expect(existsSync(join(elsewhere, "cache"))).to.equal(false);
    removeFolder(elsewhere);
    await sepolia.client.setCode({ address, bytecode: code });
  });

  it("begins anew on a throw-away chain that was begun anew", async () => {
    const before = readDeployment(folder, "base-sepolia");
    await base.process.kill();
    base = await startNode(84532);
    expect((await toBase(folder, "--dry-run")).output).to.contain("to be deployed");
    expect(readDeployment(folder, "base-sepolia"), "a dry run throws nothing away").to.deep.equal(before);
    const { code, output } = await toBase();
    expect(code, output).to.equal(0);
    const after = readDeployment(folder, "base-sepolia");
    expect(addressesOf(after)).to.deep.equal(addressesOf(before));
    const { address } = after.contracts.PaymentChannels!;
    expect(await base.client.getCode({ address })).to.not.equal(undefined);
  });
});
