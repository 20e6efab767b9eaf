import { createHmac } from "node:crypto";

import { expect } from "chai";
import { createWalletClient, custom, encodeAbiParameters, publicActions, toFunctionSelector } from "viem";

import { parseYuan } from "../../sdk/src/index.ts";
import {
  createGateway,
  createMemoryLedger,
  pricePerMillionTokens,
  pricePerRequest,
} from "../../sdk/src/server/index.ts";
import {
  type Challenge,
  encodeBase64Url,
  formatSessionRequest,
  parseChallenges,
  parseSessionRequest,
} from "../../sdk/src/wire/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Channel, openStall, price, realm, secret, type Stall } from "./stall.ts";

/** Binds a challenge as the seller does. */
function bind(challenge: Omit<Challenge, "id">): Challenge {
  const { method, intent, request, expires = "", digest = "", opaque = "" } = challenge;
  const input = [challenge.realm, method, intent, request, expires, digest, opaque].join("|");
  return { ...challenge, id: createHmac("sha256", secret).update(input).digest("base64url") };
}

describe("the gateway's challenge", () => {
  let world: World;
  let stall: Stall;
  let channel: Channel;
  before(async () => {
    world = await createWorld();
    stall = await openStall(world);
    channel = await stall.open();
  });
  after(() => stall.close());
  beforeEach(() => {
    stall.worked.length = 0;
    stall.clock.offset = 0;
  });

  /** A statement that has bought nothing yet. */
  let statements = 0n;
  const unused = () => (statements += price);
  async function refused(challenge: Challenge, [status, code] = [402, "challenge-not-found"]): Promise<void> {
    const workedBefore = stall.worked.length;
    const reply = await stall.buy(channel, price * 500n, { challenge });
    expect([reply.status, reply.problem?.code]).to.deep.equal([status, code]);
    expect(parseChallenges(reply.headers.get("www-authenticate"))).to.have.lengthOf(status === 402 ? 1 : 0);
    expect(stall.worked).to.have.lengthOf(workedBefore);
    expect(await stall.record(channel)).to.include({ held: 0n });
  }
  const unsupported: [number, string] = [400, "method-unsupported"];
  async function served(challenge: Challenge): Promise<void> {
    const reply = await stall.buy(channel, unused(), { challenge });
    expect(reply.status, reply.text).to.equal(200);
  }

  describe("without a credential", () => {
    it("is a 402 that is never cached, says what it costs and runs no work", async () => {
      const reply = await stall.ask();
      expect(reply.status).to.equal(402);
      expect(reply.headers.get("cache-control")).to.equal("no-store");
      expect(reply.headers.get("payment-receipt")).to.equal(null);
      expect(reply.problem).to.deep.include({ code: "payment-required", status: 402 });
      expect(reply.problem?.members).to.deep.include({ amount: String(price) });
      expect(stall.worked).to.deep.equal([]);
    });

    it("asks for an evm session of this payee, token, contract and chain", async () => {
      const challenge = await stall.challenge();
      expect(challenge).to.include({ realm, method: "evm", intent: "session" });
      expect(parseSessionRequest(challenge.request)).to.deep.equal({
        amount: price,
        currency: world.token.address.toLowerCase(),
        recipient: world.seller.address.toLowerCase(),
        suggestedDeposit: undefined,
        description: undefined,
        chainId: 31337,
        escrowContract: world.channels.address.toLowerCase(),
        feePayer: true,
        credentialTypes: ["authorization", "hash"],
        minVoucherDelta: 0n,
        receiptSigner: world.seller.address.toLowerCase(),
        pricing: { unit: "request", amount: String(price) },
      });
      const lifetime = Date.parse(challenge.expires!) - Date.now();
      expect(lifetime).to.be.within(598_000, 602_000);
    });

    it("F077: is well below the header limits of proxies", async () => {
      const { headers } = await stall.ask();
      expect(headers.get("www-authenticate")!.length).to.be.lessThan(2048);
    });

    for (const [name, authorization] of [
      ["another scheme", "Bearer sk-none"],
      ["Basic", "Basic dXNlcjpwYXNz"],
      ["an empty header", ""],
    ] as const) {
      it(`asks again for ${name}`, async () => {
        const reply = await stall.ask({ headers: { authorization } });
        expect(reply.status).to.equal(402);
        expect(reply.problem?.code).to.equal("payment-required");
        expect(parseChallenges(reply.headers.get("www-authenticate"))).to.have.lengthOf(1);
      });
    }
  });

  describe("a malformed credential", () => {
    for (const [name, value] of [
      ["nothing", "Payment"],
      ["no base64url", "Payment ?!"],
      ["no JSON", `Payment ${encodeBase64Url("{")}`],
      ["a list", `Payment ${encodeBase64Url("[]")}`],
      ["no challenge", `Payment ${encodeBase64Url('{"payload":{}}')}`],
      ["no payload", `Payment ${encodeBase64Url('{"challenge":{}}')}`],
      ["an empty challenge", `Payment ${encodeBase64Url('{"challenge":{},"payload":{}}')}`],
      [
        "deep nesting",
        `Payment ${encodeBase64Url(`{"challenge":${"[".repeat(4000)}${"]".repeat(4000)},"payload":{}}`)}`,
      ],
    ] as const) {
      it(`is a 402 with a fresh challenge: ${name}`, async () => {
        const reply = await stall.ask({ headers: { authorization: value } });
        expect(reply.status).to.equal(402);
        expect(reply.problem?.code).to.equal("malformed-credential");
        expect(reply.headers.get("cache-control")).to.equal("no-store");
        expect(parseChallenges(reply.headers.get("www-authenticate"))).to.have.lengthOf(1);
        expect(stall.worked).to.deep.equal([]);
      });
    }

    it("is a 402 when two credentials come", async () => {
      const authorization = await stall.credential(await stall.voucher(channel, price * 500n));
      const reply = await stall.ask({ headers: { authorization: `${authorization}, ${authorization}` } });
      expect(reply.problem?.code).to.equal("malformed-credential");
    });

    for (const [name, payload, reason] of [
      ["no action", {}, "action is none of open, topUp, voucher, tick and close"],
      ["an unknown action", { action: "settle" }, "action is none of open, topUp, voucher, tick and close"],
      ["no channel", { action: "voucher" }, "channelId is not 32 bytes of hex"],
      [
        "an amount that is a number",
        { action: "voucher", channelId: `0x${"00".repeat(32)}`, cumulativeAmount: 5 },
        "cumulativeAmount is not a decimal string",
      ],
      ["an unknown funding", { action: "open", type: "permit2" }, "type is neither hash nor authorization"],
    ] as const) {
      it(`is a 400 that names the member: ${name}`, async () => {
        const reply = await stall.payRaw(payload);
        expect(reply.status).to.equal(400);
        expect(reply.problem).to.include({
          code: "malformed-payload",
          detail: `The payload is malformed: ${reason}.`,
        });
        expect(stall.worked).to.deep.equal([]);
      });
    }
  });

  describe("that is echoed", () => {
    it("serves", async () => {
      await served(await stall.challenge());
    });

    it("serves any request of its price list, until it expires", async () => {
      const challenge = await stall.challenge();
      for (const call of [{ path: "/other?q=1" }, { method: "PUT" }, { body: "another" }]) {
        expect((await stall.buy(channel, unused(), { challenge, ...call })).status).to.equal(200);
      }
    });

    for (const [member, value, reason] of [
      ["realm", "other"],
      ["method", "tempo", unsupported],
      ["intent", "charge", unsupported],
      ["expires", "2099-01-01T00:00:00Z"],
      ["digest", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"],
      ["opaque", "e30"],
      ["id", "A5_2YWLCITurfH3AbaJ1AY9XvGL1r4K1qtntlkK6G3A"],
      ["id", "x"],
    ] as [string, string, [number, string]?][]) {
      it(`is refused when ${member} is changed to ${value}`, async () => {
        await refused({ ...(await stall.challenge()), [member]: value }, reason);
      });
    }

    it("is refused when its id is written otherwise", async () => {
      const challenge = await stall.challenge();
      for (const id of [`${challenge.id}=`, `${challenge.id}A`, challenge.id.slice(0, -1), ` ${challenge.id}`]) {
        await refused({ ...challenge, id });
      }
    });

    it("is refused when the request is another, cheaper one or a better one", async () => {
      const challenge = await stall.challenge();
      const asked = parseSessionRequest(challenge.request);
      for (const change of [
        { amount: 1n },
        { pricing: { unit: "request", amount: "1" } as const },
        { recipient: world.payer.address },
        { minVoucherDelta: 1n },
      ]) {
        await refused({ ...challenge, request: formatSessionRequest({ ...asked, ...change }) });
      }
    });

    it("is refused when members are moved over their borders", async () => {
      const challenge = await stall.challenge();
      const { request, expires } = challenge;
      await refused({ ...challenge, request: `${request}|${expires}`, expires: undefined });
      const moved = { ...challenge, method: "evm|session", intent: request, request: expires!, expires: undefined };
      await refused(moved, unsupported);
    });

    it("may lack the description or carry another: it is for people alone", async () => {
      await served({ ...(await stall.challenge()), description: "another" });
    });

    it("is refused when another seller issued it, or this one under another secret", async () => {
      const other = await openStall(world, { gateway: { secret: "fedcba9876543210" } });
      await refused(await other.challenge());
      await other.close();
    });

    it("F112: is good at every process of one seller", async () => {
      const replica = await openStall(world);
      await served(await replica.challenge());
      await replica.close();
    });
  });

  describe("expiry", () => {
    it("is good until its last second and refused after", async () => {
      const challenge = await stall.challenge();
      const left = Date.parse(challenge.expires!) - Date.now();
      stall.clock.offset = left - 500;
      await served(challenge);
      stall.clock.offset = left + 1;
      await refused(challenge);
    });

    it("F103: a clock that is set back or forward revives no statement that was used", async () => {
      const challenge = await stall.challenge();
      const voucher = await stall.voucher(channel, unused());
      expect((await stall.pay(voucher, { challenge })).status).to.equal(200);
      stall.clock.offset = -600_000;
      const reply = await stall.pay(voucher, { challenge, body: "another" });
      expect(reply.problem?.code).to.equal("statement-used");
      stall.clock.offset = 602_000;
      await refused(challenge);
      const fresh = await stall.pay(voucher, { challenge: await stall.challenge(), body: "another" });
      expect(fresh.problem?.code).to.equal("statement-used");
    });

    for (const expires of ["never", "1999999999", "2099-13-01T00:00:00Z", "99999-01-01T00:00:00Z", undefined]) {
      it(`F074: is refused when it says ${expires}, even if it is bound`, async () => {
        const { id: _, ...rest } = await stall.challenge();
        await refused(bind({ ...rest, expires }));
      });
    }

    it("F074: is served when the same forgery says a time to come", async () => {
      const { id: _, ...rest } = await stall.challenge();
      await served(bind({ ...rest, expires: new Date(Date.now() + 60_000).toISOString() }));
    });
  });

  describe("F060: of another offer", () => {
    it("is refused on every offer that differs in one thing", async () => {
      const token = await world.ethers.deployContract("MockDigitalYuan", [world.payer.address]);
      const contract = await world.ethers.deployContract("PaymentChannels", [900]);
      const plain = { price: pricePerRequest(price) };
      const others = [
        { offer: { price: pricePerRequest(price + 1n) } },
        { offer: { price: pricePerMillionTokens({ input: price, output: price }) } },
        { offer: plain, gateway: { payee: world.payer.address } },
        { offer: plain, gateway: { token: (await token.getAddress()) as `0x${string}` } },
        { offer: plain, gateway: { contract: (await contract.getAddress()) as `0x${string}` } },
        { offer: plain, gateway: { realm: "other" } },
      ];
      for (const options of others) {
        const other = await openStall(world, options);
        await refused(await other.challenge({ body: "{}" }));
        const challenge = await stall.challenge();
        const reply = await other.buy(channel, price * 500n, { challenge, body: "{}" });
        expect(reply.problem?.code).to.equal("challenge-not-found");
        expect(other.worked).to.deep.equal([]);
        await other.close();
      }
    });

    it("is refused when it is for another chain", async () => {
      const { id: _, ...rest } = await stall.challenge();
      const asked = parseSessionRequest(rest.request);
      await served(bind({ ...rest, request: formatSessionRequest(asked) }));
      await refused(bind({ ...rest, request: formatSessionRequest({ ...asked, chainId: 1 }) }));
    });
  });

  describe("text in it", () => {
    for (const [name, description] of [
      ["Chinese and an emoji", "一次模型调用 💸"],
      ["a line break and a header", "x\r\nSet-Cookie: a=b"],
      ["10 kB", "long ".repeat(2000)],
    ] as const) {
      it(`F069, F070: a description of ${name} leaves the 402 well formed`, async () => {
        const other = await openStall(world, { offer: { price: pricePerRequest(price), description } });
        const reply = await other.ask();
        expect(reply.status).to.equal(402);
        expect(reply.headers.get("set-cookie")).to.equal(null);
        const [challenge] = parseChallenges(reply.headers.get("www-authenticate"));
        expect(challenge?.description).to.be.a("string");
        await served(challenge!);
        await other.close();
      });
    }
  });
});

describe("createGateway", () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  const create = (changes: Partial<createGateway.Parameters>) =>
    createGateway({
      client: world.sellerClient,
      contract: world.channels.address,
      token: world.token.address,
      realm,
      secret,
      ledger: createMemoryLedger(),
      ...changes,
    });
  async function codeOf(promise: Promise<unknown>): Promise<unknown> {
    return promise.then(
      () => "created",
      (error: unknown) => (error as { code?: unknown }).code,
    );
  }

  it("takes a secret of 16 bytes and no shorter one", async () => {
    expect(await codeOf(create({ secret: "x".repeat(16) }))).to.equal("created");
    expect(await codeOf(create({ secret: new Uint8Array(16) }))).to.equal("created");
    expect(await codeOf(create({ secret: "x".repeat(15) }))).to.equal("weak-secret");
    expect(await codeOf(create({ secret: "" }))).to.equal("weak-secret");
    // Sixteen bytes, though fewer characters.
    expect(await codeOf(create({ secret: "分分分分分分" }))).to.equal("created");
  });

  for (const bad of ["", "分", "a\r\nb", "caf\u00e9", "a\0"]) {
    it(`F070: refuses the realm ${JSON.stringify(bad)}, which no header carries unchanged`, async () => {
      expect(await codeOf(create({ realm: bad }))).to.equal("invalid-realm");
    });
  }
  for (const good of ["models.example", 'a "quoted" \\ realm', "a|b"]) {
    it(`takes the realm ${JSON.stringify(good)}, and its challenge is answered`, async () => {
      const stall = await openStall(world, { gateway: { realm: good } });
      const channel = await stall.open();
      expect((await stall.buy(channel, price)).status).to.equal(200);
      await stall.close();
    });
  }

  it("needs an account", async () => {
    const client = createWalletClient({ transport: custom(world.sellerClient) });
    expect(await codeOf(create({ client }))).to.equal("missing-account");
  });

  it("refuses a contract whose grace period is too short to settle in", async () => {
    const selector = toFunctionSelector("CLOSE_GRACE_PERIOD()");
    const withGracePeriod = (seconds: number) => {
      const request = async ({ method, params }: { method: string; params?: unknown }): Promise<unknown> =>
        method === "eth_call" && (params as [{ data: string }])[0].data === selector
          ? encodeAbiParameters([{ type: "uint40" }], [seconds])
          : world.sellerClient.request({ method, params } as never);
      return createWalletClient({ account: world.seller, transport: custom({ request }) }).extend(publicActions);
    };
    expect(await codeOf(create({ client: withGracePeriod(599) }))).to.equal("unsuitable-contract");
    expect(await codeOf(create({ client: withGracePeriod(600) }))).to.equal("created");
  });

  it("proposes the deposit and the growth that it is told", async () => {
    const stall = await openStall(world, { gateway: { suggestedDeposit: parseYuan("3"), minVoucherDelta: 7n } });
    expect(parseSessionRequest((await stall.challenge()).request)).to.include({
      suggestedDeposit: parseYuan("3"),
      minVoucherDelta: 7n,
    });
    await stall.close();
  });
});
