import { setTimeout as pause } from "node:timers/promises";

import { getChainId } from "../chain/actions.ts";
import type { Seller } from "./seller.ts";

/** What keeps a gateway from selling: its ledger cannot be written, its node does not answer for its chain, it is stopping. */
export type GatewayFault = "stopping" | "ledger" | "chain";

/** Milliseconds after which no answer is a fault. */
const patience = 3_000;

/**
 * Makes the part of a gateway that tells whether it can sell. Whoever asks while it looks gets what it finds, so asking
 * often costs no more.
 *
 * @param seller - The seller.
 * @returns A function that writes to the ledger and asks the node.
 */
export function createFaultFinder({ client, chainId, ledger }: Seller): () => Promise<("ledger" | "chain")[]> {
  let looking: Promise<("ledger" | "chain")[]> | undefined;
  // One name a process, so that none waits for another.
  const lease = { name: `readiness ${crypto.randomUUID()}`, holder: "readiness", ttl: 1_000 };

  async function isWritable(): Promise<boolean> {
    const isTaken = await ledger.acquireLease(lease);
    await ledger.releaseLease(lease);
    return isTaken;
  }

  async function look(): Promise<("ledger" | "chain")[]> {
    const [ledgerIsGood, chainIsGood] = await Promise.all([
      inTime(isWritable()),
      inTime(getChainId(client).then((found) => found === chainId)),
    ]);
    return [...(ledgerIsGood ? [] : (["ledger"] as const)), ...(chainIsGood ? [] : (["chain"] as const))];
  }

  return () => (looking ??= look().finally(() => (looking = undefined)));
}

/** Whether it comes true, and in time. */
async function inTime(check: Promise<boolean>): Promise<boolean> {
  const over = new AbortController();
  const late = pause(patience, false, { signal: over.signal, ref: false });
  try {
    return await Promise.race([check, late]);
  } catch {
    return false;
  } finally {
    late.catch(() => undefined);
    over.abort();
  }
}
