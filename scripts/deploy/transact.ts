import type { Hex } from "viem";

import type { Opened } from "./openNetwork.ts";

/**
 * Sends a transaction and waits until it is mined.
 *
 * @param opened - The chain.
 * @param method - `eth_sendTransaction`, or `eth_sendRawTransaction` for one that is signed.
 * @param transaction - What that takes; of one that is not signed the deployer is the sender.
 * @returns Its hash.
 * @throws {Error} when it failed.
 */
export async function transact(
  { provider, client, deployer, isThrowAway }: Opened,
  method: "eth_sendTransaction" | "eth_sendRawTransaction",
  transaction: { to: Hex; data?: Hex; value?: Hex } | string,
): Promise<Hex> {
  const params = [typeof transaction === "string" ? transaction : { from: deployer, ...transaction }];
  const hash = (await provider.request({ method, params })) as Hex;
  const { status } = await client.waitForTransactionReceipt({ hash, ...(isThrowAway ? { pollingInterval: 50 } : {}) });
  if (status !== "success") throw new Error(`transaction ${hash} was mined but reverted: it changed nothing`);
  return hash;
}
