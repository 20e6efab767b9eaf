import { expect } from "chai";
import { createWalletClient, custom, type Hex, keccak256, publicActions } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { isSubfenError, parseYuan, withdrawChannel, requestCloseChannel } from "../../sdk/src/index.ts";
import { createMemoryLedger, type Ledger } from "../../sdk/src/ledger/index.ts";
import { openSeller } from "../../sdk/src/server/openSeller.ts";
import { createTransactionMaker } from "../../sdk/src/server/transactionMaker.ts";
import { createWorld, type World } from "./helpers.ts";
import {
  askNode,
  openStall,
  price,
  realm,
  secret,
  type Stall,
  transactionsOf,
  unmined,
  until,
  watchedClient,
} from "./stall.ts";

const deposit = parseYuan("1");

describe("the seller's outbox", () => {
  let world: World;
  let ledger: Ledger;
  let node: ReturnType<typeof watchedClient>;
  const stalls: Stall[] = [];
  beforeEach(async () => {
    world = await createWorld();
    ledger = createMemoryLedger();
    node = watchedClient(world);
  });
  afterEach(async () => {
    node.before = () => undefined;
    await Promise.all(stalls.splice(0).map((stall) => stall.close()));
  });

  /** A gateway on the shared ledger, as another process would be. */
  async function open(gateway: Parameters<typeof openStall>[1] & object = {}): Promise<Stall> {
    const options = { ledger, client: node.client, settler: false as const, ...gateway.gateway };
    const stall = await openStall(world, { ...gateway, gateway: options });
    stalls.push(stall);
    return stall;
  }

  /** A gateway with one sale that is not settled. */
  async function sold(gateway: Parameters<typeof open>[0] = {}) {
    const stall = await open(gateway);
    const channel = await stall.open({ deposit });
    await stall.buy(channel, price);
    return { stall, channel };
  }

  const waiting = () => ledger.transactions(world.seller.address);
  const earned = () => world.balanceOf(world.seller.address);
  const automine = (on: boolean) => askNode(world, "evm_setAutomine", on);
  const isPending = (hash: Hex) =>
    world.sellerClient.getTransaction({ hash }).then(
      ({ blockNumber }) => blockNumber === null,
      () => false,
    );

  it("has a transaction before it is sent, and until it is confirmed", async () => {
    await sold();
    await world.networkHelpers.mine(1);
    const stall = await open({ gateway: { confirmations: 2 } });
    const seen: Hex[][] = [];
    node.before = async (method, params) => {
      if (method !== "eth_sendRawTransaction") return;
      const [raw] = params as [Hex];
      const [saved] = await waiting();
      seen.push([keccak256(raw), ...(saved?.hashes ?? [])]);
    };
    const settling = stall.gateway.settleAll();
    await until(() => node.calls.filter((method) => method === "eth_getTransactionReceipt").length > 2, "looked at");
    expect(seen).to.have.lengthOf(1);
    expect(seen[0]![1], "saved before it is sent").to.equal(seen[0]![0]);
    expect(await waiting(), "mined, not confirmed").to.have.lengthOf(1);
    await world.networkHelpers.mine(1);
    expect((await settling).settled).to.have.lengthOf(1);
    expect(await waiting()).to.deep.equal([]);
  });

  it("F105: numbers what two gateways send at once, without a collision or a gap", async () => {
    const both = [await open(), await open()];
    const before = await transactionsOf(world);
    const channels = await Promise.all(Array.from({ length: 12 }, (_, i) => both[i % 2]!.open({ deposit })));
    expect(new Set(channels.map(({ channelId }) => channelId)).size).to.equal(12);
    expect(await transactionsOf(world)).to.equal(before + 12);
    expect(await world.openings()).to.include.members(channels.map(({ channelId }) => channelId));
    expect(await waiting()).to.deep.equal([]);
  });

  describe("after the process that sent it has ended", () => {
    it("is looked after by the next, which sends nothing twice", async () => {
      const { stall, channel } = await sold();
      const before = await earned();
      const sent = await transactionsOf(world);
      await automine(false);
      const cut = stall.gateway.settleAll();
      await until(async () => (await waiting()).length === 1, "sent");
      await stall.gateway.close();
      expect(isSubfenError((await cut).failed[0]?.error, "transaction-pending")).to.equal(true);
      expect(await waiting(), "kept").to.have.lengthOf(1);

      const next = await open();
      const settling = next.gateway.settleAll();
      await automine(true);
      await world.networkHelpers.mine(1);
      const { settled, failed } = await settling;
      expect(failed).to.deep.equal([]);
      expect(settled.map(({ channelId, amount }) => [channelId, amount])).to.deep.equal([[channel.channelId, price]]);
      expect(await transactionsOf(world)).to.equal(sent + 1);
      expect(await earned()).to.equal(before + price);
      expect(await waiting()).to.deep.equal([]);
    });

    it("is sent by the next where it was saved and never left", async () => {
      const { stall } = await sold();
      node.before = (method) => {
        if (method === "eth_sendRawTransaction") throw new Error("cut");
      };
      const [failure] = (await stall.gateway.settleAll()).failed;
      expect(isSubfenError(failure?.error, "transaction-pending")).to.equal(true);
      await stall.gateway.close();
      const before = await earned();
      node.before = () => undefined;
      await open();
      await until(async () => (await earned()) === before + price, "sent and mined");
      await until(async () => (await waiting()).length === 0, "forgotten");
    });

    it("of an opening: the credential presented again waits for the one that was sent", async () => {
      const stall = await open();
      const { payload, channel } = await stall.opening({ deposit });
      const sent = await transactionsOf(world);
      await automine(false);
      const cut = stall.pay(payload);
      await until(async () => (await waiting()).length === 1, "sent");
      await stall.gateway.close();
      expect((await cut).problem?.code).to.equal("chain-unreachable");

      const next = await open();
      const simulations = () => node.calls.filter((method) => method === "eth_call").length;
      const before = simulations();
      const again = next.pay(payload);
      await until(() => simulations() > before, "simulated again");
      await automine(true);
      await world.networkHelpers.mine(1);
      expect((await again).status).to.equal(204);
      expect(await next.record(channel)).to.include({ deposit });
      expect(await transactionsOf(world)).to.equal(sent + 1);
    });
  });

  describe("that is not mined", () => {
    it("is replaced with a higher fee, and counts once", async () => {
      const { stall } = await sold({ gateway: { replaceAfter: 30 } });
      const before = await earned();
      const sent = await transactionsOf(world);
      await automine(false);
      const settling = stall.gateway.settleAll();
      await until(async () => (await waiting())[0]?.hashes.length === 3, "replaced twice");
      const [saved] = await waiting();
      const [first, , last] = saved!.hashes;
      expect(await isPending(first!), "the first one was replaced").to.equal(false);
      const fees = await Promise.all(
        [saved!.hashes.at(-1)!].map((hash) => world.sellerClient.getTransaction({ hash })),
      );
      expect(fees[0]!.maxFeePerGas).to.equal(saved!.maxFeePerGas);
      expect(last).to.not.equal(first);
      await automine(true);
      await world.networkHelpers.mine(1);
      const { settled } = await settling;
      expect(saved!.hashes.concat(...(await waiting()).map(({ hashes }) => hashes))).to.include(settled[0]?.txHash);
      expect(await transactionsOf(world)).to.equal(sent + 1);
      expect(await earned()).to.equal(before + price);
    });

    it("is not replaced above the seller's own limit", async () => {
      await sold();
      const { maxFeePerGas } = await world.sellerClient.estimateFeesPerGas();
      const stall = await open({ gateway: { replaceAfter: 20, maxFeePerGas } });
      await automine(false);
      const settling = stall.gateway.settleAll();
      await until(async () => (await waiting()).length === 1, "sent");
      const looks = () => node.calls.filter((method) => method === "eth_maxPriorityFeePerGas").length;
      const before = looks();
      await until(() => looks() > before + 4, "a higher fee was thought of");
      const [saved] = await waiting();
      expect(saved?.hashes).to.have.lengthOf(1);
      expect(saved?.maxFeePerGas).to.equal(maxFeePerGas);
      await automine(true);
      await world.networkHelpers.mine(1);
      expect((await settling).settled).to.have.lengthOf(1);
    });

    it("is sent again where the node has dropped it", async () => {
      const { stall } = await sold();
      await automine(false);
      const settling = stall.gateway.settleAll();
      await until(async () => (await waiting()).length === 1, "sent");
      const [saved] = await waiting();
      const hash = saved!.hashes[0]!;
      await until(() => isPending(hash), "known");
      await askNode(world, "hardhat_dropTransaction", hash);
      await until(() => isPending(hash), "known again");
      await automine(true);
      await world.networkHelpers.mine(1);
      expect((await settling).settled.map(({ txHash }) => txHash)).to.deep.equal([hash]);
    });

    it("is told where a transaction from elsewhere took its nonce, and what it was for is done again", async () => {
      const { stall } = await sold();
      await automine(false);
      const settling = stall.gateway.settleAll();
      await until(async () => (await waiting()).length === 1, "sent");
      const [{ nonce, maxFeePerGas, hashes }] = (await waiting()) as [Awaited<ReturnType<typeof waiting>>[0]];
      await until(() => isPending(hashes[0]!), "known");
      node.before = (method) => {
        if (method === "eth_sendRawTransaction") throw new Error("cut");
      };
      await world.sellerClient.sendTransaction({
        to: world.payer.address,
        nonce,
        maxFeePerGas: maxFeePerGas * 4n,
        maxPriorityFeePerGas: maxFeePerGas * 2n,
        chain: null,
      });
      await automine(true);
      await world.networkHelpers.mine(1);
      node.before = () => undefined;
      const { settled, failed } = await settling;
      expect(settled).to.deep.equal([]);
      expect(isSubfenError(failed[0]?.error, "transaction-replaced")).to.equal(true);
      expect(await waiting()).to.deep.equal([]);
      expect((await stall.gateway.settleAll()).settled).to.have.lengthOf(1);
    });

    it("gets the lower nonce that a chain which lost blocks is waiting for", async () => {
      await sold();
      const nonce = await transactionsOf(world);
      const { to, data } = { to: world.payer.address, data: "0x" as const };
      await ledger.saveTransaction({
        id: "settle",
        account: world.seller.address,
        nonce: nonce + 3,
        to,
        data,
        gas: 50_000n,
        ...(await world.sellerClient.estimateFeesPerGas()),
        sentAt: 0,
        hash: keccak256("0x01"),
      });
      await open();
      await until(async () => (await transactionsOf(world)) === nonce + 1, "mined under the lowest nonce");
      await until(async () => (await waiting()).length === 0, "forgotten");
    });
  });

  it("gives no nonce twice while one that was given has not reached the node", async () => {
    const stall = await open();
    const [one, other] = [await stall.opening({ deposit }), await stall.opening({ deposit })];
    await automine(false);
    let lost: Hex | undefined;
    node.before = (method, params) => {
      if (method !== "eth_sendRawTransaction") return;
      const [raw] = params as [Hex];
      lost ??= raw;
      if (raw === lost) throw new Error("cut");
    };
    const first = stall.pay(one.payload);
    await until(() => lost !== undefined, "lost");
    const second = stall.pay(other.payload);
    await until(async () => (await waiting()).length === 2, "both saved");
    const [low, high] = await waiting();
    expect(high!.nonce).to.equal(low!.nonce + 1);
    node.before = () => undefined;
    await until(() => isPending(low!.hashes[0]!), "sent again");
    await automine(true);
    await world.networkHelpers.mine(1);
    await Promise.all([first, second]);
    await until(async () => (await waiting()).length === 0, "both have an outcome");
    const openings = await world.openings();
    expect(openings).to.include.members([one.channel.channelId, other.channel.channelId]);
  });

  it("believes in no loss where one of many nodes does not know the receipt yet", async () => {
    const { stall } = await sold();
    let looks = 0;
    node.instead = (method) => (method === "eth_getTransactionReceipt" && looks++ < 2 ? null : undefined);
    const { settled, failed } = await stall.gateway.settleAll();
    expect(failed).to.deep.equal([]);
    expect(settled).to.have.lengthOf(1);
    expect(looks).to.equal(3);
  });

  it("takes another nonce where the node says that one is used", async () => {
    const { stall } = await sold();
    let isDone = false;
    node.before = async (method) => {
      if (method !== "eth_sendRawTransaction" || isDone) return;
      isDone = true;
      await world.sellerClient.sendTransaction({ to: world.payer.address, chain: null });
    };
    const { settled, failed } = await stall.gateway.settleAll();
    expect(failed).to.deep.equal([]);
    expect(settled).to.have.lengthOf(1);
    expect(await waiting()).to.deep.equal([]);
  });

  it("F108: tells at once that a transaction was mined and failed, and keeps it no longer", async () => {
    const { stall, channel } = await sold();
    await requestCloseChannel(world.payerClient, { contract: world.channels.address, terms: channel.terms });
    await world.networkHelpers.time.increase(901);
    let isDone = false;
    node.before = async (method) => {
      if (method !== "eth_sendRawTransaction" || isDone) return;
      isDone = true;
      await withdrawChannel(world.payerClient, { contract: world.channels.address, terms: channel.terms });
    };
    const { failed } = await stall.gateway.settleAll();
    expect(isSubfenError(failed[0]?.error, "transaction-reverted")).to.equal(true);
    expect(await waiting()).to.deep.equal([]);
    const [lost] = (await stall.gateway.settleAll()).failed;
    expect(isSubfenError(lost?.error, "earnings-lost")).to.equal(true);
  });

  it("leaves the transactions of a key that the node holds to the node", async () => {
    const [signer] = await world.ethers.getSigners();
    const address = signer!.address as Hex;
    const client = createWalletClient({
      account: address,
      transport: custom(world.sellerClient, { retryCount: 0 }),
      pollingInterval: 10,
    }).extend(publicActions);
    const stall = await open({ gateway: { client, payee: world.seller.address } });
    const { channelId } = await stall.open({ deposit });
    expect(await world.openings()).to.include(channelId);
    expect(await ledger.transactions(address)).to.deep.equal([]);
  });

  it("sends nothing under a name that has no outcome yet, and something else under another", async () => {
    const { seller, close } = await openSeller({
      client: node.client,
      contract: world.channels.address,
      token: world.token.address,
      realm,
      secret,
      ledger,
      now: Date.now,
      settler: false,
    });
    const before = await transactionsOf(world);
    const stall = await open();
    const [one, other] = [await stall.opening({ deposit }), await stall.opening({ deposit })];
    await unmined(world, async () => {
      for (const { payload } of [one, one, other]) void stall.pay(payload);
      await until(async () => (await waiting()).length === 2, "both sent");
    });
    await until(async () => (await waiting()).length === 0, "both mined");
    expect(await transactionsOf(world)).to.equal(before + 2);
    expect(await seller.outbox.finish("anything")).to.deep.equal([]);
    await close();
  });
});

describe("createTransactionMaker", () => {
  it("raises a fee by a quarter until it is five times what the node says, then no more", async () => {
    const world = await createWorld();
    const account = privateKeyToAccount(generatePrivateKey());
    const maker = createTransactionMaker({
      client: world.sellerClient,
      account,
      chainId: world.chainId,
      maxFeePerGas: undefined,
    });
    const { maxFeePerGas: now } = await world.sellerClient.estimateFeesPerGas();
    let fees = { maxFeePerGas: now, maxPriorityFeePerGas: 1n };
    const seen = [fees];
    for (let i = 0; i < 50; i++) {
      const raised = await maker.raise(fees);
      if (!raised) break;
      seen.push((fees = raised));
    }
    expect(seen.length).to.be.greaterThan(5).and.lessThan(20);
    for (const [i, { maxFeePerGas, maxPriorityFeePerGas }] of seen.entries()) {
      const before = seen[i - 1];
      expect(maxPriorityFeePerGas <= maxFeePerGas).to.equal(true);
      if (before) expect(maxFeePerGas * 10n >= before.maxFeePerGas * 11n, "what nodes ask for").to.equal(true);
    }
    expect(seen.at(-1)!.maxFeePerGas <= now * 5n).to.equal(true);
    expect(seen.at(-1)!.maxFeePerGas > now * 4n).to.equal(true);
  });

  it("signs for a chain without EIP-1559 at its gas price", async () => {
    const world = await createWorld();
    const node = watchedClient(world);
    node.instead = (method) => {
      if (method === "eth_getBlockByNumber") return legacyBlock;
      return method === "eth_gasPrice" ? "0x3b9aca00" : undefined;
    };
    const legacyBlock = {
      ...((await askNode(world, "eth_getBlockByNumber", "latest", false)) as object),
      baseFeePerGas: null,
    };
    const maker = createTransactionMaker({
      client: node.client,
      account: world.seller,
      chainId: world.chainId,
      maxFeePerGas: undefined,
    });
    const call = { to: world.payer.address, data: "0x" } as const;
    const priced = await maker.price(call);
    expect(priced.maxFeePerGas).to.equal(priced.maxPriorityFeePerGas);
    const { raw } = await maker.sign({
      ...call,
      ...priced,
      account: world.seller.address,
      nonce: await transactionsOf(world),
    });
    expect(raw.startsWith("0x02")).to.equal(false);
    node.instead = () => undefined;
    const hash = await world.sellerClient.sendRawTransaction({ serializedTransaction: raw });
    expect((await world.sellerClient.getTransactionReceipt({ hash })).status).to.equal("success");
  });
});
