import type { Hex } from "viem";

import type { Ledger } from "../ledger/ledger.ts";
import { parseBaseUnits } from "../protocol/amounts.ts";
import { decodeJsonObject } from "../wire/encoding.ts";
import type { ProblemCode } from "../wire/problem.ts";
import { isPlain, type Reply } from "./reply.ts";

/** What a gateway tells whoever watches it. Amounts in base units. */
export type GatewayEvent =
  /** A request was answered; a stream has begun to flow. */
  | {
      readonly kind: "answered";
      readonly method: string;
      /** Without the query, which may hold what nobody else is to read. */
      readonly path: string;
      readonly status: number;
      /** Which problem the answer tells of. */
      readonly problem: ProblemCode | undefined;
      /** What its receipt is over, where it has one and does not flow. An answer that is repeated repeats its receipt. */
      readonly amount: bigint | undefined;
      readonly milliseconds: number;
    }
  | { readonly kind: "opened"; readonly channelId: Hex; readonly deposit: bigint }
  | { readonly kind: "held" | "captured" | "released"; readonly channelId: Hex; readonly amount: bigint }
  /** Ticks were written down: so much was charged by them since the last time. */
  | { readonly kind: "marked"; readonly channelId: Hex; readonly amount: bigint }
  /** A transaction of the seller's is about to be sent, or sent again. */
  | { readonly kind: "sent"; readonly what: string; readonly hash: Hex; readonly nonce: number };

/**
 * Makes an observer that changes nothing of what it is told of: where it throws, what was charged was charged.
 *
 * @param observe - The owner's.
 * @param report - Told what it throws.
 */
export function createObserver(
  observe: (event: GatewayEvent) => void,
  report: (error: unknown) => void,
): (event: GatewayEvent) => void {
  return (event) => {
    try {
      observe(event);
    } catch (error) {
      report(error);
    }
  };
}

/**
 * Makes a ledger that tells what it has done.
 *
 * @param ledger - The ledger.
 * @param observe - Told each step once it is as durable as the ledger makes it.
 * @returns The same ledger.
 */
export function observeLedger(ledger: Ledger, observe: (event: GatewayEvent) => void): Ledger {
  return {
    ...ledger,
    async addChannel(channel) {
      const before = await ledger.getChannel(channel.channelId);
      const added = await ledger.addChannel(channel);
      const { channelId, deposit } = added;
      if (!before) observe({ kind: "opened", channelId, deposit });
      return added;
    },
    async hold(request) {
      const result = await ledger.hold(request);
      const { channelId, amount } = request;
      if (result.kind === "held") observe({ kind: "held", channelId, amount });
      return result;
    },
    async capture(capture) {
      const captured = await ledger.capture(capture);
      observe({ kind: "captured", channelId: capture.channelId, amount: captured.hold.captured });
      return captured;
    },
    async release(release) {
      const before = await ledger.getChannel(release.channelId);
      const channel = await ledger.release(release);
      const amount = (before?.held ?? 0n) - channel.held;
      observe({ kind: "released", channelId: release.channelId, amount });
      return channel;
    },
    async markTicks(mark) {
      const result = await ledger.markTicks(mark);
      if (mark.charged > 0n) observe({ kind: "marked", channelId: mark.channelId, amount: mark.charged });
      return result;
    },
    async saveTransaction(transaction) {
      const saved = await ledger.saveTransaction(transaction);
      const { id: what, hash, nonce } = transaction;
      observe({ kind: "sent", what, hash, nonce });
      return saved;
    },
  };
}

/** @returns Base units that an answer's receipt is over, or `undefined` where it has none or tells it at its end. */
export function receiptAmount(reply: Reply): bigint | undefined {
  const receipt = isPlain(reply)
    ? reply.headers.find(([name]) => name === "payment-receipt")?.[1]
    : reply.headers.get("payment-receipt");
  if (!receipt) return undefined;
  try {
    const { amount, isPending } = decodeJsonObject(receipt, "receipt");
    return typeof amount === "string" && !isPending ? parseBaseUnits(amount) : undefined;
  } catch {
    return undefined;
  }
}
