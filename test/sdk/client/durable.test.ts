import { expect } from "chai";

import { type BuyerStore, parseYuan, payingFetch } from "../../../sdk/src/index.ts";
import { createMemoryLedger } from "../../../sdk/src/server/index.ts";
import {
  brokenAnswer,
  expireAuthorizations,
  memoryStore,
  openShop,
  price,
  rejection,
  type Shop,
  until,
} from "./helpers.ts";

describe("payingFetch with a store", () => {
  let shop: Shop;
  let store: ReturnType<typeof memoryStore>;
  beforeEach(async () => {
    store = memoryStore();
    const gateway = { ledger: createMemoryLedger(), now: () => Date.now() };
    shop = await openShop({ gateway, client: { store } });
  });
  afterEach(() => shop.close());

  const isCall = (request: Request): boolean =>
    request.headers.get("authorization")?.startsWith("Payment") === true &&
    request.headers.get("content-length") !== "0";

  /** The same account in a new process, which finds what is kept. */
  function restart(text = store.text, options: Partial<payingFetch.Parameters> = {}) {
    const next = memoryStore(text);
    const { world, url } = shop;
    const paying = payingFetch({
      account: world.payer,
      client: world.payerClient,
      maxDeposit: parseYuan("5"),
      maxPrice: parseYuan("0.01"),
      store: next,
      ...options,
    });
    const post = (body: string, init: RequestInit = {}) => paying(`${url}/hello`, { method: "POST", body, ...init });
    return { paying, post, store: next };
  }

  /** Every answer to a paid call is lost, until it is called. */
  function loseAnswers(): () => void {
    shop.between = async (request, next) => {
      const response = await next(request);
      return isCall(request) ? brokenAnswer() : response;
    };
    return () => (shop.between = (request, next) => next(request));
  }

  it("goes on with the same channel after a restart, its accounts as they were", async () => {
    await shop.post("one");
    await shop.post("two");
    const before = shop.paying.balance();
    const again = restart();
    expect(again.paying.balance()).to.deep.equal(before);
    expect((await again.post("three")).status).to.equal(200);
    expect(await shop.world.openings()).to.have.lengthOf(1);
    const [closed] = await again.paying.close();
    expect(closed).to.include({ by: "seller", paid: 3n * price, excess: 0n });
    // What is closed is not found open again, and what it has spent counts against the limit.
    const last = restart(again.store.text, { maxDeposit: 3n * price + price - 1n });
    expect(last.paying.balance()).to.deep.equal([]);
    expect(await rejection(last.post("four"))).to.include({ code: "deposit-above-limit", available: price - 1n });
  });

  it("closes after a restart without any call before", async () => {
    await shop.post("one");
    const [closed] = await restart().paying.close();
    expect(closed).to.include({ by: "seller", paid: price, refunded: parseYuan("1") - price });
  });

  it("lets no statement leave before it is durable", async () => {
    const saved: string[] = [];
    store.onSave = async (text) => void saved.push(text);
    shop.between = async (request, next) => {
      const { authorization } = shop.seen.at(-1)!;
      if (authorization !== null) {
        // The highest statement, and for an opening its authorization, stand in what was saved by now.
        const { payload } = JSON.parse(atob(authorization.slice(8).replaceAll("-", "+").replaceAll("_", "/")));
        expect(saved.at(-1)).to.include(isCall(request) ? payload.signature : payload.salt);
      }
      return next(request);
    };
    for (const body of ["a", "b", "c"]) expect((await shop.post(body)).status).to.equal(200);
    expect(shop.seen.filter(({ authorization }) => authorization !== null)).to.have.lengthOf(4);
  });

  it("saves once for all calls that wait, not once for each", async () => {
    await shop.post("first");
    await store.settled();
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const saved: string[] = [];
    store.onSave = (text) => {
      saved.push(text);
      return gate;
    };
    const [seen, signed] = [shop.seen.length, shop.signed.length];
    const calls = Array.from({ length: 16 }, (_, i) => shop.post(`call ${i}`));
    await until(() => shop.signed.length === signed + 16);
    expect(shop.seen).to.have.lengthOf(seen);
    expect(saved).to.have.lengthOf(1);
    open();
    for (const call of calls) expect((await call).status).to.equal(200);
    expect(shop.seen).to.have.lengthOf(seen + 16);
    // The first carries who came first, the second all others.
    expect(callsIn(saved[0]!)).to.equal(1);
    expect(callsIn(saved[1]!)).to.equal(16);
  });

  it("sends nothing when the store cannot be written, and counts nothing", async () => {
    await shop.post("first");
    await store.settled();
    const seen = shop.seen.length;
    store.onSave = () => Promise.reject(new Error("disk full"));
    const error = await rejection(shop.post("second"));
    expect(error).to.include({ code: "store-write" });
    expect((error.cause as Error).message).to.equal("disk full");
    expect(shop.seen).to.have.lengthOf(seen);
    expect(shop.paying.balance()[0]).to.include({ spent: price, uncertain: 0n });
    store.onSave = undefined;
    expect((await shop.post("second")).status).to.equal(200);
    expect((await shop.paying.close())[0]).to.include({ paid: 2n * price, excess: 0n });
  });

  it("asks for lost answers one after the other after a restart, and pays none twice", async () => {
    await shop.post("first");
    const mend = loseAnswers();
    await Promise.all(["a", "b", "c"].map((body) => rejection(shop.post(body))));
    mend();
    const again = restart();
    expect(again.paying.balance()[0]).to.include({ spent: price, uncertain: 3n * price });
    for (const body of ["a", "b", "c"]) {
      expect(await (await again.post(body)).text()).to.equal(`hello ${body}`);
      // The first answer already tells what all three have cost.
      expect(again.paying.balance()[0]).to.include({ spent: 4n * price, uncertain: 0n });
    }
    expect(shop.worked.toSorted()).to.deep.equal(["a", "b", "c", "first"]);
    expect((await again.paying.close())[0]).to.include({ paid: 4n * price, excess: 0n });
  });

  it("pays a call that never got to the seller once, although another answer came in between", async () => {
    await shop.post("first");
    shop.between = async () => brokenAnswer();
    await rejection(shop.post("lost"));
    shop.between = (request, next) => next(request);
    const again = restart();
    await again.post("other");
    expect(again.paying.balance()[0]).to.include({ spent: 2n * price, uncertain: 0n });
    expect(await (await again.post("lost")).text()).to.equal("hello lost");
    expect((await again.post("last")).status).to.equal(200);
    expect(again.paying.balance()[0]).to.include({ spent: 4n * price, uncertain: 0n });
    expect((await again.paying.close())[0]).to.include({ paid: 4n * price, excess: 0n });
  });

  it("makes a caller's own key good for one payment, across restarts and at once", async () => {
    const keyed = (body: string, key: string) => ({ body, headers: { "idempotency-key": key } });
    const answers = await Promise.all([1, 2].map(() => shop.post("a", keyed("a", "k1"))));
    for (const answer of answers) expect(await answer.text()).to.equal("hello a");
    await store.settled();
    const again = restart();
    expect(await (await again.post("a", keyed("a", "k1"))).text()).to.equal("hello a");
    expect(shop.worked).to.deep.equal(["a"]);
    expect(again.paying.balance()[0]).to.include({ spent: price, uncertain: 0n });
    // Without a key the same call is another one, once it was answered.
    expect((await again.post("a")).status).to.equal(200);
    expect(again.paying.balance()[0]).to.include({ spent: 2n * price, uncertain: 0n });
    expect((await again.paying.close())[0]).to.include({ paid: 2n * price, excess: 0n });
  });

  it("remembers a seller that lied, and whom it is", async () => {
    await shop.post("first");
    const text = JSON.parse(store.text!) as { sellers: { purse: { distrust?: string }; pinned: string }[] };
    text.sellers[0]!.purse.distrust = "a lie";
    expect(await rejection(restart(JSON.stringify(text)).post("x"))).to.include({ code: "seller-distrusted" });

    const imposter = await openShop({ world: shop.world, gateway: { payee: shop.world.payer.address } });
    shop.between = (request) => fetch(imposter.url, { method: request.method });
    // Its challenge of before is over, so it is asked what it wants now.
    const stale = JSON.parse(store.text!) as { sellers: { offer?: unknown }[] };
    delete stale.sellers[0]!.offer;
    expect(await rejection(restart(JSON.stringify(stale)).post("x"))).to.include({ code: "seller-changed" });
    await imposter.close();
  });

  it("presents an opening that was signed before the restart, and signs no other", async () => {
    shop.between = async (request, next) => (request.headers.has("authorization") ? brokenAnswer() : next(request));
    await rejection(shop.post("x"));
    shop.between = (request, next) => next(request);
    const again = restart();
    expect((await again.post("x")).status).to.equal(200);
    const [first, second] = shop.seen.filter(({ authorization }) => authorization !== null).map(saltOf);
    expect(second).to.equal(first);
    expect(await shop.world.openings()).to.have.lengthOf(1);
    expect(await shop.world.balanceOf(shop.world.channels.address)).to.equal(parseYuan("1"));
  });

  it("signs a new opening once the old one has expired by the chain's clock", async () => {
    shop.between = async (request, next) => (request.headers.has("authorization") ? brokenAnswer() : next(request));
    await rejection(shop.post("x"));
    shop.between = (request, next) => next(request);
    await expireAuthorizations(shop.world);
    const { now } = Date;
    Date.now = () => now() + 700_000;
    try {
      expect((await restart().post("x")).status).to.equal(200);
    } finally {
      Date.now = now;
    }
    const salts = shop.seen.filter(({ authorization }) => authorization !== null).map(saltOf);
    expect(new Set(salts.filter((salt) => salt !== undefined)).size).to.equal(2);
  });

  describe("refuses, and leaves as it is,", () => {
    const cases: [string, (text: string) => string, string][] = [
      ["a text that is cut off", (text) => text.slice(0, -9), "not JSON, or was cut off"],
      ["an empty text", () => "", "not JSON, or was cut off"],
      ["somebody else's JSON", () => '{"a":1}', "not written by a paying client"],
      ["another version", (text) => text.replace('"version":1', '"version":2'), "is of version 2"],
      ["an amount that is a number", (text) => text.replace(/"charged":"(\d+)"/, '"charged":$1'), "charged"],
      ["a missing member", (text) => text.replace('"signed"', '"signet"'), "signed"],
      ["another account's", (text) => text.replace(/"account":"0x..../, '"account":"0x1234'), "belongs to 0x1234"],
    ];
    for (const [name, change, reason] of cases) {
      it(name, async () => {
        await shop.post("x");
        const text = change(store.text!);
        expect(text).not.to.equal(store.text);
        const foreign = memoryStore(text);
        const { payer, payerClient } = shop.world;
        const limits = { maxDeposit: 1n, maxPrice: 1n };
        let error: unknown;
        try {
          payingFetch({ account: payer, client: payerClient, ...limits, store: foreign });
        } catch (thrown) {
          error = thrown;
        }
        expect(error).to.include({ code: "store-unreadable" });
        expect((error as Error).message)
          .to.include(reason)
          .and.to.include("recoverFrom");
        expect(foreign.text).to.equal(text);
      });
    }

    it("channels on another chain than the client's", async () => {
      await shop.post("x");
      const { payer, payerClient } = shop.world;
      const client = Object.assign({}, payerClient, { chain: { id: 1 } }) as unknown as typeof payerClient;
      const make = (kept: BuyerStore) =>
        payingFetch({ account: payer, client, maxDeposit: 1n, maxPrice: 1n, store: kept });
      expect(() => make(memoryStore(store.text)))
        .to.throw(/chain 31337, the client is on chain 1/)
        .with.property("code", "store-unreadable");
    });
  });
});

function callsIn(text: string): number {
  return (JSON.parse(text) as { sellers: { calls: unknown[] }[] }).sellers[0]!.calls.length;
}

function saltOf({ authorization }: { authorization: string | null }): string | undefined {
  const text = atob((authorization ?? "").slice(8).replaceAll("-", "+").replaceAll("_", "/"));
  return (JSON.parse(text) as { payload: { salt?: string } }).payload.salt;
}
