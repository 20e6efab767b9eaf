import { getRequestListener } from "@hono/node-server";
import { x402Facilitator } from "@x402/core/facilitator";
import { decodePaymentRequiredHeader, encodePaymentSignatureHeader } from "@x402/core/http";
import { ExactEvmScheme as ExactClient } from "@x402/evm/exact/client";
import { ExactEvmScheme as ExactFacilitator } from "@x402/evm/exact/facilitator";
import { ExactEvmScheme as ExactServer } from "@x402/evm/exact/server";
import { paymentMiddleware, x402ResourceServer } from "@x402/hono";
import { Hono } from "hono";
import { createFastAccount } from "subfen/server";
import { getAddress, keccak256, stringToHex, verifyTypedData } from "viem";

import { token } from "../chain.ts";
import { answer, chainId, type Contender, path, price } from "../contender.ts";
import { buyerKey, seller } from "../keys.ts";

const network = `eip155:${chainId}` as const;
const asset = getAddress(token);

export const x402Exact: Contender = {
  name: "x402 exact",
  books: "memory, settlement stubbed",

  async serve() {
    let settled = 0n;
    // Their facilitator in this process, its node and its transactions stubbed: no chain could settle at such a rate.
    const signer = {
      getAddresses: () => [seller.address],
      readContract: async () => true,
      verifyTypedData: (parameters: Parameters<typeof verifyTypedData>[0]) => verifyTypedData(parameters),
      writeContract: async () => {
        settled += price;
        return keccak256(stringToHex(String(settled)));
      },
      sendTransaction: () => Promise.reject(new Error("a transaction of another kind was sent")),
      waitForTransactionReceipt: async () => ({ status: "success" }),
      getCode: async ({ address }: { address: string }) => (getAddress(address) === asset ? "0x60" : "0x"),
    };
    const facilitator = new x402Facilitator().register(network, new ExactFacilitator(signer as never));
    const accepts = {
      scheme: "exact",
      network,
      payTo: seller.address,
      price: { asset, amount: String(price), extra: { name: "Mock Digital Yuan", version: "1" } },
    } as const;
    const app = new Hono();
    const resources = new x402ResourceServer(facilitator as never).register(network, new ExactServer());
    app.use(paymentMiddleware({ [`GET ${path}`]: { accepts } }, resources));
    app.get(path, (context) => context.body(answer, 200, { "content-type": "application/json" }));
    return { listener: getRequestListener(app.fetch), earned: async () => settled };
  },

  async buyer(index, response) {
    const required = decodePaymentRequiredHeader(response.headers.get("payment-required") ?? "");
    const [accepted] = required.accepts;
    if (!accepted) throw new Error("no requirements came");
    const client = new ExactClient((await createFastAccount({ privateKey: buyerKey(index) })) as never);
    return async () => {
      const { payload } = await client.createPaymentPayload(2, accepted);
      const { resource } = required;
      return ["payment-signature", encodePaymentSignatureHeader({ x402Version: 2, resource, accepted, payload })];
    };
  },
};
