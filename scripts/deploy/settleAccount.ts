import { setTimeout } from "node:timers/promises";

import type { Opened } from "./openNetwork.ts";

/** Milliseconds after which Ignition is to decide: it may raise the fees of what it has sent itself. */
const patience = 180_000;

/**
 * Waits until what the account has sent before is mined and confirmed, so that it is known what it came to.
 *
 * @param opened - The chain.
 * @param say - Prints a line.
 */
export async function settleAccount(
  { client, deployer: address, isThrowAway }: Opened,
  say: (line: string) => void,
): Promise<void> {
  const confirmations = isThrowAway ? 1n : 5n;
  const isSettled = async () => {
    const newest = await client.getBlockNumber({ cacheTime: 0 });
    const pending = await client.getTransactionCount({ address, blockTag: "pending" });
    if (newest < confirmations) return pending === 0 || isThrowAway;
    const blockNumber = newest - confirmations + 1n;
    return pending === (await client.getTransactionCount({ address, blockNumber }));
  };
  const end = Date.now() + patience;
  if (await isSettled()) return;
  say("Waiting for earlier transactions of the account.");
  while (Date.now() < end && !(await isSettled())) await setTimeout(isThrowAway ? 50 : 2_000);
}
