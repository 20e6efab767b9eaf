import type { Address, Hex } from "viem";
import { encodeFunctionData, isAddressEqual } from "viem/utils";

import { mockDigitalYuanAbi as abi } from "../../sdk/src/chain/abis/mockDigitalYuanAbi.ts";
import type { Opened } from "./openNetwork.ts";

/**
 * Frees the contracts that hold the money of many from the limits that the mock token puts on a wallet.
 *
 * @param opened - The chain. Only the token's operator may do this.
 * @param token - The mock token.
 * @param holders - Those contracts.
 * @param say - Prints a line.
 */
export async function exempt(
  { provider, client, deployer }: Opened,
  token: Address,
  holders: readonly Address[],
  say: (line: string) => void,
): Promise<void> {
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
    const params = [{ from: deployer, to: token, data }];
    const hash = (await provider.request({ method: "eth_sendTransaction", params })) as Hex;
    const { status } = await client.waitForTransactionReceipt({ hash });
    if (status !== "success") throw new Error(`${holder} could not be exempted by transaction ${hash}`);
  }
  say("Exempted the channels and the escrow from the mock token's limits for wallets.");
}
