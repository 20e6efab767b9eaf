// Our gateway as the bench serves it.
import { join } from "node:path";

import { computeChannelId, type Terms } from "subfen";
import {
  createGateway,
  createSqliteLedger,
  type GatewayParameters,
  type Ledger,
  pricePerRequest,
  toNodeListener,
} from "subfen/server";
import { type Hex, zeroAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { contract, createClient, token } from "./chain.ts";
import { answer, chainId, deposit, price, type Server } from "./contender.ts";
import { buyerKey, saltOf, seller } from "./keys.ts";

/** The terms of a buyer's channel. */
export function termsOf(index: number): Terms {
  const payer = privateKeyToAccount(buyerKey(index)).address;
  return { payer, payee: seller.address, token, salt: saltOf(index), authorizedSigner: zeroAddress };
}

/** What the chain and the payer are taken to have said of each channel. */
export const untouched = {
  chain: { blockNumber: 1n, deposit, settled: 0n, closeRequestedAt: 0, finalized: false },
  cumulativeAmount: 0n,
  signature: `0x${"00".repeat(65)}` as Hex,
};

/** Opens a ledger in a file of its own. */
export function openLedger(path: string): Promise<Ledger> {
  return createSqliteLedger({ path, owner: { chainId, contract, token, payee: seller.address } });
}

/** Makes the gateway over a ledger. */
export async function openGateway(ledger: Ledger, options: Partial<GatewayParameters> = {}) {
  const names = { contract, token, realm: "bench", secret: "0123456789abcdef" };
  return createGateway({ client: await createClient(), ...names, ledger, ...options });
}

/** Serves the whole gateway as it comes, with an open channel for each buyer. */
export async function serveGateway(
  buyers: number,
  file: { folder: string; name: string },
  options: Partial<GatewayParameters> = {},
): Promise<Server> {
  const ledger = await openLedger(join(file.folder, file.name));
  for (let index = 0; index < buyers; index++) {
    const terms = termsOf(index);
    const channelId = computeChannelId({ contract, chainId, terms });
    await ledger.addChannel({ channelId, terms, ...untouched });
  }
  const gateway = await openGateway(ledger, { onError: (error) => console.error(error), ...options });
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
}
