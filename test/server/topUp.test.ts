import { expect } from "chai";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import {
  approveToken,
  getChannel,
  parseYuan,
  requestCloseChannel,
  topUpAuthorizationNonce,
  topUpChannel,
} from "../../sdk/src/index.ts";
import type { SessionPayload } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import {
  type Channel,
  nextSalt,
  openStall,
  price,
  revertedTransaction,
  type Stall,
  transactionsOf,
  unmined,
} from "./stall.ts";

type TopUp = Extract<SessionPayload, { action: "topUp" }>;
const deposit = 10n * price;
const stranger = privateKeyToAccount(generatePrivateKey());

describe("topping a channel up over HTTP", () => {
  let world: World;
  let stall: Stall;
  let channel: Channel;
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    stall = await openStall(world);
    channel = await stall.open({ deposit });
  });
  afterEach(() => stall.close());

  const onChain = ({ channelId }: Channel) =>
    getChannel(world.sellerClient, { contract: world.channels.address, channelId });

  async function expectRefusal(payload: TopUp, status: number, code: string, detail = ""): Promise<void> {
    const sent = await transactionsOf(world);
    const reply = await stall.pay(payload);
    expect(reply.problem?.code, reply.text).to.equal(code);
    expect(reply.status).to.equal(status);
    expect(reply.problem?.detail).to.include(detail);
    expect(reply.receipt).to.equal(undefined);
    expect(await transactionsOf(world)).to.equal(sent);
    expect(await stall.record(channel)).to.include({ deposit });
    expect(stall.worked).to.deep.equal([]);
  }

  describe("by an authorization", () => {
    it("raises what can be spent, at the seller's gas", async () => {
      expect((await stall.buy(channel, deposit + price)).problem?.code).to.equal("amount-exceeds-deposit");
      const reply = await stall.pay(await stall.topUp(channel, 5n * price), { body: undefined });
      expect(reply.status).to.equal(204);
      expect(reply.receipt).to.include({ channelId: channel.channelId, amount: 0n });
      expect(reply.receipt).to.have.property("txHash");
      expect(await onChain(channel)).to.include({ deposit: 15n * price });
      expect(await stall.record(channel)).to.include({ deposit: 15n * price, spent: 0n });
      expect((await stall.buy(channel, 15n * price)).status).to.equal(200);
      expect((await stall.buy(channel, 15n * price + 1n, { body: "y" })).problem?.code).to.equal(
        "amount-exceeds-deposit",
      );
    });

    it("sent again, or five times at once, is one transaction", async () => {
      const payload = await stall.topUp(channel, price);
      await stall.anyChallenge();
      const sent = await transactionsOf(world);
      const replies = await Promise.all(Array.from({ length: 5 }, () => stall.pay(payload)));
      replies.push(await stall.pay(payload));
      expect(replies.map(({ status }) => status)).to.deep.equal([204, 204, 204, 204, 204, 204]);
      expect(await transactionsOf(world)).to.equal(sent + 1);
      expect(await stall.record(channel)).to.include({ deposit: deposit + price });
    });

    it("of two amounts at once is both", async () => {
      const payloads = [await stall.topUp(channel, price), await stall.topUp(channel, 2n * price)];
      await stall.anyChallenge();
      const replies = await Promise.all(payloads.map((payload) => stall.pay(payload)));
      expect(replies.map(({ status }) => status)).to.deep.equal([204, 204]);
      expect(await stall.record(channel)).to.include({ deposit: deposit + 3n * price });
    });

    it("may come from anybody: the channel stays its payer's", async () => {
      await world.token.contract.faucet(stranger.address, price);
      expect((await stall.pay(await stall.topUp(channel, price, stranger))).status).to.equal(204);
      expect(await stall.record(channel)).to.include({ deposit: deposit + price });
    });

    it("is of no worth for another channel, and shares no outcome with it", async () => {
      const other = await stall.open({ deposit });
      const payload = await stall.topUp(channel, price);
      const stolen = { ...payload, channelId: other.channelId };
      const [good, bad] = await Promise.all([stall.pay(payload), stall.pay(stolen)]);
      expect(good.status).to.equal(204);
      expect(bad.status).to.equal(400);
      expect(bad.problem).to.include({ code: "malformed-payload" });
      expect(await stall.record(other)).to.include({ deposit });
    });

    const now = () => BigInt(Math.floor(Date.now() / 1000));
    async function withAuthorization(value: bigint, changes: Parameters<Stall["authorize"]>[2], nonce?: Hex) {
      const payload = await stall.topUp(channel, price);
      const { channelId, additionalDeposit, salt: topUpSalt } = payload;
      const from = world.payer.address;
      const own = topUpAuthorizationNonce({ channelId, additionalDeposit, from, topUpSalt });
      return { ...payload, funding: await stall.authorize(value, nonce ?? own, changes) };
    }
    for (const [name, create, detail] of [
      ["of another amount", () => withAuthorization(price - 1n, {}), "its value is another amount"],
      ["to another recipient", () => withAuthorization(price, { to: stranger.address }), "it does not pay"],
      ["with another nonce", () => withAuthorization(price, {}, `0x${"ab".repeat(32)}`), "its nonce is not derived"],
      ["not valid yet", () => withAuthorization(price, { validAfter: now() + 60n }), "it is not valid yet"],
      ["expired", () => withAuthorization(price, { validBefore: now() }), "it has expired"],
    ] as [string, () => Promise<TopUp>, string][]) {
      it(`is refused before any gas is spent: ${name}`, async () => {
        await expectRefusal(await create(), 400, "malformed-payload", `The authorization cannot be used: ${detail}`);
      });
    }

    it("is refused with another salt or another amount than the nonce binds", async () => {
      const payload = await stall.topUp(channel, price);
      await expectRefusal({ ...payload, salt: nextSalt() }, 400, "malformed-payload", "nonce");
      await expectRefusal({ ...payload, additionalDeposit: price + 1n }, 400, "malformed-payload", "value");
    });

    it("is refused when it is not signed by whose tokens they are", async () => {
      const payload = await stall.topUp(channel, price);
      const { signature } = await stall.authorize(price, payload.funding.authorization.nonce, { account: stranger });
      const forged = { ...payload, funding: { ...payload.funding, signature } };
      await expectRefusal(forged, 402, "invalid-signature", "Topping the channel up");
    });

    it("says that there is too little", async () => {
      const poor = privateKeyToAccount(generatePrivateKey());
      await expectRefusal(await stall.topUp(channel, price, poor), 402, "insufficient-balance");
    });

    it("needs a channel that is known and open", async () => {
      const unknown = await stall.opening();
      const payload = await stall.topUp(unknown.channel, price);
      await expectRefusal(payload, 410, "channel-not-found");
      await stall.shut(channel, 0n);
      const reply = await stall.pay(await stall.topUp(channel, price));
      expect(reply.status).to.equal(410);
      expect(reply.problem?.code).to.equal("channel-finalized");
      expect(await stall.record(channel)).to.include({ deposit, finalized: true });
    });

    it("does not take a request to close back: that is the payer's alone", async () => {
      const careful = await openStall(world, { gateway: { recheckAfter: 0 } });
      const own = await careful.open({ deposit });
      await requestCloseChannel(world.payerClient, { contract: world.channels.address, terms: own.terms });
      expect((await careful.pay(await careful.topUp(own, price))).status).to.equal(204);
      expect(await careful.record(own)).to.include({ deposit: deposit + price });
      expect((await careful.buy(own, price)).problem?.code).to.equal("channel-closing");
      await careful.close();
    });
  });

  describe("by a transaction of the payer's", () => {
    async function toppedUp(target: Channel, amount: bigint): Promise<Hex> {
      const { address: contract } = world.channels;
      await approveToken(world.payerClient, { token: world.token.address, spender: contract, amount });
      return topUpChannel(world.payerClient, { contract, terms: target.terms, additionalDeposit: amount });
    }
    const payloadFor = (hash: Hex, additionalDeposit = price): TopUp => ({
      action: "topUp",
      channelId: channel.channelId,
      additionalDeposit,
      salt: undefined,
      funding: { type: "hash", hash },
    });

    it("is noted, and sent again counts once", async () => {
      const hash = await toppedUp(channel, price);
      const sent = await transactionsOf(world);
      for (let again = 0; again < 3; again++) {
        const reply = await stall.pay(payloadFor(hash));
        expect(reply.status).to.equal(204);
        expect(reply.receipt).to.include({ txHash: hash });
        expect(await stall.record(channel)).to.include({ deposit: deposit + price });
      }
      expect(await transactionsOf(world)).to.equal(sent);
      expect((await stall.buy(channel, deposit + price)).status).to.equal(200);
    });

    it("counts what the chain says, whatever the credential says", async () => {
      const hash = await toppedUp(channel, price);
      expect((await stall.pay(payloadFor(hash, parseYuan("1000")))).status).to.equal(204);
      expect(await stall.record(channel)).to.include({ deposit: deposit + price });
    });

    it("is refused when the transaction was for another channel, or is none of the kind", async () => {
      const other = await stall.open({ deposit });
      const hash = await toppedUp(other, price);
      await expectRefusal(payloadFor(hash), 409, "transaction-reverted", "did not top this channel up");
      const { address: spender } = world.channels;
      const foreign = await approveToken(world.payerClient, { token: world.token.address, spender, amount: 1n });
      await expectRefusal(payloadFor(foreign), 409, "transaction-reverted", "did not top this channel up");
    });

    it("F108: is refused at once when the transaction was mined but reverted", async () => {
      await expectRefusal(
        payloadFor(await revertedTransaction(world)),
        409,
        "transaction-reverted",
        "mined but reverted",
      );
    });

    it("tells to come again while the transaction is not mined", async () => {
      const patient = await openStall(world, { gateway: { transactionTimeout: 100 } });
      const own = await patient.open({ deposit });
      const { address: contract } = world.channels;
      await approveToken(world.payerClient, { token: world.token.address, spender: contract, amount: price });
      const hash = await unmined(world, async () => {
        const call = { contract, terms: own.terms, additionalDeposit: price };
        const sent = await topUpChannel(world.payerClient, call);
        const reply = await patient.pay({ ...payloadFor(sent), channelId: own.channelId });
        expect(reply.status).to.equal(409);
        expect(reply.problem?.code).to.equal("transaction-pending");
        return sent;
      });
      expect(await patient.record(own)).to.include({ deposit });
      expect((await patient.pay({ ...payloadFor(hash), channelId: own.channelId })).status).to.equal(204);
      expect(await patient.record(own)).to.include({ deposit: deposit + price });
      await patient.close();
    });

    it("takes a request to close back, and the channel buys again", async () => {
      const careful = await openStall(world, { gateway: { recheckAfter: 0 } });
      const own = await careful.open({ deposit });
      await requestCloseChannel(world.payerClient, { contract: world.channels.address, terms: own.terms });
      expect((await careful.buy(own, price)).problem?.code).to.equal("channel-closing");
      const hash = await toppedUp(own, price);
      expect((await careful.pay({ ...payloadFor(hash), channelId: own.channelId })).status).to.equal(204);
      expect((await careful.buy(own, price)).status).to.equal(200);
      await careful.close();
    });
  });
});
