import type { Address } from "viem";
import { encodeFunctionData, isAddressEqual } from "viem/utils";

import { mockDigitalYuanAbi as abi } from "../../sdk/src/chain/abis/mockDigitalYuanAbi.ts";
import type { Opened } from "./openNetwork.ts";
import { transact } from "./transact.ts";

/**
 * Frees the contracts that hold the money of many from the limits that the mock token puts on a wallet.
 *
 * @param opened - The chain. Only the token's operator may do this.
 * @param token - The mock token.
 * @param holders - Those contracts.
 * @param say - Prints a line.
 */
export async function exempt(
  opened: Opened,
  token: Address,
  holders: readonly Address[],
  say: (line: string) => void,
): Promise<void> {
  const { client, deployer } = opened;
  const contract = { address: token, abi } as const;
  const isExempt = (holder: Address) => client.readContract({ ...contract, functionName: "isExempt", args: [holder] });
  const limited: Address[] = [];
  for (const holder of holders) if (!(await isExempt(holder))) limited.push(holder);
  if (limited.length === 0) return;

  const operator = await client.readContract({ ...contract, functionName: "operator" });
  if (!isAddressEqual(operator, deployer)) {
    say(`Ask the token's operator ${operator} to exempt ${limited.join(" and ")} from the limits of wallets.`);
    return;
  }
  for (const holder of limited) {
    const data = encodeFunctionData({ abi, functionName: "setExempt", args: [holder, true] });
    await transact(opened, "eth_sendTransaction", { to: token, data });
  }
  say("Exempted the channels and the escrow from the mock token's limits for wallets.");
}
