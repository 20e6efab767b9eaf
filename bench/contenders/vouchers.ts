import { computeChannelId, signVoucher } from "subfen";
import { createFastAccount } from "subfen/server";
import { formatCredential, formatSessionPayload, parseChallenges } from "subfen/wire";

import { contract } from "../chain.ts";
import { chainId, type Contender, price } from "../contender.ts";
import { buyerKey } from "../keys.ts";
import { serveGateway, termsOf } from "../subfen.ts";

/** The whole gateway as it comes, every statement and answer on the disk before it is answered. */
export const vouchers: Contender = {
  name: "subfen vouchers",
  books: "SQLite, `synchronous=FULL`",

  serve: (buyers, folder) => serveGateway(buyers, { folder, name: "ledger.db" }),

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
