// Runs in an empty project that installed the tarball: one seller, one buyer, one call.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { JsonRpcProvider, Wallet } from "ethers";
import { type ClosedChannel, parseYuan, payingFetch, type Terms } from "subfen";
import { type Channel, getChannel } from "subfen/chain";
import { accountFromEthers, clientFromEthers } from "subfen/ethers";
import { createMemoryLedger, type Ledger } from "subfen/ledger";
import { createGateway, pricePerRequest, toNodeListener } from "subfen/server";
import { parseChallenges } from "subfen/wire";
import type { Address } from "viem";

const { BUYER = "", SELLER = "", RPC_URL, CHANNELS, TOKEN } = process.env;
const [contract, token] = [CHANNELS as Address, TOKEN as Address];
const provider = new JsonRpcProvider(RPC_URL, undefined, { pollingInterval: 50 });

const ledger: Ledger = createMemoryLedger();
const gateway = await createGateway({
  client: await clientFromEthers(new Wallet(SELLER, provider)),
  contract,
  token,
  realm: "a test",
  secret: "0123456789abcdef",
  ledger,
});
const price = pricePerRequest(parseYuan("0.0012"));
const handler = gateway.protect({ price }, () => new Response("hello from the seller"));
const server = createServer(toNodeListener(handler)).listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
if (parseChallenges((await fetch(url)).headers.get("www-authenticate")).length === 0) throw new Error("no challenge");

const buyer = new Wallet(BUYER, provider);
const paying = payingFetch({
  account: await accountFromEthers(buyer),
  client: await clientFromEthers(buyer),
  maxDeposit: parseYuan("1"),
  maxPrice: parseYuan("0.01"),
});
process.stdout.write(await (await paying(url)).text());
const [closed]: ClosedChannel[] = await paying.close();
if (!closed) throw new Error("nothing was closed");
const { channelId } = closed;
const channel: Channel = await getChannel(await clientFromEthers(provider), { contract, channelId });
if (!channel.finalized) throw new Error("the channel is open");
process.stdout.write(`, paid ${closed.paid}, closed by the ${closed.by}\n`);
server.close();
provider.destroy();

/** Types alone. */
export type Everything = [Terms, Channel];
