import { expect } from "chai";
import type { Hex } from "viem";

import { closeChannel, parseYuan, requestCloseChannel, withdrawChannel } from "../../sdk/src/index.ts";
import { createMemoryLedger, type Ledger } from "../../sdk/src/ledger/index.ts";
import { createGateway, type SettlerOptions } from "../../sdk/src/server/index.ts";
import { openSeller } from "../../sdk/src/server/openSeller.ts";
import { createRelayLimit } from "../../sdk/src/server/relayLimit.ts";
import { startSettler } from "../../sdk/src/server/settler.ts";
import { createWorld, type World } from "./helpers.ts";
import {
  askNode,
  type Channel,
  openStall,
  price,
  realm,
  secret,
  type Stall,
  transactionsOf,
  until,
  watchedClient,
} from "./stall.ts";

const deposit = parseYuan("1");
const hour = 3_600_000;

describe("the settler", () => {
  let world: World;
  let ledger: Ledger;
  let stall: Stall;
  let errors: unknown[];
  let offset: number;
  const closers: (() => Promise<void>)[] = [];
  beforeEach(async () => {
    world = await createWorld();
    ledger = createMemoryLedger();
    errors = [];
    offset = 0;
    stall = await openStall(world, { gateway: { ledger, settler: false } });
    closers.push(stall.close);
  });
  afterEach(async () => {
    await Promise.all(closers.splice(0).map((close) => close()));
  });

  /** Another process on the same ledger, that settles when it is told to look. */
  async function settlerWith(options: SettlerOptions = {}, changes: Partial<createGateway.Parameters> = {}) {
    const opened = await openSeller({
      client: world.sellerClient,
      contract: world.channels.address,
      token: world.token.address,
      realm,
      secret,
      ledger,
      now: () => Date.now() + offset,
      onError: (error) => errors.push(error),
      ...changes,
      settler: options,
    });
    closers.push(opened.close);
    return { ...opened, look: () => opened.settler!.look() };
  }

  /** A channel on which as many calls were bought. */
  async function sold(calls: number): Promise<Channel> {
    const channel = await stall.open({ deposit });
    for (let i = 1; i <= calls; i++) await stall.buy(channel, BigInt(i) * price);
    return channel;
  }

  const earned = () => world.balanceOf(world.seller.address);
  const settledOf = async (channel: Channel) => (await stall.record(channel)).settled;
  const contract = () => world.channels.address;
  const requestClose = ({ terms }: Channel) => requestCloseChannel(world.payerClient, { contract: contract(), terms });
  const codes = () => errors.map((error) => (error as { code?: string }).code);

  it("settles what is older than maxAge, and nothing before", async () => {
    const channel = await sold(2);
    const { look } = await settlerWith({ maxAge: 3600 });
    const sent = await transactionsOf(world);
    offset = hour - 10_000;
    await look();
    expect(await transactionsOf(world)).to.equal(sent);
    offset = hour + 1_000;
    await look();
    expect(await settledOf(channel)).to.equal(2n * price);
    expect(await transactionsOf(world)).to.equal(sent + 1);
    await look();
    expect(await transactionsOf(world), "nothing is due any more").to.equal(sent + 1);
    expect(errors).to.deep.equal([]);
  });

  it("settles a channel whose payer wants to leave, at once and alone", async () => {
    const [leaving, staying] = [await sold(1), await sold(2)];
    const told: Hex[] = [];
    const { look } = await settlerWith({ onSettled: ({ channelId }) => told.push(channelId) });
    await look();
    expect(await settledOf(leaving)).to.equal(0n);
    await requestClose(leaving);
    await look();
    expect(await settledOf(leaving)).to.equal(price);
    expect(await settledOf(staying)).to.equal(0n);
    expect(told).to.deep.equal([leaving.channelId]);
  });

  it("settles again what was still running when the payer asked to leave", async () => {
    const channel = await sold(1);
    const { look } = await settlerWith();
    const { started, finish } = stall.pauseWork("late");
    const late = stall.buy(channel, 2n * price);
    await started;
    await requestClose(channel);
    await look();
    expect(await settledOf(channel)).to.equal(price);
    finish();
    expect((await late).status).to.equal(200);
    await look();
    expect(await settledOf(channel)).to.equal(2n * price);
  });

  it("settles the largest first where more than maxAtRisk is unsettled, until half of that is left", async () => {
    const channels = [await sold(1), await sold(4), await sold(2), await sold(3)];
    const { look } = await settlerWith({ maxAtRisk: 10n * price });
    await look();
    expect(await Promise.all(channels.map(settledOf)), "just the limit").to.deep.equal([0n, 0n, 0n, 0n]);
    await stall.buy(channels[0]!, 2n * price);
    await look();
    // 11 were at risk: 4 and 3 go, 4 are left.
    expect(await Promise.all(channels.map(settledOf))).to.deep.equal([0n, 4n * price, 0n, 3n * price]);
  });

  it("looks by itself, and no more once the gateway is closed", async () => {
    const channel = await sold(1);
    const { close } = await settlerWith({ interval: 0.02, maxAge: 0 });
    await until(async () => (await settledOf(channel)) === price, "settled");
    await close();
    await stall.buy(channel, 2n * price);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await settledOf(channel)).to.equal(price);
  });

  it("is one of many: two that look at once send one transaction", async () => {
    await Promise.all([sold(1), sold(2)]);
    const two = [await settlerWith({ maxAge: 0 }), await settlerWith({ maxAge: 0 })];
    const [sent, before] = [await transactionsOf(world), await earned()];
    await Promise.all(two.map(({ look }) => look()));
    for (const { look } of two) await look();
    expect(await transactionsOf(world)).to.equal(sent + 1);
    expect(await earned()).to.equal(before + 3n * price);
    expect(errors).to.deep.equal([]);
  });

  it("leaves the turn to settleAll of another process, which waits for its own", async () => {
    await sold(1);
    const { look, settling } = await settlerWith({ maxAge: 0 });
    const sent = await transactionsOf(world);
    const [{ settled }] = await Promise.all([stall.gateway.settleAll(), look(), settling.settleAll()]);
    expect(settled.length).to.be.lessThan(2);
    expect(await transactionsOf(world)).to.equal(sent + 1);
  });

  it("waits for its turn while another process settles", async () => {
    const channel = await sold(1);
    const { look } = await settlerWith({ maxAge: 0 });
    const lease = { name: "settling", holder: "another process" };
    await ledger.acquireLease({ ...lease, ttl: 60_000 });
    await look();
    let isDone = false;
    const settling = stall.gateway.settleAll().then((outcome) => ((isDone = true), outcome));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isDone).to.equal(false);
    expect(await settledOf(channel)).to.equal(0n);
    await ledger.releaseLease(lease);
    expect((await settling).settled).to.have.lengthOf(1);
  });

  it("looks after what a process has left that ended later than this one began", async () => {
    const { look } = await settlerWith();
    const node = watchedClient(world);
    const other = await openStall(world, { gateway: { ledger, client: node.client, settler: false } });
    node.before = (method) => {
      if (method === "eth_sendRawTransaction") throw new Error("cut");
    };
    const { payload, channel } = await other.opening({ deposit });
    expect((await other.pay(payload)).status).to.equal(503);
    await other.close();
    expect(await world.openings()).not.to.include(channel.channelId);
    await look();
    await until(async () => (await world.openings()).includes(channel.channelId), "sent");
  });

  it("looks no more when it is closed in the middle of a look", async () => {
    await sold(1);
    let asked = 0;
    const counted: Ledger = { ...ledger, transactions: (account) => (asked++, ledger.transactions(account)) };
    const node = watchedClient(world);
    const { look, close } = await settlerWith({ interval: 0.02, maxAge: 0 }, { client: node.client, ledger: counted });
    let go = (): void => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    node.before = () => gate;
    const looking = look();
    await close();
    node.before = () => undefined;
    go();
    await looking;
    const before = asked;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(asked).to.equal(before);
  });

  describe("with a node", () => {
    let node: ReturnType<typeof watchedClient>;
    beforeEach(() => {
      node = watchedClient(world);
    });

    it("that is away for a while: tells it, and settles when it is back", async () => {
      const channel = await sold(1);
      const { look } = await settlerWith({ maxAge: 0 }, { client: node.client });
      node.before = () => {
        throw new Error("connect ECONNREFUSED");
      };
      await look();
      expect(codes()).to.include("chain-unreachable");
      expect(await settledOf(channel)).to.equal(0n);
      node.before = () => undefined;
      await look();
      expect(await settledOf(channel)).to.equal(price);
    });

    it("that answers old state: undoes nothing and pays for nothing twice", async () => {
      const channel = await sold(1);
      const { look } = await settlerWith({ maxAge: 0 }, { client: node.client });
      const old = await askNode(world, "eth_blockNumber");
      await look();
      expect(await settledOf(channel)).to.equal(price);
      await stall.buy(channel, 2n * price);
      const sent = await transactionsOf(world);
      node.instead = (method) => (method === "eth_blockNumber" ? old : undefined);
      const lagging = look();
      await until(async () => (await transactionsOf(world)) > sent, "sent");
      expect(await settledOf(channel)).to.equal(price);
      node.instead = () => undefined;
      await lagging;
      expect(await settledOf(channel)).to.equal(2n * price);
      expect(await transactionsOf(world)).to.equal(sent + 1);
    });

    it("F106: that leaves out logs: knows by the channel's state what was settled", async () => {
      const channels = [await sold(1), await sold(2)];
      const told: [Hex, bigint][] = [];
      const onSettled: SettlerOptions["onSettled"] = ({ channelId, amount }) => told.push([channelId, amount]);
      const { look } = await settlerWith({ maxAge: 0, onSettled }, { client: node.client });
      node.instead = async (method, params) => {
        if (method !== "eth_getTransactionReceipt") return undefined;
        const receipt = (await askNode(world, method, ...(params as unknown[]))) as object | null;
        return receipt && { ...receipt, logs: [] };
      };
      await look();
      await until(() => told.length === 2, "told");
      expect(told).to.deep.equal(channels.map(({ channelId }, i) => [channelId, BigInt(i + 1) * price]));
      expect(errors).to.deep.equal([]);
    });

    it("F106: that knows no logs at all: still sees that a payer wants to leave", async () => {
      const channel = await sold(1);
      const { look } = await settlerWith({}, { client: node.client });
      node.instead = (method) => (method === "eth_getLogs" ? [] : undefined);
      await requestClose(channel);
      await look();
      expect(await settledOf(channel)).to.equal(price);
    });

    it("whose newest block is old: tells it", async () => {
      const { seller, settling, report } = await settlerWith({}, { client: node.client });
      const start = (lagAfter: number | undefined) => {
        const settler = startSettler({ seller, settling, options: {}, gracePeriod: 900, lagAfter, report });
        closers.push(async () => settler.stop());
        return settler;
      };
      await world.networkHelpers.mine(1);
      const { timestamp } = await world.sellerClient.getBlock();
      offset = Number(timestamp) * 1000 + 225_000 - Date.now();
      await start(226).look();
      expect(codes()).to.deep.equal([]);
      offset += 5_000;
      await start(226).look();
      expect(codes()).to.deep.equal(["node-behind"]);
      await start(undefined).look();
      expect(codes()).to.have.lengthOf(1);
    });
  });

  it("F107: settles again what a reorganisation took back, exactly once", async () => {
    const channel = await sold(3);
    const { look } = await settlerWith({ maxAge: 0 }, { replaceAfter: 30 });
    const before = await earned();
    const snapshot = await world.networkHelpers.takeSnapshot();
    await look();
    expect(await earned()).to.equal(before + 3n * price);
    await snapshot.restore();
    expect(await earned()).to.equal(before);
    await world.networkHelpers.mine(3);
    await look();
    expect(await earned()).to.equal(before + 3n * price);
    expect(await settledOf(channel)).to.equal(3n * price);
    await look();
    expect(await earned()).to.equal(before + 3n * price);
  });

  it("F107: sees at its first look that a settlement of another process was taken back", async () => {
    await sold(3);
    const snapshot = await world.networkHelpers.takeSnapshot();
    await stall.gateway.settleAll();
    await snapshot.restore();
    await world.networkHelpers.mine(3);
    const before = await earned();
    const { look } = await settlerWith({ maxAge: 0 }, { replaceAfter: 30 });
    await look();
    expect(await earned()).to.equal(before + 3n * price);
  });

  it("F107: tells once what was sold against a deposit that a reorganisation took back", async () => {
    const other = await sold(1);
    const snapshot = await world.networkHelpers.takeSnapshot();
    const gone = await sold(2);
    await snapshot.restore();
    await world.networkHelpers.mine(5);
    const { look } = await settlerWith({ maxAge: 0 });
    await look();
    expect(codes()).to.deep.equal(["deposit-lost"]);
    expect(errors[0]).to.include({ amount: 2n * price });
    expect((errors[0] as Error).message).to.include(gone.channelId);
    expect(await settledOf(other)).to.equal(price);
    await look();
    expect(codes()).to.deep.equal(["deposit-lost"]);
  });

  it("tells what was lost because nobody settled in time", async () => {
    const channel = await sold(2);
    await requestClose(channel);
    await world.networkHelpers.time.increase(901);
    await withdrawChannel(world.payerClient, { contract: contract(), terms: channel.terms });
    const { look } = await settlerWith();
    await look();
    expect(codes()).to.deep.equal(["earnings-lost"]);
    expect(errors[0]).to.include({ amount: 2n * price });
  });

  it("tells at once what somebody forfeited by closing the channel elsewhere", async () => {
    const channel = await sold(2);
    const { signature } = await stall.voucher(channel, price);
    const claim = { terms: channel.terms, amount: price, cumulativeAmount: price, signature };
    await closeChannel(world.sellerClient, { contract: contract(), claim });
    const { look } = await settlerWith();
    await look();
    expect(codes()).to.deep.equal(["earnings-lost"]);
    expect(errors[0]).to.include({ amount: price });
  });

  it("keeps on when the one who is told throws", async () => {
    const channel = await sold(1);
    const onSettled = (): never => {
      throw new Error("from onSettled");
    };
    const { look } = await settlerWith({ maxAge: 0, onSettled });
    await look();
    await until(() => errors.length === 1, "told");
    expect(await settledOf(channel)).to.equal(price);
  });

  for (const [name, options] of [
    ["that looks at no time", { interval: 0 }],
    ["that looks too rarely to see a payer leave", { interval: 226 }],
    ["whose age is negative", { maxAge: -1 }],
    ["whose interval is no number", { interval: Number.NaN }],
  ] as const) {
    it(`is refused ${name}`, async () => {
      const error = await settlerWith(options).then(
        () => expect.fail("started"),
        (caught: { code: string }) => caught,
      );
      expect(error.code).to.equal("invalid-settler");
    });
  }
  it("may look once in a quarter of the grace period", async () => {
    await settlerWith({ interval: 225 });
  });
});

describe("F027: the limit on what is sent at the seller's gas", () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });

  it("stops a payer's openings, pending ones included, without any gas, and names the time to wait", async () => {
    const stall = await openStall(world, { gateway: { maxRelaysPerHour: 2 } });
    const openings = await Promise.all([1, 2, 3].map(() => stall.opening({ deposit })));
    const sent = await transactionsOf(world);
    const replies = await Promise.all(openings.map(({ payload }) => stall.pay(payload)));
    expect(replies.map(({ status }) => status).toSorted()).to.deep.equal([204, 204, 429]);
    expect(await transactionsOf(world)).to.equal(sent + 2);
    const refused = replies.find(({ status }) => status === 429)!;
    expect(refused.problem?.code).to.equal("too-many-relays");
    const wait = Number(refused.headers.get("retry-after"));
    expect(wait).to.be.greaterThan(3_500).and.at.most(3_600);
    expect(refused.problem?.members).to.include({ retryAfter: wait });
    await stall.close();
  });

  it("counts top-ups too, and no repeated credential", async () => {
    const stall = await openStall(world, { gateway: { maxRelaysPerHour: 2 } });
    const { payload, channel } = await stall.opening({ deposit });
    for (let i = 0; i < 3; i++) expect((await stall.pay(payload)).status).to.equal(204);
    const topUp = await stall.topUp(channel, price);
    for (let i = 0; i < 3; i++) expect((await stall.pay(topUp)).status).to.equal(204);
    expect((await stall.pay(await stall.topUp(channel, price))).status).to.equal(429);
    expect((await stall.record(channel)).deposit).to.equal(deposit + price);
    await stall.close();
  });

  it("counts nothing that the contract refused before it was sent", async () => {
    const stall = await openStall(world, { gateway: { maxRelaysPerHour: 1 } });
    for (let i = 0; i < 2; i++) {
      const { payload } = await stall.opening({ deposit: parseYuan("1000000") });
      expect((await stall.pay(payload)).status).to.equal(402);
    }
    await stall.open({ deposit });
    await stall.close();
  });

  it("has a least deposit by default, which costs the one who wants many payers", async () => {
    const stall = await openStall(world, { gateway: { minDeposit: undefined as never } });
    const reply = await stall.pay((await stall.opening({ deposit: 99_999n })).payload);
    expect(reply.problem?.code).to.equal("deposit-too-small");
    await stall.open({ deposit: 100_000n });
    await stall.close();
  });

  it("is for each payer, and over when an hour is", () => {
    let now = 1_000_000;
    const limit = createRelayLimit(2, () => now);
    const [one, other] = [`0x${"aB".repeat(20)}`, `0x${"cd".repeat(20)}`] as const;
    expect(limit.take(one)).to.equal(0);
    now += 1_000;
    expect(limit.take(one.toLowerCase() as Hex)).to.equal(0);
    expect(limit.take(one)).to.equal(hour - 1_000);
    expect(limit.take(other)).to.equal(0);
    now += hour - 1_001;
    expect(limit.take(one)).to.equal(1);
    now += 1;
    expect(limit.take(one)).to.equal(0);
    expect(limit.take(one)).to.equal(1_000);
    expect(createRelayLimit(0, () => now).take(one)).to.equal(hour);
  });
});
