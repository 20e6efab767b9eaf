import { keccak256, parseEther } from "viem/utils";

import type { Opened } from "./openNetwork.ts";
import { factory } from "./plan.ts";
import { Refusal } from "./refusal.ts";
import { transact } from "./transact.ts";

const codeHash = "0xbd8a7ea8cfca7b4e5f5041d7d4b17bc317c5ce42cfbc42066a00cf26b43eb53f";
/** Who signed the one transaction that creates CreateX, the same for every chain. */
const signer = "0xeD456e05CaAb11d66C4c797dD6c1D6f9A7F352b5";
/** What its creation takes, in wei: the gas and its price stand in that transaction. */
export const factoryCosts = parseEther("0.4");

/**
 * Looks for CreateX.
 *
 * @returns Whether it is there. It may be missing on a throw-away chain only, where `createFactory` brings it.
 * @throws {Refusal} when it is missing elsewhere, or is something else.
 */
export async function hasFactory({ client, chainId, isThrowAway }: Opened): Promise<boolean> {
  const code = await client.getCode({ address: factory });
  if (code !== undefined && keccak256(code) !== codeHash) {
    throw new Refusal(
      `The code at ${factory} is not that of CreateX, the factory that gives contracts the same address on every chain. ` +
        "Nothing can be deployed here.",
    );
  }
  if (code === undefined && !isThrowAway) {
    throw new Refusal(
      `CreateX, the factory that gives contracts the same address on every chain, is not at ${factory} on chain ` +
        `${chainId}. Have it deployed first: https://github.com/pcaversaccio/createx#new-deployments`,
    );
  }
  return code !== undefined;
}

/** Creates CreateX on a throw-away chain, by its own transaction, which anybody may send. */
export async function createFactory(opened: Opened): Promise<void> {
  await transact(opened, "eth_sendTransaction", { to: signer, value: `0x${factoryCosts.toString(16)}` });
  await transact(opened, "eth_sendRawTransaction", await presignedTransaction());
}

/** Ignition has it for Hardhat's own chain, but keeps it to itself. */
async function presignedTransaction(): Promise<string> {
  const ignition = import.meta.resolve("@nomicfoundation/ignition-core");
  const path = new URL("internal/execution/strategy/createx-artifact.js", ignition).href;
  const { presignedTx } = (await import(path)) as { presignedTx: string };
  return presignedTx;
}
