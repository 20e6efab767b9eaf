import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

import { expect } from "chai";
import { artifacts } from "hardhat";
import { type Address, getAddress, type Hex } from "viem";

import type { Deployment } from "../../scripts/deploy/record.ts";
import { createFactory } from "../../scripts/deploy/factory.ts";
import type { Opened } from "../../scripts/deploy/openNetwork.ts";
import {
  deployer,
  key,
  makeFolder,
  type Node,
  removeFolder,
  runDeploy,
  startAnvil,
  startDeploy,
} from "./deployment.ts";
import { startObserver, type Watch } from "./observer.ts";

const chainId = 4242;
const apiKey = "an-api-key-of-the-explorer";

/** An explorer that takes every source it is shown. */
async function startExplorer() {
  const shown: URLSearchParams[] = [];
  async function answer(request: IncomingMessage): Promise<object> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const asked = new URL(request.url ?? "/", "http://explorer").searchParams;
    const told = new URLSearchParams(Buffer.concat(chunks).toString());
    const action = asked.get("action") ?? told.get("action");
    if (action === "getsourcecode") return { status: "1", message: "OK", result: [{ SourceCode: "" }] };
    if (action === "verifysourcecode") {
      shown.push(told);
      return { status: "1", message: "OK", result: `guid-${shown.length}` };
    }
    return { status: "1", message: "OK", result: "Pass - Verified" };
  }
  const server = createServer((request, response) => {
    void answer(request).then((body) =>
      response.setHeader("content-type", "application/json").end(JSON.stringify(body)),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, shown, close: () => server.close() };
}

// Only the production build goes to such a chain: scripts/deep.ts runs this under it.
(process.env.SUBFEN_BUILD === "production" ? describe : describe.skip)("npm run deploy, on a real chain", () => {
  let folder: string;
  let recorded: string;
  let node: Node;
  let token: Address;

  // As a real node answers: by another name, and a block a second.
  const start = () => startAnvil(chainId, "--block-time", "1");
  const observe = (watch: Watch = {}) =>
    startObserver(node.rpc, {
      ...watch,
      after: async (method, result) =>
        method === "web3_clientVersion" ? "Geth/v1.16.0" : ((await watch.after?.(method, result)) ?? result),
    });
  const variables = (rpc: string) => ({
    SUBFEN_RPC_URL: rpc,
    SUBFEN_CHAIN_ID: `${chainId}`,
    SUBFEN_DEPLOYER_KEY: key,
    SUBFEN_TOKEN: token,
  });
  const deploy = async (env: Record<string, string> = {}, ...args: string[]) => {
    const observer = await observe();
    const run = await runDeploy(folder, ["--network", "custom", ...args], { ...variables(observer.url), ...env });
    observer.close();
    return run;
  };

  before(async () => {
    folder = makeFolder();
    recorded = join(folder, `deployments/chain-${chainId}/deployment.json`);
    node = await start();
    const { client } = node;
    const [account] = (await client.getAddresses()) as [Address];
    const { abi, bytecode } = await artifacts.readArtifact("MockDigitalYuan");
    const args = [account];
    const hash = await client.deployContract({ chain: null, account, abi, bytecode: bytecode as Hex, args });
    token = getAddress((await client.waitForTransactionReceipt({ hash })).contractAddress as Address);
  });
  after(async () => {
    await node.process.kill();
    removeFolder(folder);
  });

  it("refuses one without CreateX, and says where to ask for it", async () => {
    const { code, output } = await deploy();
    expect(code).to.equal(1);
    expect(output).to.contain("CreateX").and.contain("https://github.com/pcaversaccio/createx#new-deployments");
    const [account] = (await node.client.getAddresses()) as [Address];
    await createFactory({
      provider: node.client,
      client: node.client,
      deployer: account,
      isThrowAway: true,
    } as unknown as Opened);
  }).timeout(120_000);

  it("resumes when a transaction was on its way and nobody knows of it, and sends nothing twice", async () => {
    let sent = 0;
    const observer = await observe({
      after(method) {
        if (method !== "eth_sendRawTransaction" || ++sent < 3) return undefined;
        run.kill();
        return new Promise(() => undefined);
      },
    });
    const run = startDeploy(folder, ["--network", "custom"], variables(observer.url));
    expect((await run.ended()).code).to.equal(null);
    observer.close();
    const { code, output } = await deploy();
    expect(code, output).to.equal(0);
    expect(await node.client.getTransactionCount({ address: deployer })).to.equal(7);
    const deployment = JSON.parse(readFileSync(recorded, "utf8")) as Deployment;
    expect(deployment).to.deep.include({ network: `chain-${chainId}`, chainId, token });
    expect(deployment.compiler).to.deep.include({ version: "0.8.37", profile: "production" });
    expect(Object.keys(deployment.contracts)).to.have.length(7).and.not.include("MockDigitalYuan");
    for (const { address } of Object.values(deployment.contracts)) {
      expect(await node.client.getCode({ address })).to.not.equal(undefined);
    }
    const again = await deploy();
    expect(again.code, again.output).to.equal(0);
    expect(again.output).to.contain("Nothing to do").and.contain("ETHERSCAN_API_KEY is not set");
  }).timeout(240_000);

  it("shows the sources to the explorer, and stands whatever the explorer says", async () => {
    const explorer = await startExplorer();
    const env = { SUBFEN_EXPLORER_URL: explorer.url, ETHERSCAN_API_KEY: apiKey };
    const { code, output } = await deploy(env);
    explorer.close();
    expect(code, output).to.equal(0);
    expect(explorer.shown, output).to.have.length(7);
    const names = explorer.shown.map((told) => told.get("contractname")?.split(":").at(-1));
    expect(names).to.include.members(["PaymentChannels", "TaskEscrow", "KthCondition"]);
    const absent = await deploy(env);
    expect(absent.code, absent.output).to.equal(0);
    expect(absent.output).to.contain("The explorer did not take the sources of PaymentChannels");
    expect(output + absent.output).to.not.contain(apiKey);
  }).timeout(240_000);

  it("refuses a chain that has lost what was recorded, and touches nothing", async () => {
    await node.process.kill();
    node = await start();
    const before = readFileSync(recorded, "utf8");
    const { code, output } = await deploy();
    expect(code).to.equal(1);
    expect(output).to.contain("records contracts of which the chain knows nothing");
    expect(readFileSync(recorded, "utf8")).to.equal(before);
  }).timeout(120_000);
});
