import type { Address, Hex } from "viem";

import type { Terms } from "../protocol/terms.ts";
import { paymentChannelsAbi } from "./abis/paymentChannelsAbi.ts";
import { getContractEvents } from "./actions.ts";
import type { OnContract } from "./callChannels.ts";
import { type Channel, getChannels } from "./channels.ts";
import { logsInRanges } from "./logsInRanges.ts";
import type { ChainClient } from "./write.ts";

export { LogQueryError } from "./logsInRanges.ts";

/** Ids asked for in one call. */
const idsPerCall = 500;

/** A channel found on the chain, with what it needs to be used again. */
export type FoundChannel = { readonly channelId: Hex; readonly terms: Terms; readonly channel: Channel };

function queryEvents(client: ChainClient, contract: Address, range: { fromBlock: bigint; toBlock: bigint }) {
  return getContractEvents(client, { address: contract, abi: paymentChannelsAbi, ...range, strict: true });
}

/** An event of the channel contract, typed by its `eventName`. */
export type ChannelEvent = Exclude<
  Awaited<ReturnType<typeof queryEvents>>[number],
  // ERC-5267 has it in the interface; this contract's domain never changes.
  { eventName: "EIP712DomainChanged" }
>;

/**
 * Iterates over the events of the channel contract in the order of the chain, each once, however few blocks the node
 * lets one query cover.
 *
 * @param client - A viem client.
 * @param parameters.contract - The contract.
 * @param parameters.fromBlock - The first block, such as that of the deployment.
 * @param parameters.toBlock - The last block; by default the newest when it starts. What is newer can still be
 * reorganised.
 * @returns An async iterator of typed events.
 * @throws {LogQueryError} when the node does not answer for a single block.
 * @example
 * for await (const event of channelEvents(client, { contract, fromBlock })) {
 *   if (event.eventName === "CloseRequested") console.log(event.args.channelId, event.args.readyAt);
 * }
 */
export async function* channelEvents(
  client: ChainClient,
  parameters: OnContract<{ fromBlock: bigint; toBlock?: bigint | undefined }>,
): AsyncGenerator<ChannelEvent, void, undefined> {
  const events = logsInRanges(client, parameters, (range) => queryEvents(client, parameters.contract, range));
  yield* events as AsyncGenerator<ChannelEvent, void, undefined>;
}

/**
 * Finds the channels of a payer from the chain alone: for a client that lost its state.
 *
 * @param client - A viem client.
 * @param parameters.contract - The contract.
 * @param parameters.payer - Whose channels.
 * @param parameters.fromBlock - The first block to look at, such as that of the deployment.
 * @param parameters.toBlock - The last block; the newest by default.
 * @returns The channels, oldest first, with their terms and their state now, finalized ones included.
 * @throws {LogQueryError} when the node does not answer for a single block.
 */
export async function findChannels(
  client: ChainClient,
  parameters: OnContract<{ payer: Address; fromBlock: bigint; toBlock?: bigint | undefined }>,
): Promise<FoundChannel[]> {
  const { contract } = parameters;
  const payer = parameters.payer.toLowerCase();
  const found: Omit<FoundChannel, "channel">[] = [];
  for await (const event of channelEvents(client, parameters)) {
    if (event.eventName !== "ChannelOpened" || event.args.payer.toLowerCase() !== payer) continue;
    const { channelId, payee, token, salt, authorizedSigner } = event.args;
    found.push({ channelId, terms: { payer: event.args.payer, payee, token, salt, authorizedSigner } });
  }
  const channels: Channel[] = [];
  for (let i = 0; i < found.length; i += idsPerCall) {
    const channelIds = found.slice(i, i + idsPerCall).map(({ channelId }) => channelId);
    channels.push(...(await getChannels(client, { contract, channelIds })));
  }
  return found.flatMap((one, i) => {
    const channel = channels[i];
    return channel ? [{ ...one, channel }] : [];
  });
}
