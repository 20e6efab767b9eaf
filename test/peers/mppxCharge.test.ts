import { expect } from "chai";
import { Receipt } from "mppx";
import { Mppx } from "mppx/client";
import { charge } from "mppx/evm/client";

import { parseYuan } from "../../sdk/src/index.ts";
import { createGateway, createMemoryLedger, type Gateway, pricePerRequest } from "../../sdk/src/server/index.ts";
import { createWorld, serve, type World } from "../server/helpers.ts";

const price = parseYuan("0.2");

describe("the unmodified mppx client", () => {
  let world: World;
  let gateway: Gateway;
  let server: Awaited<ReturnType<typeof serve>>;
  const worked: string[] = [];
  const seen: Request[] = [];
  let status = 200;

  before(async () => {
    world = await createWorld();
    gateway = await createGateway({
      client: world.sellerClient,
      contract: world.channels.address,
      token: world.token.address,
      realm: "127.0.0.1",
      secret: "0123456789abcdef",
      ledger: createMemoryLedger(),
      charge: {},
      settler: false,
    });
    const description = '一次调用, "quoted"';
    const sell = gateway.protect({ price: pricePerRequest(price), description }, async (request) => {
      worked.push(`${request.method} ${await request.text()}`);
      return new Response("an answer", { status });
    });
    server = await serve((request) => {
      seen.push(request.clone());
      return sell(request);
    });
  });
  after(async () => {
    await server.close();
    await gateway.close();
  });
  beforeEach(() => {
    worked.length = 0;
    seen.length = 0;
    status = 200;
  });

  const payer = (maxAtomicAmount: string) =>
    Mppx.create({
      polyfill: false,
      methods: [
        charge({
          account: world.payer,
          authorization: { name: "Mock Digital Yuan", version: "1" },
          networks: [31337],
          currencies: [world.token.address],
          maxAtomicAmount,
        }),
      ],
    });

  it("F061: pays evm/charge, with a body and without one, once each", async () => {
    const before = await world.balanceOf(world.seller.address);
    const mppx = payer(String(price));
    for (const init of [{}, { method: "POST", body: "a question" }]) {
      const response = await mppx.fetch(`${server.url}/work?q=1`, init);
      expect(response.status).to.equal(200);
      expect(await response.text()).to.equal("an answer");
      const receipt = Receipt.fromResponse(response);
      expect(receipt).to.include({ method: "evm", status: "success", chainId: 31337 });
      const mined = await world.sellerClient.getTransactionReceipt({ hash: receipt.reference as `0x${string}` });
      expect(mined.status).to.equal("success");
    }
    expect(worked).to.deep.equal(["GET ", "POST a question"]);
    expect((await world.balanceOf(world.seller.address)) - before).to.equal(2n * price);
  });

  it("pays nothing for work that fails", async () => {
    const before = await world.balanceOf(world.seller.address);
    status = 500;
    expect((await payer(String(price)).fetch(`${server.url}/work`)).status).to.equal(500);
    expect(await world.balanceOf(world.seller.address)).to.equal(before);
    expect(worked).to.have.lengthOf(1);
  });

  it("refuses what is above its own limit, and nothing reaches the work", async () => {
    const error = await payer(String(price - 1n))
      .fetch(`${server.url}/work`)
      .catch((cause: unknown) => cause);
    expect(String(error)).to.include("exceeds maxAtomicAmount");
    expect(seen.some((request) => request.headers.has("authorization"))).to.equal(false);
    expect(worked).to.deep.equal([]);
  });
});
