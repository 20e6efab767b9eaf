import { expect } from "chai";

import { parseYuan, type Payment, payingFetch, type PayingFetch } from "../../../sdk/src/index.ts";
import { createGateway, type Gateway, pricePerRequest, type Work } from "../../../sdk/src/server/index.ts";
import { createWorld, serve, type World } from "../../server/helpers.ts";

const price = parseYuan("0.0012");

describe("payingFetch", () => {
  let world: World;
  let gateway: Gateway;
  let url: string;
  let close: () => Promise<void>;
  let paying: PayingFetch;
  let payments: Payment[];
  let work: Work;

  beforeEach(async () => {
    world = await createWorld();
    gateway = await createGateway({
      client: world.sellerClient,
      contract: world.channels.address,
      token: world.token.address,
      realm: "test",
      secret: "0123456789abcdef",
      suggestedDeposit: parseYuan("1"),
      onError: (error) => console.error(error),
    });
    work = async (request) => new Response(`hello ${await request.text()}`);
    ({ url, close } = await serve(gateway.protect({ price: pricePerRequest(price) }, (request) => work(request))));
    payments = [];
    paying = payingFetch({
      account: world.payer,
      client: world.payerClient,
      maxDeposit: parseYuan("5"),
      maxPrice: parseYuan("0.01"),
      onPayment: (payment) => payments.push(payment),
    });
  });
  afterEach(() => close());

  it("opens a channel, pays a call and brings the change back", async () => {
    const response = await paying(`${url}/hello`, { method: "POST", body: "world" });
    expect(response.status).to.equal(200);
    expect(await response.text()).to.equal("hello world");
    expect(payments.map(({ yuan }) => yuan)).to.deep.equal(["0.0012"]);

    const [closed] = await paying.close();
    expect(closed).to.include({ paid: price, refunded: parseYuan("1") - price, by: "seller", excess: 0n });
    expect(await world.balanceOf(world.seller.address)).to.equal(price);
    expect(await world.balanceOf(world.payer.address)).to.equal(parseYuan("100") - price);
  });
});
