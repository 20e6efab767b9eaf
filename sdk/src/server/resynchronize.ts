import type { Hex } from "viem";

import { max } from "../bigints.ts";
import { getBlockNumber } from "../chain/actions.ts";
import { channelEvents } from "../chain/channelEvents.ts";
import { type Channel, getChannels } from "../chain/channels.ts";
import type { ChainClient } from "../chain/write.ts";
import { SubfenError } from "../errors.ts";
import { inGroups } from "../inGroups.ts";
import type { ChannelRecord, Ledger, LedgerOwner } from "../ledger/ledger.ts";
import type { Terms } from "../protocol/terms.ts";

/** The chain has settled more than the ledger knows was spent: the ledger is older than it should be. */
export class LedgerBehindChainError extends SubfenError {
  override readonly name = "LedgerBehindChainError";
  /** The channels that prove it. */
  readonly channelIds: readonly Hex[];

  constructor(channelIds: readonly Hex[]) {
    super(
      `The ledger has lost what was sold on ${channelIds.length} channels, as if an older copy had been put back.`,
      {
        code: "ledger-behind-chain",
        metaMessages: [
          ...channelIds.slice(0, 10).map((channelId) => `Channel ${channelId}`),
          "Put the newest copy back, or stop every gateway of this seller and call resynchronize: see docs/operations.md.",
        ],
      },
    );
    this.channelIds = channelIds;
  }
}

/** A ledger, and the seller on the chain that it is compared with. */
export type LedgerOnChain = LedgerOwner & { client: ChainClient; ledger: Ledger };

/** Ids asked for in one call. */
const idsPerCall = 500;

/** A channel with what the chain says of it; the record is missing where the ledger has never seen it. */
type Compared = { channelId: Hex; terms: Terms; record: ChannelRecord | undefined; chain: Channel };

/**
 * Compares a ledger with the chain.
 *
 * @param parameters.fromBlock - The block to look for openings from; by default the newest that the ledger knows of.
 * @throws {LedgerBehindChainError} when the chain has settled what the ledger does not know to be spent.
 * @throws {LogQueryError} when the node does not answer for the logs of a single block.
 */
export async function requireLedgerUpToDate(
  parameters: LedgerOnChain & { fromBlock: bigint | undefined },
): Promise<void> {
  const { ledger } = parameters;
  const behind: Hex[] = [];
  const toBlock = await getBlockNumber(parameters.client, { cacheTime: 0 });
  for await (const { channelId, chain } of compare({ ...parameters, toBlock })) {
    // Asked again: another process may have sold and settled since the chain was read.
    const record = await ledger.getChannel(channelId);
    if (!record?.retired && chain.settled > (record?.spent ?? 0n)) behind.push(channelId);
  }
  if (behind.length > 0) throw new LedgerBehindChainError(behind);
}

/**
 * Brings a ledger that an older copy was restored of in line with the chain. What the statements of its channels bought
 * in the lost time is not known, so none of them may buy again: every channel that was ever opened for this seller, known
 * or not, is retired. It serves nothing more, what is known of it is settled, and its payer opens a new one.
 *
 * Stop every gateway of this seller before.
 *
 * @param parameters.client - A viem client.
 * @param parameters.ledger - The ledger, as it was restored.
 * @param parameters.chainId - The chain's id.
 * @param parameters.contract - The channel contract.
 * @param parameters.token - The token that is taken.
 * @param parameters.payee - Who is paid.
 * @param parameters.fromBlock - The first block to look for openings in: that of the contract's deployment.
 * @returns The channels that were retired.
 * @throws {LogQueryError} when the node does not answer for the logs of a single block.
 * @throws {LedgerUnavailableError} when the ledger cannot be written. Call it again.
 * @example
 * const owner = { chainId, contract, token, payee };
 * const ledger = await createSqliteLedger({ path: "subfen-ledger.db", owner });
 * await resynchronize({ client, ledger, ...owner, fromBlock });
 */
export async function resynchronize(parameters: LedgerOnChain & { fromBlock: bigint }): Promise<ChannelRecord[]> {
  const blockNumber = await getBlockNumber(parameters.client, { cacheTime: 0 });
  const retired: ChannelRecord[] = [];
  for await (const { channelId, terms, record, chain } of compare({ ...parameters, toBlock: blockNumber })) {
    if (record?.finalized || record?.retired) continue;
    retired.push(await parameters.ledger.retire({ channelId, terms, chain: { ...chain, blockNumber } }));
  }
  return retired;
}

/** Every channel that the ledger knows, then those that were opened for its owner since a block and that it does not. */
async function* compare(
  parameters: LedgerOnChain & { fromBlock: bigint | undefined; toBlock: bigint },
): AsyncGenerator<Compared, void, undefined> {
  const { client, contract, toBlock: blockNumber } = parameters;
  for await (const group of inGroups(candidates(parameters), idsPerCall)) {
    const channelIds = group.map(({ channelId }) => channelId);
    const chains = await getChannels(client, { contract, channelIds, blockNumber });
    for (const [i, one] of group.entries()) yield { ...one, chain: chains[i] as Channel };
  }
}

async function* candidates(
  parameters: LedgerOnChain & { fromBlock: bigint | undefined; toBlock: bigint },
): AsyncGenerator<Omit<Compared, "chain">, void, undefined> {
  const { ledger } = parameters;
  let newest: bigint | undefined;
  for await (const record of ledger.channels()) {
    const { channelId, terms, blockNumber } = record;
    newest = max(newest ?? 0n, blockNumber);
    if (!record.finalized) yield { channelId, terms, record };
  }
  const fromBlock = parameters.fromBlock ?? newest;
  if (fromBlock === undefined) return;
  for await (const { channelId, terms } of openings({ ...parameters, fromBlock })) {
    if (!(await ledger.getChannel(channelId))) yield { channelId, terms, record: undefined };
  }
}

async function* openings(parameters: LedgerOnChain & { fromBlock: bigint; toBlock: bigint }) {
  for await (const event of channelEvents(parameters.client, parameters)) {
    if (event.eventName !== "ChannelOpened") continue;
    const { channelId, payer, payee, token, salt, authorizedSigner } = event.args;
    const isOurs =
      payee.toLowerCase() === parameters.payee.toLowerCase() && token.toLowerCase() === parameters.token.toLowerCase();
    if (isOurs) yield { channelId, terms: { payer, payee, token, salt, authorizedSigner } satisfies Terms };
  }
}
