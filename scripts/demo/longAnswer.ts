// The end of the first act: one long answer is paid token by token, by ticks, while it flows; then one that is left half-way.
import { parseYuan, tickFetch } from "subfen";

import { type Market, prices } from "./market.ts";

/** What reading came to. Amounts in base units. */
export type ReadingResult = {
  /** Tokens that came. */
  readonly tokens: number;
  /** What the seller was paid for it on the chain. */
  readonly paid: bigint;
  /** Statements that were signed for it, a token each being paid by a tick: the chain's own, the fold, the close. */
  readonly signatures: number;
};

/** The long answer, read whole, and the same, left half-way. */
export type LongAnswerResult = { readonly whole: ReadingResult; readonly half: ReadingResult };

/** Base units of a token of the answer: a tick. */
const tickAmount = prices.output / 1_000_000n;

/**
 * Reads a long answer by ticks, whole and then half of it.
 *
 * @param market - Where.
 * @param tokens - How long it is.
 * @param onProgress - Told now and then how many tokens have come.
 * @returns What both came to.
 */
export async function readLongAnswer(
  market: Market,
  tokens: number,
  onProgress: (done: number, paid: bigint) => void,
): Promise<LongAnswerResult> {
  const whole = await read(market, tokens, tokens, onProgress);
  const half = await read(market, tokens, Math.floor(tokens / 2), () => undefined);
  return { whole, half };
}

async function read(
  { agent, seller, url, balanceOf }: Market,
  tokens: number,
  wanted: number,
  onProgress: (done: number, paid: bigint) => void,
): Promise<ReadingResult> {
  const before = await balanceOf(seller.account.address);
  let signatures = 0;
  const account: typeof agent.account = {
    ...agent.account,
    async sign(parameters) {
      signatures++;
      return agent.account.sign(parameters);
    },
  };
  const fetch = tickFetch({
    account,
    client: agent,
    deposit: parseYuan("0.1"),
    tickAmount,
    tickCount: 10_000,
    maxPrice: parseYuan("0.05"),
  });
  const body = JSON.stringify({ model: "reader-1", stream: true, max_tokens: tokens });
  const response = await fetch(`${url}/v1/read`, { method: "POST", body });
  const reader = (response.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream()).getReader();
  let came = 0;
  for (;;) {
    const { done, value = "" } = await reader.read();
    came += value.match(/"delta"/g)?.length ?? 0;
    if (done || came >= wanted) break;
    if (came % 100 === 0) onProgress(came, BigInt(came) * tickAmount);
  }
  if (wanted < tokens) await reader.cancel();
  else for (let last = await reader.read(); !last.done; last = await reader.read()) continue;
  await fetch.close();
  return { tokens: came, paid: (await balanceOf(seller.account.address)) - before, signatures };
}
