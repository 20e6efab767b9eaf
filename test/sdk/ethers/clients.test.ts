import { expect } from "chai";
import { BrowserProvider, FallbackProvider, NonceManager, type Signer, VoidSigner, Wallet } from "ethers";
import { createPublicClient, custom, keccak256, stringify, stringToHex } from "viem";
import {
  getBlock,
  getBlockNumber,
  getChainId,
  getGasPrice,
  getLogs,
  getTransaction,
  getTransactionReceipt,
  sendRawTransaction,
  signMessage,
  signTypedData,
} from "viem/actions";

import { approveToken } from "../../../sdk/src/chain/index.ts";
import { accountFromEthers, clientFromEthers } from "../../../sdk/src/ethers/index.ts";
import {
  type Credential,
  formatChallenge,
  formatCredential,
  formatSessionRequest,
  type Json,
  parseChallenges,
  parseCredential,
  parseSessionRequest,
} from "../../../sdk/src/wire/index.ts";
import { createWorld, type World } from "../../server/helpers.ts";
import { openShop, price, rejection } from "../client/helpers.ts";
import { kinds, newWallet, providerOf } from "./signers.ts";

/** The whole chain of causes of an error. */
function causes(error: unknown): unknown[] {
  const { cause } = Object(error) as { cause?: unknown };
  return cause === undefined ? [error] : [error, ...causes(cause)];
}

/** For comparing: ethers writes addresses with checksums, and keeps no time in a log. */
const plain = (value: unknown): Record<string, unknown> => JSON.parse(stringify(value).toLowerCase());

describe("an ethers signer as buyer and as seller", () => {
  for (const [kind, makeSigner] of Object.entries(kinds))
    it(`pays a call, sells it, settles and closes: ${kind}`, async () => {
      const world = await createWorld();
      const [buyer, seller] = [await makeSigner(world), await makeSigner(world)];
      const [account, sellerClient] = [await accountFromEthers(buyer), await clientFromEthers(seller)];
      await world.networkHelpers.setBalance(sellerClient.account.address, 10n ** 18n);
      await world.token.contract.faucet(account.address, 10n ** 6n);
      const before = await world.balanceOf(sellerClient.account.address);
      const shop = await openShop({
        world,
        gateway: { client: sellerClient },
        client: { account, client: await clientFromEthers(buyer) },
      });
      try {
        expect(await (await shop.post("ethers")).text()).to.equal("hello ethers");
        await (await shop.post("again")).text();
        const { settled, failed } = await shop.gateway.settleAll();
        expect(failed).to.deep.equal([]);
        expect(settled.map(({ amount }) => amount)).to.deep.equal([2n * price]);
        expect(await world.balanceOf(sellerClient.account.address)).to.equal(before + 2n * price);
        const [closed] = await shop.paying.close();
        expect(closed).to.include({ paid: 2n * price, by: "seller" });
        expect(await world.balanceOf(account.address)).to.equal(10n ** 6n - 2n * price);
      } finally {
        await shop.close();
      }
    });

  it("opens the channel by its own transaction where the seller takes only that", async () => {
    const world = await createWorld();
    const buyer = newWallet(world);
    await world.networkHelpers.setBalance(buyer.address, 10n ** 18n);
    await world.token.contract.faucet(buyer.address, 10n ** 6n);
    const [account, client] = [await accountFromEthers(buyer), await clientFromEthers(buyer)];
    const shop = await openShop({ world, client: { account, client } });
    // The gateway offers to relay: take that out of its challenge, and put it back for its own check.
    let offered = "";
    let changed = "";
    shop.between = async (request, next) => {
      const credential = parseCredential(request.headers.get("authorization"));
      if (credential?.challenge.request === changed) {
        const challenge = { ...credential.challenge, request: offered };
        request.headers.set("authorization", formatCredential({ ...(credential as Credential<Json>), challenge }));
      }
      const response = await next(request);
      const [challenge] = parseChallenges(response.headers.get("www-authenticate"));
      if (!challenge) return response;
      offered = challenge.request;
      changed = formatSessionRequest({ ...parseSessionRequest(offered), feePayer: false, credentialTypes: ["hash"] });
      return new Response(response.body, {
        status: response.status,
        headers: { "www-authenticate": formatChallenge({ ...challenge, request: changed }) },
      });
    };
    try {
      expect(await (await shop.post("x")).text()).to.equal("hello x");
      expect(await world.ethers.provider.getTransactionCount(buyer.address), "approval and opening").to.equal(2);
    } finally {
      await shop.close();
    }
  });
});

describe("clientFromEthers", () => {
  let world: World;
  beforeEach(async () => {
    world = await createWorld();
  });
  const fallback = () => new FallbackProvider([providerOf(world)], 31337);

  it("refuses a signer without a provider", async () => {
    expect(await rejection(clientFromEthers(new Wallet(`0x${"5c".repeat(32)}`)))).to.include({ code: "no-provider" });
  });

  it("gives by a FallbackProvider what the node gives", async () => {
    const hash = await world.payerClient.sendTransaction({ to: world.seller.address, value: 5n, chain: null });
    const node = createPublicClient({ transport: custom({ request: world.payerClient.request as never }) });
    const client = await clientFromEthers(fallback());
    expect(await getChainId(client)).to.equal(31337);
    expect(await getGasPrice(client)).to.equal(await getGasPrice(node));
    const logsOfNode = (await getLogs(node, { fromBlock: 0n })).map((log) => ({ ...log, blockTimestamp: undefined }));
    expect(logsOfNode).not.to.deep.equal([]);
    expect(plain(await getLogs(client, { fromBlock: 0n }))).to.deep.equal(plain(logsOfNode));
    const ofNode = await getTransactionReceipt(node, { hash });
    const { blobGasPrice: _, ...receipt } = await getTransactionReceipt(client, { hash });
    expect(plain(ofNode)).to.deep.include(plain(receipt));
    const { blockHash } = receipt;
    for (const query of [{ blockHash }, { blockNumber: receipt.blockNumber }]) {
      const [block, expected] = [await getBlock(client, query), await getBlock(node, query)];
      for (const name of ["hash", "number", "timestamp", "transactions", "baseFeePerGas", "gasUsed"] as const)
        expect(block[name], name).to.deep.equal(expected[name]);
    }
    const [sent, expected] = [await getTransaction(client, { hash }), await getTransaction(node, { hash })];
    for (const name of ["from", "to", "nonce", "value", "input", "gas", "blockNumber", "type"] as const)
      expect(plain(sent[name]), name).to.deep.equal(plain(expected[name]));
    const unknown = keccak256(stringToHex("no transaction"));
    expect(await rejection(getTransactionReceipt(client, { hash: unknown }))).to.have.property(
      "name",
      "TransactionReceiptNotFoundError",
    );
  });

  it("tells by a FallbackProvider the newest block that its quorum has reached", async () => {
    const head = BigInt(await world.ethers.provider.getBlockNumber());
    /** A node so many blocks behind, or away. */
    const node = (behind: bigint | Error) => {
      const answer = () => {
        if (behind instanceof Error) throw behind;
        return `0x${(head - behind).toString(16)}`;
      };
      return new BrowserProvider({ request: async () => answer() }, 31337, { staticNetwork: true });
    };
    const tells = async (quorum: number, ...nodes: (bigint | Error)[]) =>
      getBlockNumber(await clientFromEthers(new FallbackProvider(nodes.map(node), 31337, { quorum })), {
        cacheTime: 0,
      });
    expect(await tells(2, 0n, 0n)).to.equal(head);
    expect(await tells(2, 0n, 1n)).to.equal(head - 1n);
    expect(await tells(1, 0n, 1n)).to.equal(head);
    expect(await tells(2, 3n, 0n, 1n)).to.equal(head - 1n);
    expect(await tells(2, new Error("away"), 0n, 2n)).to.equal(head - 2n);
    const failure = await rejection(tells(2, new Error("away"), 0n));
    expect(String(causes(failure).at(-1))).to.contain("Too few of the provider's nodes");
  });

  it("sends by a FallbackProvider what was signed elsewhere", async () => {
    const wallet = newWallet(world);
    await world.networkHelpers.setBalance(wallet.address, 10n ** 18n);
    const transaction = await wallet.populateTransaction({ to: world.seller.address, value: 7n });
    const serializedTransaction = (await wallet.signTransaction(transaction)) as `0x${string}`;
    const hash = await sendRawTransaction(await clientFromEthers(fallback()), { serializedTransaction });
    expect((await world.ethers.provider.getTransactionReceipt(hash))?.status).to.equal(1);
  });

  it("says what ethers cannot answer, once and typed", async () => {
    const client = await clientFromEthers(fallback());
    const error = await rejection(
      client.request({ method: "debug_traceBlockByNumber" as never, params: ["0x1"] as never }),
    );
    const cause = causes(error).find((one) => Object(one).code === "unsupported-by-ethers");
    expect(cause).to.include({ name: "UnsupportedByEthersError", method: "debug_traceBlockByNumber" });
    const call = { to: world.token.address, data: "0x06fdde03" };
    const overrides = await rejection(client.request({ method: "eth_call", params: [call, "latest", {}] } as never));
    expect(causes(overrides).map((one) => Object(one).code)).to.include("unsupported-by-ethers");
  });

  it("signs messages and typed data for viem's own actions", async () => {
    const wallet = newWallet(world);
    const client = await clientFromEthers(wallet);
    expect(await signMessage(client, { message: "hello" })).to.equal(await wallet.signMessage("hello"));
    const domain = { name: "n", version: "1", chainId: 31337, verifyingContract: world.token.address };
    const types = { Note: [{ name: "amount", type: "uint256" }] };
    const typedData = { domain, types, primaryType: "Note", message: { amount: 2n ** 200n } } as const;
    expect(await signTypedData(client, typedData)).to.equal(
      await wallet.signTypedData(domain, types, typedData.message),
    );
  });

  it("keeps what ethers threw among the causes: a wallet whose user refuses", async () => {
    const refusing = new BrowserProvider(
      {
        async request({ method, params }) {
          if (method === "eth_sendTransaction") throw Object.assign(new Error("user denied it"), { code: 4001 });
          return world.ethers.provider.send(method, params as unknown[]);
        },
      },
      31337,
      { staticNetwork: true },
    );
    const client = await clientFromEthers(await refusing.getSigner(0));
    const approval = { token: world.token.address, spender: world.seller.address, amount: 1n };
    const error = await rejection(approveToken(client, approval));
    expect(causes(error).map((one) => Object(one).name)).to.include("UserRejectedRequestError");
    expect(causes(error).map((one) => Object(one).code)).to.include("ACTION_REJECTED");
  });

  it("goes on after a send that failed, and counts on while the node does not know yet what it was sent", async () => {
    const wallet = newWallet(world);
    await world.networkHelpers.setBalance(wallet.address, 10n ** 18n);
    const lagging = new Wallet(
      wallet.privateKey,
      new BrowserProvider(
        {
          request: async ({ method, params }) =>
            method === "eth_getTransactionCount" ? "0x0" : world.ethers.provider.send(method, params as unknown[]),
        },
        31337,
        { staticNetwork: true },
      ),
    );
    const client = await clientFromEthers(lagging);
    const send = (value: string) =>
      client.request({ method: "eth_sendTransaction", params: [{ to: world.seller.address, value }] } as never);
    const results = await Promise.allSettled([send("0x1"), send("0xffffffffffffffffffff"), send("0x2"), send("0x3")]);
    expect(results.map(({ status }) => status)).to.deep.equal(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
    expect(await world.ethers.provider.getTransactionCount(wallet.address)).to.equal(3);
  });

  it("reads through a signer that cannot sign", async () => {
    const signer: Signer = new VoidSigner(world.payer.address, providerOf(world));
    expect(await getChainId(await clientFromEthers(signer))).to.equal(31337);
    expect(await getChainId(await clientFromEthers(new NonceManager(signer)))).to.equal(31337);
  });
});
