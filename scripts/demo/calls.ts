import OpenAI from "openai";
import type { Hex } from "viem";

import { parseYuan, payingFetch } from "subfen";

import { type ChatRequest, prompts } from "../../examples/model-calls/passages.ts";
import type { Market } from "./market.ts";

/** What the calls came to. Amounts in base units. */
export type CallsResult = {
  readonly calls: number;
  readonly tokensIn: number;
  readonly tokensOut: number;
  /** The sum of what the seller's receipts charged. */
  readonly paid: bigint;
  /** What the seller has on the chain now and did not have before. */
  readonly sellerGain: bigint;
  /** What the agent has less. */
  readonly agentLoss: bigint;
  readonly deposit: bigint;
  readonly refunded: bigint;
  /** The transaction that settled every call. */
  readonly settlement: Hex;
  /** Milliseconds until an answer begins, beyond the model's own. */
  readonly overhead: { readonly median: number; readonly p99: number };
  readonly seconds: number;
  /** Gas of every transaction: opening and the closing that settles. */
  readonly gas: bigint;
  readonly transactions: number;
  /** Gas of paying one call by an EIP-3009 transfer. */
  readonly gasOfTransfer: bigint;
};

/** Calls under way at a time. */
const inFlight = 16;

/**
 * Lets an agent buy model calls, streamed, with the unmodified `openai` client, then settles them all.
 *
 * @param market - Where.
 * @param calls - How many.
 * @param onProgress - Told after each call.
 * @returns What it came to.
 */
export async function buyCalls(
  market: Market,
  calls: number,
  onProgress: (done: number, paid: bigint) => void,
): Promise<CallsResult> {
  const before = await balances(market);
  let paid = 0n;
  const fetch = payingFetch({
    account: market.agent.account,
    client: market.agent,
    maxDeposit: parseYuan("5"),
    maxPrice: parseYuan("0.01"),
    onPayment: ({ amount }) => (paid += amount),
  });

  const overheads: number[] = [];
  const timed: typeof globalThis.fetch = async (input, init) => {
    const key = crypto.randomUUID();
    const headers = new Headers(init?.headers);
    headers.set("idempotency-key", key);
    const start = performance.now();
    const response = await fetch(input as string, { ...init, headers });
    overheads.push(performance.now() - start - (market.workTimes.get(key) ?? 0));
    return response;
  };

  const openai = new OpenAI({ baseURL: `${market.url}/v1`, apiKey: "none needed", fetch: timed });
  let [done, tokensIn, tokensOut] = [0, 0, 0];
  const queue = prompts(calls);
  async function work(): Promise<void> {
    for (const request of queue as Iterable<ChatRequest>) {
      const streamed = { ...request, stream: true, stream_options: { include_usage: true } } as const;
      for await (const { usage } of await openai.chat.completions.create(streamed)) {
        tokensIn += usage?.prompt_tokens ?? 0;
        tokensOut += usage?.completion_tokens ?? 0;
      }
      onProgress(++done, paid);
    }
  }
  const start = performance.now();
  await Promise.all(Array.from({ length: Math.min(inFlight, calls) }, work));
  const seconds = (performance.now() - start) / 1000;

  const [closed] = await fetch.close();
  if (!closed?.txHash) throw new Error("The seller did not settle.");
  const after = await balances(market);
  overheads.sort((a, b) => a - b);
  return {
    calls: done,
    tokensIn,
    tokensOut,
    paid,
    sellerGain: after.seller - before.seller,
    agentLoss: before.agent - after.agent,
    deposit: closed.paid + closed.refunded,
    refunded: closed.refunded,
    settlement: closed.txHash,
    overhead: { median: quantile(overheads, 0.5), p99: quantile(overheads, 0.99) },
    seconds,
    ...(await market.gasOfChannels()),
    gasOfTransfer: await market.gasOfTransfer(),
  };
}

async function balances({ agent, seller, balanceOf }: Market): Promise<{ agent: bigint; seller: bigint }> {
  return { agent: await balanceOf(agent.account.address), seller: await balanceOf(seller.account.address) };
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
