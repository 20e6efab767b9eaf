import { join } from "node:path";

import { computeChannelId, signVoucher, type Terms } from "subfen";
import { createFastAccount, createGateway, createSqliteLedger, pricePerRequest, toNodeListener } from "subfen/server";
import { formatCredential, formatSessionPayload, parseChallenges } from "subfen/wire";
import { zeroAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { contract, createClient, token } from "../chain.ts";
import { answer, chainId, type Contender, deposit, price } from "../contender.ts";
import { buyerKey, saltOf, seller } from "../keys.ts";

/** The terms of a buyer's channel. */
export function termsOf(index: number): Terms {
  const payer = privateKeyToAccount(buyerKey(index)).address;
  return { payer, payee: seller.address, token, salt: saltOf(index), authorizedSigner: zeroAddress };
}

/** The whole gateway as it comes, every statement and answer on the disk before it is answered. */
export const vouchers: Contender = {
  name: "subfen vouchers",
  books: "SQLite, `synchronous=FULL`",

  async serve(buyers, folder) {
    const owner = { chainId, contract, token, payee: seller.address };
    const ledger = await createSqliteLedger({ path: join(folder, "ledger.db"), owner });
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
      onError: (error) => console.error(error),
    });
    const headers = { "content-type": "application/json" };
    const handler = gateway.protect({ price: pricePerRequest(price) }, () => new Response(answer, { headers }));
    return {
      listener: toNodeListener(handler),
      async earned() {
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
    let cumulativeAmount = 0n;
    return async () => {
      cumulativeAmount += price;
      const signature = await signVoucher({ account, contract, chainId, channelId, cumulativeAmount });
      const payload = formatSessionPayload({ action: "voucher", channelId, cumulativeAmount, signature });
      return ["authorization", formatCredential({ challenge, payload })];
    };
  },
};
