import type { Address, Hex } from "viem";

import { channelsDomain, hashDomain } from "../protocol/domain.ts";
import { paymentChannelsAbi } from "./abis/paymentChannelsAbi.ts";
import { readContract } from "./actions.ts";
import type { OnContract } from "./callChannels.ts";
import type { ChainClient } from "./write.ts";

/** A channel as the contract stores it. Amounts in base units. */
export type Channel = {
  readonly deposit: bigint;
  /** The total captured by the payee. */
  readonly settled: bigint;
  /** Unix time in seconds; 0 while no request to close is pending. */
  readonly closeRequestedAt: number;
  readonly finalized: boolean;
};

/**
 * Reads a channel.
 *
 * @param client - A viem client.
 * @param parameters - The contract, the channel's id, and the block to read it at, the newest by default.
 * @returns The channel; all zeros when there is none with this id.
 * @example
 * const { deposit, settled } = await getChannel(client, { contract, channelId });
 */
export async function getChannel(
  client: ChainClient,
  parameters: OnContract<{ channelId: Hex; blockNumber?: bigint | undefined }>,
): Promise<Channel> {
  return readContract(client, {
    address: parameters.contract,
    abi: paymentChannelsAbi,
    functionName: "getChannel",
    args: [parameters.channelId],
    blockNumber: parameters.blockNumber,
  } as const);
}

/**
 * Reads many channels at once.
 *
 * @param client - A viem client.
 * @param parameters - The contract, the ids, and the block to read them at, the newest by default.
 * @returns The channels in the order of the ids; all zeros where there is none.
 */
export async function getChannels(
  client: ChainClient,
  parameters: OnContract<{ channelIds: readonly Hex[]; blockNumber?: bigint | undefined }>,
): Promise<readonly Channel[]> {
  return readContract(client, {
    address: parameters.contract,
    abi: paymentChannelsAbi,
    functionName: "getChannels",
    args: [parameters.channelIds],
    blockNumber: parameters.blockNumber,
  } as const);
}

/**
 * Reads the grace period between a request to close and the withdrawal.
 *
 * @param client - A viem client.
 * @param parameters - The contract.
 * @returns Seconds.
 */
export async function getCloseGracePeriod(client: ChainClient, parameters: OnContract): Promise<number> {
  return readContract(client, {
    address: parameters.contract,
    abi: paymentChannelsAbi,
    functionName: "CLOSE_GRACE_PERIOD",
  });
}

/**
 * Tells whether the contract signs in the domain it should: what is signed for it off chain is good there.
 *
 * @param client - A viem client.
 * @param parameters - The contract and the chain's id.
 * @returns `true` if its EIP-712 domain separator is the expected one.
 */
export async function hasExpectedDomain(
  client: ChainClient,
  parameters: OnContract<{ chainId: number }>,
): Promise<boolean> {
  const separator = await readContract(client, {
    address: parameters.contract,
    abi: paymentChannelsAbi,
    functionName: "domainSeparator",
  });
  return separator === hashDomain(channelsDomain(parameters));
}

/**
 * Tells whether a payee lets an operator settle for it.
 *
 * @param client - A viem client.
 * @param parameters - The contract, the payee and the operator.
 * @returns `true` if it does.
 */
export async function isOperator(
  client: ChainClient,
  parameters: OnContract<{ payee: Address; operator: Address }>,
): Promise<boolean> {
  return readContract(client, {
    address: parameters.contract,
    abi: paymentChannelsAbi,
    functionName: "isOperator",
    args: [parameters.payee, parameters.operator],
  });
}
