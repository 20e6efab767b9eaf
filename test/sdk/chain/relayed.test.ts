import { expect } from "chai";
import { type Address, custom, createPublicClient, type Hex, keccak256, stringToHex, zeroAddress } from "viem";

import {
  computeChannelId,
  signCloseAuthorization,
  signCloseRequest,
  signSettleAuthorization,
  signVoucher,
  subfenActions,
  type Terms,
} from "../../../sdk/src/index.ts";
import { createWorld, type World } from "../../server/helpers.ts";
import { rejection } from "../client/helpers.ts";

describe("relayed, batched and operator actions", () => {
  let world: World;
  let contract: Address;
  const deadline = 2n ** 40n;
  const payerOf = () => world.payerClient.extend(subfenActions());
  const sellerOf = () => world.sellerClient.extend(subfenActions());
  const at = () => ({ contract, chainId: 31337 });

  function termsOf(salt: string): Terms {
    return {
      payer: world.payer.address,
      payee: world.seller.address,
      token: world.token.address,
      salt: keccak256(stringToHex(salt)),
      authorizedSigner: zeroAddress,
    };
  }
  const idOf = (terms: Terms): Hex => computeChannelId({ terms, ...at() });

  async function open(salt: string, deposit = 1000n): Promise<Terms> {
    const terms = termsOf(salt);
    await payerOf().openChannel({ contract, terms, deposit });
    return terms;
  }

  async function claimOf(terms: Terms, amount: bigint, cumulativeAmount = amount) {
    const voucher = { ...at(), channelId: idOf(terms), cumulativeAmount };
    return { terms, amount, cumulativeAmount, signature: await signVoucher({ account: world.payer, ...voucher }) };
  }

  beforeEach(async () => {
    world = await createWorld();
    contract = world.channels.address;
    await payerOf().approveToken({ token: world.token.address, spender: contract, amount: 10n ** 9n });
  });

  it("settles and closes by the payee's authorization, sent by the payer", async () => {
    const terms = await open("relayed");
    const [channelId, account] = [idOf(terms), world.seller];
    const settling = { ...at(), channelId, cumulativeAmount: 40n, nonce: 1n, deadline };
    await payerOf().settleChannelWithAuthorization({
      contract,
      claim: await claimOf(terms, 40n, 100n),
      authorization: { nonce: 1n, deadline, signature: await signSettleAuthorization({ account, ...settling }) },
    });
    expect(await world.balanceOf(account.address)).to.equal(40n);
    const closing = { ...settling, cumulativeAmount: 70n };
    await payerOf().closeChannelWithAuthorization({
      contract,
      claim: await claimOf(terms, 70n, 100n),
      authorization: { nonce: 1n, deadline, signature: await signCloseAuthorization({ account, ...closing }) },
    });
    expect(await payerOf().getChannel({ contract, channelId })).to.include({ settled: 70n, finalized: true });
  });

  it("asks to close by the payer's signature, sent by the payee", async () => {
    const terms = await open("leaving");
    const channelId = idOf(terms);
    const signature = await signCloseRequest({ account: world.payer, ...at(), channelId, deadline });
    await sellerOf().requestCloseChannelWithAuthorization({ contract, terms, deadline, signature });
    expect((await sellerOf().getChannel({ contract, channelId })).closeRequestedAt).to.be.greaterThan(0);
  });

  it("settles many channels in one transaction, by an operator, and leaves out the bad", async () => {
    const all = [await open("a"), await open("b"), await open("c")];
    const claims = await Promise.all(all.map((terms, i) => claimOf(terms, BigInt(i + 1))));
    const bad = { ...(await claimOf(termsOf("never opened"), 5n)) };
    const batch = { contract, payee: world.seller.address, token: world.token.address, claims: [...claims, bad] };
    expect(await rejection(payerOf().settleChannels(batch))).to.include({ errorName: "NotPayee" });
    await sellerOf().setOperator({ contract, operator: world.payer.address, approved: true });
    expect(
      await payerOf().isOperator({ contract, payee: world.seller.address, operator: world.payer.address }),
    ).to.equal(true);
    await payerOf().settleChannels(batch);
    expect(await world.balanceOf(world.seller.address)).to.equal(6n);
    const skipped = [];
    for await (const event of payerOf().channelEvents({ contract, fromBlock: 0n })) {
      if (event.eventName === "ClaimSkipped") skipped.push(event.args.channelId);
    }
    expect(skipped).to.deep.equal([idOf(bad.terms)]);
  });

  it("delivers credit when the receiver can be paid again", async () => {
    const terms = await open("frozen");
    await world.token.contract.setFrozen(world.seller.address, true);
    await sellerOf().settleChannel({ contract, claim: await claimOf(terms, 8n) });
    const owed = { contract, token: world.token.address, account: world.seller.address };
    expect(await payerOf().getCredit(owed)).to.equal(8n);
    await world.token.contract.setFrozen(world.seller.address, false);
    await payerOf().claimCredit({ contract, token: world.token.address, creditor: world.seller.address });
    expect(await payerOf().getCredit(owed)).to.equal(0n);
    expect(await world.balanceOf(world.seller.address)).to.equal(8n);
  });

  describe("events", () => {
    type Logs = { params: { fromBlock: Hex; toBlock: Hex }[] };
    const messages = [
      "query returned more than 10000 results",
      "block range is too large",
      "Log response size exceeded",
    ];

    /** A node that refuses ranges above `limit` blocks, each time in other words, and counts what it was asked. */
    function limited(limit: bigint) {
      const asked: [bigint, bigint][] = [];
      const { request } = world.payerClient;
      const client = createPublicClient({
        transport: custom(
          {
            async request(call: { method: string } & Partial<Logs>) {
              if (call.method !== "eth_getLogs") return request(call as never);
              const [from, to] = [BigInt(call.params![0]!.fromBlock), BigInt(call.params![0]!.toBlock)];
              if (to - from + 1n > limit) throw new Error(messages[asked.length % messages.length]);
              asked.push([from, to]);
              return request(call as never);
            },
          },
          { retryCount: 0 },
        ),
      }).extend(subfenActions());
      return { client, asked };
    }

    it("F106: finds every event once, whatever ranges the node takes", async () => {
      const opened: Hex[] = [];
      for (let i = 0; i < 12; i++) {
        opened.push(idOf(await open(`channel ${i}`)));
        await world.networkHelpers.mine(i * 7);
      }
      for (const limit of [1n, 3n, 100n, 10_000n]) {
        const { client, asked } = limited(limit);
        const found: Hex[] = [];
        for await (const event of client.channelEvents({ contract, fromBlock: 0n })) {
          if (event.eventName === "ChannelOpened") found.push(event.args.channelId);
        }
        expect(found).to.deep.equal(opened);
        for (let i = 1; i < asked.length; i++) expect(asked[i]![0]).to.equal(asked[i - 1]![1] + 1n);
      }
    });

    it("says at which block a node does not answer, instead of skipping it", async () => {
      const { client } = limited(0n);
      const error = await rejection(client.findChannels({ contract, payer: world.payer.address, fromBlock: 3n }));
      expect(error).to.include({ code: "log-query" });
      expect(error.message).to.include("block 3");
    });

    it("finds a payer's channels again, with terms and state, and nobody else's", async () => {
      const [first, second] = [await open("first"), await open("second", 7n)];
      await sellerOf().settleChannel({ contract, claim: await claimOf(first, 3n) });
      const found = await payerOf().findChannels({ contract, payer: world.payer.address, fromBlock: 0n });
      expect(found.map(({ terms }) => terms)).to.deep.equal([first, second]);
      expect(found.map(({ channel }) => [channel.deposit, channel.settled])).to.deep.equal([
        [1000n, 3n],
        [7n, 0n],
      ]);
      expect(await payerOf().findChannels({ contract, payer: world.seller.address, fromBlock: 0n })).to.deep.equal([]);
    });

    it("looks no further than the last block asked for", async () => {
      await open("early");
      const toBlock = await world.payerClient.getBlockNumber({ cacheTime: 0 });
      await open("late");
      const found = await payerOf().findChannels({ contract, payer: world.payer.address, fromBlock: 0n, toBlock });
      expect(found).to.have.lengthOf(1);
    });
  });
});
