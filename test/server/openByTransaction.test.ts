import { expect } from "chai";
import type { Hex } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { approveToken, openChannel, parseYuan, type Terms } from "../../sdk/src/index.ts";
import type { SessionPayload } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import {
  openStall,
  price,
  type Reply,
  revertedTransaction,
  type Stall,
  termsOf,
  transactionsOf,
  unmined,
  until,
} from "./stall.ts";

type Opening = Extract<SessionPayload, { action: "open" }>;
const stranger = privateKeyToAccount(generatePrivateKey());
const deposit = parseYuan("1");

describe("opening a channel over HTTP by a transaction of the payer's", () => {
  let world: World;
  let stall: Stall;
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    stall = await openStall(world);
  });
  afterEach(() => stall.close());

  /** Refused; the seller has spent no gas and knows no channel. */
  async function expectRefusal(payload: Opening, status: number, code: string, detail = "", source?: string) {
    const sent = await transactionsOf(world);
    const reply = await stall.pay(payload, { source });
    expect(reply.problem?.code, reply.text).to.equal(code);
    expect(reply.status).to.equal(status);
    expect(reply.problem?.detail).to.include(detail);
    expect(reply.receipt).to.equal(undefined);
    expect(reply.headers.has("www-authenticate")).to.equal(status === 402);
    expect(stall.worked).to.deep.equal([]);
    expect(await transactionsOf(world)).to.equal(sent);
    expect(await stall.gateway.ledger.getChannel(payload.channelId)).to.equal(undefined);
    return reply;
  }

  const source = () => `did:pkh:eip155:31337:${world.payer.address}`;

  /** Opens a channel on the chain. */
  async function opened(terms: Terms = termsOf(world)): Promise<{ payload: Opening; hash: Hex }> {
    const { address: contract } = world.channels;
    await approveToken(world.payerClient, { token: world.token.address, spender: contract, amount: deposit });
    const hash = await openChannel(world.payerClient, { contract, terms, deposit });
    await world.payerClient.waitForTransactionReceipt({ hash });
    return { payload: await payloadFor(terms, hash), hash };
  }
  async function payloadFor(terms: Terms, hash: Hex): Promise<Opening> {
    const { payload } = await stall.opening({ terms });
    return { ...payload, funding: { type: "hash", hash } };
  }

  it("adds the channel and sends nothing", async () => {
    const { payload, hash } = await opened();
    const sent = await transactionsOf(world);
    const reply = await stall.pay(payload, { source: source() });
    expect(reply.status).to.equal(204);
    expect(reply.receipt).to.include({ txHash: hash, channelId: payload.channelId });
    expect(await transactionsOf(world)).to.equal(sent);
    expect((await stall.buy(payload, price)).status).to.equal(200);
    expect((await stall.pay(payload, { source: source() })).status).to.equal(204);
  });

  it("takes the payer's address in either case, as it is the same", async () => {
    for (const address of [world.payer.address.toLowerCase(), world.payer.address]) {
      const { payload } = await opened();
      const reply = await stall.pay(payload, { source: `did:pkh:eip155:31337:${address}` });
      expect(reply.status).to.equal(204);
    }
  });

  it("is refused without a source that names the payer on this chain", async () => {
    const { payload } = await opened();
    const { address } = world.payer;
    for (const bad of [
      undefined,
      "",
      address,
      `did:pkh:eip155:1:${address}`,
      `did:pkh:eip155:31337:${address}0`,
      `did:pkh:eip155:31337:${address.slice(0, -1)}`,
      `did:key:31337:${address}`,
      ` did:pkh:eip155:31337:${address}`,
      `did:pkh:eip155:031337:${address}`,
    ]) {
      await expectRefusal(payload, 400, "malformed-payload", "source must be did:pkh:eip155:31337:", bad);
    }
    const other = `did:pkh:eip155:31337:${stranger.address}`;
    await expectRefusal(payload, 400, "malformed-payload", "channelId is not that", other);
  });

  it("takes it with letters that are a wrong checksum: the id decides", async () => {
    const { payload } = await opened();
    const { address } = world.payer;
    const swapped = Array.from(address.slice(2), (letter) =>
      letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
    );
    const reply = await stall.pay(payload, { source: `did:pkh:eip155:31337:0x${swapped.join("")}` });
    expect(reply.status).to.equal(204);
  });

  it("is refused when the transaction opened another channel, or none", async () => {
    const [first, second] = [await opened(), await opened()];
    await expectRefusal({ ...first.payload, funding: second.payload.funding }, 410, "channel-not-found", "", source());
    const hash = await approveToken(world.payerClient, {
      token: world.token.address,
      spender: world.channels.address,
      amount: 1n,
    });
    await expectRefusal({ ...first.payload, funding: { type: "hash", hash } }, 410, "channel-not-found", "", source());
  });

  it("is refused when the transaction did it in another contract", async () => {
    const other = await world.ethers.deployContract("PaymentChannels", [900]);
    const contract = (await other.getAddress()) as Hex;
    const terms = termsOf(world);
    await approveToken(world.payerClient, { token: world.token.address, spender: contract, amount: deposit });
    await world.token.contract.setExempt(contract, true);
    const hash = await openChannel(world.payerClient, { contract, terms, deposit });
    await expectRefusal(await payloadFor(terms, hash), 410, "channel-not-found", "did not open this channel", source());
  });

  it("F108: is refused at once when the transaction was mined but reverted", async () => {
    const { payload } = await opened();
    const start = performance.now();
    const hash = await revertedTransaction(world);
    const reply = await expectRefusal(
      { ...payload, funding: { type: "hash", hash } },
      409,
      "transaction-reverted",
      "mined but reverted",
      source(),
    );
    expect(reply.problem?.members).to.include({ txHash: hash });
    expect(performance.now() - start).to.be.lessThan(2000);
  });

  it("lets no more than 64 requests wait for transactions, and whose is mined passes them", async () => {
    const mined = await opened();
    const terms = termsOf(world);
    const { address: contract } = world.channels;
    await approveToken(world.payerClient, { token: world.token.address, spender: contract, amount: deposit });
    await stall.anyChallenge();
    const replies: Promise<Reply>[] = [];
    await unmined(world, async () => {
      const payload = await payloadFor(terms, await openChannel(world.payerClient, { contract, terms, deposit }));
      let answered = 0;
      for (let i = 0; i < 70; i++) {
        const reply = stall.pay(payload, { source: source() });
        void reply.then(() => answered++);
        replies.push(reply);
      }
      await until(() => answered === 6, "the others are sent away");
      expect(stall.gateway.running).to.equal(64);
      expect((await stall.pay(mined.payload, { source: source() })).status).to.equal(204);
    });
    const statuses = (await Promise.all(replies)).map(({ status, problem }) => `${status} ${problem?.code}`);
    expect(statuses.filter((status) => status === "204 undefined")).to.have.lengthOf(64);
    expect(statuses.filter((status) => status === "409 transaction-pending")).to.have.lengthOf(6);
  });

  it("tells to come again while the transaction is not mined, and opens then", async () => {
    const patient = await openStall(world, { gateway: { transactionTimeout: 100 } });
    const terms = termsOf(world);
    const { address: contract } = world.channels;
    await approveToken(world.payerClient, { token: world.token.address, spender: contract, amount: deposit });
    const expectPending = async (payload: Opening): Promise<void> => {
      const reply = await patient.pay(payload, { source: source() });
      expect(reply.status).to.equal(409);
      expect(reply.problem?.code).to.equal("transaction-pending");
      expect(reply.problem?.members).to.have.property("txHash");
    };
    const hash = await unmined(world, async () => {
      const sent = await openChannel(world.payerClient, { contract, terms, deposit });
      await expectPending(await payloadFor(terms, sent));
      return sent;
    });
    expect((await patient.pay(await payloadFor(terms, hash), { source: source() })).status).to.equal(204);
    await expectPending(await payloadFor(termsOf(world), `0x${"ab".repeat(32)}`));
    await patient.close();
  });
});
