import type { Hex } from "viem";

import type { ChannelRecord } from "../ledger/ledger.ts";
import { formatSessionReceipt } from "../wire/sessionReceipt.ts";
import type { Statement } from "../wire/session.ts";
import type { FreshChannels } from "./freshChannels.ts";
import { unconfirmedOpening } from "./funding.ts";
import { perform, withReceipt } from "./perform.ts";
import { toRefusal } from "./refusals.ts";
import { hashRequest } from "./requestBody.ts";
import type { Exchange } from "./scheme.ts";
import { ProblemError, requireStatement, type Seller } from "./seller.ts";

/** The part of a gateway that does work for statements. */
export type Selling = {
  /**
   * Accepts a statement, holds what the request can cost, does the work, and captures what it was worth, or releases it
   * where the seller failed. A HEAD asks for no work: its statement is accepted.
   */
  sell(exchange: Exchange, statement: Statement): Promise<Response>;
  /** The answer to an action that asks for no work. */
  acknowledge(challengeId: string, channel: ChannelRecord, txHash?: Hex): Response;
};

/** What {@link createSelling} needs beside the seller. */
export type SellingOptions = {
  readonly channels: FreshChannels;
  readonly minVoucherDelta: bigint;
  /** Bytes up to which an answer is kept for a repeated request. */
  readonly maxKeptAnswer: number;
  /** Milliseconds the work may take. */
  readonly workTimeout: number;
  readonly report: (error: unknown) => void;
};

/** Makes the selling part of a gateway. */
export function createSelling(seller: Seller, options: SellingOptions): Selling {
  const { ledger, chainId, now } = seller;
  const { channels, minVoucherDelta, maxKeptAnswer, workTimeout, report } = options;

  function receiptFor(challengeId: string, channel: ChannelRecord, amount: bigint, txHash?: Hex): string {
    return formatSessionReceipt({
      challengeId,
      chainId,
      channelId: channel.channelId,
      timestamp: new Date(now()).toISOString(),
      acceptedCumulative: channel.accepted,
      spent: channel.spent,
      amount,
      held: channel.held,
      txHash,
    });
  }

  function acknowledge(challengeId: string, channel: ChannelRecord, txHash?: Hex): Response {
    const receipt = receiptFor(challengeId, channel, 0n, txHash);
    const headers = { "payment-receipt": receipt, "cache-control": "private, no-store" };
    return new Response(null, { status: 204, headers });
  }

  async function sell(exchange: Exchange, statement: Statement): Promise<Response> {
    const { request, body, offer, work, challenge } = exchange;
    const { channelId, cumulativeAmount, signature } = statement;
    const { terms, deposit } = await channels.read(channelId);
    requireStatement(seller, terms, statement);
    if (deposit === 0n) {
      channels.forget(channelId);
      throw unconfirmedOpening(channelId);
    }
    if (request.method === "HEAD") {
      const accepted = await ledger.accept({ channelId, cumulativeAmount, signature, minVoucherDelta });
      if (accepted.kind === "refused") throw toRefusal(accepted.reason, accepted.channel, statement, 0n);
      if (accepted.kind === "unknown-channel") throw new ProblemError("channel-not-found", "Unknown channel.");
      return acknowledge(challenge.id, accepted.channel);
    }

    const amount = offer.price.ceiling(body);
    const result = await ledger.hold({
      channelId,
      cumulativeAmount,
      signature,
      requestHash: hashRequest(request, body),
      idempotencyKey: request.headers.get("idempotency-key") || undefined,
      amount,
      minVoucherDelta,
    });
    if (result.kind === "unknown-channel") throw new ProblemError("channel-not-found", "Unknown channel.");
    if (result.kind === "refused") throw toRefusal(result.reason, result.channel, statement, amount);
    if (result.kind === "repeated") {
      const { answer, captured } = result.hold;
      if (answer) return withReceipt(answer, receiptFor(challenge.id, result.channel, captured));
      const detail = "This request was served and charged before; its answer was too large to be kept.";
      throw new ProblemError("answer-not-kept", detail, { channelId, amount: String(captured) });
    }

    const outcome = await perform(request, body, offer, work, { timeout: workTimeout, report });
    if (!outcome.succeeded) {
      await ledger.release({ channelId, cumulativeAmount });
      return outcome.response;
    }
    const { answer, cost } = outcome;
    const kept = answer.body.length <= maxKeptAnswer ? answer : undefined;
    const { channel, hold } = await ledger
      .capture({ channelId, cumulativeAmount, amount: cost, answer: kept })
      .catch(async (error: unknown) => {
        // What could not be charged is not served; the same request may be sent again.
        await ledger.release({ channelId, cumulativeAmount }).catch(report);
        throw error;
      });
    return withReceipt(answer, receiptFor(challenge.id, channel, hold.captured));
  }

  return { sell, acknowledge };
}
