import { config, network } from "hardhat";
import type { Address, Hex } from "viem";
import { createPublicClient, custom } from "viem";
import { privateKeyToAddress } from "viem/accounts";
import { getAddress } from "viem/utils";

import { chainIdVariable, keyVariable, type KnownNetwork, networks, toChainId, usesAccountsOfNode } from "./networks.ts";
import { Refusal } from "./refusal.ts";
import { keepSecret } from "./secrets.ts";

export type Opened = Awaited<ReturnType<typeof openNetwork>>;

/**
 * Reaches a network and makes sure that it is the right one.
 *
 * @param name - A key of `networks`.
 * @returns The connection, and what it was found to be.
 * @throws {Refusal} when a variable is missing or malformed, nobody answers, or another chain does.
 */
export async function openNetwork(name: string) {
  const known = networks[name] as KnownNetwork;
  const expected = expectedChainId(known);
  const url = await readUrl(name, known);
  const account = usesAccountsOfNode(name) ? undefined : await readAccount(name);
  const origin = new URL(url).origin;

  const { provider } = await network.create();
  const client = createPublicClient({ transport: custom(provider as Parameters<typeof custom>[0], { retryCount: 0 }) });
  const chainId = await client.getChainId().catch(() => {
    throw new Refusal(
      `No node answers at ${origin}. Start one there, or set ${known.urlVariable} to the URL of a node of this network.`,
    );
  });
  if (chainId !== expected) {
    throw new Refusal(
      `The node at ${origin} is on chain ${chainId}, but the network ${name} is chain ${expected}. ` +
        `Set ${known.urlVariable} to the URL of a node of chain ${expected}, or choose the network of chain ${chainId}.`,
    );
  }
  const deployer = account ?? (await firstAccount(provider, origin));
  const isThrowAway = [31337, 1337].includes(chainId) || (await isDevelopmentNode(provider));
  return { name: name === "custom" ? `chain-${chainId}` : name, known, provider, client, chainId, deployer, isThrowAway };
}

type Provider = Awaited<ReturnType<typeof network.create>>["provider"];

function expectedChainId({ chainId }: KnownNetwork): number {
  const id = chainId ?? toChainId(process.env[chainIdVariable]);
  if (id !== undefined) return id;
  throw new Refusal(`${chainIdVariable} must be set to the id of the chain, a whole number such as 11155111.`);
}

/** Reads a variable from the environment or from the keystore. */
async function read(variable: string, value: { get(): Promise<string> }, what: string): Promise<string> {
  const text = await value.get().catch(() => "");
  if (text.trim() !== "") return text;
  throw new Refusal(
    `${variable} is not set, or blank. Give it ${what}: in the environment, ` +
      `or by \`npx hardhat keystore set ${variable}\`.`,
  );
}

async function readUrl(name: string, { urlVariable }: KnownNetwork): Promise<string> {
  const { url } = config.networks[name] as { url: { get(): Promise<string> } };
  const text = await read(urlVariable, url, "the URL of a node");
  keepSecret(text);
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new Refusal(`${urlVariable} is not a URL that begins with http:// or https://.`);
}

async function readAccount(name: string): Promise<Address> {
  const [value] = (config.networks[name] as { accounts: { get(): Promise<string> }[] }).accounts;
  if (value === undefined) throw new Error(`no account is configured for ${name}`);
  const key = await read(keyVariable, value, "the private key of the account that deploys");
  keepSecret(key);
  try {
    if (!/^(0x)?[0-9a-fA-F]{64}$/.test(key)) throw new RangeError("not 32 bytes");
    return privateKeyToAddress(`0x${key.replace("0x", "")}` as Hex);
  } catch {
    throw new Refusal(`${keyVariable} is not a private key: that is 32 bytes, in 64 hexadecimal digits.`);
  }
}

async function firstAccount(provider: Provider, origin: string): Promise<Address> {
  const [first] = (await provider.request({ method: "eth_accounts" })) as Address[];
  if (first !== undefined) return getAddress(first);
  throw new Refusal(`The node at ${origin} lends no account. Set ${keyVariable} to the private key of one.`);
}

async function isDevelopmentNode(provider: Provider): Promise<boolean> {
  const version = await provider.request({ method: "web3_clientVersion" }).catch(() => "");
  return /anvil|hardhat|ganache/i.test(String(version));
}
