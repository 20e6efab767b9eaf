import type { Address, Hex } from "viem";
import { privateKeyToAddress } from "viem/accounts";

import { keyVariable } from "./networks.ts";
import { Refusal } from "./refusal.ts";
import { keepSecret } from "./secrets.ts";

/** A variable of Hardhat's configuration: from the environment or from the keystore. */
type Variable = { get(): Promise<string> };

async function read(name: string, variable: Variable, what: string): Promise<string> {
  const text = await variable.get().catch(() => "");
  keepSecret(text);
  if (text.trim() !== "") return text;
  throw new Refusal(
    `${name} is not set, or blank. Give it ${what}: in the environment, or by \`npx hardhat keystore set ${name}\`.`,
  );
}

/**
 * Reads the URL of a node.
 *
 * @param name - The variable's name, the only thing that an error tells.
 * @returns The URL's origin: the rest may be a secret.
 * @throws {Refusal} when there is none, or not one that can be reached.
 */
export async function readOrigin(name: string, variable: Variable): Promise<string> {
  const text = await read(name, variable, "the URL of a node");
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text).origin;
  throw new Refusal(`${name} is not a URL that begins with http:// or https://.`);
}

/**
 * Reads the key of the account that deploys.
 *
 * @returns The account's address.
 * @throws {Refusal} when there is no key, or what there is cannot be one.
 */
export async function readAccount(variable: Variable): Promise<Address> {
  const key = await read(keyVariable, variable, "the private key of the account that deploys");
  try {
    if (!/^(0x)?[0-9a-fA-F]{64}$/.test(key)) throw new RangeError("not 32 bytes");
    return privateKeyToAddress(`0x${key.replace("0x", "")}` as Hex);
  } catch {
    throw new Refusal(`${keyVariable} is not a private key: that is 32 bytes, in 64 hexadecimal digits.`);
  }
}
