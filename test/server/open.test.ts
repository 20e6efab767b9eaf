import { expect } from "chai";
import { type Hex, zeroHash } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import {
  getChannel,
  openAuthorizationNonce,
  openChannelWithAuthorization,
  parseYuan,
  requestCloseChannel,
  settleChannel,
  type Terms,
} from "../../sdk/src/index.ts";
import type { SessionPayload } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { openStall, price, type Stall, transactionsOf, watchedClient } from "./stall.ts";

type Opening = Extract<SessionPayload, { action: "open" }>;
const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const stranger = privateKeyToAccount(generatePrivateKey());
const deposit = parseYuan("1");

/** The other of the two forms that every signature has. */
function highS(signature: Hex): Hex {
  const twin = (order - BigInt(`0x${signature.slice(66, 130)}`)).toString(16).padStart(64, "0");
  return `${signature.slice(0, 66)}${twin}${signature.endsWith("1b") ? "1c" : "1b"}` as Hex;
}

describe("opening a channel over HTTP", () => {
  let world: World;
  let stall: Stall;
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    stall = await openStall(world);
  });
  afterEach(() => stall.close());

  const onChain = (channelId: Hex) => getChannel(world.sellerClient, { contract: world.channels.address, channelId });

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

  describe("by an authorization", () => {
    it("locks the deposit at the seller's gas and says by which transaction", async () => {
      const { payload, channel } = await stall.opening({ deposit });
      const gas = await world.payerClient.getBalance({ address: world.payer.address });
      const reply = await stall.pay(payload, { body: undefined });
      expect(reply.status).to.equal(204);
      expect(reply.headers.get("cache-control")).to.equal("private, no-store");
      expect(reply.receipt).to.deep.include({
        channelId: channel.channelId,
        acceptedCumulative: 0n,
        spent: 0n,
        amount: 0n,
      });
      const { txHash } = reply.receipt!;
      const receipt = await world.sellerClient.getTransactionReceipt({ hash: txHash! });
      expect(receipt.from).to.equal(world.seller.address.toLowerCase());
      expect(await world.payerClient.getBalance({ address: world.payer.address })).to.equal(gas);
      expect(await onChain(channel.channelId)).to.include({ deposit, settled: 0n, finalized: false });
      expect(await stall.record(channel)).to.deep.include({ deposit, accepted: 0n, spent: 0n, held: 0n });
      expect(stall.worked).to.deep.equal([]);
    });

    it("buys with its statement in the same request", async () => {
      const { payload, channel } = await stall.opening({ cumulativeAmount: price });
      const reply = await stall.pay(payload);
      expect(reply.text).to.equal("did x");
      expect(reply.receipt).to.include({ spent: price, amount: price });
      expect(await stall.record(channel)).to.include({ accepted: price, spent: price });
      expect((await stall.pay(payload)).text).to.equal("did x");
      expect(stall.worked).to.have.lengthOf(1);
    });

    it("opens although its statement covers too little, which the answer says", async () => {
      const { payload, channel } = await stall.opening({ cumulativeAmount: 1n });
      const reply = await stall.pay(payload);
      expect(reply.problem?.code).to.equal("insufficient-balance");
      expect(reply.problem?.members).to.include({ requiredCumulative: String(price) });
      expect(await stall.record(channel)).to.include({ accepted: 1n, spent: 0n, held: 0n });
    });

    it("lets another key sign for the payer", async () => {
      const channel = await stall.open({ terms: { authorizedSigner: stranger.address }, signer: stranger });
      const voucher = await stall.voucher(channel, price, { account: stranger });
      expect((await stall.pay(voucher)).status).to.equal(200);
    });

    const now = () => BigInt(Math.floor(Date.now() / 1000));
    const withAuthorization = async (changes: Parameters<Stall["authorize"]>[2], nonce?: Hex): Promise<Opening> => {
      const { payload, channel } = await stall.opening({ deposit });
      const funding = await stall.authorize(deposit, nonce ?? openAuthorizationNonce(channel.terms), changes);
      return { ...payload, funding };
    };
    for (const [name, create, detail] of [
      [
        "a nonce that is not derived from the channel",
        () => withAuthorization({}, zeroHash),
        "its nonce is not derived",
      ],
      ["another recipient", () => withAuthorization({ to: stranger.address }), "it does not pay the channel contract"],
      [
        "a time that is to come",
        () => withAuthorization({ validAfter: now() + 60n }),
        "it is not valid yet: compare your clock",
      ],
      ["a time that is over", () => withAuthorization({ validBefore: now() }), "it has expired or is about to"],
      [
        "a time that is nearly over",
        () => withAuthorization({ validBefore: now() + 9n }),
        "it has expired or is about to",
      ],
    ] as [string, () => Promise<Opening>, string][]) {
      it(`is refused before any gas is spent: ${name}`, async () => {
        await expectRefusal(await create(), 400, "malformed-payload", `The authorization cannot be used: ${detail}`);
        await expectRefusal(await create(), 400, "malformed-payload", detail);
      });
    }

    it("F075: may be valid from the first second on and has until shortly before its last", async () => {
      for (const changes of [
        { validAfter: now() - 120n },
        { validBefore: now() + 60n },
        { validBefore: 2n ** 256n - 1n },
      ]) {
        expect((await stall.pay(await withAuthorization(changes))).status).to.equal(204);
      }
    });

    for (const [name, change] of [
      ["channelId", { channelId: `0x${"ab".repeat(32)}` }],
      ["salt", { salt: `0x${"ab".repeat(32)}` }],
      ["authorizedSigner", { authorizedSigner: stranger.address }],
    ] as [string, Partial<Opening>][]) {
      it(`is refused when ${name} is another`, async () => {
        const { payload } = await stall.opening();
        const wrong = { ...payload, ...change };
        await expectRefusal(wrong, 400, "malformed-payload", "channelId is not that of this payer, salt and signer");
      });
    }

    for (const [name, change] of [
      ["payee", (): Partial<Terms> => ({ payee: stranger.address })],
      ["token", (): Partial<Terms> => ({ token: stranger.address })],
    ] as const) {
      it(`F081: is refused when the channel is for another ${name}`, async () => {
        const { payload } = await stall.opening({ terms: change() });
        await expectRefusal(payload, 400, "malformed-payload", "channelId is not that");
      });
    }

    it("is refused before any gas is spent when its voucher is bad", async () => {
      const { payload } = await stall.opening();
      const { signature } = await stall.voucher(payload, 0n, { account: stranger });
      await expectRefusal({ ...payload, signature }, 402, "signer-mismatch");
      await expectRefusal({ ...payload, signature: highS(payload.signature) }, 402, "invalid-signature");
      await expectRefusal({ ...payload, cumulativeAmount: 1n }, 402, "signer-mismatch");
    });

    it("is refused before any gas is spent when its voucher is above the deposit", async () => {
      const { payload } = await stall.opening({ deposit: 1000n, cumulativeAmount: 1001n });
      const reply = await expectRefusal(payload, 402, "amount-exceeds-deposit");
      expect(reply.problem?.members).to.include({ deposit: "1000" });
      const good = await stall.opening({ deposit: price, cumulativeAmount: price });
      expect((await stall.pay(good.payload)).status).to.equal(200);
    });

    it("F014: is refused when the authorization is not signed by the payer, or in high-s form", async () => {
      const { payload } = await stall.opening();
      const { funding } = payload;
      const other = await stall.authorize(deposit, funding.authorization.nonce, { account: stranger });
      for (const signature of [other.signature, highS(funding.signature)]) {
        const reply = await expectRefusal({ ...payload, funding: { ...funding, signature } }, 402, "invalid-signature");
        expect(reply.problem?.detail).to.include("Opening the channel");
      }
    });

    it("is refused when another amount was signed", async () => {
      const { payload } = await stall.opening();
      const { funding } = payload;
      const authorization = { ...funding.authorization, value: funding.authorization.value - 1n };
      await expectRefusal({ ...payload, funding: { ...funding, authorization } }, 402, "invalid-signature");
    });

    it("says that the payer has too little, without inner details", async () => {
      const balance = await world.balanceOf(world.payer.address);
      const { payload } = await stall.opening({ deposit: balance + 1n });
      const reply = await expectRefusal(
        payload,
        402,
        "insufficient-balance",
        "the payer's token balance does not cover",
      );
      expect(reply.text).not.to.match(/0x[0-9a-f]{8}\b|https?:\/\/(?!paymentauth\.org)|ERC20/);
    });

    it("does not blame the payer's balance for a limit of the contract's", async () => {
      await world.token.contract.setExempt(world.channels.address, false);
      try {
        // A wallet of the default class holds at most 500,000 yuan.
        await world.token.contract.setClassLimits(2, {
          singleLimit: 2n ** 80n - 1n,
          dailyLimit: 2n ** 80n - 1n,
          balanceLimit: 1n,
        });
        const { payload } = await stall.opening();
        await expectRefusal(payload, 409, "transaction-reverted", "refused by the contract (BalanceLimitExceeded)");
      } finally {
        const limits = { singleLimit: 50_000_000_000n, dailyLimit: 100_000_000_000n, balanceLimit: 500_000_000_000n };
        await world.token.contract.setClassLimits(2, limits);
        await world.token.contract.setExempt(world.channels.address, true);
      }
    });

    it("names the contract's reason where there is no better word", async () => {
      await expectRefusal((await stall.opening({ deposit: 0n })).payload, 409, "transaction-reverted", "(ZeroDeposit)");
      await expectRefusal(
        (await stall.opening({ deposit: 2n ** 104n })).payload,
        409,
        "transaction-reverted",
        "(DepositOverflow)",
      );
      await world.token.contract.setFrozen(world.payer.address, true);
      const { payload } = await stall.opening();
      await expectRefusal(payload, 409, "transaction-reverted", "(AccountFrozen)");
      await world.token.contract.setFrozen(world.payer.address, false);
      // What failed has used nothing up.
      expect((await stall.pay(payload)).status).to.equal(204);
    });

    it("is refused when the payer has taken the authorization back", async () => {
      const { payload } = await stall.opening();
      const { nonce } = payload.funding.authorization;
      const domain = {
        name: "Mock Digital Yuan",
        version: "1",
        chainId: 31337,
        verifyingContract: world.token.address,
      };
      const types = {
        CancelAuthorization: [
          { name: "authorizer", type: "address" },
          { name: "nonce", type: "bytes32" },
        ],
      };
      const message = { authorizer: world.payer.address, nonce };
      const signature = await world.payer.signTypedData({ domain, types, primaryType: "CancelAuthorization", message });
      const cancel = world.token.contract.getFunction("cancelAuthorization(address,bytes32,bytes)");
      await cancel(world.payer.address, nonce, signature);
      await expectRefusal(payload, 409, "transaction-reverted", "(AuthorizationAlreadyUsed)");
    });

    it("F027: opens nothing below the least deposit", async () => {
      const picky = await openStall(world, { gateway: { minDeposit: 1000n } });
      const sent = await transactionsOf(world);
      const { payload } = await picky.opening({ deposit: 999n });
      const reply = await picky.pay(payload);
      expect(reply.status).to.equal(402);
      expect(reply.problem).to.include({ code: "deposit-too-small" });
      expect(reply.problem?.members).to.include({ minDeposit: "1000" });
      expect(await transactionsOf(world)).to.equal(sent);
      expect((await picky.pay((await picky.opening({ deposit: 1000n })).payload)).status).to.equal(204);
      await picky.close();
    });

    it("sent again gives the same answer without another transaction", async () => {
      const { payload, channel } = await stall.opening();
      await stall.pay(payload);
      const sent = await transactionsOf(world);
      for (let again = 0; again < 2; again++) {
        const reply = await stall.pay(payload);
        expect(reply.status).to.equal(204);
        expect(reply.receipt).to.include({ channelId: channel.channelId, acceptedCumulative: 0n });
        expect(reply.receipt).not.to.have.property("txHash");
      }
      expect(await transactionsOf(world)).to.equal(sent);
    });

    it("sent again when its authorization has expired gives it too: it was used in time", async () => {
      const { payload } = await stall.opening();
      await stall.pay(payload);
      stall.clock.offset = 700_000;
      const challenge = await stall.challenge();
      expect((await stall.pay(payload, { challenge })).status).to.equal(204);
      await expectRefusal((await stall.opening()).payload, 402, "challenge-not-found");
    });

    it("sent again lowers nothing that was accepted since", async () => {
      const { payload, channel } = await stall.opening();
      await stall.pay(payload);
      await stall.buy(channel, price);
      await stall.pay(payload);
      expect(await stall.record(channel)).to.include({ accepted: price, spent: price });
    });

    it("sent ten times at once is one transaction, and all are told", async () => {
      const { payload } = await stall.opening();
      await stall.anyChallenge();
      const sent = await transactionsOf(world);
      const replies = await Promise.all(Array.from({ length: 10 }, () => stall.pay(payload)));
      expect(replies.map(({ status }) => status)).to.deep.equal(Array.from({ length: 10 }, () => 204));
      expect(await transactionsOf(world)).to.equal(sent + 1);
    });

    it("F005: is done where a stranger has sent it first, since nobody can change it", async () => {
      const node = watchedClient(world);
      const slow = await openStall(world, { gateway: { client: node.client } });
      const { payload, channel } = await slow.opening();
      const { authorization, signature } = payload.funding;
      node.before = async (method) => {
        if (method !== "eth_sendRawTransaction") return;
        node.before = () => undefined;
        const call = { contract: world.channels.address, terms: channel.terms, deposit, authorization, signature };
        await openChannelWithAuthorization(world.payerClient, call);
      };
      const reply = await slow.pay(payload);
      expect(reply.status, reply.text).to.equal(204);
      expect(reply.receipt).not.to.have.property("txHash");
      expect(await onChain(channel.channelId)).to.include({ deposit });
      await slow.close();
    });

    it("of several channels at once opens each", async () => {
      const openings = await Promise.all(Array.from({ length: 5 }, () => stall.opening({ deposit: 1000n })));
      await stall.anyChallenge();
      const replies = await Promise.all(openings.map(({ payload }) => stall.pay(payload)));
      expect(replies.map(({ status }) => status)).to.deep.equal([204, 204, 204, 204, 204]);
      for (const { channel } of openings) expect(await onChain(channel.channelId)).to.include({ deposit: 1000n });
    });
  });

  describe("that the chain has already", () => {
    it("takes a channel over whose ledger was lost, with what was settled counted as spent", async () => {
      const { payload, channel } = await stall.opening();
      await stall.pay(payload);
      await stall.buy(channel, price);
      const { signature } = await stall.voucher(channel, price);
      const claim = { terms: channel.terms, amount: price, cumulativeAmount: price, signature };
      await settleChannel(world.sellerClient, { contract: world.channels.address, claim });

      const fresh = await openStall(world);
      const reply = await fresh.pay(payload);
      expect(reply.status).to.equal(204);
      expect(reply.receipt).to.include({ spent: price, acceptedCumulative: 0n });
      expect(reply.receipt).not.to.have.property("txHash");
      expect((await fresh.buy(channel, 2n * price - 1n)).problem?.code).to.equal("insufficient-balance");
      expect((await fresh.buy(channel, 2n * price)).receipt).to.include({ spent: 2n * price });
      await fresh.close();
    });

    it("is refused once it is closed: an id never opens again", async () => {
      const { payload, channel } = await stall.opening();
      await stall.pay(payload);
      await stall.shut(channel, 0n);
      for (const at of [stall, await openStall(world)]) {
        const reply = await at.pay(payload);
        expect(reply.status).to.equal(410);
        expect(reply.problem?.code).to.equal("channel-finalized");
        if (at !== stall) await at.close();
      }
    });

    it("is refused while its payer wants it back", async () => {
      const { payload, channel } = await stall.opening();
      await stall.pay(payload);
      await requestCloseChannel(world.payerClient, { contract: world.channels.address, terms: channel.terms });
      const fresh = await openStall(world);
      const reply = await fresh.pay(payload);
      expect(reply.status).to.equal(409);
      expect(reply.problem?.code).to.equal("channel-closing");
      await fresh.close();
    });
  });

  describe("when the chain is not there", () => {
    it("F058: is a 503 that uses nothing up: the same credential opens when it is back", async () => {
      const node = watchedClient(world);
      const cut = await openStall(world, { gateway: { client: node.client } });
      const { payload, channel } = await cut.opening();
      for (const broken of ["eth_call", "eth_estimateGas", "eth_sendRawTransaction", "eth_getTransactionReceipt"]) {
        node.before = (method) => {
          if (method === broken) throw new Error("cannot reach https://node.example/v3/key-canary");
        };
        const reply = await cut.pay(payload);
        expect(reply.status, broken).to.equal(503);
        expect(reply.problem?.code).to.equal("chain-unreachable");
        expect(reply.text).not.to.include("canary").and.not.to.include("http://");
        expect(cut.errors.length).to.be.greaterThan(0);
      }
      node.before = () => undefined;
      expect((await cut.pay(payload)).status).to.equal(204);
      expect(await onChain(channel.channelId)).to.include({ deposit });
      await cut.close();
    });

    it("is a 503 when the seller has no gas, which is not the buyer's business", async () => {
      const poor = privateKeyToAccount(generatePrivateKey());
      const node = watchedClient(world);
      const client = Object.assign({ ...node.client }, { account: poor });
      const broke = await openStall(world, { gateway: { client, payee: world.seller.address } });
      const reply = await broke.pay((await broke.opening()).payload);
      expect(reply.status).to.equal(503);
      expect(reply.problem?.detail).to.include("the seller cannot send transactions now");
      expect(reply.text.toLowerCase()).not.to.include(poor.address.slice(2).toLowerCase());
      await broke.close();
    });
  });
});
