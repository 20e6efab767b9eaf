import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { network } from "hardhat";
import { type Address, createWalletClient, custom, type Hex, parseEventLogs, publicActions } from "viem";
import { type PrivateKeyAccount, privateKeyToAccount } from "viem/accounts";

import { parseYuan, paymentChannelsAbi } from "../../sdk/src/index.ts";
import { toNodeListener } from "../../sdk/src/server/index.ts";

export const contractsAbi = paymentChannelsAbi;

/** Keys of this suite: throw-away, funded on the simulated chain alone. */
export const payerKey: Hex = `0x${"a1".repeat(32)}`;
export const sellerKey: Hex = `0x${"b2".repeat(32)}`;

export type World = Awaited<ReturnType<typeof createWorld>>;

/** A simulated chain with the token and the channel contract, a payer with money and a seller with gas. */
export async function createWorld(options: { gracePeriod?: number; payerGas?: boolean } = {}) {
  const { gracePeriod = 900, payerGas = true } = options;
  // Hardhat's own default is when the process started: the chain's clock would be behind by however long the run took.
  const connection = await network.create({ override: { initialDate: new Date() } });
  const { ethers, provider, networkHelpers } = connection;
  const [operator] = await ethers.getSigners();
  const token = await ethers.deployContract("MockDigitalYuan", [operator!.address]);
  const contract = await ethers.deployContract("PaymentChannels", [gracePeriod]);
  const payer = privateKeyToAccount(payerKey);
  const seller = privateKeyToAccount(sellerKey);
  await token.setExempt(await contract.getAddress(), true);
  await token.faucet(payer.address, parseYuan("100"));
  const gas = 10n ** 18n;
  await networkHelpers.setBalance(seller.address, gas);
  if (payerGas) await networkHelpers.setBalance(payer.address, gas);
  const clientOf = (account: PrivateKeyAccount) =>
    createWalletClient({
      account,
      // Retrying would hide what a test breaks on purpose.
      transport: custom(provider as Parameters<typeof custom>[0], { retryCount: 0 }),
      pollingInterval: 10,
    }).extend(publicActions);
  return {
    ...connection,
    // Not an own property of the connection.
    provider,
    chainId: 31337,
    token: { contract: token, address: (await token.getAddress()) as Address },
    channels: { contract, address: (await contract.getAddress()) as Address },
    payer,
    seller,
    payerClient: clientOf(payer),
    sellerClient: clientOf(seller),
    balanceOf: async (account: Address): Promise<bigint> => token.balanceOf(account),
    async openings(): Promise<Hex[]> {
      const logs = await clientOf(seller).getLogs({ address: (await contract.getAddress()) as Address, fromBlock: 0n });
      return parseEventLogs({ abi: paymentChannelsAbi, eventName: "ChannelOpened", logs }).map(
        ({ args }) => args.channelId,
      );
    },
  };
}

/** Serves a handler on loopback until `close`. */
export async function serve(
  handler: (request: Request) => Promise<Response>,
): Promise<{ url: string; server: Server; close: () => Promise<void> }> {
  const server = createServer(toNodeListener(handler));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // A test that fails before it closes this must not keep the run from ending.
  server.unref();
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    server,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
