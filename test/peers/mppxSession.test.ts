import { expect } from "chai";
import { Mppx } from "mppx/client";

import { parseYuan } from "../../sdk/src/index.ts";
import { session } from "../../sdk/src/mppx/index.ts";
import { createGateway, createMemoryLedger, type Gateway, pricePerRequest } from "../../sdk/src/server/index.ts";
import { memoryStore } from "../sdk/client/helpers.ts";
import { createWorld, serve, type World } from "../server/helpers.ts";

const price = parseYuan("0.2");

describe("subfen/mppx", () => {
  let world: World;
  let gateway: Gateway;
  let server: Awaited<ReturnType<typeof serve>>;
  let between: (request: Request, next: (request: Request) => Promise<Response>) => Promise<Response>;
  const worked: string[] = [];

  beforeEach(async () => {
    worked.length = 0;
    between = (request, next) => next(request);
    world = await createWorld();
    gateway = await createGateway({
      client: world.sellerClient,
      contract: world.channels.address,
      token: world.token.address,
      realm: "127.0.0.1",
      secret: "0123456789abcdef",
      ledger: createMemoryLedger(),
      suggestedDeposit: parseYuan("0.5"),
      settler: false,
    });
    const sell = gateway.protect({ price: pricePerRequest(price) }, async (request) => {
      worked.push(await request.text());
      return new Response("an answer");
    });
    server = await serve((request) => between(request, sell));
  });
  afterEach(async () => {
    await server.close();
    await gateway.close();
  });

  function payer(changes: Partial<session.Parameters> = {}) {
    const { payer: account, payerClient: client } = world;
    const method = session({ account, client, maxDeposit: parseYuan("1"), maxPrice: price, ...changes });
    const mppx = Mppx.create({ polyfill: false, methods: [method] });
    const pay = async (body: string) => (await mppx.fetch(`${server.url}/work`, { method: "POST", body })).text();
    return { method, pay };
  }
  const failure = async (promise: Promise<unknown>) =>
    promise.then(
      () => "none",
      (error: { code?: string }) => error.code,
    );

  it("pays from one channel, topped up on the way, and goes on from what was kept", async () => {
    const store = memoryStore();
    const first = payer({ store });
    for (const body of ["a", "b", "c"]) expect(await first.pay(body)).to.equal("an answer");
    const [channel, ...others] = first.method.channels();
    expect(others).to.deep.equal([]);
    expect(channel).to.include({ signed: 3n * price, deposit: parseYuan("1") });
    const again = payer({ store: memoryStore(store.text) });
    expect(await again.pay("d")).to.equal("an answer");
    expect(await world.openings()).to.deep.equal([channel?.channelId]);
    expect(await gateway.ledger.getChannel(channel!.channelId)).to.include({
      spent: 4n * price,
      deposit: parseYuan("1"),
    });
    expect(worked).to.deep.equal(["a", "b", "c", "d"]);
  });

  it("F056: presents an opening again that was lost on the way, and opens no second channel", async () => {
    const store = memoryStore();
    between = async (request, next) => {
      if (request.headers.has("authorization")) return new Response("lost", { status: 503 });
      return next(request);
    };
    expect(await payer({ store }).pay("a")).to.equal("lost");
    between = (request, next) => next(request);
    const { method, pay } = payer({ store: memoryStore(store.text) });
    expect(await pay("a")).to.equal("an answer");
    expect(await world.openings()).to.deep.equal([method.channels()[0]?.channelId]);
  });

  it("F116: signs nothing above its limits", async () => {
    const seen: boolean[] = [];
    between = async (request, next) => {
      seen.push(request.headers.has("authorization"));
      return next(request);
    };
    expect(await failure(payer({ maxPrice: price - 1n }).pay("a"))).to.equal("price-above-limit");
    expect(await failure(payer({ maxDeposit: price - 1n }).pay("a"))).to.equal("deposit-above-limit");
    expect(seen).to.not.include(true);
    const { pay } = payer({ maxDeposit: price });
    expect(await pay("a")).to.equal("an answer");
    expect(await failure(pay("b"))).to.equal("deposit-above-limit");
    expect(worked).to.deep.equal(["a"]);
  });

  it("takes no store of another account", () => {
    const kept = memoryStore('{"account":"0x00","channels":[]}');
    expect(() => payer({ store: kept })).to.throw("was not saved by this account");
  });
});
