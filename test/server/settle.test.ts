import { expect } from "chai";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import {
  getChannel,
  isSubfenError,
  parseYuan,
  requestCloseChannel,
  setOperator,
  settleChannel,
  withdrawChannel,
} from "../../sdk/src/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Channel, openStall, price, type Stall, transactionsOf, watchedClient } from "./stall.ts";

const deposit = parseYuan("1");

describe("settleAll", () => {
  let world: World;
  let stall: Stall;
  let channels: Channel[];
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    stall = await openStall(world);
    channels = [];
    for (let i = 0; i < 3; i++) channels.push(await stall.open({ deposit }));
  });
  afterEach(() => stall.close());

  const onChain = ({ channelId }: Channel) =>
    getChannel(world.sellerClient, { contract: world.channels.address, channelId });
  const earned = () => world.balanceOf(world.seller.address);

  /** The first channel buys three calls, the second one, the third none. */
  async function sell(): Promise<void> {
    const [first, second] = channels;
    for (const amount of [price, 2n * price, 3n * price]) await stall.buy(first!, amount);
    await stall.buy(second!, 100n * price);
  }

  it("captures what was earned on each channel, exactly, and nothing that was only authorised", async () => {
    await sell();
    const before = await earned();
    const { settled, failed } = await stall.gateway.settleAll();
    expect(failed).to.deep.equal([]);
    expect(settled.map(({ channelId, amount }) => [channelId, amount])).to.deep.equal([
      [channels[0]!.channelId, 3n * price],
      [channels[1]!.channelId, price],
    ]);
    expect(await earned()).to.equal(before + 4n * price);
    for (const { txHash } of settled) {
      expect((await world.sellerClient.getTransactionReceipt({ hash: txHash })).status).to.equal("success");
    }
    const states = await Promise.all(channels.map(onChain));
    expect(states.map(({ settled: amount, finalized }) => [amount, finalized])).to.deep.equal([
      [3n * price, false],
      [price, false],
      [0n, false],
    ]);
    expect(await stall.record(channels[0]!)).to.include({ settled: 3n * price, spent: 3n * price });
  });

  it("settles many channels in one transaction, and more than a hundred in two", async () => {
    const own = await createWorld();
    const shop = await openStall(own);
    for (let i = 0; i < 102; i++) await shop.buy(await shop.open({ deposit: price }), price);
    const before = await own.balanceOf(own.seller.address);
    const sent = await transactionsOf(own);
    const { settled, failed } = await shop.gateway.settleAll();
    expect(failed).to.deep.equal([]);
    expect(new Set(settled.map(({ channelId }) => channelId))).to.have.lengthOf(102);
    expect(settled.every(({ amount }) => amount === price)).to.equal(true);
    const hashes = settled.map(({ txHash }) => txHash);
    expect([...new Set(hashes)].map((one) => hashes.filter((hash) => hash === one).length)).to.deep.equal([100, 2]);
    expect(await transactionsOf(own)).to.equal(sent + 2);
    expect(await own.balanceOf(own.seller.address)).to.equal(before + 102n * price);
    await shop.close();
  });

  it("tells which claims of a batch were left out, and why; the others are settled", async () => {
    const own = await createWorld();
    const node = watchedClient(own);
    const shop = await openStall(own, { gateway: { client: node.client } });
    const contract = own.channels.address;
    const [lost, taken, good, last] = [
      await shop.open({ deposit }),
      await shop.open({ deposit }),
      await shop.open({ deposit }),
      await shop.open({ deposit }),
    ];
    for (const channel of [lost, taken, good, last]) await shop.buy(channel, price);
    const [operator] = (await own.ethers.getSigners()).slice(-1);
    await setOperator(own.sellerClient, { contract, operator: operator!.address as `0x${string}`, approved: true });
    await requestCloseChannel(own.payerClient, { contract, terms: lost.terms });
    await own.networkHelpers.time.increase(901);
    // Between the look at the chain and the transaction, one is withdrawn and one settled by another process.
    let isDone = false;
    node.before = async (method) => {
      if (method !== "eth_sendRawTransaction" || isDone) return;
      isDone = true;
      await withdrawChannel(own.payerClient, { contract, terms: lost.terms });
      const { signature } = await shop.voucher(taken, price);
      const claim = { terms: taken.terms, amount: price, cumulativeAmount: price, signature };
      await own.channels.contract.connect(operator).getFunction("settle")(claim);
    };
    const { settled, failed } = await shop.gateway.settleAll();
    expect(isDone).to.equal(true);
    expect(settled.map(({ channelId }) => channelId)).to.deep.equal([good.channelId, last.channelId]);
    expect(failed.map(({ channelId }) => channelId)).to.deep.equal([lost.channelId]);
    expect(isSubfenError(failed[0]?.error, "earnings-lost")).to.equal(true);
    expect(await shop.gateway.settleAll()).to.deep.equal({ settled: [], failed: [] });
    await shop.close();
  });

  it("tells the contract's reason for what was left out where the chain cannot be read afterwards", async () => {
    const own = await createWorld();
    const node = watchedClient(own);
    const shop = await openStall(own, { gateway: { client: node.client } });
    const contract = own.channels.address;
    const [lost, good] = [await shop.open({ deposit }), await shop.open({ deposit })];
    for (const channel of [lost, good]) await shop.buy(channel, price);
    await requestCloseChannel(own.payerClient, { contract, terms: lost.terms });
    await own.networkHelpers.time.increase(901);
    let isSent = false;
    node.before = async (method) => {
      if (method === "eth_call" && isSent) throw new Error("cut");
      if (method !== "eth_sendRawTransaction") return;
      isSent = true;
      await withdrawChannel(own.payerClient, { contract, terms: lost.terms });
    };
    const { settled, failed } = await shop.gateway.settleAll();
    expect(settled.map(({ channelId }) => channelId)).to.deep.equal([good.channelId]);
    expect(failed.map(({ channelId }) => channelId)).to.deep.equal([lost.channelId]);
    expect(isSubfenError(failed[0]?.error, "claim-skipped")).to.equal(true);
    const reason = own.channels.contract.interface.getError("ChannelFinalized")?.selector;
    expect(failed[0]?.error).to.include({ reason });
    await shop.close();
  });

  it("run again sends nothing, until more was earned", async () => {
    await sell();
    await stall.gateway.settleAll();
    const sent = await transactionsOf(world);
    expect(await stall.gateway.settleAll()).to.deep.equal({ settled: [], failed: [] });
    expect(await transactionsOf(world)).to.equal(sent);

    await stall.buy(channels[0]!, 4n * price);
    const { settled } = await stall.gateway.settleAll();
    expect(settled.map(({ amount }) => amount)).to.deep.equal([price]);
    expect(await onChain(channels[0]!)).to.include({ settled: 4n * price });
  });

  it("run twice at once captures once", async () => {
    await sell();
    const before = await earned();
    const sent = await transactionsOf(world);
    await Promise.all([stall.gateway.settleAll(), stall.gateway.settleAll()]);
    expect(await earned()).to.equal(before + 4n * price);
    expect(await transactionsOf(world)).to.equal(sent + 1);
    expect(await stall.gateway.settleAll()).to.deep.equal({ settled: [], failed: [] });
  });

  it("leaves what is held alone, and the channel goes on", async () => {
    await sell();
    const { started, finish } = stall.pauseWork("slow");
    const slow = stall.buy(channels[0]!, 4n * price);
    await started;
    const { settled } = await stall.gateway.settleAll();
    expect(settled[0]).to.include({ amount: 3n * price });
    finish();
    expect((await slow).receipt).to.include({ spent: 4n * price });
    expect((await stall.gateway.settleAll()).settled).to.have.lengthOf(1);
    expect(await onChain(channels[0]!)).to.include({ settled: 4n * price });
  });

  it("settles while a payer waits for its money, and loses nothing", async () => {
    await sell();
    await requestCloseChannel(world.payerClient, { contract: world.channels.address, terms: channels[0]!.terms });
    const { settled } = await stall.gateway.settleAll();
    expect(settled).to.have.lengthOf(2);
  });

  it("has nothing to do where another process was first", async () => {
    await sell();
    const [first] = channels;
    const settleElsewhere = async (amount: bigint): Promise<void> => {
      const { signature } = await stall.voucher(first!, amount);
      const claim = { terms: first!.terms, amount, cumulativeAmount: amount, signature };
      await settleChannel(world.sellerClient, { contract: world.channels.address, claim });
    };
    await settleElsewhere(3n * price);
    const { settled, failed } = await stall.gateway.settleAll();
    expect(failed).to.deep.equal([]);
    expect(settled.map(({ channelId }) => channelId)).to.deep.equal([channels[1]!.channelId]);

    await stall.buy(first!, 4n * price);
    await settleElsewhere(4n * price);
    expect(await stall.gateway.settleAll()).to.deep.equal({ settled: [], failed: [] });
  });

  it("is not stopped by one channel that fails, and tells which and why", async () => {
    const own = await createWorld();
    const shop = await openStall(own);
    const [lost, good] = [await shop.open({ deposit }), await shop.open({ deposit })];
    await shop.buy(lost, price);
    await shop.buy(good, price);
    const call = { contract: own.channels.address, terms: lost.terms };
    await requestCloseChannel(own.payerClient, call);
    await own.networkHelpers.time.increase(901);
    await withdrawChannel(own.payerClient, call);

    const { settled, failed } = await shop.gateway.settleAll();
    expect(settled.map(({ channelId }) => channelId)).to.deep.equal([good.channelId]);
    expect(failed).to.have.lengthOf(1);
    expect(failed[0]?.channelId).to.equal(lost.channelId);
    expect(isSubfenError(failed[0]?.error, "earnings-lost")).to.equal(true);
    expect(failed[0]?.error).to.include({ amount: price });
    // Told once: there is nothing left to try.
    expect(await shop.gateway.settleAll()).to.deep.equal({ settled: [], failed: [] });
    await shop.close();
  });

  it("takes up again what the chain did not let through", async () => {
    const node = watchedClient(world);
    const cut = await openStall(world, { gateway: { client: node.client } });
    const own = await cut.open({ deposit });
    await cut.buy(own, price);
    for (const broken of ["eth_call", "eth_sendRawTransaction"]) {
      node.before = (method) => {
        if (method === broken) throw new Error("cut");
      };
      const { settled, failed } = await cut.gateway.settleAll();
      expect(settled).to.deep.equal([]);
      expect(failed.map(({ channelId }) => channelId)).to.deep.equal([own.channelId]);
    }
    node.before = () => undefined;
    expect((await cut.gateway.settleAll()).settled).to.have.lengthOf(1);
    expect(await onChain(own)).to.include({ settled: price });
    await cut.close();
  });

  it("pays the payee where an operator sends it", async () => {
    const payee = privateKeyToAccount(generatePrivateKey());
    const shop = await openStall(world, { gateway: { payee: payee.address } });
    const own = await shop.open({ deposit });
    await shop.buy(own, price);
    const refused = await shop.gateway.settleAll();
    expect(refused.failed.map(({ error }) => (error as { errorName?: string }).errorName)).to.deep.equal(["NotPayee"]);

    await world.networkHelpers.setBalance(payee.address, 10n ** 18n);
    const signer = await world.ethers.getImpersonatedSigner(payee.address);
    await world.channels.contract.connect(signer).getFunction("setOperator")(world.seller.address, true);
    expect((await shop.gateway.settleAll()).settled).to.have.lengthOf(1);
    expect(await world.balanceOf(payee.address)).to.equal(price);
    await shop.close();
  });
});
