import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { LLMock } from "@copilotkit/aimock";
import { expect } from "chai";
import { network } from "hardhat";
import type { Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { getDeployment, parseYuan } from "../../sdk/src/index.ts";
import { setUpChain } from "../fixtures/setUpChain.ts";

const agentKey: Hex = `0x${"c3".repeat(32)}`;
const sellerKey: Hex = `0x${"d4".repeat(32)}`;
const readFile = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

/** Runs a script in a folder of its own, where the seller's ledger comes to lie. */
function run(script: string, env: Record<string, string>, cwd: string): ChildProcess & { output: () => string } {
  const path = fileURLToPath(new URL(`../../examples/quickstart/${script}`, import.meta.url));
  const child = spawn(process.execPath, ["--conditions=subfen-source", path], { cwd, env: { ...process.env, ...env } });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return Object.assign(child, { output: () => output });
}

describe("README", () => {
  let model: LLMock;
  let node: Awaited<ReturnType<typeof network.createServer>>;
  let env: Record<string, string>;
  let chain: Awaited<ReturnType<typeof setUpChain>>;
  let folder: string;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "subfen-readme-"));
    model = new LLMock({ host: "127.0.0.1", port: 0 });
    const usage = { prompt_tokens: 8, completion_tokens: 3, total_tokens: 11 };
    model.on({ endpoint: "chat" }, { content: "Good morning.", usage });
    await model.start();
    node = await network.createServer("default", "127.0.0.1", 0);
    const rpc = `http://127.0.0.1:${(await node.listen()).port}`;
    chain = await setUpChain(rpc, {
      mode: "hardhat",
      payer: privateKeyToAccount(agentKey).address,
      money: parseYuan("10"),
      seller: privateKeyToAccount(sellerKey).address,
      contract: getDeployment(31337).paymentChannels,
    });
    env = {
      AGENT_KEY: agentKey,
      SELLER_KEY: sellerKey,
      RPC_URL: rpc,
      TOKEN: chain.token,
      SECRET: "a secret of the seller's",
      UPSTREAM: model.url,
      PORT: "18402",
      SELLER_URL: "http://127.0.0.1:18402/v1",
    };
  });
  after(async () => {
    await model?.stop();
    await node?.close();
    rmSync(folder, { recursive: true });
  });

  for (const [script, lines] of [
    ["pay.ts", 10],
    ["sell.ts", 15],
  ] as const) {
    it(`shows examples/quickstart/${script} as it is, in at most ${lines} lines`, () => {
      const code = readFile(`examples/quickstart/${script}`).trim();
      expect(readFile("README.md")).to.include(`\`\`\`ts\n${code}\n\`\`\``);
      expect(code.split("\n").filter((line) => line !== "")).to.have.lengthOf.at.most(lines);
    });
  }

  it("shows the gas that was measured", () => {
    const measured = JSON.parse(readFile("snapshots/gas.json")) as Record<string, number>;
    for (const [name, gas] of Object.entries(measured)) {
      const row = readFile("README.md")
        .split("\n")
        .find((line) => line.startsWith(`| ${name} `));
      expect(row?.split("|")[2]?.trim(), name).to.equal(gas.toLocaleString("en-US"));
    }
  });

  it("sells and pays with the code it shows", async () => {
    const seller = run("sell.ts", env, folder);
    try {
      for (let tries = 0; ; tries++) {
        const isUp = await fetch("http://127.0.0.1:18402/").then(
          () => true,
          () => false,
        );
        if (isUp) break;
        if (tries > 100 || seller.exitCode !== null) throw new Error(`the seller does not start: ${seller.output()}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      const agent = run("pay.ts", env, folder);
      const [code] = (await once(agent, "exit")) as [number];
      expect(code, agent.output()).to.equal(0);
      expect(agent.output()).to.include("Good morning.").and.to.include("by: 'seller'");
      expect(existsSync(join(folder, "subfen-ledger.db"))).to.equal(true);

      const gained = await chain.balanceOf(privateKeyToAccount(sellerKey).address);
      expect(gained).to.equal(8n * 2n + 3n * 8n);
      expect(agent.output()).to.include(`paid: ${gained}n`);
    } finally {
      seller.kill();
    }
  });
});
