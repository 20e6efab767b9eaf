import { config, network } from "hardhat";
import type { Address } from "viem";
import { createPublicClient, custom } from "viem";
import { getAddress } from "viem/utils";

import { chainIdVariable, keyVariable, type KnownNetwork, networks, toChainId } from "./networks.ts";
import { Refusal } from "./refusal.ts";
import { readAccount, readOrigin } from "./variables.ts";

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
  const expected = known.chainId ?? toChainId(process.env[chainIdVariable]);
  if (expected === undefined) {
    throw new Refusal(`${chainIdVariable} must be set to the id of the chain, a whole number such as 11155111.`);
  }
  const configured = config.networks[name];
  if (configured?.type !== "http") throw new Error(`${name} is not configured`);
  const origin = await readOrigin(known.urlVariable, configured.url);
  const [key] = Array.isArray(configured.accounts) ? configured.accounts : [];
  const account = key && (await readAccount(key));

  const { provider, verification } = await network.create(name);
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
  return {
    /** The name under which it is recorded: "custom" may be any chain. */
    name: name === "custom" ? `chain-${chainId}` : name,
    known,
    provider,
    explorer: verification.etherscan,
    client,
    chainId,
    deployer,
    isThrowAway,
  };
}

type Provider = Awaited<ReturnType<typeof network.create>>["provider"];

async function firstAccount(provider: Provider, origin: string): Promise<Address> {
  const [first] = (await provider.request({ method: "eth_accounts" })) as Address[];
  if (first !== undefined) return getAddress(first);
  throw new Refusal(`The node at ${origin} lends no account. Set ${keyVariable} to the private key of one.`);
}

/** Whether the node is one for developing, which may have taken another chain's id. */
async function isDevelopmentNode(provider: Provider): Promise<boolean> {
  const version = await provider.request({ method: "web3_clientVersion" }).catch(() => "");
  return /anvil|hardhat|ganache/i.test(String(version));
}
