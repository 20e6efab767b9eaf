import { expect } from "chai";

import { answer, prompts } from "../../examples/model-calls/passages.ts";
import { countChatTokens, truncateToTokens } from "../../examples/model-calls/tokens.ts";
import { parseYuan } from "../../sdk/src/index.ts";
import { openChain } from "../../scripts/demo/chain.ts";
import { openMarket } from "../../scripts/demo/market.ts";
import { payByEscrow } from "../../scripts/demo/escrow.ts";
import { readLongAnswer } from "../../scripts/demo/longAnswer.ts";
import { payForTasks, pricePerTask } from "../../scripts/demo/tasks.ts";
import { buyCalls } from "../../scripts/demo/calls.ts";

describe("the demo", () => {
  it("pays what the texts are worth, to the last base unit", async () => {
    const calls = 40;
    const market = await openMarket(await openChain(), () => undefined);
    const progress: number[] = [];
    try {
      const result = await buyCalls(market, calls, (done) => progress.push(done));

      // From the texts alone: 2 base units a token in, 8 out, each call rounded up once (these need no rounding).
      let [tokensIn, tokensOut] = [0, 0];
      for (const request of prompts(calls)) {
        tokensIn += countChatTokens(request.messages);
        tokensOut += truncateToTokens(answer(request) ?? "", request.max_completion_tokens).tokens;
      }
      const total = BigInt(2 * tokensIn + 8 * tokensOut);
      expect(result).to.include({ calls, tokensIn, tokensOut, paid: total, sellerGain: total, agentLoss: total });
      expect(result.refunded).to.equal(result.deposit - total);
      expect(result.transactions).to.equal(2);
      expect(progress).to.deep.equal(Array.from({ length: calls }, (_, i) => i + 1));
      expect(await market.balanceOf(market.channels)).to.equal(0n);
    } finally {
      await market.close();
    }
  });

  it("pays a long answer token by token, and half of it where it is left half-way", async () => {
    const market = await openMarket(await openChain(), () => undefined);
    try {
      const { whole, half } = await readLongAnswer(market, 60, () => undefined);
      // 8 tokens of the prompt, as the model tells at the end; a quarter of the request's bytes where it did not come to that.
      expect(whole).to.include({ tokens: 60, paid: 16n + 480n });
      expect(half.tokens).to.equal(30);
      expect(Number(half.paid)).to.be.within(240, 240 + 30 + 17 * 8);
      expect(whole.signatures).to.be.lessThan(10);
    } finally {
      await market.close();
    }
  });

  it("pays for tasks that fit their schema and for no other, without a transaction for each", async () => {
    const chain = await openChain();
    const progress: [number, bigint][] = [];
    const result = await payForTasks(chain, 25, (...seen) => progress.push(seen));

    // The worker fails every fifth, and ten are ordered at a time: the last five are never acknowledged, one of them failed.
    const due = 20n * pricePerTask;
    expect(result).to.include({ tasks: 25, succeeded: 20, failed: 5, due, workerGain: due, clientLoss: due });
    expect(result).to.include({ provenOnChain: 4, transactions: 2 });
    expect(progress.at(-1)).to.deep.equal([25, due]);
    expect(await chain.balanceOf(chain.channels)).to.equal(0n);
  });

  it("pays milestones that pass their tests and work that nobody objects to, and brings the rest back", async () => {
    const chain = await openChain();
    const { outcomes, providerGain, clientLoss, held } = await payByEscrow(chain, () => undefined);

    const each = parseYuan("1.5");
    const essay = parseYuan("2.25");
    expect(outcomes.map(({ name, paid, refunded }) => [name, paid, refunded])).to.deep.equal([
      ["slug", each, 0n],
      ["countWords", each, 0n],
      ["toFen", 0n, each],
      ["an essay", essay, 0n],
    ]);
    expect([providerGain, clientLoss, held]).to.deep.equal([2n * each + essay, 2n * each + essay, 0n]);
  });
});
