import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { JsonRpcProvider, Wallet } from "ethers";
import { type ClosedChannel, parseYuan, payingFetch } from "subfen";
import { type Channel, getChannel } from "subfen/chain";
import { accountFromEthers, clientFromEthers } from "subfen/ethers";
import { createMemoryLedger, type Ledger } from "subfen/ledger";
import { createGateway, pricePerRequest, toNodeListener } from "subfen/server";
import { parseChallenges } from "subfen/wire";
import type { Address } from "viem";

/**
 * Copied into an empty project that installed the tarball: one seller, one buyer, one call.
 *
 * @param env - Two keys, the chain's URL, the addresses of the contracts.
 * @returns What came of it, as text.
 */
export async function sellAndPay(env: Record<string, string | undefined>): Promise<string> {
  const { BUYER = "", SELLER = "", RPC_URL, CHANNELS, TOKEN } = env;
  const [contract, token] = [CHANNELS as Address, TOKEN as Address];
  const provider = new JsonRpcProvider(RPC_URL, undefined, { pollingInterval: 50 });

  const ledger: Ledger = createMemoryLedger();
  const client = await clientFromEthers(new Wallet(SELLER, provider));
  const shop = { realm: "a test", secret: "0123456789abcdef", ledger };
  const gateway = await createGateway({ client, contract, token, ...shop });
  const price = pricePerRequest(parseYuan("0.0012"));
  const handler = gateway.protect({ price }, () => new Response("hello from the seller"));
  const server = createServer(toNodeListener(handler)).listen(0, "127.0.0.1");
  try {
    await new Promise((resolve) => server.once("listening", resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const unpaid = await fetch(url);
    const challenges = parseChallenges(unpaid.headers.get("www-authenticate"));

    const buyer = new Wallet(BUYER, provider);
    const paying = payingFetch({
      account: await accountFromEthers(buyer),
      client: await clientFromEthers(buyer),
      maxDeposit: parseYuan("1"),
      maxPrice: parseYuan("0.01"),
    });
    const text = await (await paying(url)).text();
    const [closed]: ClosedChannel[] = await paying.close();
    if (!closed) throw new Error("nothing was closed");
    const { channelId, paid, by } = closed;
    const channel: Channel = await getChannel(await clientFromEthers(provider), { contract, channelId });
    return `${challenges.length} challenge; ${text}; paid ${paid}, closed by the ${by}: ${channel.finalized}`;
  } finally {
    server.close();
    provider.destroy();
  }
}
