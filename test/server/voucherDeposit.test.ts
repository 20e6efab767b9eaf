import { expect } from "chai";
import { zeroAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { openAuthorizationNonce, parseYuan } from "../../sdk/src/index.ts";
import { formatSessionPayload, type Json } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { askNode, nextSalt, openStall, price, type Stall, termsOf, transactionsOf } from "./stall.ts";

const deposit = parseYuan("1");

describe("a voucher that brings its deposit along", () => {
  let world: World;
  let stall: Stall;
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    stall = await openStall(world);
  });
  afterEach(() => stall.close());

  /** A voucher with a deposit that opens its channel. */
  async function opening(cumulativeAmount: bigint, value = deposit) {
    const { payload, channel } = await stall.opening({ deposit: value, cumulativeAmount });
    const { channelId, signature, funding, salt } = payload;
    const brought = { action: "open", funding, salt, authorizedSigner: zeroAddress } as const;
    return {
      channel,
      payload: { action: "voucher", channelId, cumulativeAmount, signature, deposit: brought } as const,
    };
  }

  /** A voucher with a deposit that tops its channel up. */
  async function toppingUp(channel: Awaited<ReturnType<Stall["open"]>>, cumulativeAmount: bigint, value: bigint) {
    const { funding, salt } = await stall.topUp(channel, value);
    const voucher = await stall.voucher(channel, cumulativeAmount);
    return { ...voucher, action: "voucher", deposit: { action: "topUp", funding, salt } } as const;
  }

  it("opens the channel and buys, in one request, and once when it is sent again", async () => {
    const { channel, payload } = await opening(price);
    const reply = await stall.pay(payload);
    expect([reply.status, reply.text]).to.deep.equal([200, "did x"]);
    expect(reply.receipt).to.include({ channelId: channel.channelId, spent: price });
    const sent = await transactionsOf(world);
    expect((await stall.pay(payload)).text).to.equal("did x");
    expect([await transactionsOf(world), stall.worked.length]).to.deep.equal([sent, 1]);
    expect(await stall.record(channel)).to.include({ deposit, spent: price });
  });

  it("tops the channel up and buys, in one request, and once when it is sent again", async () => {
    const channel = await stall.open({ deposit: price });
    expect((await stall.buy(channel, 2n * price)).problem?.code).to.equal("amount-exceeds-deposit");
    const payload = await toppingUp(channel, 2n * price, price);
    expect((await stall.pay(payload)).status).to.equal(200);
    const sent = await transactionsOf(world);
    expect((await stall.pay(payload)).text).to.equal("did x");
    expect([await transactionsOf(world), stall.worked.length]).to.deep.equal([sent, 1]);
    expect(await stall.record(channel)).to.include({ deposit: 2n * price, accepted: 2n * price });
  });

  it("needs no body: a HEAD is accepted, and no work is done", async () => {
    const channel = await stall.open({ deposit: price });
    const reply = await stall.pay(await toppingUp(channel, 2n * price, price), { method: "HEAD" });
    expect([reply.status, reply.receipt?.acceptedCumulative]).to.deep.equal([204, 2n * price]);
    expect(stall.worked).to.deep.equal([]);
  });

  describe("is refused as a whole, at no gas,", () => {
    let sent: number;
    const refused = async (payload: Parameters<Stall["pay"]>[0], status: number, code: string) => {
      sent = await transactionsOf(world);
      const reply = await stall.pay(payload);
      expect([reply.status, reply.problem?.code]).to.deep.equal([status, code]);
      expect([await transactionsOf(world), stall.worked.length]).to.deep.equal([sent, 0]);
    };

    it("when the voucher is somebody else's", async () => {
      const channel = await stall.open({ deposit: price });
      const account = privateKeyToAccount(`0x${"c3".repeat(32)}`);
      const payload = await toppingUp(channel, 2n * price, price);
      const { signature } = await stall.voucher(channel, 2n * price, { account });
      await refused({ ...payload, signature }, 402, "signer-mismatch");
    });

    it("when the deposit does not cover it", async () => {
      const channel = await stall.open({ deposit: price });
      await refused(await toppingUp(channel, 3n * price, price), 402, "amount-exceeds-deposit");
      await refused((await opening(price + 1n, price)).payload, 402, "amount-exceeds-deposit");
    });

    it("when the payer has asked to close", async () => {
      const channel = await stall.open({ deposit: price });
      await world.channels.contract.connect(await signerOf(world)).requestClose(channel.terms);
      stall.clock.offset = 61_000;
      await refused(await toppingUp(channel, 2n * price, price), 409, "channel-closing");
    });

    it("when the token refuses the deposit", async () => {
      const poor = privateKeyToAccount(`0x${"e5".repeat(32)}`);
      const channel = await stall.open({ deposit: price });
      const { funding, salt } = await stall.topUp(channel, price, poor);
      const voucher = await stall.voucher(channel, 2n * price);
      await refused(
        { ...voucher, action: "voucher", deposit: { action: "topUp", funding, salt } },
        402,
        "insufficient-balance",
      );
      expect(await stall.record(channel)).to.include({ accepted: 0n, held: 0n });
    });

    it("when the channel is not known, or not the one that the deposit opens", async () => {
      const terms = termsOf(world);
      const { payload } = await opening(price);
      const elsewhere = { ...payload, deposit: { ...payload.deposit, salt: nextSalt() } };
      await refused(elsewhere, 400, "malformed-payload");
      const { deposit: opened, ...voucher } = payload;
      const funding = await stall.authorize(price, openAuthorizationNonce(terms));
      const topUp = { action: "topUp", funding, salt: opened.salt } as const;
      await refused({ ...voucher, deposit: topUp }, 410, "channel-not-found");
    });

    for (const [name, change] of [
      ["another action", { action: "close" }],
      ["a transaction of the payer's", { type: "hash", hash: `0x${"11".repeat(32)}` }],
      ["no salt", { salt: undefined }],
      ["no object", undefined],
    ] as [string, Record<string, Json | undefined> | undefined][]) {
      it(`when it has ${name}`, async () => {
        const { payload } = await opening(price);
        const json = formatSessionPayload(payload) as Record<string, Record<string, Json>>;
        const changed = change ? { ...json["deposit"], ...change } : "open";
        const reply = await stall.payRaw({ ...json, deposit: changed } as Json);
        expect([reply.status, reply.problem?.code]).to.deep.equal([400, "malformed-payload"]);
      });
    }
  });
});

/** The payer as ethers knows it. */
async function signerOf(world: World) {
  await askNode(world, "hardhat_impersonateAccount", world.payer.address);
  return world.ethers.getSigner(world.payer.address);
}
