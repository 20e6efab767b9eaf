import type { Hex } from "viem";

import { max, min } from "../bigints.ts";
import { endingOf, isEnding, requiredOn } from "../ledger/decideHold.ts";
import type { ChannelRecord, Conditional, HoldResult, Purchase, StatementRequest } from "../ledger/ledger.ts";
import type { StatementRef } from "../ledger/store.ts";
import { canonicalize } from "../wire/encoding.ts";
import { windowCostOf } from "../wire/pricing.ts";
import type { Conditions, Statement } from "../wire/session.ts";
import type { ChannelSignal } from "./channelSignal.ts";
import type { ConditionsPart } from "./conditions.ts";
import type { FreshChannels } from "./freshChannels.ts";
import { unconfirmedOpening } from "./funding.ts";
import { paidHeaders, perform, withReceipt, type WorkStream } from "./perform.ts";
import { startingPrice } from "./price.ts";
import type { Receipts } from "./receipts.ts";
import { toRefusal } from "./refusals.ts";
import type { Reply } from "./reply.ts";
import { hashBody, hashRequest } from "./requestBody.ts";
import type { Exchange } from "./scheme.ts";
import { ProblemError, type Seller } from "./seller.ts";
import { type StreamAccount, streamAnswer } from "./streamAnswer.ts";
import type { TickAccounts } from "./ticks/tickAccounts.ts";
import { withTrailers } from "./trailers.ts";
import { whileHeld } from "./whileHeld.ts";
import type { Workload } from "./workload.ts";

/** The part of a gateway that does work for statements. */
export type Selling = {
  /**
   * Accepts a statement, holds what the request can cost, does the work, and captures what it was worth, or releases it
   * where the seller failed. A HEAD asks for no work: its statement is accepted.
   */
  sell(exchange: Exchange, statement: Statement & Conditions): Promise<Reply>;
  /** Hands an answer on as it flows, paid from one of the ledger's holds. */
  flow(exchange: Exchange, hold: StatementRef, stream: WorkStream, channel: ChannelRecord, reserved: bigint): Response;
  /** The answer to an action that asks for no work. */
  acknowledge(challengeId: string, channel: ChannelRecord, txHash?: Hex): Response;
};

/** What {@link createSelling} needs beside the seller. */
export type SellingOptions = {
  readonly channels: FreshChannels;
  readonly conditions: ConditionsPart;
  readonly ticks: TickAccounts | undefined;
  readonly receipts: Receipts;
  readonly signal: ChannelSignal;
  readonly minVoucherDelta: bigint;
  /** Bytes up to which an answer is kept for a repeated request. */
  readonly maxKeptAnswer: number;
  /** Milliseconds the work may take. */
  readonly workTimeout: number;
  readonly workload: Workload;
  /** Milliseconds that a stream waits for its next payment. */
  readonly paymentTimeout: number;
  readonly report: (error: unknown) => void;
};

/** Milliseconds after which a waiting stream looks for what another process has accepted. */
const lookAgain = 250;

/** Makes the selling part of a gateway. */
export function createSelling(seller: Seller, options: SellingOptions): Selling {
  const { ledger } = seller;
  const { channels, conditions, ticks, receipts, signal } = options;
  const { minVoucherDelta, maxKeptAnswer, workTimeout, workload, report } = options;

  function acknowledge(challengeId: string, channel: ChannelRecord, txHash?: Hex): Response {
    const receipt = receipts.acknowledgement(challengeId, channel, txHash);
    const headers = { "payment-receipt": receipt, "cache-control": "private, no-store" };
    return new Response(null, { status: 204, headers });
  }

  /** What the ledger could not do is not served; the same request may be sent again. */
  async function orRelease<result>({ channelId, cumulativeAmount }: StatementRef, step: Promise<result>) {
    return step.catch(async (error: unknown) => {
      await ledger.release({ channelId, cumulativeAmount }).catch(report);
      throw error;
    });
  }

  async function capture(statement: StatementRef, amount: bigint, answer?: Parameters<typeof withReceipt>[0]) {
    const { channelId, cumulativeAmount } = statement;
    const kept = answer && answer.body.length <= maxKeptAnswer ? answer : undefined;
    return orRelease(statement, ledger.capture({ channelId, cumulativeAmount, amount, answer: kept }));
  }

  /** Where a stream was asked for and a whole answer came, more is owed than was reserved; it is not given for less. */
  async function reserve(statement: Statement, amount: bigint): Promise<void> {
    const { channelId, cumulativeAmount } = statement;
    const advanced = ledger.advance({ channelId, cumulativeAmount, delivered: 0n, amount });
    const { hold } = await orRelease(statement, advanced);
    // What a condition decides about is worth what was agreed.
    if (hold.ref !== undefined || hold.amount >= amount) return;
    const channel = await ledger.release({ channelId, cumulativeAmount });
    const reason = endingOf(channel) ?? "insufficient-balance";
    throw toRefusal({ kind: "refused", reason, channel }, statement, amount);
  }

  /** What a stream is paid from: the statement that it began with, and whatever is accepted on the channel meanwhile. */
  function accountOf({ offer, body, challenge }: Exchange, statement: StatementRef): StreamAccount {
    const { channelId, cumulativeAmount } = statement;
    const { pricing } = offer.price;
    const isFlowing = pricing.unit !== "request";
    let waitingSince: number | undefined;
    let refreshing: Promise<unknown> | undefined;
    return {
      ceiling: offer.price.ceiling(body),
      window: isFlowing ? windowCostOf(pricing) : 0n,
      unitsPerMark: pricing.unit === "byte" ? pricing.window : 64,

      async advance(delivered, wanted) {
        // The payer may have asked the chain to close: that is seen at the next mark. What flows does not wait for the node.
        refreshing ??= channels.read(channelId).then(
          () => (refreshing = undefined),
          (error: unknown) => {
            refreshing = undefined;
            report(error);
          },
        );
        const { channel, hold } = await ledger.advance({ channelId, cumulativeAmount, delivered, amount: wanted });
        const missing = max(wanted - hold.amount, 0n);
        if (missing === 0n) waitingSince = undefined;
        const need = canonicalize({
          channelId,
          requiredCumulative: String(requiredOn(channel, missing)),
          acceptedCumulative: String(channel.accepted),
          deposit: String(channel.deposit),
        });
        return { reserved: hold.amount, need, isEnding: isEnding(channel) };
      },

      async more(left) {
        waitingSince ??= performance.now();
        const patience = waitingSince + options.paymentTimeout - performance.now();
        if (patience <= 0 || left.aborted) return false;
        await signal.wait(channelId, left, Math.min(lookAgain, patience));
        return !left.aborted;
      },

      async capture(cost, responseHash) {
        const { channel, hold } = await capture(statement, cost);
        return receiptOf(challenge.id, channel, hold, responseHash);
      },

      async release() {
        const channel = await ledger.release({ channelId, cumulativeAmount });
        return receipts.acknowledgement(challenge.id, channel);
      },
    };
  }

  /** What a condition decides about has no price yet: a signed word now would contradict the one that comes. */
  async function receiptOf(challengeId: string, channel: ChannelRecord, hold: Purchase, responseHash: Hex) {
    return hold.status === "captured"
      ? receipts.charged(challengeId, channel, hold, responseHash)
      : receipts.pending(challengeId, channel);
  }

  function flow(
    exchange: Exchange,
    statement: StatementRef,
    stream: WorkStream,
    channel: ChannelRecord,
    reserved: bigint,
  ): Response {
    const { challenge, request } = exchange;
    const { status, headers } = stream.response;
    let receipt: string | undefined;
    const body = streamAnswer(stream, accountOf(exchange, statement), reserved, {
      notes: request.headers.get("payment-notes") === "event" ? "event" : "comment",
      onEnd: (written) => (receipt = written),
      report,
    });
    const answer = new Headers(paidHeaders(headers, receipts.pending(challenge.id, channel)));
    // It may end early, and has the gateway's words in it.
    for (const name of ["content-length", "content-digest", "etag"]) answer.delete(name);
    const response = new Response(body, { status, headers: answer });
    const readTrailers = () =>
      receipt === undefined ? ({} as Record<string, string>) : { "payment-receipt": receipt };
    return stream.isEventStream ? response : withTrailers(response, readTrailers);
  }

  /** Accepts a statement in one step of the ledger, and takes the evidence that comes with it. */
  async function accept<result extends HoldResult>(
    channel: ChannelRecord,
    { evidence = [] }: Conditions,
    conditional: Conditional | undefined,
    step: () => Promise<result>,
  ): Promise<result> {
    // Evidence is durable before it is folded.
    if (evidence.length > 0) await conditions.proveStanding(channel, evidence);
    const { channelId, payments } = channel;
    const keeps = conditional?.payments.map(({ ref }) => ref) ?? [];
    const result = ticks && payments.length > 0 ? await ticks.sealed(channelId, keeps, step) : await step();
    if (result.kind !== "held") return result;
    const added = evidence.filter(({ ref }) => !payments.some((one) => one.ref === ref));
    if (added.length > 0) await conditions.proveStanding(result.channel, added);
    signal.notify(channelId);
    return result;
  }

  async function sell(exchange: Exchange, statement: Statement & Conditions): Promise<Reply> {
    const { request, offer, challenge } = exchange;
    const { channelId, cumulativeAmount, signature } = statement;
    const known = await channels.read(channelId);
    const conditional = conditions.toConditional(offer, statement);
    conditions.requireStatement(known, statement, conditional);
    if (known.deposit === 0n) {
      channels.forget(channelId);
      throw unconfirmedOpening(channelId);
    }
    const stated = { channelId, cumulativeAmount, signature, minVoucherDelta, conditional };
    if (request.method === "HEAD") {
      const accepted = await accept(known, statement, conditional, () => ledger.accept(stated));
      if (accepted.kind === "refused") throw toRefusal(accepted, statement, 0n);
      if (accepted.kind === "unknown-channel") throw new ProblemError("channel-not-found", "Unknown channel.");
      return acknowledge(challenge.id, accepted.channel);
    }

    const take = (step: () => Promise<HoldResult>) => accept(known, statement, conditional, step);
    return whileHeld(workload, channelId, (keep) => buy(exchange, statement, take, stated, keep));
  }

  /** Holds, works, captures or releases. */
  async function buy(
    exchange: Exchange,
    statement: Statement,
    take: (step: () => Promise<HoldResult>) => Promise<HoldResult>,
    stated: StatementRequest,
    keep: (stream: WorkStream) => WorkStream,
  ): Promise<Reply> {
    const { request, body, offer, work, challenge } = exchange;
    const { channelId, cumulativeAmount } = statement;
    const ceiling = offer.price.ceiling(body);
    const amount = startingPrice(offer.price, body);
    const requestHash = hashRequest(request, body);
    const idempotencyKey = request.headers.get("idempotency-key") || undefined;
    const result = await take(() => ledger.hold({ ...stated, requestHash, idempotencyKey, amount }));
    if (result.kind === "unknown-channel") throw new ProblemError("channel-not-found", "Unknown channel.");
    if (result.kind === "refused") throw toRefusal(result, statement, amount);
    if (result.kind === "repeated") {
      const { answer, captured } = result.hold;
      if (answer) {
        return withReceipt(answer, await receiptOf(challenge.id, result.channel, result.hold, hashBody(answer.body)));
      }
      const detail = "This request was served and charged before; its answer was not kept.";
      throw new ProblemError("answer-not-kept", detail, { channelId, amount: String(captured) });
    }

    const outcome = await perform(request, body, offer, work, { timeout: workTimeout, workload, report });
    switch (outcome.kind) {
      case "failed": {
        await ledger.release({ channelId, cumulativeAmount });
        outcome.response.headers.set("payment-status", "released");
        return outcome.response;
      }
      case "gone": {
        await capture(statement, outcome.cost);
        // Nobody is there to read it.
        return new Response(null, { status: 499 });
      }
      case "stream":
        return flow(exchange, statement, keep(outcome.stream), result.channel, amount);
      case "answer": {
        const { answer, cost } = outcome;
        if (cost > amount) await reserve(statement, min(cost, ceiling));
        const { channel, hold } = await capture(statement, cost, answer);
        return withReceipt(answer, await receiptOf(challenge.id, channel, hold, hashBody(answer.body)));
      }
    }
  }

  return { sell, flow, acknowledge };
}
