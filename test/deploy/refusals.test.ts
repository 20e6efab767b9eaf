import { existsSync } from "node:fs";
import { join } from "node:path";

import { expect } from "chai";
import { artifacts } from "hardhat";
import { type Address, getAddress, type Hex } from "viem";

import { deployer, key, makeFolder, type Node, removeFolder, type Run, runDeploy, startNode } from "./deployment.ts";
import { type Observer, startObserver } from "./observer.ts";

const poorKey: Hex = `0x${"e2".repeat(32)}`;
const apiKey = "a-very-secret-api-key";
/** What must be seen nowhere, whatever goes wrong. */
const secrets = [key.slice(2), poorKey.slice(2), apiKey];

describe("npm run deploy, refusing", () => {
  let folder: string;
  let node: Node;
  /** The same chain, seen as if it were a real one. */
  let real: Observer;
  const printed: string[] = [];

  before(async () => {
    folder = makeFolder();
    node = await startNode(11155111);
    real = await startObserver(node.rpc, {
      after: (method, result) => (method === "web3_clientVersion" ? "Geth/v1.16.0" : result),
    });
  });
  after(async () => {
    real.close();
    await node.process.kill();
    removeFolder(folder);
  });
  afterEach(() => {
    for (const secret of secrets) expect(printed.join("\n")).to.not.contain(secret);
    expect(existsSync(join(folder, "cache"))).to.equal(false);
    expect(existsSync(join(folder, "deployments"))).to.equal(false);
  });

  async function refused(args: string[], env: Record<string, string> = {}): Promise<string> {
    const { code, output }: Run = await runDeploy(folder, args, env);
    printed.push(output);
    expect(code, output).to.equal(1);
    expect(output).to.not.match(/^ +at /m);
    return output;
  }
  const sepolia = (env: Record<string, string>, ...args: string[]) =>
    refused(["--network", "sepolia", ...args], { SUBFEN_SEPOLIA_RPC_URL: node.rpc, SUBFEN_DEPLOYER_KEY: key, ...env });
  const custom = (env: Record<string, string>, ...args: string[]) =>
    refused(["--network", "custom", ...args], {
      SUBFEN_RPC_URL: real.url,
      SUBFEN_CHAIN_ID: "11155111",
      SUBFEN_DEPLOYER_KEY: key,
      ...env,
    });

  it("F112: names the variable that is wrong, never its value", async () => {
    const [badKey, noId, unknown] = await Promise.all([
      sepolia({ SUBFEN_DEPLOYER_KEY: key.slice(0, -1) }),
      custom({ SUBFEN_CHAIN_ID: " " }),
      refused(["--network", "mainnet"]),
    ]);
    expect(badKey).to.contain("SUBFEN_DEPLOYER_KEY is not a private key");
    expect(noId).to.contain("SUBFEN_CHAIN_ID must be set to the id of the chain, a whole number");
    expect(unknown).to.contain('--network takes one of local, anvil, sepolia, base-sepolia, custom, not "mainnet".');
  });

  it("F112, F113: refuses another chain and a node that does not answer, and keeps the URL to itself", async () => {
    const secretUrl = `${node.rpc}/?key=${apiKey}`;
    const [other, absent] = await Promise.all([
      refused(["--network", "base-sepolia"], { SUBFEN_BASE_SEPOLIA_RPC_URL: secretUrl, SUBFEN_DEPLOYER_KEY: key }),
      sepolia({ SUBFEN_SEPOLIA_RPC_URL: `http://127.0.0.1:1/v2/${apiKey}` }),
    ]);
    expect(other).to.contain(
      `The node at ${node.rpc} is on chain 11155111, but the network base-sepolia is chain 84532. ` +
        "Set SUBFEN_BASE_SEPOLIA_RPC_URL to the URL of a node of chain 84532",
    );
    expect(absent).to.contain("No node answers at http://127.0.0.1:1. Start one there, or set SUBFEN_SEPOLIA_RPC_URL");
  });

  it("refuses an empty account, and says what it needs and where to get it", async () => {
    const output = await sepolia({ SUBFEN_DEPLOYER_KEY: poorKey });
    expect(output).to.match(/has 0 ETH on sepolia, and needs 0\.4\d+ ETH to deploy 8 contracts/);
    expect(output).to.contain("for example from https://");
    expect(await node.client.getTransactionCount({ address: deployer })).to.equal(0);
  });

  it("refuses a real chain without CreateX, without the production build, without a real token", async () => {
    const [noToken, noBuild] = await Promise.all([custom({}), sepolia({ SUBFEN_SEPOLIA_RPC_URL: real.url })]);
    expect(noToken).to.contain("chain-11155111 is not known to be a test chain, and the mock token is worthless.");
    expect(noToken).to.contain("`--token 0x...`, or the variable SUBFEN_TOKEN.");
    if (process.env.SUBFEN_BUILD === "production") expect(noBuild).to.contain("CreateX, the factory that gives");
    else expect(noBuild).to.contain("Only the production build is deployed here: use `npm run deploy`.");
  });

  it("refuses a token without EIP-3009, and deploys no mock beside one that has it", async () => {
    const put = async (name: string, args: unknown[]): Promise<Address> => {
      const { abi, bytecode } = await artifacts.readArtifact(name);
      const [account] = (await node.client.getAddresses()) as [Address];
      const hash = await node.client.deployContract({ chain: null, account, abi, bytecode: bytecode as Hex, args });
      const { contractAddress } = await node.client.waitForTransactionReceipt({ hash, pollingInterval: 20 });
      return getAddress(contractAddress as Address);
    };
    const [plain, token] = [await put("PlainToken", []), await put("MockDigitalYuan", [deployer])];
    const env = { SUBFEN_SEPOLIA_RPC_URL: node.rpc, SUBFEN_DEPLOYER_KEY: key };
    const [absent, useless, { code, output }] = await Promise.all([
      sepolia({ SUBFEN_TOKEN: deployer }),
      sepolia({ SUBFEN_TOKEN: plain }),
      runDeploy(folder, ["--network", "sepolia", "--token", token, "--dry-run"], env),
    ]);
    expect(absent).to.contain(`There is no contract at the token's address ${deployer}`);
    expect(useless).to.contain(`The token ${plain} has no EIP-3009 authorizations`);
    expect(code, output).to.equal(0);
    expect(output).to.contain(`Token ${token}, 6 decimals. No mock is deployed.`).and.not.contain("MockDigitalYuan");
  });

  it("refuses options that it does not know", async () => {
    const [period, option, help] = await Promise.all([
      refused(["--network", "sepolia", "--grace-period", "599"]),
      refused(["--netwrok", "sepolia"]),
      runDeploy(folder, ["--help"]),
    ]);
    expect(period).to.contain("--grace-period takes 600 to 2592000 seconds, not 599.");
    expect(option).to.contain("Unknown option '--netwrok'").and.contain("npm run deploy -- --help");
    expect(help.code).to.equal(0);
    expect(help.output).to.contain("--dry-run").and.contain("SUBFEN_DEPLOYER_KEY");
  });
});
