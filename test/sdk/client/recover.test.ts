import { expect } from "chai";
import type { Hex } from "viem";

import { parseYuan, payingFetch, signConditionalVoucher, signVoucher } from "../../../sdk/src/index.ts";
import { createGateway, createMemoryLedger, pricePerRequest } from "../../../sdk/src/server/index.ts";
import type { Ledger } from "../../../sdk/src/ledger/index.ts";
import { brokenAnswer, memoryStore, openShop, price, rejection, type Shop } from "./helpers.ts";

describe("payingFetch that lost its state", () => {
  let shop: Shop;
  let ledger: Ledger;
  beforeEach(async () => {
    ledger = createMemoryLedger();
    shop = await openShop({ gateway: { ledger } });
  });
  afterEach(() => shop.close());

  const isStatus = (request: Request): boolean => new URL(request.url).pathname.startsWith("/.well-known/subfen/");

  /** The same account, which remembers nothing. */
  function forget(options: Partial<payingFetch.Parameters> = {}) {
    const { payer, payerClient } = shop.world;
    const store = memoryStore();
    const signed: Hex[] = [];
    const account = {
      ...payer,
      sign: (parameters: { hash: Hex }) => {
        signed.push(parameters.hash);
        return payer.sign(parameters);
      },
    };
    const limits = { maxDeposit: parseYuan("5"), maxPrice: parseYuan("0.01") };
    const paying = payingFetch({ account, client: payerClient, ...limits, store, recoverFrom: 0n, ...options });
    const post = (body: string) => paying(`${shop.url}/hello`, { method: "POST", body });
    return { paying, post, store, signed };
  }

  /** The same seller, its memory lost too. */
  async function forgetSeller(): Promise<void> {
    const { world } = shop;
    const fresh = await createGateway({
      client: world.sellerClient,
      contract: world.channels.address,
      token: world.token.address,
      realm: "test",
      secret: "0123456789abcdef",
      ledger: createMemoryLedger(),
      suggestedDeposit: parseYuan("1"),
    });
    const sell = fresh.protect({ price: pricePerRequest(price) }, () => new Response("hello"));
    shop.between = (request) => sell(request);
  }

  /** Changes what the seller says of a channel. */
  function lie(change: (status: Record<string, string>) => Record<string, unknown>): void {
    shop.between = async (request, next) => {
      const response = await next(request);
      if (!isStatus(request) || !response.ok) return response;
      return Response.json(change((await response.json()) as Record<string, string>));
    };
  }

  it("finds its channel on the chain, learns what was spent, and signs above what it signed before", async () => {
    for (const body of ["a", "b", "c"]) await shop.post(body);
    const again = forget();
    expect((await again.post("d")).status).to.equal(200);
    expect(await shop.world.openings()).to.have.lengthOf(1);
    expect(again.paying.balance()[0]).to.include({ deposit: parseYuan("1"), spent: 4n * price, uncertain: 0n });
    const [closed] = await again.paying.close();
    expect(closed).to.include({ by: "seller", paid: 4n * price, excess: 0n });
    expect(await shop.world.balanceOf(shop.world.payer.address)).to.equal(parseYuan("100") - 4n * price);
  });

  it("looks only where it is told to, and only once", async () => {
    await shop.post("a");
    await forget({ recoverFrom: undefined }).post("b");
    expect(await shop.world.openings()).to.have.lengthOf(2);
    const again = forget();
    await again.post("c");
    expect(again.paying.balance()).to.have.lengthOf(2);
    await again.store.settled();
    const asked = shop.seen.filter(({ path }) => path.startsWith("/.well-known/")).length;
    const { payer, payerClient } = shop.world;
    const limits = { maxDeposit: parseYuan("5"), maxPrice: parseYuan("0.01") };
    const store = memoryStore(again.store.text);
    const paying = payingFetch({ account: payer, client: payerClient, ...limits, store, recoverFrom: 0n });
    await paying(`${shop.url}/hello`, { method: "POST", body: "d" });
    expect(shop.seen.filter(({ path }) => path.startsWith("/.well-known/"))).to.have.lengthOf(asked);
    const closed = await paying.close();
    expect(closed.map(({ by }) => by)).to.deep.equal(["seller", "seller"]);
    expect(closed.reduce((sum, { paid }) => sum + paid, 0n)).to.equal(4n * price);
    expect(await shop.world.balanceOf(shop.world.payer.address)).to.equal(parseYuan("100") - 4n * price);
  });

  it("counts what still runs at its ceiling", async () => {
    await shop.post("a");
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let started: () => void = () => undefined;
    const running = new Promise<void>((resolve) => (started = resolve));
    shop.work = async () => {
      started();
      await released;
      return new Response("slow");
    };
    const slow = shop.post("slow");
    await running;
    shop.work = () => new Response("quick");
    const again = forget();
    await again.post("b");
    expect(again.paying.balance()[0]).to.include({ spent: 2n * price, uncertain: price });
    release();
    await slow;
    await again.post("c");
    expect(again.paying.balance()[0]).to.include({ spent: 4n * price, uncertain: 0n });
    expect((await again.paying.close())[0]).to.include({ paid: 4n * price, excess: 0n });
  });

  it("counts all of a deposit that the seller does not know of as spent, and opens another channel", async () => {
    await shop.post("a");
    const { world } = shop;
    await forgetSeller();
    const again = forget();
    expect((await again.post("b")).status).to.equal(200);
    expect(await world.openings()).to.have.lengthOf(2);
    const balances = again.paying.balance().map(({ deposit, available }) => [deposit, available]);
    expect(balances).to.deep.equal([
      [parseYuan("1"), parseYuan("1") - price],
      [parseYuan("1"), 0n],
    ]);
    // What may be lost counts against the limit.
    await forgetSeller();
    expect(await rejection(forget({ maxDeposit: parseYuan("2") }).post("c"))).to.include({ available: 0n });
  });

  it("opens another channel for a seller that lost its memory, once", async () => {
    await shop.post("a");
    await shop.gateway.settleAll();
    await forgetSeller();
    expect((await shop.post("b")).status).to.equal(200);
    expect(await shop.world.openings()).to.have.lengthOf(2);
    const spent = shop.paying.balance().map((balance) => balance.spent);
    expect(spent).to.deep.equal([price, price]);
    // A channel that has served nothing is not replaced.
    const problem = { type: "urn:subfen:problem:channel-closing" };
    const headers = { "content-type": "application/problem+json" };
    const again = forget({ recoverFrom: undefined });
    const open = shop.between;
    shop.between = async (request, next) =>
      request.headers.get("content-length") === "0" || !request.headers.has("authorization")
        ? open(request, next)
        : new Response(JSON.stringify(problem), { status: 409, headers });
    expect((await again.post("c")).status).to.equal(409);
    expect(await shop.world.openings()).to.have.lengthOf(3);
  });

  it("pays nothing while the seller does not tell, and signs no statement", async () => {
    await shop.post("a");
    shop.between = async (request, next) => (isStatus(request) ? brokenAnswer() : next(request));
    const again = forget();
    expect(await rejection(again.post("b"))).to.include({ code: "recovery-failed" });
    expect(shop.worked).to.deep.equal(["a"]);
    expect(again.paying.balance()).to.deep.equal([]);
    shop.between = (request, next) => next(request);
    expect((await again.post("b")).status).to.equal(200);
    expect(await shop.world.openings()).to.have.lengthOf(1);
  });

  it("asks again by the seller's clock when its own is off", async () => {
    await shop.post("a");
    const { now } = Date;
    Date.now = () => now() - 300_000;
    try {
      expect((await forget().post("b")).status).to.equal(200);
    } finally {
      Date.now = now;
    }
    expect(await shop.world.openings()).to.have.lengthOf(1);
  });

  it("leaves a channel alone in which a conditional statement stands, and opens another one", async () => {
    await shop.post("a");
    const { channels, chainId, payer } = shop.world;
    const [channelId] = await shop.world.openings();
    const payment = { ref: channelId!, condition: channels.address, parametersHash: channelId!, amount: 5n };
    const statement = { contract: channels.address, chainId, channelId: channelId!, cumulativeAmount: 2n * price };
    const signature = await signConditionalVoucher({ ...statement, account: payer, payments: [payment] });
    const told = { acceptedCumulative: String(2n * price), signature, payments: [{ ...payment, amount: "5" }] };
    lie((status) => ({ ...status, ...told }));
    const again = forget();
    expect((await again.post("b")).status).to.equal(200);
    expect(await shop.world.openings()).to.have.lengthOf(2);
    lie((status) => ({ ...status, ...told, payments: [{ ...payment, amount: "6" }] }));
    expect(await rejection(forget().post("c"))).to.include({ code: "seller-distrusted" });
  });

  describe("signs nothing more for a seller that tells", () => {
    const deposit = parseYuan("1");
    const sign = async (
      cumulativeAmount: bigint,
      key: "payer" | "seller" = "payer",
    ): Promise<Record<string, string>> => {
      const { channels, chainId, world } = { ...shop.world, world: shop.world };
      const [channelId] = await world.openings();
      const location = { contract: channels.address, chainId, channelId: channelId! };
      const signature = await signVoucher({ account: world[key], ...location, cumulativeAmount });
      return { acceptedCumulative: String(cumulativeAmount), signature };
    };
    const lies: [string, (status: Record<string, string>) => Promise<Record<string, unknown>>][] = [
      ["a statement of another signer", async (status) => ({ ...status, ...(await sign(2n * price, "seller")) })],
      ["an amount that was not signed", async (status) => ({ ...status, acceptedCumulative: String(3n * price) })],
      ["a statement above the deposit", async (status) => ({ ...status, ...(await sign(deposit + 1n)) })],
      [
        "a statement below what is settled",
        async (status) => ({ ...status, ...(await sign(price)), spent: String(price) }),
      ],
      ["a total below what is settled", async (status) => ({ ...status, spent: String(price) })],
      ["a total above the statement", async (status) => ({ ...status, spent: String(2n * price + 1n) })],
      ["more held than the statement covers", async (status) => ({ ...status, held: "1" })],
      ["another channel", async (status) => ({ ...status, channelId: `0x${"12".repeat(32)}` })],
    ];
    for (const [name, change] of lies) {
      it(name, async () => {
        await shop.post("a");
        await shop.post("b");
        await shop.gateway.settleAll();
        const [channelId] = await shop.world.openings();
        const honest = await ledger.getChannel(channelId!);
        expect(honest).to.include({ spent: 2n * price, accepted: 2n * price });
        const status = {
          channelId: channelId!,
          acceptedCumulative: String(honest!.accepted),
          signature: honest!.signature,
          spent: String(honest!.spent),
          held: String(honest!.held),
        };
        const answer = await change(status);
        lie(() => answer);
        const again = forget();
        expect(await rejection(again.post("c"))).to.include({ code: "seller-distrusted" });
        // The question to the seller, and nothing else.
        expect(again.signed).to.have.lengthOf(1);
        expect(await rejection(again.post("c"))).to.include({ code: "seller-distrusted" });
        expect(again.signed).to.have.lengthOf(1);
        expect(await shop.world.openings()).to.have.lengthOf(1);
      });
    }

    it("F093: an amount that is a JSON number, which is no answer at all", async () => {
      await shop.post("a");
      lie((status) => ({ ...status, spent: Number(status["spent"]) }));
      const error = await rejection(forget().post("b"));
      expect(error).to.include({ code: "recovery-failed" });
      expect((error.cause as Error).message).to.include("spent is not a decimal string");
    });

    it("believes the truth told in the same way", async () => {
      await shop.post("a");
      lie((status) => status);
      expect((await forget().post("b")).status).to.equal(200);
    });
  });
});
