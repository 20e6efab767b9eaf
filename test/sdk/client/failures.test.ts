import { expect } from "chai";
import { createWalletClient, custom } from "viem";

import { isSubfenError, parseYuan } from "../../../sdk/src/index.ts";
import {
  formatSessionReceipt,
  parseSessionReceipt,
  problemResponse,
  readProblem,
  type SessionReceipt,
  statusOf,
} from "../../../sdk/src/wire/index.ts";
import { createMemoryLedger, pricePerRequest } from "../../../sdk/src/server/index.ts";
import { createWorld } from "../../server/helpers.ts";
import { brokenAnswer, cutHalfWay, expireAuthorizations, openShop, price, rejection, type Shop } from "./helpers.ts";

describe("payingFetch when things fail", () => {
  let shop: Shop;
  afterEach(() => shop.close());

  /** Lets the seller do its part and loses the answer, `times` times. */
  function loseAnswers(times: number, isLost: (request: Request) => boolean = isPaid): void {
    let left = times;
    shop.between = async (request, next) => {
      const counts = isLost(request) && left > 0;
      if (counts) left--;
      const response = await next(request);
      return counts ? brokenAnswer() : response;
    };
  }
  const isPaid = (request: Request): boolean => request.headers.get("authorization")?.startsWith("Payment") ?? false;
  const isCall = (request: Request): boolean => isPaid(request) && request.headers.get("content-length") !== "0";

  describe("another seller's problem that the work passes on", () => {
    for (const code of [
      "channel-not-found",
      "request-in-progress",
      "insufficient-balance",
      "statement-used",
    ] as const) {
      it(`${code}: is no word of this seller's, and is asked for once`, async () => {
        shop = await openShop();
        await shop.post("first");
        const members = { requiredCumulative: "5000" };
        shop.work = () => problemResponse(code, "of a seller further on", { members });
        const response = await shop.post("second", { signal: AbortSignal.timeout(3_000) });
        expect([response.status, (await readProblem(response))?.code]).to.deep.equal([statusOf(code), code]);
        expect(shop.worked).to.deep.equal(["first", "second"]);
        expect(shop.paying.balance()).to.have.lengthOf(1);
        expect(shop.paying.balance()[0]).to.include({ spent: price, uncertain: 0n });
      });
    }
  });

  describe("lost answers", () => {
    it("F056: asks again with the same credential and key; works and pays once", async () => {
      shop = await openShop();
      await shop.post("first");
      loseAnswers(1);
      const response = await shop.post("second");
      expect(await response.text()).to.equal("hello second");
      expect(shop.worked).to.deep.equal(["first", "second"]);
      const [lost, again] = shop.seen.slice(-2);
      expect(again).to.deep.equal(lost);
      expect(shop.paying.balance()[0]).to.include({ spent: 2n * price, uncertain: 0n });
      expect((await shop.paying.close())[0]).to.include({ paid: 2n * price, excess: 0n });
    });

    it("F056: asks again when the answer breaks off half-way, its receipt already here", async () => {
      shop = await openShop();
      await shop.post("first");
      let cuts = 1;
      shop.between = async (request, next) => {
        const response = await next(request);
        return cuts-- > 0 ? cutHalfWay(response) : response;
      };
      expect(await (await shop.post("second")).text()).to.equal("hello second");
      expect(shop.worked).to.deep.equal(["first", "second"]);
      expect(shop.paying.balance()[0]).to.include({ spent: 2n * price, uncertain: 0n });
    });

    it("F056: a call given up and made again is not paid twice, whoever repeats it", async () => {
      shop = await openShop();
      await shop.post("first");
      loseAnswers(4);
      expect(await rejection(shop.post("second"))).to.be.instanceOf(TypeError);
      expect(shop.paying.balance()[0]).to.include({ spent: price, uncertain: price });

      const signed = shop.signed.length;
      const response = await shop.post("second");
      expect(await response.text()).to.equal("hello second");
      expect(shop.signed).to.have.lengthOf(signed);
      expect(shop.worked).to.deep.equal(["first", "second"]);
      expect(shop.paying.balance()[0]).to.include({ spent: 2n * price, uncertain: 0n });
    });

    it("learns what a lost call has cost once nothing runs any more", async () => {
      shop = await openShop();
      await shop.post("first");
      loseAnswers(4);
      await rejection(shop.post("second"));
      await shop.post("third");
      expect(shop.paying.balance()[0]).to.include({ spent: 3n * price, uncertain: 0n });
    });

    it("opens one channel when the answer to the opening is lost", async () => {
      shop = await openShop();
      loseAnswers(2, (request) => isPaid(request) && !isCall(request));
      expect((await shop.post("x")).status).to.equal(200);
      expect(await shop.world.openings()).to.have.lengthOf(1);
      expect(shop.paying.balance()[0]?.deposit).to.equal(parseYuan("1"));
    });

    it("presents a signed opening again at the next call rather than signing another", async () => {
      shop = await openShop();
      loseAnswers(4, (request) => isPaid(request) && !isCall(request));
      await rejection(shop.post("x"));
      const signed = shop.signed.length;
      expect((await shop.post("x")).status).to.equal(200);
      // One more: the voucher of the call.
      expect(shop.signed).to.have.lengthOf(signed + 1);
      expect(await shop.world.openings()).to.have.lengthOf(1);
      expect(await shop.world.balanceOf(shop.world.channels.address)).to.equal(parseYuan("1"));
    });

    it("tops up once when the answer to the top-up is lost", async () => {
      shop = await openShop({ suggestedDeposit: price });
      await shop.post("first");
      loseAnswers(2, (request) => isPaid(request) && !isCall(request));
      expect((await shop.post("second")).status).to.equal(200);
      expect(await shop.world.balanceOf(shop.world.channels.address)).to.equal(2n * price);
    });

    it("waits for a request that still runs when it is asked again", async () => {
      shop = await openShop();
      await shop.post("first");
      let finish: (() => void) | undefined;
      const slow = new Promise<void>((resolve) => (finish = resolve));
      shop.work = async (request) => {
        await slow;
        return new Response(`slow ${await request.text()}`);
      };
      let tries = 0;
      shop.between = async (request, next) => {
        tries++;
        if (tries > 1) {
          setTimeout(() => finish?.(), 50);
          return next(request);
        }
        void next(request);
        await new Promise((resolve) => setTimeout(resolve, 20));
        return brokenAnswer();
      };
      expect(await (await shop.post("second")).text()).to.equal("slow second");
      expect(shop.worked).to.deep.equal(["first", "second"]);
      expect(shop.paying.balance()[0]).to.include({ spent: 2n * price, uncertain: 0n });
    });
  });

  it("never signs above the deposit for calls that begin together", async () => {
    const gateway = { ledger: createMemoryLedger() };
    shop = await openShop({ suggestedDeposit: 3n * price, client: { maxDeposit: 3n * price }, gateway });
    const results = await Promise.allSettled(["a", "b", "c", "d", "e"].map((body) => shop.post(body)));
    expect(results.filter(({ status }) => status === "fulfilled")).to.have.lengthOf(3);
    expect(shop.paying.balance()[0]).to.include({ deposit: 3n * price, spent: 3n * price });
    expect((await shop.paying.close())[0]).to.include({ by: "seller", paid: 3n * price, refunded: 0n });
  });

  it("asks for a lost answer after its challenge is over, with the call's key, and pays once", async () => {
    let now = Date.now();
    shop = await openShop({ gateway: { now: () => now, challengeLifetime: 300 } });
    await shop.post("first");
    loseAnswers(4);
    await rejection(shop.post("second"));
    now += 301_000;
    expect(await (await shop.post("second")).text()).to.equal("hello second");
    expect(shop.worked).to.deep.equal(["first", "second"]);
    expect(shop.paying.balance()[0]).to.include({ spent: 2n * price, uncertain: 0n });
    expect((await shop.post("third")).status).to.equal(200);
    expect((await shop.paying.close())[0]).to.include({ paid: 3n * price, excess: 0n });
  });

  it("counts a call whose answer was not kept as what it costs at most, and trusts the seller on", async () => {
    shop = await openShop({ gateway: { maxKeptAnswer: 4 } });
    await shop.post("first");
    loseAnswers(1);
    expect((await shop.post("second")).status).to.equal(409);
    expect(shop.paying.balance()[0]).to.include({ spent: price, uncertain: price });
    expect((await shop.post("third")).status).to.equal(200);
    expect(shop.paying.balance()[0]).to.include({ spent: 3n * price, uncertain: 0n });
  });

  describe("a failing seller", () => {
    it("pays nothing for a handler that throws or answers an error", async () => {
      shop = await openShop();
      await shop.post("good");
      shop.work = () => {
        throw new Error("secret detail");
      };
      const failed = await shop.post("bad");
      expect(failed.status).to.equal(502);
      expect(await failed.text()).not.to.include("secret detail");
      shop.work = () => new Response("no such model", { status: 404 });
      expect((await shop.post("worse")).status).to.equal(404);
      expect(shop.paying.balance()[0]).to.include({ spent: price, uncertain: 0n });
      expect((await shop.paying.close())[0]).to.include({ paid: price });
    });

    it("F117: loses nothing to an agent that retries a failing tool 20 times", async () => {
      shop = await openShop();
      shop.work = () => new Response("broken", { status: 500 });
      for (let i = 0; i < 20; i++) await shop.post("same");
      const [closed] = await shop.paying.close();
      expect(closed).to.include({ paid: 0n, refunded: parseYuan("1") });
    });

    it("says why the seller refused to open a channel", async () => {
      shop = await openShop({ gateway: { minDeposit: parseYuan("2") } });
      const error = await rejection(shop.post("x"));
      expect(error).to.include({ code: "funding-refused", status: 402 });
      expect(error.message).to.include("at least 2000000 base units");
    });
  });

  describe("F086: receipts that claim more than was signed", () => {
    async function withReceipt(change: (receipt: SessionReceipt) => SessionReceipt): Promise<void> {
      // Unsigned, so that each is looked at for what it says.
      shop = await openShop({ gateway: { receiptAccount: false } });
      await shop.post("honest");
      shop.between = async (request, next) => {
        const response = await next(request);
        const header = response.headers.get("payment-receipt");
        if (header === null || !isCall(request)) return response;
        const headers = new Headers(response.headers);
        headers.set("payment-receipt", formatSessionReceipt(change(parseSessionReceipt(header))));
        return new Response(response.body, { status: response.status, headers });
      };
    }
    const lies: [string, (receipt: SessionReceipt) => SessionReceipt][] = [
      ["a total of the whole deposit", (receipt) => ({ ...receipt, spent: parseYuan("1") })],
      ["a charge above the call's ceiling", (receipt) => ({ ...receipt, amount: price + 1n })],
      ["a statement that was never signed", (receipt) => ({ ...receipt, acceptedCumulative: parseYuan("1") })],
      ["another channel", (receipt) => ({ ...receipt, channelId: `0x${"12".repeat(32)}` })],
      ["a total below the charge", (receipt) => ({ ...receipt, spent: 0n })],
    ];
    for (const [name, change] of lies) {
      it(`${name}: keeps its own count, signs nothing more, closes at its own count`, async () => {
        await withReceipt(change);
        expect((await shop.post("lied about")).status).to.equal(200);
        expect(shop.paying.balance()[0]?.spent).to.equal(2n * price);
        const signed = shop.signed.length;
        expect((await rejection(shop.post("next"))).code).to.equal("seller-distrusted");
        expect(shop.signed).to.have.lengthOf(signed);
        expect((await shop.paying.close())[0]).to.include({ paid: 2n * price, excess: 0n });
      });
    }

    it("believes an honest one", async () => {
      await withReceipt((receipt) => receipt);
      await shop.post("honest too");
      expect((await shop.post("next")).status).to.equal(200);
    });
  });

  describe("abort", () => {
    it("rejects with the caller's reason; the call counts at its ceiling until it is known", async () => {
      shop = await openShop();
      await shop.post("first");
      const controller = new AbortController();
      shop.work = async () => {
        controller.abort(new Error("the user left"));
        return new Response("too late");
      };
      const error = await rejection(shop.post("second", { signal: controller.signal }));
      expect(error.message).to.equal("the user left");
      expect(shop.paying.balance()[0]).to.include({ spent: price, uncertain: price });
    });

    it("signs nothing when it is aborted before", async () => {
      shop = await openShop();
      const signal = AbortSignal.abort(new Error("never mind"));
      expect((await rejection(shop.post("x", { signal }))).message).to.equal("never mind");
      expect(shop.seen).to.deep.equal([]);
      expect(shop.signed).to.deep.equal([]);
    });

    it("stops waiting for the opening, which goes on", async () => {
      shop = await openShop();
      const controller = new AbortController();
      shop.between = async (request, next) => {
        if (isPaid(request)) controller.abort(new Error("impatient"));
        return next(request);
      };
      expect((await rejection(shop.post("x", { signal: controller.signal }))).message).to.equal("impatient");
      shop.between = (request, next) => next(request);
      expect((await shop.post("x")).status).to.equal(200);
      expect(await shop.world.openings()).to.have.lengthOf(1);
    });
  });

  describe("close", () => {
    it("withdraws over the chain when the seller does not answer", async () => {
      shop = await openShop();
      await shop.post("x");
      await shop.gateway.settleAll();
      await shop.close();
      const waited: number[] = [];
      const closing = shop.paying.close({
        pollInterval: 10,
        sellerTimeout: 200,
        onWait: (readyAt) => {
          waited.push(readyAt);
          void shop.world.networkHelpers.time.increaseTo(readyAt);
        },
      });
      const [closed] = await closing;
      expect(closed).to.include({ by: "withdrawal", paid: price, refunded: parseYuan("1") - price, excess: 0n });
      expect(waited).to.have.lengthOf(1);
      expect(await shop.world.balanceOf(shop.world.payer.address)).to.equal(parseYuan("100") - price);
    });

    it("does not withdraw before the grace period is over", async () => {
      shop = await openShop();
      await shop.post("x");
      await shop.close();
      const controller = new AbortController();
      const closing = shop.paying.close({
        signal: controller.signal,
        pollInterval: 10,
        sellerTimeout: 200,
        onWait: () => setTimeout(() => controller.abort(new Error("enough")), 100),
      });
      expect((await rejection(closing)).message).to.equal("enough");
      expect(await shop.world.balanceOf(shop.world.channels.address)).to.equal(parseYuan("1"));
    });

    it("names the missing gas when it has to go over the chain", async () => {
      shop = await openShop({ world: await createWorld({ payerGas: false }) });
      await shop.post("x");
      await shop.close();
      const error = await rejection(shop.paying.close({ sellerTimeout: 200 }));
      expect(error.code).to.equal("no-gas");
      expect(error.message).to.include(shop.world.payer.address).and.to.include("requestClose");
    });

    it("closes when the only call was charged and its answer lost", async () => {
      shop = await openShop();
      loseAnswers(4, isCall);
      await rejection(shop.post("lost"));
      expect((await shop.paying.close())[0]).to.include({ by: "seller", paid: price, excess: 0n });
    });

    it("closes when the seller has forgotten the statements near what was charged", async () => {
      // Each call may cost 100 times what it costs, so what is signed runs far ahead of what is charged.
      shop = await openShop({
        price: { ...pricePerRequest(price), meter: () => 1n },
        gateway: { ledger: createMemoryLedger({ keep: 4 }) },
      });
      for (let i = 0; i < 12; i++) await shop.post(`${i}`);
      expect((await shop.paying.close())[0]).to.include({ by: "seller", paid: 12n, excess: 0n });
    });

    it("opens nothing for a call whose price was still being asked", async () => {
      shop = await openShop();
      const late = shop.post("late");
      expect(await shop.paying.close()).to.deep.equal([]);
      expect((await rejection(late)).code).to.equal("closed");
      expect(await shop.world.openings()).to.deep.equal([]);
    });

    it("waits for running calls", async () => {
      shop = await openShop();
      let started = 0;
      let finish: () => void = () => undefined;
      const finished = new Promise<void>((resolve) => (finish = resolve));
      const allStarted = new Promise<void>((resolve) => {
        shop.work = async (request) => {
          if (++started === 3) resolve();
          await finished;
          return new Response(await request.text());
        };
      });
      const calls = ["a", "b", "c"].map((body) => shop.post(body));
      await allStarted;
      const closing = shop.paying.close();
      finish();
      const [closed] = await closing;
      for (const call of calls) expect((await call).status).to.equal(200);
      expect(closed).to.include({ paid: 3n * price });
    });

    it("finds a channel whose opening was never answered, and brings the deposit back", async () => {
      shop = await openShop();
      loseAnswers(4, (request) => isPaid(request) && !isCall(request));
      await rejection(shop.post("x"));
      const [closed] = await shop.paying.close();
      expect(closed).to.include({ paid: 0n, refunded: parseYuan("1") });
      expect(await shop.world.balanceOf(shop.world.payer.address)).to.equal(parseYuan("100"));
    });

    it("reports an opening that was signed and never sent as pending, until it is worth nothing any more", async () => {
      shop = await openShop({ gateway: { minDeposit: parseYuan("2") } });
      await rejection(shop.post("x"));
      const pending = await shop.paying.close({ sellerTimeout: 30, pollInterval: 10 });
      expect(pending).to.have.lengthOf(1);
      expect(pending[0]).to.include({ by: "pending", paid: 0n, refunded: 0n });
      await expireAuthorizations(shop.world);
      expect(await shop.paying.close()).to.deep.equal([]);
    });

    it("waits for an opening that is signed but not yet mined, and closes it", async () => {
      const world = await createWorld();
      const mine = (isOn: boolean) => world.provider.request({ method: "evm_setAutomine", params: [isOn] });
      const openings: Promise<unknown>[] = [];
      let looks: number | undefined;
      const client = createWalletClient({
        account: world.payer,
        transport: custom({
          request: async (call: { method: string; params?: unknown[] }) => {
            // At its second look at the clock it has seen that nothing is mined.
            if (call.method === "eth_getBlockByNumber" && looks !== undefined && ++looks === 2) {
              await mine(true);
              await world.networkHelpers.mine();
              await Promise.all(openings);
            }
            return world.provider.request(call);
          },
        }),
        pollingInterval: 10,
      });
      shop = await openShop({ world, client: { client } });
      await mine(false);
      shop.between = async (request, next) => {
        if (!isPaid(request)) return next(request);
        openings.push(next(request));
        return brokenAnswer();
      };
      await rejection(shop.post("x"));
      expect(await world.openings()).to.deep.equal([]);
      shop.between = (request, next) => next(request);
      looks = 0;
      const [closed] = await shop.paying.close({ pollInterval: 10 });
      expect(looks).to.be.greaterThan(1);
      expect(closed).to.include({ by: "seller", paid: 0n, refunded: parseYuan("1") });
      expect(await world.balanceOf(world.payer.address)).to.equal(parseYuan("100"));
    });

    it("refuses calls after it, and has nothing to close before any", async () => {
      shop = await openShop();
      expect(await shop.paying.close()).to.deep.equal([]);
      const error = await rejection(shop.post("x"));
      expect(isSubfenError(error, "closed")).to.equal(true);
      expect(shop.seen).to.deep.equal([]);
    });

    it("reports what a seller captured above the own count", async () => {
      shop = await openShop();
      await shop.post("x");
      const { channelId } = shop.paying.balance()[0]!;
      shop.between = async (request) => {
        // Ours was never told of this: the seller captures the whole of a statement that bought less.
        const record = await shop.gateway.ledger.getChannel(channelId);
        const { channels, seller, ethers } = shop.world;
        const signer = await ethers.getImpersonatedSigner(seller.address);
        await channels.contract.connect(signer).close({
          terms: record!.terms,
          amount: record!.accepted,
          cumulativeAmount: record!.accepted,
          signature: record!.signature,
        });
        return new Response(null, { status: request ? 204 : 500 });
      };
      const [closed] = await shop.paying.close();
      expect(closed).to.include({ by: "seller", paid: price, excess: 0n });
    });
  });
});
