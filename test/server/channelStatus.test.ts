import { expect } from "chai";
import type { Hex } from "viem";

import { signStatusRequest, signVoucher } from "../../sdk/src/protocol/index.ts";
import { createGateway, createMemoryLedger, type Gateway, pricePerRequest } from "../../sdk/src/server/index.ts";
import { channelStatusPath, formatStatusAuthorization, parseChannelStatus } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";

describe("GET /.well-known/subfen/channels/{id}", () => {
  let world: World;
  let gateway: Gateway;
  let now: number;
  const ledger = createMemoryLedger();
  const channelId: Hex = `0x${"ab".repeat(32)}`;
  const unknownId: Hex = `0x${"cd".repeat(32)}`;
  let signature: Hex;

  const open = (): Promise<Gateway> =>
    createGateway({
      client: world.sellerClient,
      contract: world.channels.address,
      token: world.token.address,
      realm: "test",
      secret: "0123456789abcdef",
      ledger,
      now: () => now,
    });

  before(async () => {
    now = Date.UTC(2030, 0, 1);
    world = await createWorld();
    gateway = await open();
    const { payer, seller, token, chainId, channels } = world;
    const location = { contract: channels.address, chainId };
    signature = await signVoucher({ account: payer, ...location, channelId, cumulativeAmount: 70n });
    const authorizedSigner = payer.address;
    const terms = {
      payer: seller.address,
      payee: seller.address,
      token: token.address,
      salt: channelId,
      authorizedSigner,
    };
    const chain = { deposit: 100n, settled: 0n, closeRequestedAt: 0, finalized: false, blockNumber: 1n };
    await ledger.addChannel({ channelId, terms, chain, cumulativeAmount: 70n, signature });
    const hold = { channelId, cumulativeAmount: 70n, signature, requestHash: unknownId, minVoucherDelta: 0n };
    await ledger.hold({ ...hold, idempotencyKey: undefined, amount: 30n });
  });
  beforeEach(() => {
    now += 10_000;
  });

  type Asking = { id?: Hex; signedId?: Hex; time?: number; as?: "payer" | "seller"; method?: string; header?: string };

  async function ask(asking: Asking = {}): Promise<Response> {
    const { id = channelId, signedId = id, time = now, as = "payer", method = "GET", header } = asking;
    const timestamp = BigInt(time);
    const location = { contract: world.channels.address, chainId: world.chainId, channelId: signedId };
    const signed = await signStatusRequest({ account: world[as], ...location, timestamp });
    const authorization = header ?? formatStatusAuthorization({ timestamp, signature: signed });
    const request = new Request(`http://seller.example${channelStatusPath(id)}`, {
      method,
      headers: { authorization },
    });
    return gateway.charge(request, { price: pricePerRequest(5n) }, () => new Response("sold"));
  }
  const whole = async (response: Response) => [response.status, [...response.headers], await response.text()];

  it("tells the channel's signer the highest statement with its signature, spent and held, as decimal strings", async () => {
    const response = await ask();
    expect(response.status).to.equal(200);
    expect(response.headers.get("cache-control")).to.equal("no-store");
    const text = await response.text();
    const expected = { channelId, acceptedCumulative: 70n, signature, spent: 0n, held: 30n };
    expect(parseChannelStatus(text)).to.deep.equal(expected);
    expect(JSON.parse(text)).to.include({ acceptedCumulative: "70", held: "30" });
  });

  it("tells nobody else anything: an unknown channel and a wrong signer get one answer", async () => {
    const unknown = await whole(await ask({ id: unknownId }));
    expect(unknown[0]).to.equal(410);
    // The payee itself, and the payer where another key signs, are strangers here.
    expect(await whole(await ask({ as: "seller" }))).to.deep.equal(unknown);
    expect(await whole(await ask({ signedId: unknownId }))).to.deep.equal(unknown);
    for (const header of ["", "Bearer x", 'Subfen timestamp="1", signature="0x12"', "Payment e30"]) {
      expect(await whole(await ask({ header })), header).to.deep.equal(unknown);
    }
  });

  it("answers a question once, and none that is older than an answered one", async () => {
    expect((await ask({ time: now + 5 })).status).to.equal(200);
    const again = await ask({ time: now + 5 });
    expect(again.status).to.equal(400);
    expect(((await again.json()) as { type: string }).type).to.equal("urn:subfen:problem:stale-request");
    expect((await ask({ time: now + 4 })).status).to.equal(400);
    expect((await ask({ time: now + 6 })).status).to.equal(200);
  });

  it("F103: refuses a question a minute off its clock, for every channel alike, and tells its time", async () => {
    now += 200_000;
    for (const [off, status] of [
      [-60_000, 400],
      [-59_999, 200],
      [60_000, 400],
      [59_999, 200],
    ] as const) {
      expect((await ask({ time: now + off })).status, String(off)).to.equal(status);
    }
    const stale = await whole(await ask({ time: now - 60_000 }));
    expect(await whole(await ask({ id: unknownId, time: now - 60_000 }))).to.deep.equal(stale);
    expect((await ask({ time: 0 })).headers.get("date")).to.equal(new Date(now).toUTCString());
    now += 60_000;
  });

  it("answers no question that an earlier process may have answered", async () => {
    const asked = now;
    expect((await ask({ time: asked })).status).to.equal(200);
    now += 1000;
    gateway = await open();
    expect((await ask({ time: asked })).status).to.equal(400);
    expect((await ask({ time: now - 1 })).status).to.equal(400);
    expect((await ask({ time: now })).status).to.equal(200);
  });

  it("sells at every other address and by every other method", async () => {
    expect((await ask({ method: "POST" })).status).to.equal(402);
    const request = new Request(`http://seller.example${channelStatusPath(channelId)}0`);
    const response = await gateway.charge(request, { price: pricePerRequest(5n) }, () => new Response("sold"));
    expect(response.status).to.equal(402);
  });
});
