import { keccak256 } from "viem/utils";

import type { Built } from "./build.ts";
import { readSent } from "./ignite.ts";
import type { Opened } from "./openNetwork.ts";
import type { Deployment, RecordedContract } from "./record.ts";
import { findCreation, survey } from "./survey.ts";

/**
 * Tells what is to be recorded of each contract, now that all are there.
 *
 * @param opened - The chain.
 * @param folder - Where Ignition's journal is.
 * @param built - The contracts.
 * @param record - What was recorded before, which holds for what has not moved.
 * @returns The contracts by name.
 */
export async function describe(
  opened: Opened,
  folder: string,
  built: readonly Built[],
  record: Deployment | undefined,
): Promise<Record<string, RecordedContract>> {
  const sent = readSent(folder);
  const entries = await Promise.all(
    (await survey(opened, built)).map(async ({ name, module, address, arguments: args, onChain }) => {
      if (onChain === undefined) throw new Error(`${name} was deployed and is not there`);
      const before = record?.contracts[name];
      if (before?.address === address) return [name, before];
      const hash = sent.get(`${module}#${name}`);
      const receipt = hash && (await opened.client.getTransactionReceipt({ hash }));
      const creation = receipt
        ? { blockNumber: Number(receipt.blockNumber), transactionHash: receipt.transactionHash }
        : await findCreation(opened, address);
      return [name, { address, ...creation, codeHash: keccak256(onChain), arguments: args }];
    }),
  );
  return Object.fromEntries(entries) as Record<string, RecordedContract>;
}
