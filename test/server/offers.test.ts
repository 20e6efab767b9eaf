import { expect } from "chai";

import { MAX_UINT128, parseYuan } from "../../sdk/src/index.ts";
import { pricePerMillionTokens, pricePerRequest } from "../../sdk/src/server/index.ts";
import { type Challenge, parseChallenges } from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { openStall, price, type Stall } from "./stall.ts";

/** Bytes of `WWW-Authenticate` that docs/http.md promises never to exceed. */
const headerBudget = 4096;

describe("what a 402 offers", () => {
  let world: World;
  let stall: Stall;
  before(async () => {
    world = await createWorld();
    const offer = { price: pricePerRequest(parseYuan("0.2")), description: "一次调用" };
    stall = await openStall(world, { offer, gateway: { charge: {} } });
  });
  after(() => stall.close());

  const intentsOf = (challenges: readonly Challenge[]) => challenges.map(({ intent }) => intent);
  const offered = async (headers: Record<string, string> = {}) =>
    parseChallenges((await stall.ask({ headers })).headers.get("www-authenticate"));

  it("is everything in the seller's order, or what the client takes, what it likes best first", async () => {
    expect(intentsOf(await offered())).to.deep.equal(["session", "charge"]);
    expect(intentsOf(await offered({ "accept-payment": "evm/charge" }))).to.deep.equal(["charge"]);
    expect(intentsOf(await offered({ "accept-payment": "evm/*;q=0.5, evm/charge" }))).to.deep.equal([
      "charge",
      "session",
    ]);
    expect(intentsOf(await offered({ "accept-payment": "lightning/charge" }))).to.deep.equal(["session", "charge"]);
  });

  it("is what the client takes in the 402 to a bad credential as well", async () => {
    const headers = { authorization: "Payment e30", "accept-payment": "evm/session" };
    const reply = await stall.ask({ headers });
    expect([reply.status, reply.problem?.code]).to.deep.equal([402, "malformed-credential"]);
    expect(intentsOf(parseChallenges(reply.headers.get("www-authenticate")))).to.deep.equal(["session"]);
  });

  it("F077: stands in the body too, for who is behind something that drops the header", async () => {
    const reply = await stall.ask();
    const inHeader = parseChallenges(reply.headers.get("www-authenticate"));
    const inBody = reply.problem?.members["challenges"] as Challenge[];
    expect(inBody.map(({ description: _description, ...rest }) => rest)).to.deep.equal(
      inHeader.map(({ description: _description, ...rest }) => rest),
    );
    expect(inBody[0]?.description).to.equal("一次调用");
    expect((await stall.buy(await stall.open(), parseYuan("0.2"), { challenge: inBody[0]! })).status).to.equal(200);
    expect(
      (await stall.ask({ headers: { authorization: "Payment e30" } })).problem?.members["challenges"],
    ).to.have.lengthOf(2);
  });

  it(`F077: has a header of at most ${headerBudget} bytes, whatever the offer`, async () => {
    const largest = await openStall(world, {
      offer: {
        price: pricePerMillionTokens({
          input: MAX_UINT128,
          output: MAX_UINT128,
          maxOutput: Number.MAX_SAFE_INTEGER,
          window: Number.MAX_SAFE_INTEGER,
        }),
        description: '"'.repeat(10_000),
        charge: true,
      },
      gateway: { suggestedDeposit: MAX_UINT128, minVoucherDelta: MAX_UINT128, charge: {}, realm: "r".repeat(253) },
    });
    const reply = await largest.ask({ body: '{"max_tokens":1}' });
    const header = reply.headers.get("www-authenticate") ?? "";
    expect(intentsOf(parseChallenges(header))).to.deep.equal(["session", "charge"]);
    expect(header.length).to.be.within(2_000, headerBudget);
    await largest.close();
  });

  it("F065: HEAD is asked to pay by a channel alone, OPTIONS is not, and neither reaches the work", async () => {
    const head = await stall.ask({ method: "HEAD" });
    expect([head.status, head.text]).to.deep.equal([402, ""]);
    expect(intentsOf(parseChallenges(head.headers.get("www-authenticate")))).to.deep.equal(["session"]);
    expect((await stall.ask({ method: "OPTIONS", headers: { authorization: "Payment e30" } })).status).to.equal(204);
    const before = stall.worked.length;
    const channel = await stall.open();
    const accepted = await stall.buy(channel, price, { method: "HEAD" });
    expect([accepted.status, accepted.receipt?.acceptedCumulative, accepted.receipt?.spent]).to.deep.equal([
      204,
      price,
      0n,
    ]);
    expect(stall.worked).to.have.lengthOf(before);
  });

  it("F065: has no other method done than the one that was paid for", async () => {
    const channel = await stall.open();
    const headers = {
      "x-http-method-override": "DELETE",
      "x-http-method": "PUT",
      "x-method-override": "PATCH",
      "x-a": "1",
    };
    expect((await stall.buy(channel, parseYuan("0.2"), { headers })).status).to.equal(200);
    const seen = stall.worked.at(-1);
    expect(seen?.method).to.equal("POST");
    expect([...(seen?.headers.keys() ?? [])].filter((name) => name.startsWith("x-"))).to.deep.equal(["x-a"]);
  });

  it("F076: lets a page of another origin read what it needs to pay, where the seller lets it ask", async () => {
    const headers = { origin: "https://page.example" };
    for (const reply of [
      await stall.ask({ headers }),
      await stall.buy(await stall.open(), parseYuan("0.2"), { headers }),
      await stall.buy({ channelId: `0x${"11".repeat(32)}` }, price, { headers }),
    ]) {
      expect(reply.headers.get("access-control-expose-headers")).to.match(/WWW-Authenticate, Payment-Receipt/);
      expect(reply.headers.get("access-control-allow-origin")).to.equal(null);
    }
    expect((await stall.ask()).headers.has("access-control-expose-headers")).to.equal(false);
  });
});
