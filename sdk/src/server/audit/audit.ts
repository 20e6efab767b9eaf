import { setTimeout as pause } from "node:timers/promises";

import type { Hex } from "viem";

import { max } from "../../bigints.ts";
import { getBlockNumber, getChainId } from "../../chain/actions.ts";
import { type Channel, getChannels } from "../../chain/channels.ts";
import { WrongChainError } from "../../chain/errors.ts";
import type { ChainClient } from "../../chain/write.ts";
import { SubfenError } from "../../errors.ts";
import { inGroups } from "../../inGroups.ts";
import type { LedgerOwner } from "../../ledger/ledger.ts";
import type { LedgerReader } from "../../ledger/sqlite/ledgerReader.ts";
import { createVoucherVerifier } from "../voucherVerifier.ts";
import { type Account, checkAccount } from "./checkAccount.ts";
import { type Difference, differenceOf } from "./difference.ts";
import { type History, readHistory } from "./readHistory.ts";

/** The ledger has heard of blocks that the node does not have. */
export class NodeBehindLedgerError extends SubfenError {
  override readonly name = "NodeBehindLedgerError";

  constructor(block: bigint, known: bigint) {
    super(`The node is at block ${block}, but the ledger was told of block ${known}.`, {
      code: "node-behind-ledger",
      metaMessages: ["Ask a node that is up to date. On a test chain: it may have been started anew."],
    });
  }
}

/** What an audit came to. Amounts in base units. */
export type AuditReport = {
  readonly owner: LedgerOwner;
  /** The block that `settled` was read at. */
  readonly blockNumber: bigint;
  readonly channels: number;
  /** Statements that were charged and are kept. */
  readonly statements: number;
  /** What was charged in all: statement by statement, and what is carried. */
  readonly captured: bigint;
  /**
   * The part of `captured` that no kept statement proves: settled before the ledger knew the channel, or charged on
   * channels that were closed so long ago that their statements are forgotten, or retired.
   */
  readonly carried: bigint;
  /** What the chain has settled on the ledger's channels. */
  readonly settled: bigint;
  /** What is earned and can still be settled. */
  readonly unsettled: bigint;
  /** What was earned on channels that were closed before it was settled. */
  readonly lost: bigint;
  /** Reserved for requests that were running. */
  readonly held: bigint;
  /** Everything that does not fit; none if the books are right: then `captured == settled + unsettled + lost`. */
  readonly differences: readonly Difference[];
  /**
   * Channels that were opened for this payee and that the ledger does not know. Nothing was settled on them, so that no
   * money is missing: anybody can open one.
   */
  readonly unknownChannels: readonly Hex[];
};

/** Channels read at once. */
const groupSize = 250;
/** How often a node that lags behind the ledger is asked again, one polling interval of the client apart. */
const maxWaits = 15;

/**
 * Compares a ledger with itself and with the chain, statement by statement, while its gateway runs or not. Nothing is
 * written.
 *
 * Each channel is read from the chain, then from the ledger, then from the chain again. What is earned only grows, so what
 * the chain has settled before must be earned in the ledger; and what the ledger takes for settled, deposited or closed
 * the chain must have afterwards. A settlement, top-up or closing on its way is therefore no difference.
 *
 * @param parameters.client - A viem client; it needs no account.
 * @param parameters.ledger - The ledger, open for reading.
 * @param parameters.fromBlock - The first block to read events of: at the latest that of the contract's deployment; 0 by default.
 * @param parameters.onProgress - Told what is being done.
 * @returns The report.
 * @throws {WrongChainError} when the client is on another chain than the ledger.
 * @throws {NodeBehindLedgerError} when the node lags behind what the ledger knows.
 * @throws {LogQueryError} when the node does not answer for the logs of a single block.
 * @throws {UnreadableLedgerError} when the ledger cannot be read.
 * @example
 * const ledger = await openLedgerReader("subfen-ledger.db");
 * const { differences } = await audit({ client, ledger });
 */
export async function audit(parameters: audit.Parameters): Promise<AuditReport> {
  const { client, ledger, fromBlock = 0n, onProgress = () => undefined } = parameters;
  const { owner } = ledger;
  const chainId = await getChainId(client);
  if (chainId !== owner.chainId) throw new WrongChainError(chainId, owner.chainId);
  const verifier = await createVoucherVerifier(owner);
  const blockNumber = await blockFrom(client, newestBlock(ledger));
  const onBlock = (block: bigint): void => onProgress(`Reading the chain's events: block ${block} of ${blockNumber}`);
  const history = await readHistory(client, { ...owner, fromBlock, toBlock: blockNumber, onBlock });

  const differences: Difference[] = [];
  const sums = {
    channels: 0,
    statements: 0,
    captured: 0n,
    carried: 0n,
    settled: 0n,
    unsettled: 0n,
    lost: 0n,
    held: 0n,
  };
  const { contract } = owner;
  for await (const group of inGroups(ledger.channels(), groupSize)) {
    const channelIds = group.map(({ channelId }) => channelId);
    const before = await getChannels(client, { contract, channelIds, blockNumber });
    const accounts = channelIds.map((channelId) => ledger.account(channelId));
    const newest = accounts.reduce((block, account) => max(block, account?.channel.blockNumber ?? 0n), blockNumber);
    const after = await getChannels(client, { contract, channelIds, blockNumber: await blockFrom(client, newest) });
    for (const [i, account] of accounts.entries()) {
      if (!account) continue;
      const [old, now] = [before[i], after[i]] as [Channel, Channel];
      const { channel } = account;
      const totals = history.settled.get(channel.channelId);
      const own = checkAccount(account, owner, verifier, totals ?? []);
      differences.push(
        ...own.differences,
        ...compareWithChain(account, old, now, own.sums.carried),
        ...compareWithEvents(channel.channelId, totals, old),
      );
      const open = max(channel.spent - old.settled, 0n);
      sums.channels += 1;
      sums.statements += own.sums.statements;
      sums.captured += own.sums.charged + own.sums.carried;
      sums.carried += own.sums.carried;
      sums.settled += old.settled;
      sums.held += channel.held;
      if (old.finalized) sums.lost += open;
      else sums.unsettled += open;
    }
    onProgress(`Channels audited: ${sums.channels}`);
  }
  const unknown = await findUnknown(parameters, history, blockNumber);
  differences.push(...unknown.differences);
  if (history.paid !== history.due) differences.push(differenceOf("income", history.due, history.paid));
  return { owner, blockNumber, ...sums, differences, unknownChannels: unknown.channelIds };
}

export declare namespace audit {
  type Parameters = {
    client: ChainClient;
    ledger: LedgerReader;
    fromBlock?: bigint | undefined;
    onProgress?: ((step: string) => void) | undefined;
  };
}

/** `before` was read before the account, `after` after it. */
function compareWithChain({ channel }: Account, before: Channel, after: Channel, carried: bigint): Difference[] {
  const { channelId, spent, deposit, settled, finalized, retired } = channel;
  const differences: Difference[] = [];
  const name = (...[kind, expected, found]: Parameters<typeof differenceOf>): void => {
    differences.push(differenceOf(kind, expected, found, { channelId }));
  };
  if (before.settled > spent) name("settled-above-spent", `at most ${spent}`, before.settled);
  if (settled > after.settled) name("settlement-missing", settled, after.settled);
  if (deposit > after.deposit) name("deposit-above-chain", deposit, after.deposit);
  if (spent > after.deposit) name("deposit-too-small", `at least ${spent}`, after.deposit);
  if (finalized && !after.finalized) name("closing-missing", "closed", "open");
  if (before.finalized && spent > before.settled) name("earnings-lost", spent, before.settled);
  // Of a channel that was closed long ago the statements are forgotten, and nothing can be claimed on it any more.
  if (retired && !finalized && carried > after.settled) name("unproven-earnings", `at most ${after.settled}`, carried);
  return differences;
}

function compareWithEvents(channelId: Hex, totals: readonly bigint[] | undefined, chain: Channel): Difference[] {
  if (!totals) return [differenceOf("opening-not-found", "an opening", "none", { channelId })];
  const told = totals.at(-1) ?? 0n;
  if (told === chain.settled) return [];
  return [differenceOf("settlement-events", chain.settled, told, { channelId })];
}

/** Channels of this payee that only the chain knows. */
async function findUnknown(
  { client, ledger }: audit.Parameters,
  history: History,
  blockNumber: bigint,
): Promise<{ channelIds: Hex[]; differences: Difference[] }> {
  const unknown = [...history.settled.keys()].filter((channelId) => !ledger.channel(channelId));
  const channelIds: Hex[] = [];
  const differences: Difference[] = [];
  const { contract } = ledger.owner;
  for await (const group of inGroups(unknown, groupSize)) {
    const channels = await getChannels(client, { contract, channelIds: group, blockNumber });
    for (const [i, channelId] of group.entries()) {
      const settled = channels[i]?.settled ?? 0n;
      if (settled === 0n) channelIds.push(channelId);
      else differences.push(differenceOf("unknown-channel", 0n, settled, { channelId }));
    }
  }
  return { channelIds, differences };
}

/** The node's newest block, once that is at least the one the ledger knows. */
async function blockFrom(client: ChainClient, known: bigint): Promise<bigint> {
  for (let wait = 0; ; wait++) {
    const block = await getBlockNumber(client, { cacheTime: 0 });
    if (block >= known) return block;
    if (wait === maxWaits) throw new NodeBehindLedgerError(block, known);
    await pause(client.pollingInterval);
  }
}

function newestBlock(ledger: LedgerReader): bigint {
  let newest = 0n;
  for (const { blockNumber } of ledger.channels()) newest = max(newest, blockNumber);
  return newest;
}
