import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import { expect } from "chai";
import { createWalletClient, http, type Transport } from "viem";

import { getChannel, openChannel, parseYuan, payingFetch } from "../../../sdk/src/index.ts";
import { openShop, rejection } from "../client/helpers.ts";

const canary = "key-5a17";
const channelId = `0x${"11".repeat(32)}` as const;
const rest = { salt: channelId, authorizedSigner: `0x${"00".repeat(20)}` } as const;

describe("F113: a node that gives no answer", () => {
  let shop: Awaited<ReturnType<typeof openShop>>;
  let node: Server;
  let address: string;
  /** How the node fails. */
  let fail: "silence" | 429;

  before(async () => {
    shop = await openShop();
    node = createServer((_request, response) => {
      if (fail === 429) response.writeHead(429).end(`too many requests for ${canary}`);
    }).listen(0, "127.0.0.1");
    await once(node, "listening");
    address = `127.0.0.1:${(node.address() as AddressInfo).port}/${canary}`;
  });
  after(async () => {
    node.closeAllConnections();
    node.close();
    await shop.close();
  });

  const clientOf = (transport: Transport) => createWalletClient({ account: shop.world.payer, transport });
  const dead = `127.0.0.1:1/${canary}`;
  const nodes = {
    "is away": () => http(`http://${dead}`, { retryCount: 0 }),
    "says nothing": () => ((fail = "silence"), http(`http://${address}`, { retryCount: 0, timeout: 50 })),
    "has had enough": () => ((fail = 429), http(`http://${address}`, { retryCount: 0 })),
  };

  for (const [how, transport] of Object.entries(nodes)) {
    it(`and ${how}: says so without its address, and keeps what was thrown`, async () => {
      const client = clientOf(transport());
      const contract = shop.world.channels.address;
      const reading = await rejection(getChannel(client, { contract, channelId }));
      const terms = { payee: shop.world.seller.address, token: shop.world.token.address, ...rest };
      const sending = await rejection(openChannel(client, { contract, terms, deposit: 1n }));
      const paying = await rejection(
        payingFetch({ account: shop.world.payer, client, maxDeposit: parseYuan("1"), maxPrice: parseYuan("1") })(
          shop.url,
        ),
      );
      for (const error of [reading, sending, paying]) {
        expect(error).to.include({ name: "NodeUnreachableError", code: "node-unreachable" });
        expect(error.message).not.to.contain(canary);
        expect(error.cause).to.be.an("error");
        expect(error.message).to.contain("may have arrived: look at the chain before you send it again");
      }
      expect(reading["shortMessage"]).to.equal("The chain's node did not answer readContract.");
    });
  }
});
