// What the demo plays on: a chain in this process with the contracts deployed, a seller's gateway in front of a model
// server, and an agent with money.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { network, tasks } from "hardhat";
import { type Address, createWalletClient, custom, publicActions, toHex } from "viem";
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";

import { mockDigitalYuanAbi, parseYuan } from "subfen";
import { createGateway, createMemoryLedger, forwardTo, pricePerMillionTokens, toNodeListener } from "subfen/server";

import { startModelServer } from "../../examples/model-calls/modelServer.ts";

/** Base units for a million tokens. */
export const prices = { input: parseYuan("2"), output: parseYuan("8") };

/** Base units that the faucet gives the agent. */
const allowance = parseYuan("10");

/** Enough of the chain's coin for the few transactions of the demo. */
const gasMoney = 10n ** 18n;

export type Market = Awaited<ReturnType<typeof openMarket>>;

/**
 * Opens the market.
 *
 * @param onStep - Told each step as it is done.
 * @returns Everything the agent needs, and `close()`.
 */
export async function openMarket(onStep: (step: string) => void) {
  await tasks.getTask("build").run({ quiet: true });
  const { provider, ethers } = await network.create();
  const clientOf = (account: PrivateKeyAccount) =>
    createWalletClient({
      account,
      transport: custom(provider as Parameters<typeof custom>[0]),
      pollingInterval: 20,
    }).extend(publicActions);

  const token = await ethers.deployContract("MockDigitalYuan");
  const channels = await ethers.deployContract("PaymentChannels", [900]);
  const tokenAddress = (await token.getAddress()) as Address;
  const channelsAddress = (await channels.getAddress()) as Address;
  await token.setExempt(channelsAddress, true);
  onStep(`chain 31337 in this process: token ${tokenAddress}, channels ${channelsAddress}`);

  const agent = clientOf(privateKeyToAccount(generatePrivateKey()));
  const seller = clientOf(privateKeyToAccount(generatePrivateKey()));
  await token.faucet(agent.account.address, allowance);
  await provider.request({ method: "hardhat_setBalance", params: [seller.account.address, toHex(gasMoney)] });
  onStep(`agent ${agent.account.address} has 10 yuan from the faucet and no gas: its seller relays`);

  const model = await startModelServer();
  const workTimes = new Map<string, number>();
  const forward = forwardTo(model.url);
  const gateway = await createGateway({
    client: seller,
    contract: channelsAddress,
    token: tokenAddress,
    realm: "models.example",
    secret: crypto.getRandomValues(new Uint8Array(32)),
    suggestedDeposit: parseYuan("1"),
    // The chain is gone after the demo, and so may be what was sold on it.
    ledger: createMemoryLedger(),
  });
  const handler = gateway.protect({ price: pricePerMillionTokens(prices) }, async (request) => {
    const start = performance.now();
    const response = await forward(request);
    const body = await response.arrayBuffer();
    workTimes.set(request.headers.get("idempotency-key") ?? "", performance.now() - start);
    return new Response(body, response);
  });
  const { url, server } = await listen(handler);
  onStep(`seller ${seller.account.address} sells model tokens at ${url}: 2 yuan a million in, 8 yuan a million out`);

  return {
    url,
    agent,
    seller,
    gateway,
    token: tokenAddress,
    channels: channelsAddress,
    /** Milliseconds the model itself took, by idempotency key. */
    workTimes,
    balanceOf: (account: Address) =>
      agent.readContract({
        address: tokenAddress,
        abi: mockDigitalYuanAbi,
        functionName: "balanceOf",
        args: [account],
      }),
    /** Gas of every transaction sent to the channels so far. */
    async gasOfChannels(): Promise<{ gas: bigint; transactions: number }> {
      const logs = await agent.getLogs({ address: channelsAddress, fromBlock: 0n });
      const hashes = [...new Set(logs.map(({ transactionHash }) => transactionHash))];
      const receipts = await Promise.all(hashes.map((hash) => agent.getTransactionReceipt({ hash })));
      return { gas: receipts.reduce((sum, { gasUsed }) => sum + gasUsed, 0n), transactions: hashes.length };
    },
    /** Gas of one EIP-3009 transfer between accounts that hold the token already: paying a call without channels. */
    gasOfTransfer: () => measureTransfer(agent, seller, tokenAddress),
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

type Client = ReturnType<typeof clientShape>;
// Names the type of the extended client, nothing else.
const clientShape = () =>
  createWalletClient({
    account: privateKeyToAccount(generatePrivateKey()),
    transport: custom({ request: async () => 0 }),
  }).extend(publicActions);

async function measureTransfer(agent: Client, seller: Client, token: Address): Promise<bigint> {
  const message = {
    from: agent.account.address,
    to: seller.account.address,
    value: 1n,
    validAfter: 0n,
    validBefore: 2n ** 48n,
    nonce: toHex(crypto.getRandomValues(new Uint8Array(32))),
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
