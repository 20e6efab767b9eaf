import { getRequestListener } from "@hono/node-server";
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import { computeChannelId, signVoucher } from "@x402/evm/batch-settlement/client";
import { BatchSettlementEvmScheme, InMemoryChannelStorage } from "@x402/evm/batch-settlement/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/hono";
import { Hono } from "hono";
import { createFastAccount } from "subfen/server";
import { type Address, getAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { token } from "../chain.ts";
import { answer, chainId, type Contender, deposit, path, price } from "../contender.ts";
import { buyerKey, saltOf, seller } from "../keys.ts";

const network = `eip155:${chainId}` as const;
const asset = getAddress(token);
const withdrawDelay = 900;

function channelOf(index: number) {
  const payer: Address = privateKeyToAccount(buyerKey(index)).address;
  const config = {
    payer,
    payerAuthorizer: payer,
    receiver: seller.address,
    receiverAuthorizer: seller.address,
    token: asset,
    withdrawDelay,
    salt: saltOf(index),
  };
  return { config, channelId: computeChannelId(config, network) };
}

/** A voucher is checked and booked by the server itself: no facilitator is asked until it claims, which is not measured. */
const facilitator = {
  verify: () => Promise.reject(new Error("a voucher went to the facilitator")),
  settle: () => Promise.reject(new Error("a voucher went to the facilitator")),
  getSupported: async () => ({
    kinds: [{ x402Version: 2, scheme: "batch-settlement", network }],
    extensions: [],
    signers: {},
  }),
};

export const x402Batch: Contender = {
  name: "x402 batch-settlement",
  books: "memory",

  async serve(buyers) {
    const storage = new InMemoryChannelStorage();
    const now = Date.now();
    for (let index = 0; index < buyers; index++) {
      const { config, channelId } = channelOf(index);
      // Opened already, and read from the chain just now: the server trusts that for five minutes.
      await storage.updateChannel(channelId, () => ({
        channelId,
        channelConfig: config,
        chargedCumulativeAmount: "0",
        signedMaxClaimable: "0",
        signature: "0x",
        balance: String(deposit),
        totalClaimed: "0",
        withdrawRequestedAt: 0,
        refundNonce: 0,
        onchainSyncedAt: now,
        lastRequestTimestamp: now,
      }));
    }
    const scheme = new BatchSettlementEvmScheme(seller.address, {
      storage,
      withdrawDelay,
      receiverAuthorizerSigner: seller as never,
    });
    const accepts = {
      scheme: "batch-settlement",
      network,
      payTo: seller.address,
      price: { asset, amount: String(price), extra: { name: "Mock Digital Yuan", version: "1" } },
    } as const;
    const app = new Hono();
    const resources = new x402ResourceServer(facilitator).register(network, scheme);
    app.use(paymentMiddleware({ [`GET ${path}`]: { accepts } }, resources));
    app.get(path, (context) => context.body(answer, 200, { "content-type": "application/json" }));
    return {
      listener: getRequestListener(app.fetch),
      async earned() {
        const channels = await storage.list();
        return channels.reduce((sum, channel) => sum + BigInt(channel.chargedCumulativeAmount), 0n);
      },
    };
  },

  async buyer(index, response) {
    const required = decodePaymentRequiredHeader(response.headers.get("payment-required") ?? "");
    const [accepted] = required.accepts;
    if (!accepted) throw new Error("no requirements came");
    const account = await createFastAccount({ privateKey: buyerKey(index) });
    const { config: channelConfig, channelId } = channelOf(index);
    let total = 0n;
    return async () => {
      total += price;
      const voucher = await signVoucher(account as never, channelId, String(total), network);
      const payload = { type: "voucher", channelConfig, voucher };
      const { resource } = required;
      return ["payment-signature", encodePaymentSignatureHeader({ x402Version: 2, resource, accepted, payload })];
    };
  },
};
