import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

import { networks } from "./networks.ts";
import { Refusal } from "./refusal.ts";

/**
 * Reads the options of a command.
 *
 * @param command - Its name in package.json.
 * @param options - As `parseArgs` takes them.
 * @returns Their values.
 * @throws {Refusal} when one is not known, or lacks its value.
 */
export function readOptions<const options extends ParseArgsOptionsConfig>(command: string, options: options) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new Refusal(`${(error as Error).message}. See \`npm run ${command} -- --help\`.`);
  }
}

/** @throws {Refusal} when there is no network of this name. */
export function requireNetwork(name: string): void {
  if (Object.hasOwn(networks, name)) return;
  throw new Refusal(`--network takes one of ${Object.keys(networks).join(", ")}, not "${name}".`);
}
