import { join, resolve } from "node:path";

import type { Opened } from "./openNetwork.ts";
import { Refusal } from "./refusal.ts";

const committed = "deployments";

/**
 * Tells where what stands on a network is recorded. What stands on a chain that will be thrown away is nobody's business but
 * this machine's.
 *
 * @param opened - The chain.
 * @param asked - The folder of all networks, where the user named one.
 * @returns The network's folder.
 * @throws {Refusal} when a throw-away chain would be recorded among those that are committed.
 */
export function folderOf({ name, isThrowAway }: Opened, asked: string | undefined): string {
  if (isThrowAway && asked !== undefined && resolve(asked) === resolve(committed)) {
    throw new Refusal(
      `The node is one for developing: what stands there is not recorded in ${committed}. Omit --folder.`,
    );
  }
  return join(asked ?? (isThrowAway ? "cache/deployments" : committed), name);
}
