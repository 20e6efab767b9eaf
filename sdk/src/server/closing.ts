import type { Hex } from "viem";

import { closeChannel } from "../chain/closeChannel.ts";
import { type Claim, settleChannel } from "../chain/settleChannel.ts";
import { SubfenError } from "../errors.ts";
import type { ChannelRecord } from "../ledger/ledger.ts";
import type { Statement } from "../wire/session.ts";
import { ProblemError, readChain, requireStatement, type Seller, toTransactionProblem } from "./seller.ts";

/** What settling one channel came to. */
export type Settlement = {
  readonly channelId: Hex;
  /** Base units captured by it; what the payee earned since the last settlement. */
  readonly amount: bigint;
  /** The transaction. */
  readonly txHash: Hex;
};

/** A channel that could not be settled now; the next try takes it up again. */
export type SettlementFailure = { readonly channelId: Hex; readonly error: Error };

/** A channel was closed before all that was earned on it was settled: the rest is lost. */
export class EarningsLostError extends SubfenError {
  override readonly name = "EarningsLostError";
  /** Base units. */
  readonly amount: bigint;

  constructor(channelId: Hex, amount: bigint) {
    super(`Channel ${channelId} was closed before ${amount} base units of its earnings were settled.`, {
      code: "earnings-lost",
      metaMessages: ["Settle at least once in every grace period of the contract."],
    });
    this.amount = amount;
  }
}

/** A channel at its end; without a transaction when an earlier try had closed it. */
type Closed = { channel: ChannelRecord; txHash: Hex | undefined };

/** The part of a gateway that brings money home. */
export type Closing = {
  /** Closes a channel for its payer: stops new work, waits for what runs, captures what was earned, refunds the rest. */
  close(statement: Statement): Promise<Closed>;
  /** Captures what was earned on every channel. See {@link Gateway.settleAll}. */
  settleAll(): Promise<{ settled: Settlement[]; failed: SettlementFailure[] }>;
};

/** Makes the closing part of a gateway. A payer that wants to close waits up to `drainTimeout` for its own calls. */
export function createClosing(seller: Seller, drainTimeout: number): Closing {
  const { client, contract, ledger } = seller;
  const closings = new Map<Hex, Promise<Closed>>();

  async function drain(channelId: Hex): Promise<ChannelRecord> {
    const deadline = performance.now() + drainTimeout;
    for (;;) {
      const channel = await ledger.getChannel(channelId);
      if (channel?.held === 0n) return channel;
      if (performance.now() >= deadline) {
        const detail = "Requests paid from this channel are still running. Close it again when they are done.";
        throw new ProblemError("request-in-progress", detail, { channelId });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Brings a channel that is closing to its end. It stays closing where it is not certain that this has failed. */
  async function finish(channelId: Hex): Promise<Closed> {
    try {
      const channel = await drain(channelId);
      const claim = claimOf(channel);
      const txHash = await seller.transact(() => closeChannel(client, { contract, claim }));
      const { blockNumber, deposit, closeRequestedAt } = channel;
      const end = { blockNumber, deposit, settled: claim.amount, closeRequestedAt, finalized: true };
      return { channel: (await ledger.updateChain(channelId, end)) ?? channel, txHash };
    } catch (cause) {
      const problem = toTransactionProblem(cause, "Closing the channel");
      const channel = await ledger.updateChain(channelId, await readChain(seller, channelId));
      // This try or an earlier one was mined, its outcome lost.
      if (channel?.finalized) return { channel, txHash: undefined };
      if (problem.problem !== "chain-unreachable") await ledger.cancelClose(channelId);
      throw problem;
    }
  }

  return {
    async close(statement) {
      const { channelId } = statement;
      const known = await ledger.getChannel(channelId);
      if (!known) throw new ProblemError("channel-not-found", "The seller does not know this channel.", { channelId });
      requireStatement(seller, known.terms, statement);
      await ledger.updateChain(channelId, await readChain(seller, channelId));
      const result = await ledger.beginClose(statement);
      if (result.kind === "refused") {
        const detail =
          result.reason === "statement-used"
            ? "A statement that has paid for a request cannot close: sign another amount."
            : "The channel is closed.";
        throw new ProblemError(result.reason, detail, { channelId });
      }
      const running = closings.get(channelId) ?? finish(channelId).finally(() => closings.delete(channelId));
      closings.set(channelId, running);
      return running;
    },

    async settleAll() {
      const settled: Settlement[] = [];
      const failed: SettlementFailure[] = [];
      for await (const record of ledger.channels()) {
        const { channelId } = record;
        try {
          if (record.finalized || record.spent <= record.settled) continue;
          const channel = await ledger.updateChain(channelId, await readChain(seller, channelId));
          if (!channel || channel.spent <= channel.settled) continue;
          if (channel.finalized) throw new EarningsLostError(channelId, channel.spent - channel.settled);
          const claim = claimOf(channel);
          const txHash = await seller.transact(() => settleChannel(client, { contract, claim }));
          settled.push({ channelId, amount: claim.amount - channel.settled, txHash });
          // Should this fail, the next run reads it before it settles.
          await readChain(seller, channelId).then(
            (chain) => ledger.updateChain(channelId, chain),
            () => undefined,
          );
        } catch (error) {
          failed.push({ channelId, error: error instanceof Error ? error : new Error(String(error)) });
        }
      }
      return { settled, failed };
    },
  };
}

/** The best statement, capturing what was earned and not what was authorised. */
function claimOf({ terms, spent, settled, accepted, signature }: ChannelRecord): Claim {
  return { terms, amount: spent > settled ? spent : settled, cumulativeAmount: accepted, signature };
}
