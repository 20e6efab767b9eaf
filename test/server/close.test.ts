import { expect } from "chai";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { getChannel, parseYuan, requestCloseChannel } from "../../sdk/src/index.ts";
import { formatSessionPayload } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Channel, openStall, price, type Stall, transactionsOf, watchedClient } from "./stall.ts";

const stranger = privateKeyToAccount(generatePrivateKey());
const deposit = parseYuan("1");

describe("closing a channel over HTTP", () => {
  let world: World;
  let stall: Stall;
  let channel: Channel;
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    stall = await openStall(world, { gateway: { drainTimeout: 200 } });
    channel = await stall.open({ deposit });
  });
  afterEach(() => stall.close());

  const onChain = ({ channelId }: Channel) =>
    getChannel(world.sellerClient, { contract: world.channels.address, channelId });
  const balances = async () => ({
    payer: await world.balanceOf(world.payer.address),
    seller: await world.balanceOf(world.seller.address),
  });

  /** Closes and says what each side got. */
  async function closeBy(cumulativeAmount: bigint) {
    const before = await balances();
    const reply = await stall.shut(channel, cumulativeAmount);
    expect(reply.status, reply.text).to.equal(204);
    const after = await balances();
    return { reply, refunded: after.payer - before.payer, paid: after.seller - before.seller };
  }

  it("pays what was spent, exactly, and refunds the rest, exactly", async () => {
    for (const amount of [price, 2n * price, 3n * price]) await stall.buy(channel, amount);
    const { reply, refunded, paid } = await closeBy(3n * price + 1n);
    expect(paid).to.equal(3n * price);
    expect(refunded).to.equal(deposit - 3n * price);
    expect(reply.receipt).to.include({ channelId: channel.channelId, spent: 3n * price, amount: 0n, held: 0n });
    const receipt = await world.sellerClient.getTransactionReceipt({ hash: reply.receipt!.txHash! });
    expect(receipt.status).to.equal("success");
    expect(await onChain(channel)).to.include({ settled: 3n * price, finalized: true });
    expect(await stall.record(channel)).to.include({ settled: 3n * price, spent: 3n * price, finalized: true });
  });

  it("refunds everything where nothing was bought, by the statement of zero it was opened with", async () => {
    const { refunded, paid } = await closeBy(0n);
    expect(paid).to.equal(0n);
    expect(refunded).to.equal(deposit);
  });

  it("refunds everything where all that was tried has failed", async () => {
    stall.work = () => new Response(null, { status: 500 });
    await stall.buy(channel, price);
    const { refunded } = await closeBy(0n);
    expect(refunded).to.equal(deposit);
  });

  it("F024: captures what was earned and not what was signed ahead", async () => {
    await stall.buy(channel, 100n * price);
    const { refunded, paid } = await closeBy(200n * price);
    expect(paid).to.equal(price);
    expect(refunded).to.equal(deposit - price);
  });

  it("F024: captures what was earned although the closing statement is below it", async () => {
    for (const amount of [price, 2n * price]) await stall.buy(channel, amount);
    const { refunded, paid } = await closeBy(1n);
    expect(paid).to.equal(2n * price);
    expect(refunded).to.equal(deposit - 2n * price);
  });

  it("does not need a statement that the deposit covers", async () => {
    await stall.buy(channel, price);
    const { paid } = await closeBy(deposit + 5n);
    expect(paid).to.equal(price);
  });

  it("captures the rest of what was settled before", async () => {
    await stall.buy(channel, price);
    expect((await stall.gateway.settleAll()).settled).to.have.lengthOf(1);
    await stall.buy(channel, 2n * price);
    const { paid, refunded } = await closeBy(3n * price);
    expect(paid).to.equal(price);
    expect(refunded).to.equal(deposit - 2n * price);
  });

  it("spares the payer the grace period although it has asked on the chain for its money", async () => {
    await stall.buy(channel, price);
    await requestCloseChannel(world.payerClient, { contract: world.channels.address, terms: channel.terms });
    const { refunded } = await closeBy(price + 1n);
    expect(refunded).to.equal(deposit - price);
  });

  describe("by whom", () => {
    async function expectRefusal(reply: Awaited<ReturnType<Stall["pay"]>>, status: number, code: string) {
      expect(reply.problem?.code, reply.text).to.equal(code);
      expect(reply.status).to.equal(status);
      expect(reply.receipt).to.equal(undefined);
      expect(await onChain(channel)).to.include({ finalized: false });
      expect(await stall.record(channel)).to.include({ closing: false, finalized: false });
      // The session goes on.
      expect((await stall.buy(channel, 50n * price)).status).to.equal(200);
    }
    const close = (amount: bigint, changes: Parameters<Stall["voucher"]>[2] = {}) =>
      stall.voucher(channel, amount, { action: "close", ...changes });

    for (const amount of [0n, price]) {
      it(`F023: not by a stranger, with a statement over ${amount}`, async () => {
        await expectRefusal(await stall.pay(await close(amount, { account: stranger })), 402, "signer-mismatch");
      });
    }

    it("F023: not without a signature", async () => {
      const wire = formatSessionPayload(await close(0n)) as Record<string, string>;
      const { signature: _, ...unsigned } = wire;
      await expectRefusal(await stall.payRaw(unsigned), 400, "malformed-payload");
    });

    it("F023: not with a signature for another channel", async () => {
      const other = await stall.open({ deposit });
      const { signature } = await stall.voucher(other, 0n);
      await expectRefusal(await stall.pay({ ...(await close(0n)), signature }), 402, "signer-mismatch");
    });

    it("F023: not with the statement that has paid for a request, whoever saw it", async () => {
      await stall.buy(channel, price);
      await expectRefusal(await stall.pay(await close(price)), 409, "statement-used");
    });

    it("F023: not with the statement of its opening, once it has bought something", async () => {
      await stall.buy(channel, price);
      await expectRefusal(await stall.pay(await close(0n)), 409, "statement-used");
    });

    it("not where the seller does not know it", async () => {
      const unknown = await stall.opening();
      const reply = await stall.pay(await stall.voucher(unknown.channel, 0n, { action: "close" }));
      await expectRefusal(reply, 410, "channel-not-found");
    });

    it("not by an operator, whom the contract does not let close", async () => {
      const node = watchedClient(world);
      const operator = await openStall(world, { gateway: { client: node.client, payee: world.payer.address } });
      const own = await operator.open({ deposit: 1000n });
      const reply = await operator.shut(own, 0n);
      expect(reply.status).to.equal(409);
      expect(reply.problem).to.include({ code: "transaction-reverted" });
      expect(reply.problem?.detail).to.include("(NotPayee)");
      expect(await operator.record(own)).to.include({ closing: false });
      await operator.close();
    });
  });

  describe("while calls run", () => {
    it("waits for them, pays them, and lets no new one begin", async () => {
      await stall.buy(channel, price);
      const { started, finish } = stall.pauseWork("slow");
      const slow = stall.buy(channel, 2n * price);
      await started;
      const closing = stall.shut(channel, 5n * price);
      while (!(await stall.record(channel)).closing) await new Promise((resolve) => setTimeout(resolve, 5));

      const refused = await stall.buy(channel, 3n * price);
      expect(refused.status).to.equal(409);
      expect(refused.problem?.code).to.equal("channel-closing");
      finish();
      expect((await slow).text).to.equal("slow");
      expect((await slow).receipt).to.include({ spent: 2n * price });
      expect((await closing).status).to.equal(204);
      expect(await onChain(channel)).to.include({ settled: 2n * price, finalized: true });
    });

    it("gives up after drainTimeout: the channel goes on, and can be closed later", async () => {
      const { started, finish } = stall.pauseWork("slow");
      const slow = stall.buy(channel, price);
      await started;
      const reply = await stall.shut(channel, 5n * price);
      expect(reply.status).to.equal(409);
      expect(reply.problem?.code).to.equal("request-in-progress");
      expect(await stall.record(channel)).to.include({ closing: false });
      expect(await onChain(channel)).to.include({ finalized: false });
      finish();
      expect((await slow).status).to.equal(200);
      stall.work = () => new Response("again");
      expect((await stall.buy(channel, 2n * price)).status).to.equal(200);
      expect((await closeBy(6n * price)).paid).to.equal(2n * price);
    });
  });

  describe("more than once", () => {
    it("at once is one transaction, and all are told", async () => {
      await stall.buy(channel, price);
      const sent = await transactionsOf(world);
      const replies = await Promise.all([2n, 3n, 4n, 4n].map((amount) => stall.shut(channel, amount * price)));
      expect(replies.map(({ status }) => status)).to.deep.equal([204, 204, 204, 204]);
      expect(new Set(replies.map(({ receipt }) => receipt?.txHash)).size).to.equal(1);
      expect(await transactionsOf(world)).to.equal(sent + 1);
    });

    it("afterwards says that it is closed, and changes nothing", async () => {
      await stall.buy(channel, price);
      await closeBy(2n * price);
      const before = await balances();
      for (const amount of [2n * price, 3n * price]) {
        const reply = await stall.shut(channel, amount);
        expect(reply.status).to.equal(410);
        expect(reply.problem?.code).to.equal("channel-finalized");
      }
      expect(await balances()).to.deep.equal(before);
      expect((await stall.buy(channel, 4n * price)).problem?.code).to.equal("channel-finalized");
      // What was paid for can still be had.
      expect((await stall.buy(channel, price)).text).to.equal("did x");
    });
  });

  describe("when the chain is not there", () => {
    const rpc = "https://node.example/v3/key-canary";
    async function cutStall() {
      const node = watchedClient(world);
      const cut = await openStall(world, { gateway: { client: node.client } });
      const own = await cut.open({ deposit });
      await cut.buy(own, price);
      return { node, cut, own };
    }

    it("fails before anything is stopped where it cannot be read", async () => {
      const { node, cut, own } = await cutStall();
      node.before = (method) => {
        if (method === "eth_call") throw new Error(`cannot reach ${rpc}`);
      };
      const reply = await cut.shut(own, 2n * price);
      expect(reply.status).to.equal(503);
      expect(reply.text).not.to.include("canary");
      node.before = () => undefined;
      expect((await cut.buy(own, 2n * price)).status).to.equal(200);
      await cut.close();
    });

    for (const [where, ...broken] of [
      ["before it was sent", "eth_sendRawTransaction"],
      ["after it was sent", "eth_getTransactionReceipt", "eth_call"],
    ]) {
      it(`serves nothing more once it may have been closed, cut off ${where}; the next try ends it`, async () => {
        const { node, cut, own } = await cutStall();
        let isSending = false;
        node.before = (method) => {
          isSending ||= method === "eth_sendRawTransaction";
          if (isSending && broken.includes(method)) throw new Error(`cannot reach ${rpc}`);
        };
        const reply = await cut.shut(own, 2n * price);
        expect(reply.status).to.equal(503);
        expect(reply.problem?.code).to.equal("chain-unreachable");
        expect(reply.text).not.to.include("canary");
        node.before = () => undefined;
        expect((await cut.buy(own, 3n * price, { body: "y" })).problem?.code).to.equal("channel-closing");
        const again = await cut.shut(own, 4n * price);
        // What is in the outbox may be sent again by itself before that.
        expect(again.status).to.be.oneOf(broken.length === 1 ? [204, 410] : [410]);
        expect(await onChain(own)).to.include({ finalized: true, settled: price });
        expect(cut.worked).to.have.lengthOf(1);
        await cut.close();
      });
    }

    it("believes the chain where the outcome cannot be had", async () => {
      const { node, cut, own } = await cutStall();
      node.before = (method) => {
        if (method === "eth_getTransactionReceipt") throw new Error("cut");
      };
      const reply = await cut.shut(own, 2n * price);
      expect(reply.status).to.equal(204);
      expect(reply.receipt).to.include({ spent: price }).and.not.have.property("txHash");
      expect(await cut.record(own)).to.include({ finalized: true, settled: price });
      await cut.close();
    });

    it("serves nothing more on a closed channel although it cannot be read back", async () => {
      const node = watchedClient(world);
      const cut = await openStall(world, { gateway: { client: node.client } });
      const own = await cut.open({ deposit });
      node.before = (method) => {
        const isSent = node.calls.includes("eth_sendRawTransaction", opened);
        if (method === "eth_call" && isSent) throw new Error("cut");
      };
      const opened = node.calls.length;
      const reply = await cut.shut(own, 0n);
      expect(reply.status).to.equal(204);
      expect((await cut.buy(own, price)).problem?.code).to.equal("channel-finalized");
      expect(cut.worked).to.deep.equal([]);
      await cut.close();
    });
  });
});
