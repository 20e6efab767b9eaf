import { expect } from "chai";

import { contracts } from "../../scripts/deploy/plan.ts";
import {
  addressesOf,
  deployer,
  key,
  makeFolder,
  type Node,
  readDeployment,
  removeFolder,
  runDeploy,
  startDeploy,
  startNode,
} from "./deployment.ts";
import { startObserver } from "./observer.ts";

const network = ["--network", "sepolia"];
const chainId = 11155111;
// The factory takes two transactions, one of them the deployer's, and two free the channels and the escrow from limits.
const [first, last] = [3, 2 + contracts.length];
const all = last + 2;
const isDeep = process.env.SUBFEN_CRASHES !== undefined;

type Moment = "lost" | "recorded";

/**
 * Kills a run around its k-th transaction: `lost` when the node has mined it and the run has not heard of it, `recorded`
 * when the run asks for the next thing. Then runs it again.
 */
async function killAndResume(moment: Moment, k: number) {
  const folder = makeFolder();
  const node = await startNode(chainId);
  try {
    await killAround(node, folder, moment, k);
    const env = { SUBFEN_SEPOLIA_RPC_URL: node.rpc, SUBFEN_DEPLOYER_KEY: key };
    const resumed = await runDeploy(folder, network, env);
    expect(resumed.code, resumed.output).to.equal(0);
    const deployment = readDeployment(folder, "sepolia");
    const transactions = await node.client.getTransactionCount({ address: deployer });
    for (const { address } of Object.values(deployment.contracts)) {
      expect(await node.client.getCode({ address })).to.not.equal(undefined);
    }
    if (isDeep) expect((await runDeploy(folder, network, env)).output).to.contain("Nothing to do");
    return { transactions, addresses: addressesOf(deployment) };
  } finally {
    await node.process.kill();
    removeFolder(folder);
  }
}

async function killAround(node: Node, folder: string, moment: Moment, k: number): Promise<void> {
  let sent = 0;
  let isKilled = false;
  const kill = () => {
    isKilled = true;
    run.kill();
    return new Promise<never>(() => undefined);
  };
  const observer = await startObserver(node.rpc, {
    before: () => (moment === "recorded" && sent === k ? kill() : undefined),
    after(method, result) {
      if (method !== "eth_sendRawTransaction") return result;
      sent++;
      return moment === "lost" && sent === k ? kill() : result;
    },
  });
  const run = startDeploy(folder, network, { SUBFEN_SEPOLIA_RPC_URL: observer.url, SUBFEN_DEPLOYER_KEY: key });
  const { code, output } = await run.ended();
  observer.close();
  expect(isKilled, output).to.equal(true);
  expect(code).to.equal(null);
}

describe("npm run deploy, killed in the middle", () => {
  const cases: [Moment, number][] = isDeep
    ? (["lost", "recorded"] as const).flatMap((moment) =>
        Array.from({ length: all }, (_, index): [Moment, number] => [moment, index + 1]),
      )
    : [
        ["lost", first],
        ["recorded", first + 3],
        ["lost", last],
      ];

  it("resumes wherever it was, and sends nothing twice", async () => {
    const queue = cases.values();
    let addresses: Record<string, string> | undefined;
    const work = async () => {
      for (const [moment, k] of queue) {
        const result = await killAndResume(moment, k);
        addresses ??= result.addresses;
        expect(result.addresses, `${moment} ${k}`).to.deep.equal(addresses);
        // Before the factory is there, the account pays its signer again.
        expect(result.transactions, `${moment} ${k}`).to.equal(all - 1 + (k === 1 ? 1 : 0));
      }
    };
    await Promise.all([work(), work()]);
  }).timeout(600_000);
});
