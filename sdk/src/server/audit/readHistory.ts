import type { Address, Hex } from "viem";
import { isAddressEqual } from "viem/utils";

import { mockDigitalYuanAbi } from "../../chain/abis/mockDigitalYuanAbi.ts";
import { getContractEvents } from "../../chain/actions.ts";
import { type ChannelEvent, channelEvents } from "../../chain/channelEvents.ts";
import { logsInRanges } from "../../chain/logsInRanges.ts";
import type { ChainClient } from "../../chain/write.ts";
import type { LedgerOwner } from "../../ledger/ledger.ts";

/** What the chain's events tell of one payee. Amounts in base units. */
export type History = {
  /** By each channel that was opened for the payee in its token: the totals settled, one after the other. */
  readonly settled: ReadonlyMap<Hex, readonly bigint[]>;
  /** What the events say must have been paid to the payee: settlements, and what came back from channels it paid itself. */
  readonly due: bigint;
  /** What the contract has paid to it, or owes it as credit. */
  readonly paid: bigint;
};

/**
 * Reads what the chain's events tell of a payee.
 *
 * @param client - A viem client.
 * @param parameters - Whose, from which block to which, and who is told how far it has come.
 * @returns The history.
 * @throws {LogQueryError} when the node does not answer for the logs of a single block.
 */
export async function readHistory(
  client: ChainClient,
  parameters: LedgerOwner & { fromBlock: bigint; toBlock: bigint; onBlock: (block: bigint) => void },
): Promise<History> {
  const { contract, token, payee, fromBlock, toBlock } = parameters;
  const settled = new Map<Hex, bigint[]>();
  /** Channels that the payee opened itself: their change comes to it too. */
  const own = new Set<Hex>();
  let refunded = 0n;
  let paid = 0n;

  const isOurs = (event: { token: Address; account: Address }): boolean =>
    isAddressEqual(event.token, token) && isAddressEqual(event.account, payee);

  function take(event: ChannelEvent): void {
    switch (event.eventName) {
      case "ChannelOpened": {
        if (!isAddressEqual(event.args.token, token)) return;
        if (isAddressEqual(event.args.payee, payee)) settled.set(event.args.channelId, []);
        if (isAddressEqual(event.args.payer, payee)) own.add(event.args.channelId);
        return;
      }
      case "ChannelSettled":
        settled.get(event.args.channelId)?.push(event.args.settled);
        return;
      case "ChannelClosed": {
        const totals = settled.get(event.args.channelId);
        // A closing tells the total again, whether it has captured something or not.
        if (totals && event.args.settled !== (totals.at(-1) ?? 0n)) totals.push(event.args.settled);
        if (own.has(event.args.channelId)) refunded += event.args.refunded;
        return;
      }
      case "CreditAdded":
        if (isOurs(event.args)) paid += event.args.amount;
        return;
      case "CreditClaimed":
        // Its transfer is counted below, and what it pays was counted when it was added.
        if (isOurs(event.args)) paid -= event.args.amount;
        return;
      default:
    }
  }

  for await (const event of channelEvents(client, { contract, fromBlock, toBlock })) {
    take(event);
    parameters.onBlock(event.blockNumber);
  }
  const query = {
    address: token,
    abi: mockDigitalYuanAbi,
    eventName: "Transfer",
    args: { from: contract, to: payee },
    strict: true,
  } as const;
  const transfers = logsInRanges(client, { fromBlock, toBlock }, (range) =>
    getContractEvents(client, { ...query, ...range }),
  );
  for await (const { args } of transfers) paid += args.value;

  let due = refunded;
  for (const totals of settled.values()) due += totals.at(-1) ?? 0n;
  return { settled, due, paid };
}
