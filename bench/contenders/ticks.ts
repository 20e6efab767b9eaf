import { setTimeout as pause } from "node:timers/promises";

import { computeChannelId, createTickPayer } from "subfen";
import { createFastAccount } from "subfen/server";
import { formatCredential, formatSessionPayload, parseChallenges } from "subfen/wire";

import { contract, tickCondition } from "../chain.ts";
import { chainId, type Contender, deposit, price } from "../contender.ts";
import { buyerKey } from "../keys.ts";
import { serveGateway, termsOf } from "../subfen.ts";

/** The most of a chain, and one tick a request: enough for a run of a few minutes. */
const tickCount = 10_000;

export const ticks: Contender = {
  name: "subfen ticks",
  books: "SQLite, written at least each window",

  async serve(buyers, folder) {
    const ticked = { ticks: { condition: tickCondition } };
    const { listener, earned } = await serveGateway(buyers, { folder, name: "ticks.db" }, ticked);
    return {
      listener,
      async earned() {
        // Ticks that nothing follows are written down within two seconds.
        await pause(3_000);
        return earned();
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
