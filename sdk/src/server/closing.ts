import { setTimeout as pause } from "node:timers/promises";

import type { Hex } from "viem";

import { closeChannelConditionally } from "../chain/claimConditionally.ts";
import { closeChannel } from "../chain/closeChannel.ts";
import type { ChannelRecord } from "../ledger/ledger.ts";
import type { Statement } from "../wire/session.ts";
import { toRefusal } from "./refusals.ts";
import { ProblemError, readChain, requireStatement, type Seller, toTransactionProblem } from "./seller.ts";
import { claimOf, conditionalClaimOf } from "./settling.ts";
import type { TickAccounts } from "./ticks/tickAccounts.ts";

/** A channel at its end; without a transaction when an earlier try had closed it. */
type Closed = { channel: ChannelRecord; txHash: Hex | undefined };

/** The part of a gateway that ends channels. */
export type Closing = {
  /** Closes a channel for its payer: stops new work, waits for what runs, captures what was earned, refunds the rest. */
  close(statement: Statement): Promise<Closed>;
};

/** Makes the closing part of a gateway. A payer that wants to close waits up to `drainTimeout` for its own calls. */
export function createClosing(seller: Seller, drainTimeout: number, ticks: TickAccounts | undefined): Closing {
  const { contract, ledger, outbox } = seller;
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
      await pause(20);
    }
  }

  /** Brings a channel that is closing to its end. It stays closing where it is not certain that this has failed. */
  async function finish(channelId: Hex): Promise<Closed> {
    try {
      const channel = await drain(channelId);
      const claim = claimOf(channel);
      const { transactionHash: txHash } = await outbox.transact(`close ${channelId}`, async (client) => {
        // At the settled amount no statement is looked at.
        if (!channel.isConditional || claim.amount === channel.settled) {
          return closeChannel(client, { contract, claim });
        }
        const sources = { contract, ...conditionalClaimOf(channel) };
        return (await closeChannelConditionally(client, sources)).hash;
      });
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
      const begin = () => ledger.beginClose(statement);
      const result = await (ticks ? ticks.sealed(channelId, [], begin) : begin());
      if (result.kind === "refused") {
        if (result.reason !== "statement-used") throw toRefusal(result, statement, 0n);
        const detail = "A statement that has paid for a request cannot close: sign another amount.";
        throw new ProblemError(result.reason, detail, { channelId });
      }
      const running = closings.get(channelId) ?? finish(channelId).finally(() => closings.delete(channelId));
      closings.set(channelId, running);
      return running;
    },
  };
}
