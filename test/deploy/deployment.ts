import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";

import type { Hex } from "viem";
import { createTestClient, http, publicActions, walletActions } from "viem";
import { privateKeyToAddress } from "viem/accounts";

import type { Deployment } from "../../scripts/deploy/record.ts";
import { freePort, type Process, startProcess } from "../crash/processes.ts";
import { anvilPath } from "../fixtures/anvil.ts";

/** A key that has money on no chain by itself. */
export const key: Hex = `0x${"d1".repeat(32)}`;
export const deployer = privateKeyToAddress(key);

export type Node = { rpc: string; process: Process; client: ReturnType<typeof clientOf> };

function clientOf(rpc: string, mode: "anvil" | "hardhat") {
  return createTestClient({ mode, transport: http(rpc), cacheTime: 0 })
    .extend(publicActions)
    .extend(walletActions);
}

/** Starts anvil under a chain id, with money for the deployer. */
export async function startAnvil(chainId: number, ...options: string[]): Promise<Node> {
  const port = await freePort();
  const args = ["--host", "127.0.0.1", "--port", `${port}`, "--chain-id", `${chainId}`, ...options];
  const anvil = startProcess(anvilPath(), args);
  await anvil.line(/^Listening on/);
  const client = clientOf(`http://127.0.0.1:${port}`, "anvil");
  await client.setBalance({ address: deployer, value: 10n ** 19n });
  return { rpc: `http://127.0.0.1:${port}`, process: anvil, client };
}

/** Starts Hardhat's node under a chain id, its own by default, with money for the deployer. */
export async function startHardhatNode(chainId = 31337): Promise<Node> {
  const port = await freePort();
  const args = ["node_modules/hardhat/dist/src/cli.js", "node", "--hostname", "127.0.0.1", "--port", `${port}`];
  args.push("--chain-id", `${chainId}`);
  const node = startProcess(process.execPath, args);
  await node.line(/^Started HTTP/);
  const client = clientOf(`http://127.0.0.1:${port}`, "hardhat");
  await client.setBalance({ address: deployer, value: 10n ** 19n });
  return { rpc: `http://127.0.0.1:${port}`, process: node, client };
}

/** The node that is asked: anvil, which starts sooner, or in `npm run test:deep` also Hardhat's. */
export const startNode = process.env.SUBFEN_NODE === "hardhat" ? startHardhatNode : startAnvil;

/** A folder below the repository, so that Hardhat finds its configuration; what is written by default falls into it. */
export function makeFolder(): string {
  mkdirSync("cache", { recursive: true });
  return mkdtempSync(join(resolve("cache"), "deploy-test-"));
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

export type Run = Awaited<ReturnType<ReturnType<typeof startDeploy>["ended"]>>;

/** Starts a script as `npm run deploy` does, in a folder, with only these variables of ours. */
export function startDeploy(
  folder: string,
  args: readonly string[],
  env: Record<string, string> = {},
  script = "scripts/deploy.ts",
) {
  const own = Object.entries(process.env).filter(([name]) => !/^(SUBFEN|HARDHAT|ETHERSCAN)_/.test(name));
  const build = process.env.SUBFEN_BUILD === undefined ? {} : { SUBFEN_BUILD: process.env.SUBFEN_BUILD };
  const child = spawn(process.execPath, ["--conditions=subfen-source", resolve(script), ...args], {
    cwd: folder,
    // Most of a run is loading Hardhat.
    env: { ...Object.fromEntries(own), ...build, NODE_COMPILE_CACHE: resolve("cache/node"), ...env },
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const end = once(child, "close") as Promise<[number | null]>;
  return {
    kill: () => child.kill("SIGKILL"),
    /** @returns Its exit code, none where it was killed, and all that it has printed. */
    ended: async () => ({ code: (await end)[0], output }),
  };
}

/** Deploys and waits for the end. */
export function runDeploy(folder: string, args: readonly string[], env: Record<string, string> = {}): Promise<Run> {
  return startDeploy(folder, args, env).ended();
}

export function readDeployment(folder: string, network: string): Deployment {
  return JSON.parse(readFileSync(join(folder, "cache/deployments", network, "deployment.json"), "utf8")) as Deployment;
}

/** The address of each contract by its name. */
export function addressesOf({ contracts }: Deployment): Record<string, string> {
  return Object.fromEntries(Object.entries(contracts).map(([name, { address }]) => [name, address]));
}
