import { verifyContract } from "@nomicfoundation/hardhat-verify/verify";
import hre from "hardhat";

import type { Built } from "./build.ts";
import { keepSecret } from "./secrets.ts";

/**
 * Shows the sources to the chain's explorer, where the key to it is known. Whatever comes of it, the contracts stand.
 *
 * @param built - What was deployed.
 * @param say - Prints a line.
 */
export async function verify(built: readonly Built[], say: (line: string) => void): Promise<void> {
  const key = await hre.config.verify.etherscan.apiKey.get().catch(() => "");
  if (key.trim() === "") return say("The sources are not shown to the chain's explorer: ETHERSCAN_API_KEY is not set.");
  keepSecret(key);
  for (const { name, source, address, arguments: constructorArgs } of built) {
    try {
      await verifyContract({ address, constructorArgs, contract: `${source}:${name}`, provider: "etherscan" }, hre);
    } catch (error) {
      say(
        `The explorer did not take the sources of ${name}: ${(error as Error).message}\nRun this again to try again.`,
      );
    }
  }
}
