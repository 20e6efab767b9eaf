import { expect } from "chai";

import { answer, prompts } from "../../examples/model-calls/passages.ts";
import { countChatTokens, truncateToTokens } from "../../examples/model-calls/tokens.ts";
import { openChain } from "../../scripts/demo/chain.ts";
import { openMarket } from "../../scripts/demo/market.ts";
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
});
