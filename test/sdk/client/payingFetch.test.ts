import { expect } from "chai";

import { parseYuan } from "../../../sdk/src/index.ts";
import { pricePerMillionTokens, pricePerRequest } from "../../../sdk/src/server/index.ts";
import { openShop, price, rejection, type Shop } from "./helpers.ts";

describe("payingFetch", () => {
  let shop: Shop;
  afterEach(() => shop.close());

  describe("paying", () => {
    it("opens a channel, pays a call and brings the change back", async () => {
      shop = await openShop();
      const response = await shop.post("world");
      expect(response.status).to.equal(200);
      expect(await response.text()).to.equal("hello world");
      expect(shop.payments.map(({ yuan }) => yuan)).to.deep.equal(["0.0012"]);

      const [closed] = await shop.paying.close();
      expect(closed).to.include({ paid: price, refunded: parseYuan("1") - price, by: "seller", excess: 0n });
      expect(await shop.world.balanceOf(shop.world.seller.address)).to.equal(price);
      expect(await shop.world.balanceOf(shop.world.payer.address)).to.equal(parseYuan("100") - price);
    });

    it("asks the price once and then pays at the first try", async () => {
      shop = await openShop();
      for (const body of ["a", "b", "c"]) await shop.post(body);
      const unpaid = shop.seen.filter(({ authorization }) => authorization === null);
      expect(unpaid).to.have.lengthOf(1);
      // The 402, the opening, and one request a call.
      expect(shop.seen).to.have.lengthOf(5);
    });

    it("pays 16 parallel calls from one channel, sums exact", async () => {
      shop = await openShop();
      shop.work = async (request) => {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
        return new Response(await request.text());
      };
      const bodies = Array.from({ length: 64 }, (_, i) => `call ${i}`);
      const queue = bodies.values();
      const answers = new Map<string, string>();
      await Promise.all(
        Array.from({ length: 16 }, async () => {
          for (const body of queue) answers.set(body, await (await shop.post(body)).text());
        }),
      );
      for (const body of bodies) expect(answers.get(body)).to.equal(body);
      expect(await shop.world.openings()).to.have.lengthOf(1);
      expect(shop.worked.toSorted()).to.deep.equal(bodies.toSorted());
      expect(shop.paying.balance()[0]).to.include({ spent: 64n * price, uncertain: 0n });

      const [closed] = await shop.paying.close();
      expect(closed).to.include({ paid: 64n * price, excess: 0n });
    });

    it("signs no more than calls are worth at the worst", async () => {
      // Each call is worth 16 base units and may cost 816.
      const tokens = pricePerMillionTokens({ input: parseYuan("0"), output: parseYuan("8"), maxOutput: 102 });
      shop = await openShop({ price: tokens });
      shop.work = () => Response.json({ usage: { prompt_tokens: 5, completion_tokens: 2 } });
      for (let i = 0; i < 10; i++) await shop.post(JSON.stringify({ i }));
      const { channelId } = shop.paying.balance()[0]!;
      const record = await shop.gateway.ledger.getChannel(channelId);
      expect(record?.spent).to.equal(160n);
      // The last call's ceiling above what the nine before it have cost: headroom does not pile up.
      expect(record?.accepted).to.equal(9n * 16n + 816n);
    });

    it("lets what costs nothing through, without a credential", async () => {
      shop = await openShop({ price: pricePerRequest(0n) });
      shop.between = async () => new Response("free");
      const response = await shop.paying(`${shop.url}/free`);
      expect(await response.text()).to.equal("free");
      expect(shop.seen).to.have.lengthOf(1);
      expect(shop.signed).to.deep.equal([]);
    });

    it("hands on a 402 that it cannot answer", async () => {
      shop = await openShop();
      shop.between = async () =>
        new Response("pay otherwise", {
          status: 402,
          headers: { "www-authenticate": 'Payment id="1", realm="r", method="card", intent="charge", request="e30"' },
        });
      const response = await shop.post("x");
      expect(response.status).to.equal(402);
      expect(await response.text()).to.equal("pay otherwise");
      expect(shop.signed).to.deep.equal([]);
    });

    it("F076: says what it takes with a credential, and with nothing else", async () => {
      shop = await openShop();
      const seen: (readonly [isPaid: boolean, takes: string | null])[] = [];
      shop.between = (request, next) => {
        seen.push([request.headers.has("authorization"), request.headers.get("accept-payment")]);
        return next(request);
      };
      await shop.post("x");
      expect(seen[0]).to.deep.equal([false, null]);
      expect(seen.slice(1)).to.deep.equal([
        [true, "evm/session, evm/charge;q=0.5"],
        [true, "evm/session, evm/charge;q=0.5"],
      ]);
    });

    it("F077: pays when the header is renamed on the way, by the challenge in the body", async () => {
      shop = await openShop();
      shop.between = async (request, next) => {
        const response = await next(request);
        const challenge = response.headers.get("www-authenticate");
        if (challenge !== null) response.headers.set("x-amzn-remapped-www-authenticate", challenge);
        response.headers.delete("www-authenticate");
        return response;
      };
      expect(await (await shop.post("x")).text()).to.equal("hello x");
      expect(shop.payments).to.have.lengthOf(1);
    });

    it("F088: passes over challenges that it cannot answer or read, and pays once", async () => {
      shop = await openShop();
      shop.between = async (request, next) => {
        const response = await next(request);
        const good = response.headers.get("www-authenticate");
        const [expires] = /expires="[^"]*"/.exec(good ?? "") ?? [];
        const others = [
          `Payment id="1", realm="r", method="solana", intent="charge", request="e30", ${expires}`,
          `Payment id="2", realm="r", method="evm", intent="subscription", request="e30", ${expires}`,
          `Payment id="3", realm="r", method="evm", intent="session", request="e30", ${expires}`,
          'Bearer realm="x"',
        ];
        if (good !== null) response.headers.set("www-authenticate", [...others, good].join(", "));
        return response;
      };
      expect(await (await shop.post("x")).text()).to.equal("hello x");
      expect(shop.payments).to.have.lengthOf(1);
      expect(await shop.world.openings()).to.have.lengthOf(1);
    });

    it("never pays for HEAD and OPTIONS", async () => {
      shop = await openShop();
      expect((await shop.paying(`${shop.url}/x`, { method: "HEAD" })).status).to.equal(402);
      expect((await shop.paying(`${shop.url}/x`, { method: "OPTIONS" })).status).to.equal(204);
      expect(shop.signed).to.deep.equal([]);
      expect(shop.worked).to.deep.equal([]);
    });

    it("replaces the caller's own Authorization on the paid try", async () => {
      shop = await openShop();
      await shop.post("x", { headers: { authorization: "Bearer caller" } });
      const [probe, ...rest] = shop.seen.map(({ authorization }) => authorization);
      expect(probe).to.equal("Bearer caller");
      expect(rest.every((value) => value?.startsWith("Payment "))).to.equal(true);
    });

    for (const [kind, body, expected] of [
      ["a string", "text", "text"],
      ["bytes", new TextEncoder().encode("bytes"), "bytes"],
      ["a Blob", new Blob(["blob"]), "blob"],
      ["URLSearchParams", new URLSearchParams({ a: "1" }), "a=1"],
      [
        "a stream",
        () =>
          new ReadableStream({
            start(controller) {
              controller.enqueue(new TextEncoder().encode("stream"));
              controller.close();
            },
          }),
        "stream",
      ],
    ] as const) {
      it(`F067: sends ${kind} again on the paid try`, async () => {
        shop = await openShop();
        const init = { method: "POST", body: typeof body === "function" ? body() : body };
        const response = await shop.paying(`${shop.url}/echo`, init as RequestInit);
        expect(await response.text()).to.equal(`hello ${expected}`);
        expect(shop.worked).to.deep.equal([expected]);
      });
    }

    it("F067: keeps the headers of a Request", async () => {
      shop = await openShop();
      shop.work = (request) => new Response(request.headers.get("x-own"));
      const request = new Request(`${shop.url}/x`, { method: "POST", body: "b", headers: { "x-own": "mine" } });
      expect(await (await shop.paying(request)).text()).to.equal("mine");
    });

    it("pays the seller's own ceiling where it is higher than the list says, within the limit", async () => {
      const list = pricePerRequest(price);
      shop = await openShop({ price: { ...list, ceiling: () => 2n * price, meter: () => 2n * price } });
      expect((await shop.post("x")).status).to.equal(200);
      expect(shop.payments[0]?.amount).to.equal(2n * price);
    });
  });

  describe("limits", () => {
    it("refuses a price above maxPrice, naming both numbers, before anything is signed", async () => {
      shop = await openShop({ client: { maxPrice: price - 1n } });
      const error = await rejection(shop.post("x"));
      expect(error).to.include({ code: "price-above-limit", price, maxPrice: price - 1n });
      expect(error.message).to.include("0.0012 yuan").and.to.include("0.001199 yuan");
      expect(shop.signed).to.deep.equal([]);
    });

    it("pays a price that is just the limit", async () => {
      shop = await openShop({ client: { maxPrice: price } });
      expect((await shop.post("x")).status).to.equal(200);
    });

    it("F116: refuses a seller that raises its price in the middle of a call", async () => {
      shop = await openShop({
        price: { ...pricePerRequest(price), ceiling: () => parseYuan("0.011") },
      });
      const error = await rejection(shop.post("x"));
      // The challenge's list says 0.0012, the seller then wants 0.011.
      expect(error).to.include({ code: "price-above-limit", price: parseYuan("0.011") });
      expect(shop.worked).to.deep.equal([]);
    });

    it("tops up within maxDeposit, then refuses, naming what is missing and what may be locked", async () => {
      shop = await openShop({ suggestedDeposit: 2n * price, client: { maxDeposit: 5n * price } });
      for (let i = 0; i < 5; i++) expect((await shop.post(`${i}`)).status).to.equal(200);
      expect(shop.paying.balance()[0]).to.include({ deposit: 5n * price, spent: 5n * price, available: 0n });
      const error = await rejection(shop.post("6"));
      expect(error).to.include({ code: "deposit-above-limit", needed: price, available: 0n });
      expect(await shop.world.openings()).to.have.lengthOf(1);
    });

    it("counts what closed channels have spent against maxDeposit", async () => {
      shop = await openShop({ suggestedDeposit: 2n * price, client: { maxDeposit: 3n * price } });
      await shop.post("1");
      const { channelId } = shop.paying.balance()[0]!;
      // The seller closes on its own; the next call opens another channel with what is left of the budget.
      await shop.gateway.settleAll();
      const record = await shop.gateway.ledger.getChannel(channelId);
      await shop.world.channels.contract
        .connect(await shop.world.ethers.getImpersonatedSigner(shop.world.seller.address))
        .close({
          terms: record!.terms,
          amount: record!.spent,
          cumulativeAmount: 0n,
          signature: "0x",
        });
      await shop.gateway.ledger.updateChain(channelId, {
        blockNumber: record!.blockNumber,
        deposit: 2n * price,
        settled: price,
        closeRequestedAt: 0,
        finalized: true,
      });
      expect((await shop.post("2")).status).to.equal(200);
      expect((await shop.post("3")).status).to.equal(200);
      expect(await rejection(shop.post("4"))).to.include({ code: "deposit-above-limit", available: 0n });
    });
  });

  describe("what can be wrong", () => {
    it("names the wrong chain", async () => {
      shop = await openShop();
      const other = await openShop();
      try {
        const client = {
          ...other.world.payerClient,
          request: async ({ method }: { method: string }) => (method === "eth_chainId" ? "0x1" : null),
        };
        await shop.close();
        shop = await openShop({ client: { client: client as never } });
        const error = await rejection(shop.post("x"));
        expect(error.code).to.equal("wrong-chain");
        expect(error.message).to.include("chain 1,").and.to.include("31337");
        expect(shop.signed).to.deep.equal([]);
      } finally {
        await other.close();
      }
    });

    it("names what is missing from the balance", async () => {
      shop = await openShop();
      const { token, payer } = shop.world;
      const rich = await shop.world.ethers.getImpersonatedSigner(payer.address);
      await token.contract.connect(rich).transfer(shop.world.seller.address, parseYuan("100") - price + 1n);
      const error = await rejection(shop.post("x"));
      expect(error).to.include({ code: "insufficient-tokens", balance: price - 1n, needed: price });
      expect(shop.signed).to.deep.equal([]);
    });

    it("locks what there is when the balance is below the suggested deposit", async () => {
      shop = await openShop();
      const rich = await shop.world.ethers.getImpersonatedSigner(shop.world.payer.address);
      await shop.world.token.contract.connect(rich).transfer(shop.world.seller.address, parseYuan("100") - price);
      expect((await shop.post("x")).status).to.equal(200);
      expect(shop.paying.balance()[0]?.deposit).to.equal(price);
    });

    it("sends no money to a contract whose code it does not know", async () => {
      shop = await openShop();
      const { payerClient, channels, networkHelpers } = shop.world;
      const code = (await payerClient.getCode({ address: channels.address })) ?? "";
      // One byte is another.
      await networkHelpers.setCode(channels.address, `${code.slice(0, 400)}ff${code.slice(402)}`);
      const error = await rejection(shop.post("x"));
      expect(error.code).to.equal("unknown-contract");
      expect(error.message).to.include(shop.world.channels.address.toLowerCase());
      expect(shop.signed).to.deep.equal([]);
    });

    it("uses an unknown contract if its owner says so", async () => {
      shop = await openShop();
      const token = await shop.world.ethers.deployContract("GasToken");
      const address = (await token.getAddress()) as `0x${string}`;
      await token.mint(shop.world.payer.address, parseYuan("1"));
      const { world } = shop;
      await shop.close();
      const gateway = { token: address, trustedContracts: [address] };
      shop = await openShop({ world, gateway });
      expect((await rejection(shop.post("x"))).code).to.equal("unknown-contract");
      await shop.close();
      shop = await openShop({ world, gateway, client: { trustedContracts: [address] } });
      // This token tells its domain as ERC-5267 does.
      expect((await shop.post("x")).status).to.equal(200);
      expect(await token.balanceOf(world.channels.address)).to.equal(parseYuan("1"));
    });

    it("F120: refuses a known seller that asks for another payee", async () => {
      shop = await openShop();
      await shop.post("x");
      const other = await openShop({ world: shop.world, gateway: { payee: `0x${"77".repeat(20)}` } });
      try {
        shop.between = (request) => fetch(`${other.url}/other`, { method: request.method, body: "y" });
        const before = shop.signed.length;
        const error = await rejection(shop.paying(`${shop.url}/other`, { method: "POST", body: "y" }));
        expect(error.code).to.equal("seller-changed");
        expect(error.message).to.include(`0x${"77".repeat(20)}`);
        expect(shop.signed).to.have.lengthOf(before);
      } finally {
        await other.close();
      }
    });

    it("F074: answers no challenge that has expired or does not say when", async () => {
      shop = await openShop();
      for (const replacement of ['expires="2020-01-01T00:00:00Z"', 'expires="never"', 'expires=""', 'x="y"']) {
        shop.between = async (request, next) => {
          const response = await next(request);
          const headers = new Headers(response.headers);
          const header = headers.get("www-authenticate");
          if (header) headers.set("www-authenticate", header.replace(/expires="[^"]*"/, replacement));
          return new Response(response.body, { status: response.status, headers });
        };
        expect((await shop.post("x")).status).to.equal(402);
      }
      expect(shop.signed).to.deep.equal([]);
    });

    it("takes a fresh challenge when the seller does not know the old one any more", async () => {
      let now = Date.now();
      shop = await openShop({ gateway: { now: () => now, challengeLifetime: 300 } });
      await shop.post("1");
      now += 301_000;
      expect((await shop.post("2")).status).to.equal(200);
      expect(shop.payments).to.have.lengthOf(2);
      expect(shop.paying.balance()[0]?.spent).to.equal(2n * price);
    });

    it("sends no payment over plain http beyond this machine", async () => {
      shop = await openShop();
      const { url, paying } = shop;
      await shop.close();
      const challenge = await challengeOf(shop);
      shop = await openShop({ client: { fetch: (async () => challenge()) as typeof fetch } });
      const error = await rejection(shop.paying("http://seller.example/x", { method: "POST", body: "x" }));
      expect(error.code).to.equal("unsafe-origin");
      expect(shop.signed).to.deep.equal([]);
      expect(paying).to.be.a("function");
      expect(url).to.match(/^http:\/\/127/);
    });

    it("sends no credential to where a seller redirects", async () => {
      shop = await openShop();
      const other = await openShop({ world: shop.world });
      try {
        shop.between = async () => Response.redirect(`${other.url}/hello`, 307);
        const error = await rejection(shop.post("x"));
        expect(error.code).to.equal("unsafe-origin");
        expect(error.message).to.include(other.url);
        expect(other.seen.every(({ authorization }) => authorization === null)).to.equal(true);
        expect(shop.signed).to.deep.equal([]);
      } finally {
        await other.close();
      }
    });

    it("does not follow a redirect that answers a paid call", async () => {
      shop = await openShop();
      const other = await openShop({ world: shop.world });
      try {
        shop.work = () => Response.redirect(`${other.url}/hello`, 307);
        const response = await shop.post("x");
        expect(response.status).to.equal(307);
        expect(other.seen).to.deep.equal([]);
      } finally {
        await other.close();
      }
    });
  });

  async function challengeOf(from: Shop): Promise<() => Response> {
    const response = await from.gateway.charge(
      new Request("http://seller.example/x", { method: "POST", body: "x" }),
      { price: pricePerRequest(price) },
      () => new Response(),
    );
    const [body, { status, headers }] = [await response.text(), response];
    return () => new Response(body, { status, headers });
  }
});
