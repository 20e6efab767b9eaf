import { readFileSync } from "node:fs";

import { artifacts, config } from "hardhat";

import type { Built } from "./build.ts";
import type { Opened } from "./openNetwork.ts";
import { keepSecret } from "./secrets.ts";

type Explorer = Opened["explorer"];
type BuildInfo = { solcLongVersion: string; input: Parameters<Explorer["verify"]>[0]["compilerInput"] };

/**
 * Shows the sources to the chain's explorer, where the key to it is known. Whatever comes of it, the contracts stand.
 *
 * @param opened - The chain.
 * @param built - What was deployed.
 * @param say - Prints a line.
 */
export async function verify(
  { explorer }: Opened,
  built: readonly Built[],
  say: (line: string) => void,
): Promise<void> {
  const key = await config.verify.etherscan.apiKey.get().catch(() => "");
  if (key.trim() === "") return say("The sources are not shown to the chain's explorer: ETHERSCAN_API_KEY is not set.");
  keepSecret(key);
  for (const one of built) {
    try {
      if (!(await explorer.isVerified(one.address))) await submit(explorer, one);
      say(`The explorer shows the sources of ${one.name}: ${await explorer.getContractUrl(one.address)}`);
    } catch (error) {
      say(
        `The explorer did not take the sources of ${one.name}. Run this again to try again.\n${(error as Error).message}`,
      );
    }
  }
}

// The task of hardhat-verify takes code without metadata, as ours is, for that of a compiler of 2016.
async function submit(explorer: Explorer, { name, source, address, constructorData }: Built): Promise<void> {
  const { solcLongVersion, input } = await readBuildInfo(`${source}:${name}`);
  const contractName = `project/${source}:${name}`;
  const guid = await explorer.verify({
    contractAddress: address,
    compilerInput: input,
    contractName,
    compilerVersion: `v${solcLongVersion}`,
    constructorArguments: constructorData.slice(2),
  });
  const { success, message } = await explorer.pollVerificationStatus(guid, address, contractName);
  if (!success) throw new Error(message);
}

async function readBuildInfo(contract: string): Promise<BuildInfo> {
  const id = await artifacts.getBuildInfoId(contract);
  const path = id === undefined ? undefined : await artifacts.getBuildInfoPath(id);
  if (path === undefined) throw new Error(`${contract} has no build info`);
  return JSON.parse(readFileSync(path, "utf8")) as BuildInfo;
}
