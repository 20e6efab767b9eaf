import type { Hex } from "viem";

import { closeChannel } from "../chain/closeChannel.ts";
import { type Claim, settleChannel } from "../chain/settleChannel.ts";
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

/** The part of a gateway that brings money home. */
export type Closing = {
  /** Closes a channel for its payer: stops new work, waits for what runs, captures what was earned, refunds the rest. */
  close(statement: Statement): Promise<{ channel: ChannelRecord; txHash: Hex }>;
  /** Captures what was earned on every channel. See {@link Gateway.settleAll}. */
  settleAll(): Promise<{ settled: Settlement[]; failed: SettlementFailure[] }>;
};

/** Makes the closing part of a gateway. A payer that wants to close waits up to `drainTimeout` for its own calls. */
export function createClosing(seller: Seller, drainTimeout: number): Closing {
  const { client, contract, ledger } = seller;

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

  return {
    async close(statement) {
      const { channelId } = statement;
      const known = await ledger.getChannel(channelId);
      if (!known) throw new ProblemError("channel-not-found", "The seller does not know this channel.", { channelId });
      requireStatement(seller, known.terms, statement);
      await ledger.updateChain(channelId, await readChain(seller, channelId));
      const result = await ledger.beginClose(statement);
      if (result.kind === "refused") {
        const detail = {
          "channel-finalized": "The channel is closed.",
          "channel-closing": "The channel is being closed.",
          "statement-used": "A statement that has paid for a request cannot close: sign another amount.",
        }[result.reason as string];
        throw new ProblemError(result.reason, detail ?? "The channel cannot be closed.", { channelId });
      }
      try {
        const channel = await drain(channelId);
        const call = { contract, claim: claimOf(channel) };
        const txHash = await seller.transact(() => closeChannel(client, call));
        const closed = await ledger.updateChain(channelId, await readChain(seller, channelId));
        return { channel: closed ?? channel, txHash };
      } catch (cause) {
        await ledger.cancelClose(channelId);
        throw toTransactionProblem(cause, "Closing the channel");
      }
    },

    async settleAll() {
      const settled: Settlement[] = [];
      const failed: SettlementFailure[] = [];
      for await (const channel of ledger.channels()) {
        const { channelId } = channel;
        try {
          if (channel.finalized || channel.spent <= channel.settled) continue;
          const claim = claimOf(channel);
          const txHash = await seller.transact(() => settleChannel(client, { contract, claim }));
          await ledger.updateChain(channelId, await readChain(seller, channelId));
          settled.push({ channelId, amount: channel.spent - channel.settled, txHash });
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
