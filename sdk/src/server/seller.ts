import { setTimeout as pause } from "node:timers/promises";

import type { Address, ContractEventName, Hex, TransactionReceipt } from "viem";
import { isAddressEqual, parseEventLogs } from "viem/utils";

import { min } from "../bigints.ts";
import { paymentChannelsAbi } from "../chain/abis/paymentChannelsAbi.ts";
import { getBlockNumber } from "../chain/actions.ts";
import { getChannels } from "../chain/channels.ts";
import { ContractRefusedError, TransactionRevertedError } from "../chain/errors.ts";
import type { ChainClient } from "../chain/write.ts";
import { isSubfenError, SubfenError } from "../errors.ts";
import type { ChainState, Ledger } from "../ledger/ledger.ts";
import { voucherSigner } from "../protocol/terms.ts";
import type { Terms } from "../protocol/terms.ts";
import type { Json } from "../wire/encoding.ts";
import type { ProblemCode } from "../wire/problem.ts";
import type { Statement } from "../wire/session.ts";
import type { Outbox } from "./outbox.ts";
import type { VoucherVerifier } from "./voucherVerifier.ts";

/** Everything the parts of a gateway share. */
export type Seller = {
  readonly client: ChainClient;
  readonly chainId: number;
  readonly contract: Address;
  readonly token: Address;
  readonly payee: Address;
  readonly ledger: Ledger;
  readonly verifier: VoucherVerifier;
  readonly confirmations: number;
  /** Milliseconds to wait for a payer's own transaction. */
  readonly transactionTimeout: number;
  /** Base units below which no channel is opened. */
  readonly minDeposit: bigint;
  /** The clock, in milliseconds. */
  readonly now: () => number;
  /** Sends its transactions. */
  readonly outbox: Outbox;
};

/** A request that cannot be served, thrown anywhere and answered in one place. */
export class ProblemError extends SubfenError {
  override readonly name = "ProblemError";
  readonly problem: ProblemCode;
  readonly members: Record<string, Json>;

  constructor(problem: ProblemCode, detail: string, members: Record<string, Json> = {}, cause?: unknown) {
    super(detail, { code: problem, ...(cause === undefined ? {} : { cause }) });
    this.problem = problem;
    this.members = members;
  }
}

/** A channel on the chain; `unconfirmed` is by how much its deposit is higher at the newest block, in base units. */
export type SeenChannel = ChainState & { readonly unconfirmed: bigint };

/** How often a node that is asked for a block it has not got yet is asked again, and after how many milliseconds. */
const rereads = { count: 2, pause: 100 };

/**
 * Reads a channel from the chain: what can harm the seller as it is at the newest block, the deposit as it was when
 * that many confirmations ago, so that a small reorganisation takes nothing back that was served on.
 *
 * @returns The state. See {@link SeenChannel}.
 * @throws {ProblemError} when the node does not answer.
 */
export async function readChain(seller: Seller, channelId: Hex): Promise<SeenChannel> {
  const [channel] = await readChains(seller, [channelId]);
  return channel as SeenChannel;
}

/** As {@link readChain}, for many channels at once, in the order of their ids. */
export async function readChains(seller: Seller, channelIds: readonly Hex[]): Promise<SeenChannel[]> {
  const { client, contract, confirmations } = seller;
  for (let reread = 0; ; reread++) {
    try {
      const blockNumber = await getBlockNumber(client, { cacheTime: 0 });
      const depth = BigInt(confirmations - 1);
      const confirmedAt = blockNumber > depth ? blockNumber - depth : 0n;
      const [newest, confirmed] = await Promise.all([
        getChannels(client, { contract, channelIds, blockNumber }),
        depth === 0n ? undefined : getChannels(client, { contract, channelIds, blockNumber: confirmedAt }),
      ]);
      return newest.map((channel, i) => {
        const deposit = min(channel.deposit, confirmed?.[i]?.deposit ?? channel.deposit);
        return { ...channel, blockNumber, deposit, unconfirmed: channel.deposit - deposit };
      });
    } catch (cause) {
      if (reread === rereads.count) {
        throw new ProblemError("chain-unreachable", "The seller cannot reach its chain now. Try again.", {}, cause);
      }
      await pause(rereads.pause);
    }
  }
}

/** The channel contract's events of one kind in a transaction, in their order. */
export function eventsOf<name extends ContractEventName<typeof paymentChannelsAbi>>(
  { contract }: Seller,
  receipt: TransactionReceipt,
  eventName: name,
) {
  const logs = receipt.logs.filter((log) => isAddressEqual(log.address, contract));
  return parseEventLogs({ abi: paymentChannelsAbi, eventName, logs });
}

/**
 * Makes sure that the channel's signer made the statement. ECDSA alone: what a contract says of a signature can change
 * before it is settled.
 *
 * @throws {ProblemError} when it did not.
 */
export function requireStatement(seller: Seller, terms: Terms, statement: Statement): void {
  const { channelId, cumulativeAmount, signature } = statement;
  const result = seller.verifier.verify({ channelId, cumulativeAmount, signature, signer: voucherSigner(terms) });
  if (!result.valid) throw toSignatureProblem(channelId, result.reason);
}

/** Tells why a statement's signature is not good. */
export function toSignatureProblem(channelId: Hex, reason: string): ProblemError {
  if (reason === "signer-mismatch") {
    const detail =
      "The voucher is not signed by this channel's signer, or is for another channel, contract, chain or amount.";
    return new ProblemError("signer-mismatch", detail, { channelId });
  }
  const detail = "The voucher's signature is not a valid one of 65 bytes with a low s and v 27 or 28.";
  return new ProblemError("invalid-signature", detail, { channelId });
}

/** What the contract or the token may refuse with, where the draft has a more telling problem than a revert. */
const refusals: Readonly<Record<string, ProblemCode>> = {
  AmountExceedsDeposit: "amount-exceeds-deposit",
  ChannelFinalized: "channel-finalized",
  ChannelNotFound: "channel-not-found",
  InvalidSignature: "invalid-signature",
};

/** Turns what a transaction failed with into a problem that names no selector and no address of a node. */
export function toTransactionProblem(cause: unknown, what: string): ProblemError {
  if (cause instanceof ProblemError) return cause;
  if (cause instanceof ContractRefusedError) {
    const { errorName = "" } = cause;
    if (/insufficient.?balance|exceeds balance/i.test(errorName)) {
      const detail = `${what} failed: the payer's token balance does not cover the amount.`;
      return new ProblemError("insufficient-balance", detail, {}, cause);
    }
    const reason = errorName === "" ? "" : ` (${errorName})`;
    const problem = refusals[errorName] ?? "transaction-reverted";
    return new ProblemError(problem, `${what} was refused by the contract${reason}.`, {}, cause);
  }
  if (cause instanceof TransactionRevertedError) {
    return new ProblemError("transaction-reverted", `${what} was mined but reverted.`, { txHash: cause.hash }, cause);
  }
  const isOurs = isSubfenError(cause, "no-gas") || isSubfenError(cause, "missing-account");
  const detail = isOurs
    ? `${what} failed: the seller cannot send transactions now. Try again later.`
    : `${what} has no outcome yet: the seller cannot reach its chain now. Try the same credential again.`;
  return new ProblemError("chain-unreachable", detail, {}, cause);
}
