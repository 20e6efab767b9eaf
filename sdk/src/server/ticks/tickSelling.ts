import { createHash } from "node:crypto";

import { min } from "../../bigints.ts";
import type { Answer, ChannelRecord } from "../../ledger/ledger.ts";
import type { TickPayload } from "../../wire/session.ts";
import type { ChannelSignal } from "../channelSignal.ts";
import { perform, withReceipt, type WorkStream } from "../perform.ts";
import { startingPrice } from "../price.ts";
import type { Receipts } from "../receipts.ts";
import type { Reply } from "../reply.ts";
import { hashRequest } from "../requestBody.ts";
import type { Exchange } from "../scheme.ts";
import { ProblemError } from "../seller.ts";
import type { Selling } from "../selling.ts";
import { whileHeld } from "../whileHeld.ts";
import type { Workload } from "../workload.ts";
import type { TickAccounts } from "./tickAccounts.ts";
import type { TickRequest } from "./tickHolds.ts";

/**
 * Makes the part of a gateway that does work for ticks. It waits for the ledger only where a window of ticks is not
 * written down; a HEAD writes its tick down, and makes what it is worth available to streams.
 */
export function createTickSelling(options: {
  readonly ticks: TickAccounts;
  readonly selling: Selling;
  readonly receipts: Receipts;
  readonly signal: ChannelSignal;
  /** Bytes up to which an answer is kept for a repeated request. */
  readonly maxKeptAnswer: number;
  /** Milliseconds the work may take. */
  readonly workTimeout: number;
  readonly workload: Workload;
  readonly report: (error: unknown) => void;
}): (exchange: Exchange, tick: TickPayload) => Promise<Reply> {
  const { ticks, selling, receipts, signal, maxKeptAnswer, workTimeout, workload, report } = options;

  async function add(exchange: Exchange, tick: TickPayload): Promise<Response> {
    const { channelId, ref } = tick;
    const { account } = await ticks.take(channelId, ref, (opened) => opened.show(tick));
    await ticks.use(account, () => account.free());
    signal.notify(channelId);
    return selling.acknowledge(exchange.challenge.id, account.channel());
  }

  async function sell(exchange: Exchange, tick: TickPayload, keep: (stream: WorkStream) => WorkStream): Promise<Reply> {
    const { request, body, offer, work, challenge } = exchange;
    const ceiling = offer.price.ceiling(body);
    const asked = toTickRequest(exchange, startingPrice(offer.price, body));
    const { account, result: hold } = await ticks.take(tick.channelId, tick.ref, (opened) => {
      opened.show(tick);
      return opened.hold(tick.n, asked);
    });
    if (hold.status === "captured") {
      const { answer, captured } = hold;
      if (answer) return withReceipt(answer, receipts.ofTick(challenge.id, account.channel(), captured));
      const detail = "This request was served and charged before; its answer was not kept.";
      const members = { channelId: tick.channelId, amount: String(captured) };
      throw new ProblemError("answer-not-kept", detail, members);
    }

    /** What could not be charged is not served; the same request may be sent again. */
    async function released(error: unknown): Promise<unknown> {
      await account.release(hold).catch(report);
      return error;
    }

    async function charge(cost: bigint, answer: Answer): Promise<ChannelRecord> {
      try {
        if (cost > hold.amount) await account.grow(hold, cost);
        return await account.capture(hold, cost, answer.body.length <= maxKeptAnswer ? answer : undefined);
      } catch (error) {
        throw await released(error);
      }
    }

    try {
      const written = account.ready();
      if (written) await ticks.use(account, () => written);
    } catch (error) {
      throw await released(error);
    }
    const outcome = await perform(request, body, offer, work, { timeout: workTimeout, workload, report });
    switch (outcome.kind) {
      case "failed":
        await account.release(hold);
        outcome.response.headers.set("payment-status", "released");
        return outcome.response;
      case "gone":
        await account.capture(hold, outcome.cost, undefined);
        // Nobody is there to read it.
        return new Response(null, { status: 499 });
      case "stream": {
        const cumulativeAmount = await ticks
          .use(account, () => account.handOver(hold))
          .catch(async (error: unknown) => {
            outcome.stream.end();
            throw await released(error);
          });
        const own = { channelId: tick.channelId, cumulativeAmount };
        return selling.flow(exchange, own, keep(outcome.stream), account.channel(), asked.amount);
      }
      case "answer": {
        const { answer } = outcome;
        const channel = await charge(min(outcome.cost, ceiling), answer);
        return withReceipt(answer, receipts.ofTick(challenge.id, channel, hold.captured));
      }
    }
  }

  return async (exchange, tick) => {
    if (exchange.request.method === "HEAD") return add(exchange, tick);
    return whileHeld(workload, tick.channelId, (keep) => sell(exchange, tick, keep));
  };
}

function toTickRequest({ request, body }: Exchange, amount: bigint): TickRequest {
  const key = request.headers.get("idempotency-key") || undefined;
  const digest = body.length === 0 ? "" : createHash("sha256").update(body).digest("base64");
  return {
    // No part before the last can have a line break.
    print: `${request.method}\n${request.url}\n${digest}\n${key ?? ""}`,
    idempotencyKey: key,
    amount,
    requestHash: () => hashRequest(request, body),
  };
}
