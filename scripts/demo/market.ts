// Where the first act plays: a seller's gateway in front of a model server, and an agent with money.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import type { Address } from "viem";

import { mockDigitalYuanAbi, parseYuan } from "subfen";
import { createGateway, createMemoryLedger, forwardTo, pricePerMillionTokens, toNodeListener } from "subfen/server";

import { startModelServer } from "../../examples/model-calls/modelServer.ts";
import { type DemoChain, type DemoClient, randomBytes32 } from "./chain.ts";
import { readAloud } from "./readAloud.ts";

/** Base units for a million tokens. */
export const prices = { input: parseYuan("2"), output: parseYuan("8") };

/** Base units that the faucet gives the agent. */
const allowance = parseYuan("10");

export type Market = Awaited<ReturnType<typeof openMarket>>;

/**
 * Opens the market.
 *
 * @param chain - Where the contracts are.
 * @param onStep - Told each step as it is done.
 * @returns Everything the agent needs, and `close()`.
 */
export async function openMarket(chain: DemoChain, onStep: (step: string) => void) {
  const { token, channels } = chain;
  const [agent, seller] = [chain.newClient(), chain.newClient()];
  await chain.faucet(agent.account.address, allowance);
  await chain.giveGas(seller.account.address);
  onStep(`agent ${agent.account.address} has 10 yuan from the faucet and no gas: its seller relays`);

  const model = await startModelServer();
  const workTimes = new Map<string, number>();
  const forward = forwardTo(model.url);
  const gateway = await createGateway({
    client: seller,
    contract: channels,
    token,
    realm: "models.example",
    secret: crypto.getRandomValues(new Uint8Array(32)),
    suggestedDeposit: parseYuan("1"),
    // The chain is gone after the demo, and so may be what was sold on it.
    ledger: createMemoryLedger(),
    ticks: { condition: chain.ticks, window: 64 },
  });
  const offer = { price: pricePerMillionTokens({ ...prices, window: 16 }) };
  const handler = gateway.protect(offer, async (request) => {
    if (new URL(request.url).pathname === "/v1/read") return readAloud(request);
    const start = performance.now();
    const response = await forward(request);
    workTimes.set(request.headers.get("idempotency-key") ?? "", performance.now() - start);
    return response;
  });
  const { url, server } = await listen(handler);
  onStep(`seller ${seller.account.address} sells model tokens at ${url}: 2 yuan a million in, 8 yuan a million out`);

  return {
    url,
    agent,
    seller,
    gateway,
    channels,
    /** Milliseconds the model itself took to begin, by idempotency key. */
    workTimes,
    balanceOf: chain.balanceOf,
    /** Gas of every transaction sent to the channels so far. */
    gasOfChannels: () => chain.gasOf(channels, 0n),
    /** Gas of one EIP-3009 transfer between accounts that hold the token already: paying a call without channels. */
    gasOfTransfer: () => measureTransfer(agent, seller, token),
    async close(): Promise<void> {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await model.close();
    },
  };
}

async function listen(handler: (request: Request) => Promise<Response>): Promise<{ url: string; server: Server }> {
  const server = createServer(toNodeListener(handler));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

async function measureTransfer(agent: DemoClient, seller: DemoClient, token: Address): Promise<bigint> {
  const message = {
    from: agent.account.address,
    to: seller.account.address,
    value: 1n,
    validAfter: 0n,
    validBefore: 2n ** 48n,
    nonce: randomBytes32(),
  };
  const signature = await agent.account.signTypedData({
    domain: { name: "Mock Digital Yuan", version: "1", chainId: 31337, verifyingContract: token },
    types: {
      TransferWithAuthorization: [
        { name: "from", type: "address" },
        { name: "to", type: "address" },
        { name: "value", type: "uint256" },
        { name: "validAfter", type: "uint256" },
        { name: "validBefore", type: "uint256" },
        { name: "nonce", type: "bytes32" },
      ],
    },
    primaryType: "TransferWithAuthorization",
    message,
  });
  const { from, to, value, validAfter, validBefore, nonce } = message;
  const hash = await seller.writeContract({
    address: token,
    abi: mockDigitalYuanAbi,
    functionName: "transferWithAuthorization",
    args: [from, to, value, validAfter, validBefore, nonce, signature],
    chain: null,
  });
  return (await seller.waitForTransactionReceipt({ hash })).gasUsed;
}
