import { expect } from "chai";

import { type ChargePayment, parseYuan } from "../../../sdk/src/index.ts";
import { pricePerRequest } from "../../../sdk/src/server/index.ts";
import { createWorld, type World } from "../../server/helpers.ts";
import { brokenAnswer, memoryStore, openShop, rejection, type Shop } from "./helpers.ts";

const price = parseYuan("0.2");

describe("payingFetch at a seller that takes single transfers alone", () => {
  let world: World;
  let shop: Shop;
  let charged: ChargePayment[];
  before(async () => {
    world = await createWorld();
  });
  afterEach(() => shop.close());

  type Options = NonNullable<Parameters<typeof openShop>[0]>;
  async function open({ gateway, client, ...options }: Options = {}): Promise<void> {
    charged = [];
    shop = await openShop({
      world,
      price: pricePerRequest(price),
      gateway: { charge: {}, settler: false, ...gateway },
      client: { maxPrice: price, onCharge: (payment) => charged.push(payment), ...client },
      ...options,
    });
    shop.between = chargesAlone;
  }
  /** The gateway offers both; this seller's clients see one. */
  const chargesAlone: Shop["between"] = (request, next) => {
    request.headers.set("accept-payment", "evm/charge");
    return next(request);
  };
  const credentials = () => new Set(shop.seen.flatMap(({ authorization }) => authorization ?? []));
  const earned = async (run: () => Promise<unknown>) => {
    const before = await world.balanceOf(world.seller.address);
    await run();
    return (await world.balanceOf(world.seller.address)) - before;
  };
  const reply = async (promise: Promise<Response>) => (await promise).text();

  it("pays each call by a transfer of its own, and opens no channel", async () => {
    await open();
    const amount = await earned(async () => {
      expect(await reply(shop.post("a"))).to.equal("hello a");
      expect(await reply(shop.post("a"))).to.equal("hello a");
    });
    expect(amount).to.equal(2n * price);
    expect(charged.map(({ yuan }) => yuan)).to.deep.equal(["0.2", "0.2"]);
    expect(charged[0]?.receipt.reference).not.to.equal(charged[1]?.receipt.reference);
    expect(await world.openings()).to.deep.equal([]);
    expect(await shop.paying.close()).to.deep.equal([]);
  });

  it("prefers a channel where both are offered", async () => {
    await open();
    shop.between = (request, next) => next(request);
    expect(await reply(shop.post("a"))).to.equal("hello a");
    expect([charged.length, shop.payments.length]).to.deep.equal([0, 1]);
    world = await createWorld();
  });

  it("F116: signs nothing above its limits, of a price and in all", async () => {
    await open({ client: { maxPrice: price - 1n } });
    expect(await rejection(shop.post("a"))).to.include({ code: "price-above-limit" });
    await shop.close();
    await open({ client: { maxDeposit: 2n * price - 1n } });
    expect(await reply(shop.post("a"))).to.equal("hello a");
    expect(await rejection(shop.post("b"))).to.include({ code: "deposit-above-limit" });
    expect(shop.signed).to.have.lengthOf(1);
    expect(shop.worked).to.deep.equal(["a"]);
  });

  it("F056: asks for a lost answer by what was signed, whoever repeats the call, also after a restart", async () => {
    const store = memoryStore();
    await open({ client: { store } });
    shop.between = async (request, next) => {
      const response = await chargesAlone(request, next);
      return request.headers.has("authorization") ? brokenAnswer() : response;
    };
    const amount = await earned(async () => {
      await rejection(shop.post("a"));
      await store.settled();
      const again = await openShop({
        world,
        price: pricePerRequest(price),
        client: {
          maxPrice: price,
          store: memoryStore(store.text),
        },
      });
      shop.between = chargesAlone;
      expect(await reply(again.paying(`${shop.url}/hello`, { method: "POST", body: "a" }))).to.equal("hello a");
      await again.close();
    });
    expect(amount).to.equal(price);
    expect([credentials().size, shop.worked]).to.deep.equal([1, ["a"]]);
  });

  it("F117: presents the same credential again for work that failed, and pays when it works", async () => {
    await open();
    shop.work = async () => new Response("broken", { status: 500 });
    for (let i = 0; i < 5; i++) expect((await shop.post("a")).status).to.equal(500);
    shop.work = async () => new Response("done");
    expect(await earned(async () => expect(await reply(shop.post("a"))).to.equal("done"))).to.equal(price);
    expect([credentials().size, shop.signed.length]).to.deep.equal([1, 1]);
  });

  it("pays one key once, and gets its answer again", async () => {
    await open();
    const headers = { "idempotency-key": "k" };
    const amount = await earned(async () => {
      const answers = [shop.post("a", { headers }), shop.post("a", { headers })].map(reply);
      expect(await Promise.all(answers)).to.deep.equal(["hello a", "hello a"]);
      expect(await reply(shop.post("a", { headers }))).to.equal("hello a");
    });
    expect([amount, credentials().size, shop.worked.length]).to.deep.equal([price, 1, 1]);
  });

  it("signs anew only once the chain says that the old one can never be carried out", async () => {
    await open({ client: { maxDeposit: price }, gateway: { now: () => Date.now() } });
    const genuine = Date.now;
    try {
      shop.between = async (request, next) =>
        request.headers.has("authorization") ? new Response("no", { status: 402 }) : chargesAlone(request, next);
      expect((await shop.post("a")).status).to.equal(402);
      // It may still be carried out: it counts.
      expect(await rejection(shop.post("b"))).to.include({ code: "deposit-above-limit" });
      const later = genuine() + 700_000;
      Date.now = () => later + (genuine() - later) / 1e6;
      expect(await rejection(shop.post("b"))).to.include({ code: "deposit-above-limit" });
      await world.networkHelpers.time.increaseTo(Math.floor(later / 1000));
      shop.between = chargesAlone;
      expect(await reply(shop.post("b"))).to.equal("hello b");
    } finally {
      Date.now = genuine;
    }
  });

  it("F120: refuses a known seller that asks for another payee", async () => {
    await open();
    await shop.post("a");
    const other = await openShop({
      world,
      price: pricePerRequest(price),
      gateway: { charge: {}, payee: world.payer.address },
    });
    shop.between = (request) => {
      request.headers.set("accept-payment", "evm/charge");
      return other.gateway.charge(request, { price: pricePerRequest(price) }, () => new Response());
    };
    expect(await rejection(shop.post("b"))).to.include({ code: "seller-changed" });
    expect(shop.signed).to.have.lengthOf(1);
    await other.close();
  });
});
