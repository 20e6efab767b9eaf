import { expect } from "chai";
import { type Address, type Hex, parseEventLogs, zeroAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { mockDigitalYuanAbi, parseYuan, signTransferWithAuthorization } from "../../sdk/src/index.ts";
import { chargeAuthorizationNonce } from "../../sdk/src/protocol/index.ts";
import {
  createGateway,
  createMemoryLedger,
  type Offer,
  pricePerMillionTokens,
  pricePerRequest,
  priceUpTo,
  type Work,
} from "../../sdk/src/server/index.ts";
import {
  type Challenge,
  formatChargePayload,
  formatCredential,
  type Json,
  parseChallenges,
  parseChargeReceipt,
  parseChargeRequest,
  readProblem,
} from "../../sdk/src/wire/index.ts";
import { createWorld, serve, type World } from "./helpers.ts";
import { realm, secret, transactionsOf, until, watchedClient } from "./stall.ts";

const price = parseYuan("0.2");

type Call = { method?: string; path?: string; body?: string | undefined; headers?: Record<string, string> };
type Counter = Awaited<ReturnType<typeof openCounter>>;
type Authorization = Parameters<typeof formatChargePayload>[0];

/** A gateway that takes charges, behind real HTTP, and a payer that makes its credentials by hand. */
async function openCounter(world: World, options: { offer?: Offer; gateway?: Partial<createGateway.Parameters> } = {}) {
  const errors: unknown[] = [];
  const clock = { offset: 0 };
  const gateway = await createGateway({
    client: world.sellerClient,
    contract: world.channels.address,
    token: world.token.address,
    realm,
    secret,
    now: () => Date.now() + clock.offset,
    onError: (error) => errors.push(error),
    ledger: createMemoryLedger(),
    charge: {},
    settler: false,
    ...options.gateway,
  });
  const worked: string[] = [];
  const counter = { work: (async (request) => new Response(`did ${await request.text()}`)) as Work };
  const offer = options.offer ?? { price: pricePerRequest(price) };
  const server = await serve(
    gateway.protect(offer, async (request, meter) => {
      worked.push(await request.clone().text());
      return counter.work(request, meter);
    }),
  );

  async function ask({ method = "POST", path = "/work", body = "x", headers = {} }: Call = {}) {
    const hasBody = method !== "GET" && method !== "HEAD";
    const response = await fetch(server.url + path, { method, headers, ...(hasBody ? { body } : {}) });
    const receipt = response.headers.get("payment-receipt");
    return {
      status: response.status,
      headers: response.headers,
      problem: await readProblem(response),
      receipt: receipt === null ? undefined : parseChargeReceipt(receipt),
      text: await response.text(),
    };
  }

  async function challenge(call: Call = {}): Promise<Challenge> {
    const { headers } = await ask(call);
    const found = parseChallenges(headers.get("www-authenticate")).find(({ intent }) => intent === "charge");
    if (!found) throw new Error("no charge was offered");
    return found;
  }

  /** An authorization that answers a challenge, good unless it is made otherwise. */
  async function authorize(
    asked: Challenge,
    changes: Partial<Authorization> & { account?: typeof world.payer; token?: Address; chainId?: number } = {},
  ): Promise<Authorization> {
    const { account = world.payer, token = world.token.address, chainId = world.chainId, ...rest } = changes;
    const { amount, recipient } = parseChargeRequest(asked.request);
    const authorization = {
      from: account.address,
      to: recipient,
      value: amount,
      validAfter: 0n,
      validBefore: BigInt(Date.parse(asked.expires ?? "") / 1000),
      nonce: chargeAuthorizationNonce(asked),
      ...rest,
    };
    const domain = { name: "Mock Digital Yuan", version: "1", chainId, verifyingContract: token };
    const signature = await signTransferWithAuthorization({ account, domain, ...authorization });
    return { ...authorization, signature, ...("signature" in rest ? { signature: rest.signature as Hex } : {}) };
  }

  const send = (asked: Challenge, payload: Json, call: Call = {}) =>
    ask({ ...call, headers: { ...call.headers, authorization: formatCredential({ challenge: asked, payload }) } });
  const pay = (asked: Challenge, payload: Authorization, call: Call = {}) =>
    send(asked, formatChargePayload(payload), call);

  return Object.assign(counter, {
    gateway,
    worked,
    errors,
    clock,
    url: server.url,
    ask,
    challenge,
    authorize,
    send,
    pay,
    /** Everything at once. */
    async buy(call: Call = {}) {
      const asked = await challenge(call);
      const payload = await authorize(asked);
      return { asked, payload, reply: await pay(asked, payload, call) };
    },
    async close() {
      await server.close();
      await gateway.close();
    },
  });
}

describe("evm/charge", () => {
  let world: World;
  let counter: Counter;
  before(async () => {
    world = await createWorld();
  });
  beforeEach(async () => {
    counter = await openCounter(world);
  });
  afterEach(() => counter.close());

  /** What the payee has, before and after. */
  async function earnedBy(run: () => Promise<unknown>): Promise<bigint> {
    const before = await world.balanceOf(world.seller.address);
    await run();
    return (await world.balanceOf(world.seller.address)) - before;
  }

  it("verifies, works, moves the money, and then answers with a receipt that names the transaction", async () => {
    let paidAtWork: bigint | undefined;
    const before = await world.balanceOf(world.seller.address);
    counter.work = async () => {
      paidAtWork = (await world.balanceOf(world.seller.address)) - before;
      return new Response("done");
    };
    const { asked, payload, reply } = await counter.buy();
    expect(reply.text).to.equal("done");
    expect(reply.status).to.equal(200);
    expect(paidAtWork).to.equal(0n);
    expect((await world.balanceOf(world.seller.address)) - before).to.equal(price);
    expect(reply.receipt).to.include({ challengeId: asked.id, chainId: 31337 });
    const { logs } = await world.sellerClient.getTransactionReceipt({ hash: reply.receipt!.reference });
    const [used] = parseEventLogs({ abi: mockDigitalYuanAbi, eventName: "AuthorizationUsed", logs });
    expect(used?.args.nonce).to.equal(payload.nonce);
    expect(reply.headers.get("cache-control")).to.match(/^private/);
  });

  it("settles first where the seller says so", async () => {
    await counter.close();
    counter = await openCounter(world, { gateway: { charge: { settle: "before" } } });
    let paidAtWork: bigint | undefined;
    const before = await world.balanceOf(world.seller.address);
    counter.work = async () => {
      paidAtWork = (await world.balanceOf(world.seller.address)) - before;
      return new Response("broken", { status: 500 });
    };
    const { asked, payload, reply } = await counter.buy();
    expect([reply.status, reply.receipt, paidAtWork]).to.deep.equal([500, undefined, price]);
    // Paid for and owed: the same credential buys it, once, and even when its challenge is long past.
    counter.clock.offset = 3_600_000;
    counter.work = () => new Response("done");
    const served = await counter.pay(asked, payload);
    expect([served.status, served.text]).to.deep.equal([200, "done"]);
    expect((await counter.pay(asked, payload)).receipt?.reference).to.equal(served.receipt?.reference);
    expect(counter.worked).to.have.lengthOf(2);
    expect((await world.balanceOf(world.seller.address)) - before).to.equal(price);
  });

  describe("what is offered", () => {
    const intents = async (call: Call = {}) =>
      parseChallenges((await counter.ask(call)).headers.get("www-authenticate")).map(({ intent }) => intent);
    const reopen = async (options: Parameters<typeof openCounter>[1]) => {
      await counter.close();
      counter = await openCounter(world, options);
    };

    it("stands beside a channel, for a price that is the same for every request", async () => {
      expect(await intents()).to.deep.equal(["session", "charge"]);
      expect(await intents({ method: "HEAD" })).to.deep.equal(["session"]);
    });

    it("is nothing that costs too little, that the seller did not allow, or that is metered", async () => {
      await reopen({ offer: { price: pricePerRequest(99_999n) } });
      expect(await intents()).to.deep.equal(["session"]);
      await reopen({ offer: { price: pricePerRequest(100_000n) } });
      expect(await intents()).to.deep.equal(["session", "charge"]);
      await reopen({ offer: { price: pricePerRequest(price), charge: false } });
      expect(await intents()).to.deep.equal(["session"]);
      await reopen({ gateway: { charge: undefined as never } });
      expect(await intents()).to.deep.equal(["session"]);
      await reopen({ offer: { price: priceUpTo(price) } });
      expect(await intents()).to.deep.equal(["session"]);
      const metered = pricePerMillionTokens({ input: parseYuan("100000"), output: parseYuan("100000") });
      await reopen({ offer: { price: metered } });
      expect(await intents({ body: '{"max_tokens":10}' })).to.deep.equal(["session"]);
      await reopen({ offer: { price: metered, charge: true } });
      expect(await intents({ body: '{"max_tokens":10}' })).to.deep.equal(["session", "charge"]);
      const { amount } = parseChargeRequest((await counter.challenge({ body: '{"max_tokens":10}' })).request);
      expect(amount).to.equal(parseYuan("0.1") * 27n);
    });

    it("F061: is asked with members that the draft has, and never twice alike", async () => {
      const [one, other] = [await counter.challenge(), await counter.challenge()];
      expect(one.id).not.to.equal(other.id);
      expect(one.digest).to.equal("sha-256=:LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=:");
      expect(JSON.parse(Buffer.from(one.request, "base64url").toString())).to.deep.equal({
        amount: String(price),
        currency: world.token.address,
        methodDetails: { chainId: 31337, credentialTypes: ["authorization"] },
        recipient: world.seller.address,
      });
    });
  });

  describe("an authorization that is not exactly what was asked", () => {
    const stranger = privateKeyToAccount(`0x${"c3".repeat(32)}`);
    const soon = (seconds: number) => BigInt(Math.floor(Date.now() / 1000) + seconds);
    for (const [name, changes, detail, code = "verification-failed"] of [
      ["F080: pays one less", { value: price - 1n }, "it pays 199999 base units and not 200000"],
      ["F080: pays one more", { value: price + 1n }, "it pays 200001 base units and not 200000"],
      ["F081: pays somebody else", { to: stranger.address }, "does not pay the recipient"],
      ["F081: is for another token", { token: zeroAddress }, "not signed by its payer"],
      ["F081: is for another chain", { chainId: 1 }, "not signed by its payer"],
      ["F060: is for another challenge", { nonce: `0x${"11".repeat(32)}` }, "its nonce is not that of the challenge"],
      ["is signed by another", { account: stranger, from: "payer" as never }, "not signed by its payer"],
      ["has a payer without money", { account: stranger }, "ERC20InsufficientBalance"],
      ["F075: is not valid yet", () => ({ validAfter: soon(30) }), "not valid yet: compare your clock"],
      ["F074: has expired", () => ({ validBefore: soon(-1) }), "has expired or is about to", "payment-expired"],
      ["F074: expires before it could be settled", () => ({ validBefore: soon(55) }), "about to", "payment-expired"],
      ["F014: has a high s", { signature: `0x${"11".repeat(32)}${"ff".repeat(32)}1b` }, "not one of low s"],
    ] as [string, Record<string, unknown> | (() => Record<string, unknown>), string, string?][]) {
      it(`${name}: is refused before any work, and a good one is still taken`, async () => {
        const asked = await counter.challenge();
        // Times are counted from the test, not from when it was written down.
        const given = typeof changes === "function" ? changes() : changes;
        const from = given["from"] === "payer" ? { from: world.payer.address } : {};
        const reply = await counter.pay(asked, await counter.authorize(asked, { ...given, ...from }));
        expect([reply.status, reply.problem?.code]).to.deep.equal([402, code]);
        expect(reply.problem?.detail).to.include(detail);
        // The draft asks for a fresh challenge.
        expect(parseChallenges(reply.headers.get("www-authenticate"))).to.have.lengthOf(2);
        expect(counter.worked).to.deep.equal([]);
        // F058: nothing was burned.
        const good = await counter.pay(asked, await counter.authorize(asked));
        expect([good.status, good.text]).to.deep.equal([200, "did x"]);
      });
    }

    it("F080: has an amount that is written otherwise, or has no type, is malformed", async () => {
      const asked = await counter.challenge();
      const good = formatChargePayload(await counter.authorize(asked)) as Record<string, Json>;
      for (const wrong of [
        { value: "0200000" },
        { value: " 200000" },
        { value: "200000.0" },
        { value: 200_000 },
        { type: "permit2" },
        { type: undefined },
        { nonce: "0x12" },
      ]) {
        const reply = await counter.send(asked, { ...good, ...wrong } as Json);
        expect([reply.status, reply.problem?.code]).to.deep.equal([402, "malformed-credential"]);
      }
      expect(counter.worked).to.deep.equal([]);
    });
  });

  describe("F060: a challenge that was issued for another request", () => {
    for (const [name, other] of [
      ["path", { path: "/dear" }],
      ["query", { path: "/work?n=2" }],
      ["method", { method: "PUT" }],
      ["body", { body: "y" }],
      ["no body", { method: "GET" }],
    ] as [string, Call][]) {
      it(`${name}: is refused, and once it has paid, is told so`, async () => {
        const asked = await counter.challenge();
        const payload = await counter.authorize(asked);
        const reply = await counter.pay(asked, payload, other);
        expect([reply.status, reply.problem?.code]).to.deep.equal([402, "invalid-challenge"]);
        expect((await counter.pay(asked, payload)).status).to.equal(200);
        const used = await counter.pay(asked, payload, other);
        expect([used.status, used.problem?.code]).to.deep.equal([409, "statement-used"]);
        expect(counter.worked).to.have.lengthOf(1);
      });
    }

    it("of another seller, an altered or an expired one is refused", async () => {
      const asked = await counter.challenge();
      const payload = await counter.authorize(asked);
      for (const altered of [
        { ...asked, opaque: asked.request },
        { ...asked, id: asked.id.slice(1) },
      ]) {
        const reply = await counter.pay(altered, await counter.authorize(altered));
        expect([reply.status, reply.problem?.code]).to.deep.equal([402, "invalid-challenge"]);
      }
      counter.clock.offset = 601_001;
      const late = await counter.pay(asked, payload);
      expect([late.status, late.problem?.code]).to.deep.equal([402, "invalid-challenge"]);
      expect(counter.worked).to.deep.equal([]);
      const unknown = await counter.pay({ ...asked, intent: "subscription" }, payload);
      expect([unknown.status, unknown.problem?.code]).to.deep.equal([400, "method-unsupported"]);
    });
  });

  describe("one authorization, one answer", () => {
    it("F057: a hundred at once run the work once", async () => {
      const asked = await counter.challenge();
      const payload = await counter.authorize(asked);
      const earned = await earnedBy(async () => {
        const replies = await Promise.all(Array.from({ length: 100 }, () => counter.pay(asked, payload)));
        for (const { status, text, problem } of replies) {
          if (status === 200) expect(text).to.equal("did x");
          else expect([status, problem?.code]).to.deep.equal([409, "request-in-progress"]);
        }
        expect(replies.some(({ status }) => status === 200)).to.equal(true);
      });
      expect(counter.worked).to.deep.equal(["x"]);
      expect(earned).to.equal(price);
    });

    it("F056: the same request again has the same answer, even when its challenge is long past", async () => {
      const { asked, payload, reply } = await counter.buy();
      const earned = await earnedBy(async () => {
        counter.clock.offset = 3_600_000;
        const again = await counter.pay(asked, payload);
        expect([again.status, again.text]).to.deep.equal([200, "did x"]);
        expect(again.receipt?.reference).to.equal(reply.receipt?.reference);
        // Whoever took it from the chain does not know the challenge.
        const guessed = await counter.pay({ ...asked, id: "A".repeat(asked.id.length) }, payload);
        expect([guessed.status, guessed.problem?.code]).to.deep.equal([402, "invalid-challenge"]);
      });
      expect([earned, counter.worked.length]).to.deep.equal([0n, 1]);
    });

    it("an answer too large to be kept is given and paid once", async () => {
      await counter.close();
      counter = await openCounter(world, { gateway: { maxKeptAnswer: 4 } });
      const { asked, payload, reply } = await counter.buy();
      expect(reply.text).to.equal("did x");
      const again = await counter.pay(asked, payload);
      expect([again.status, again.problem?.code]).to.deep.equal([409, "answer-not-kept"]);
      expect(again.problem?.members["txHash"]).to.equal(reply.receipt?.reference);
      expect(counter.worked).to.have.lengthOf(1);
    });
  });

  describe("F085: work that fails", () => {
    for (const [name, work, status] of [
      ["answers 500", () => new Response("broken", { status: 500 }), 500],
      ["answers 404", () => new Response("nothing", { status: 404 }), 404],
      ["throws", () => Promise.reject(new Error("inner")), 502],
    ] as [string, Work, number][]) {
      it(`${name}: costs nothing, and the same credential buys when it works`, async () => {
        counter.work = work;
        let asked: Challenge | undefined;
        let payload: Authorization | undefined;
        const earned = await earnedBy(async () => {
          const bought = await counter.buy();
          ({ asked, payload } = bought);
          expect([bought.reply.status, bought.reply.receipt]).to.deep.equal([status, undefined]);
        });
        expect(earned).to.equal(0n);
        counter.work = () => new Response("fine");
        expect((await counter.pay(asked!, payload!)).text).to.equal("fine");
      });
    }
  });

  it("F084: never lets an answer flow before it is paid", async () => {
    counter.work = () => new Response("data: 1\n\n", { headers: { "content-type": "text/event-stream" } });
    const { reply } = await counter.buy();
    expect([reply.status, reply.text, reply.receipt?.chainId]).to.deep.equal([200, "data: 1\n\n", 31337]);
  });

  describe("a settlement", () => {
    it("F085: that the token refuses after the work withholds the answer and is given up", async () => {
      counter.work = async () => {
        await world.token.contract.setFrozen(world.payer.address, true);
        return new Response("secret answer");
      };
      const earned = await earnedBy(async () => {
        const { asked, payload, reply } = await counter.buy();
        expect([reply.status, reply.problem?.code]).to.deep.equal([402, "verification-failed"]);
        expect(reply.text).not.to.include("secret answer");
        expect(reply.problem?.detail).to.match(/AccountFrozen|Frozen/);
        await world.token.contract.setFrozen(world.payer.address, false);
        expect(await counter.gateway.ledger.earnedCharges()).to.deep.equal([]);
        counter.work = () => new Response("another try");
        expect((await counter.pay(asked, payload)).text).to.equal("another try");
      });
      expect(earned).to.equal(price);
    });

    it("F058: cannot be checked while the chain is away, and nothing is burned", async () => {
      const node = watchedClient(world);
      await counter.close();
      counter = await openCounter(world, { gateway: { client: node.client } });
      const asked = await counter.challenge();
      const payload = await counter.authorize(asked);
      node.before = () => {
        throw new Error("https://node.example/?key=SECRET is down");
      };
      const away = await counter.pay(asked, payload);
      expect([away.status, away.problem?.code]).to.deep.equal([503, "chain-unreachable"]);
      expect(away.text).not.to.include("SECRET");
      expect(counter.worked).to.deep.equal([]);
      node.before = () => undefined;
      expect((await counter.pay(asked, payload)).text).to.equal("did x");
    });

    it("whose outcome is not known keeps the answer, and the same credential waits for it", async () => {
      const node = watchedClient(world);
      await counter.close();
      counter = await openCounter(world, { gateway: { client: node.client } });
      counter.work = () => {
        // What was sent arrives, and nobody hears of it.
        node.before = (method) => {
          if (method === "eth_getTransactionReceipt") throw new Error("away");
        };
        return new Response("done");
      };
      const earned = await earnedBy(async () => {
        const { asked, payload, reply } = await counter.buy();
        expect([reply.status, reply.problem?.code]).to.deep.equal([503, "chain-unreachable"]);
        expect(reply.text).not.to.include("done");
        // Meanwhile nothing else is bought by it.
        node.before = () => undefined;
        const again = await counter.pay(asked, payload);
        expect([again.status, again.text]).to.deep.equal([200, "done"]);
      });
      expect([earned, counter.worked.length]).to.deep.equal([price, 1]);
    });

    it("is made up for after the process that did the work has ended", async () => {
      const ledger = createMemoryLedger();
      await counter.close();
      counter = await openCounter(world, { gateway: { ledger } });
      const asked = await counter.challenge();
      const payload = await counter.authorize(asked);
      const ref = { payer: payload.from, nonce: payload.nonce };
      const authorization = JSON.stringify(formatChargePayload(payload));
      await ledger.holdCharge({ ...ref, authorization, blockNumber: 0n, txHash: undefined });
      const answer = { status: 200, headers: [], body: new TextEncoder().encode("kept") };
      await ledger.earnCharge({ ...ref, answer });
      expect(await earnedBy(() => counter.gateway.settleAll())).to.equal(price);
      expect(await earnedBy(() => counter.gateway.settleAll())).to.equal(0n);
      expect((await counter.pay(asked, payload)).text).to.equal("kept");
      expect(counter.worked).to.deep.equal([]);
    });

    it("counts the requests that run together against one balance", async () => {
      const poor = privateKeyToAccount(`0x${"d4".repeat(32)}`);
      await world.token.contract.faucet(poor.address, price + 1n);
      let finish = (): void => undefined;
      const running = new Promise<void>((resolve) => (finish = resolve));
      counter.work = async () => {
        await running;
        return new Response("done");
      };
      const [one, other] = [await counter.challenge(), await counter.challenge()];
      const first = counter.pay(one, await counter.authorize(one, { account: poor }));
      first.catch(() => undefined);
      await until(() => counter.worked.length === 1, "the work runs");
      counter.work = () => new Response("done");
      const payload = await counter.authorize(other, { account: poor });
      const second = await counter.pay(other, payload);
      expect([second.status, second.problem?.code]).to.deep.equal([402, "verification-failed"]);
      expect(second.problem?.members["amount"]).to.equal(String(2n * price));
      finish();
      expect((await first).status).to.equal(200);
      await world.token.contract.faucet(poor.address, price);
      expect((await counter.pay(other, payload)).status).to.equal(200);
    });
  });

  describe("F005: a stranger who carries the authorization out", () => {
    const carryOut = ({ signature, ...given }: Authorization) =>
      world.token.contract["transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)"](
        given.from,
        given.to,
        given.value,
        given.validAfter,
        given.validBefore,
        given.nonce,
        signature,
      );

    it("before the work: it is paid once, and served", async () => {
      const asked = await counter.challenge();
      const payload = await counter.authorize(asked);
      await carryOut(payload);
      const sent = await transactionsOf(world);
      const earned = await earnedBy(async () => {
        expect((await counter.pay(asked, payload)).text).to.equal("did x");
        expect((await counter.pay(asked, payload)).text).to.equal("did x");
      });
      expect([earned, await transactionsOf(world), counter.worked.length]).to.deep.equal([0n, sent, 1]);
    });

    it("during the work: it is paid once, and served", async () => {
      let payload: Authorization | undefined;
      counter.work = async () => {
        await carryOut(payload!);
        return new Response("done");
      };
      const asked = await counter.challenge();
      payload = await counter.authorize(asked);
      expect(await earnedBy(async () => expect((await counter.pay(asked, payload!)).text).to.equal("done"))).to.equal(
        price,
      );
    });

    it("a nonce that the payer used for something else pays for nothing", async () => {
      const asked = await counter.challenge();
      const payload = await counter.authorize(asked);
      await carryOut(await counter.authorize(asked, { to: world.payer.address }));
      const reply = await counter.pay(asked, payload);
      expect([reply.status, reply.problem?.code]).to.deep.equal([402, "verification-failed"]);
      expect(reply.problem?.detail).to.include("AuthorizationAlreadyUsed");
      expect(counter.worked).to.deep.equal([]);
    });
  });
});
