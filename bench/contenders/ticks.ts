import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { computeChannelId, createTickPayer } from "subfen";
import { createFastAccount, createGateway, createSqliteLedger, pricePerRequest, toNodeListener } from "subfen/server";
import { formatCredential, formatSessionPayload, parseChallenges } from "subfen/wire";

import { contract, createClient, tickCondition, token } from "../chain.ts";
import { answer, chainId, type Contender, deposit, price } from "../contender.ts";
import { buyerKey, seller } from "../keys.ts";
import { termsOf } from "./vouchers.ts";

/** The most of a chain, and one tick a request: enough for a run of a few minutes. */
const tickCount = 10_000;

export const ticks: Contender = {
  name: "subfen ticks",
  books: "SQLite, written at least each window",

  async serve(buyers, folder) {
    const owner = { chainId, contract, token, payee: seller.address };
    const ledger = await createSqliteLedger({ path: join(folder, "ticks.db"), owner });
    const chain = { blockNumber: 1n, deposit, settled: 0n, closeRequestedAt: 0, finalized: false };
    for (let index = 0; index < buyers; index++) {
      const terms = termsOf(index);
      const channelId = computeChannelId({ contract, chainId, terms });
      await ledger.addChannel({ channelId, terms, chain, cumulativeAmount: 0n, signature: `0x${"00".repeat(65)}` });
    }
    const gateway = await createGateway({
      client: await createClient(),
      contract,
      token,
      realm: "bench",
      secret: "0123456789abcdef",
      ledger,
      ticks: { condition: tickCondition },
      onError: (error) => console.error(error),
    });
    const headers = { "content-type": "application/json" };
    const handler = gateway.protect({ price: pricePerRequest(price) }, () => new Response(answer, { headers }));
    return {
      listener: toNodeListener(handler),
      async earned() {
        // Ticks that nothing follows are written down within two seconds.
        await pause(3_000);
        let sum = 0n;
        for await (const { spent } of ledger.channels()) sum += spent;
        return sum;
      },
    };
  },

  async buyer(index, response) {
    const [challenge] = parseChallenges(response.headers.get("www-authenticate"));
    if (!challenge) throw new Error("no challenge came");
    const account = await createFastAccount({ privateKey: buyerKey(index) });
    const channelId = computeChannelId({ contract, chainId, terms: termsOf(index) });
    const payer = createTickPayer({
      account,
      contract,
      chainId,
      channelId,
      deposit,
      condition: tickCondition,
      tickAmount: price,
      tickCount,
      mostLiability: price * BigInt(2 * tickCount),
    });
    const credential = (payload: Parameters<typeof formatSessionPayload>[0]): string =>
      formatCredential({ challenge, payload: formatSessionPayload(payload) });
    const opened = await fetch(response.url, {
      method: "HEAD",
      headers: { authorization: credential(await payer.renew()) },
    });
    if (opened.status !== 204) throw new Error(`the statement was answered with ${opened.status}`);
    return async () => {
      const tick = await payer.begin(price);
      // It is sent after the one before was answered, or the round is void.
      payer.end(tick, price);
      return ["authorization", credential(tick)];
    };
  },
};
