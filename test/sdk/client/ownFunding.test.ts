import { expect } from "chai";
import { createWalletClient, custom, type Hex } from "viem";

import { parseYuan, payingFetch } from "../../../sdk/src/index.ts";
import { createMemoryLedger } from "../../../sdk/src/server/index.ts";
import {
  type Challenge,
  formatChallenge,
  formatCredential,
  formatSessionRequest,
  parseChallenges,
  parseCredential,
  parseSessionRequest,
} from "../../../sdk/src/wire/index.ts";
import type { Json } from "../../../sdk/src/wire/encoding.ts";
import { createWorld, type World } from "../../server/helpers.ts";
import { memoryStore, openShop, price, rejection, type Shop } from "./helpers.ts";

type Call = { method: string; params?: unknown[] };

describe("payingFetch where the seller sends no funding transactions", () => {
  let world: World;
  let shop: Shop;
  let store: ReturnType<typeof memoryStore>;
  /** Stands between the buyer and its node; a test may replace it. */
  let node: (call: Call, next: (call: Call) => Promise<unknown>) => Promise<unknown>;
  afterEach(() => shop.close());

  beforeEach(async () => {
    world = await createWorld();
    store = memoryStore();
    node = (call, next) => next(call);
    const gateway = { ledger: createMemoryLedger(), suggestedDeposit: 2n * price };
    shop = await openShop({ world, gateway, client: { store, client: client() } });
    shop.between = withoutFeePayer();
  });

  function client() {
    const next = (call: Call): Promise<unknown> => world.provider.request(call);
    const transport = custom({ request: (call: Call) => node(call, next) }, { retryCount: 0 });
    return createWalletClient({ account: world.payer, transport, pollingInterval: 10 });
  }

  /** Makes the gateway's challenges those of a seller that pays no gas, and takes them back in their own form. */
  function withoutFeePayer(): Shop["between"] {
    const originals = new Map<string, Challenge>();
    return async (request, next) => {
      const credential = parseCredential(request.headers.get("authorization"));
      const original = credential && originals.get(credential.challenge.id);
      if (credential && original) {
        const headers = new Headers(request.headers);
        const payload = credential.payload as Record<string, Json>;
        headers.set("authorization", formatCredential({ ...credential, payload, challenge: original }));
        return next(new Request(request, { headers }));
      }
      const response = await next(request);
      const [challenge] = parseChallenges(response.headers.get("www-authenticate"));
      if (!challenge) return response;
      originals.set(challenge.id, challenge);
      const asked = { ...parseSessionRequest(challenge.request), feePayer: false };
      const changed = formatChallenge({ ...challenge, request: formatSessionRequest(asked) });
      return new Response(response.body, { status: 402, headers: { "www-authenticate": changed } });
    };
  }

  function restart(text: string | undefined) {
    const next = memoryStore(text);
    const limits = { maxDeposit: parseYuan("5"), maxPrice: parseYuan("0.01") };
    const paying = payingFetch({ account: world.payer, client: client(), ...limits, store: next });
    const post = (body: string) => paying(`${shop.url}/hello`, { method: "POST", body });
    return { paying, post, store: next };
  }

  const locked = (): Promise<bigint> => world.balanceOf(world.channels.address);

  /** Lets what matches happen and loses its outcome, as a process that dies then does. @returns The state kept then. */
  function dieAt(isIt: (call: Call) => boolean, happens = true): () => string | undefined {
    let text: string | undefined;
    let isDead = false;
    node = async (call, next) => {
      if (isDead || isIt(call)) {
        if (!isDead) text = store.text;
        if (!isDead && happens) await next(call);
        isDead = true;
        throw new Error("dead");
      }
      return next(call);
    };
    return () => {
      node = (call, next) => next(call);
      return text;
    };
  }
  let sent = 0;
  /** The second transaction, after the approval. */
  const isFunding = ({ method }: Call): boolean => method === "eth_sendRawTransaction" && ++sent === 2;
  beforeEach(() => {
    sent = 0;
  });

  it("opens and tops up by transactions of its own", async () => {
    for (const body of ["a", "b", "c"]) expect((await shop.post(body)).status).to.equal(200);
    expect(await world.openings()).to.have.lengthOf(1);
    expect(await locked()).to.equal(4n * price);
    expect((await shop.paying.close())[0]).to.include({ by: "seller", paid: 3n * price, refunded: price });
  });

  for (const [what, before] of [
    ["an opening", 0],
    ["a top-up", 2],
  ] as const) {
    it(`remembers ${what} whose confirmation failed, and funds no second time`, async () => {
      for (let i = 0; i < before; i++) await shop.post(`before ${i}`);
      sent = 0;
      let isBroken = false;
      node = async (call, next) => {
        const result = isBroken && call.method === "eth_getTransactionReceipt" ? undefined : await next(call);
        if (isFunding(call)) isBroken = true;
        if (result === undefined) throw new Error("the node is gone");
        return result;
      };
      const lockedBefore = await locked();
      expect(await rejection(shop.post("x"))).to.include({ code: "funding-pending" });
      expect(await rejection(shop.post("x"))).to.include({ code: "funding-pending" });
      expect(await locked()).to.equal(lockedBefore + 2n * price);
      node = (call, next) => next(call);
      expect((await shop.post("x")).status).to.equal(200);
      expect(await locked()).to.equal(lockedBefore + 2n * price);
      expect(await world.openings()).to.have.lengthOf(1);
    });

    it(`finds ${what} again that was sent right before it died`, async () => {
      for (let i = 0; i < before; i++) await shop.post(`before ${i}`);
      await store.settled();
      sent = 0;
      const lockedBefore = await locked();
      const revive = dieAt(isFunding);
      await rejection(shop.post("x"));
      const again = restart(revive());
      expect(await locked()).to.equal(lockedBefore + 2n * price);
      expect((await again.post("x")).status).to.equal(200);
      expect(await locked()).to.equal(lockedBefore + 2n * price);
      expect(await world.openings()).to.have.lengthOf(1);
      const [closed] = await again.paying.close();
      expect(closed).to.include({ paid: BigInt(before + 1) * price, excess: 0n });
    });
  }

  it("sends an opening that it died before it sent, with the same nonce", async () => {
    const revive = dieAt(isFunding, false);
    await rejection(shop.post("x"));
    const again = restart(revive());
    expect(await world.openings()).to.deep.equal([]);
    expect((await again.post("x")).status).to.equal(200);
    expect(await locked()).to.equal(2n * price);
    const nonce = await world.ethers.provider.getTransactionCount(world.payer.address);
    expect(nonce).to.equal(2);
  });

  it("waits for an opening that is sent and not yet mined, also when it closes", async () => {
    const revive = dieAt(isFunding);
    const mining = (isOn: boolean) => world.provider.request({ method: "evm_setAutomine", params: [isOn] });
    const stop = node;
    node = async (call, next) => {
      if (call.method === "eth_sendRawTransaction" && sent === 1) await mining(false);
      return stop(call, next);
    };
    await rejection(shop.post("x"));
    const text = revive();
    const again = restart(text);
    expect(await rejection(again.post("x"))).to.include({ code: "funding-pending" });
    const [pending] = await again.paying.close({ sellerTimeout: 30, pollInterval: 10 });
    expect(pending).to.include({ by: "pending", paid: 0n });
    await mining(true);
    await world.networkHelpers.mine();
    expect((await restart(text).post("x")).status).to.equal(200);
    expect(await world.openings()).to.have.lengthOf(1);
    expect(await locked()).to.equal(2n * price);
  });

  it("funds anew once another transaction has taken the nonce", async () => {
    const revive = dieAt(isFunding, false);
    await rejection(shop.post("x"));
    const again = restart(revive());
    const to = world.seller.address;
    await world.payerClient.waitForTransactionReceipt({
      hash: await world.payerClient.sendTransaction({ to, value: 1n, chain: null }),
    });
    expect((await again.post("x")).status).to.equal(200);
    expect(await locked()).to.equal(2n * price);
    const committed = (JSON.parse(again.store.text!) as { committed: string }).committed;
    expect(committed).to.equal(String(2n * price));
  });

  it("sends a transaction with the nonce it wrote down, or not at all", async () => {
    const { payerClient, seller } = world;
    store.onSave = async (text) => {
      if (!text.includes('"own":{"nonce"')) return;
      store.onSave = undefined;
      await payerClient.sendTransaction({ to: seller.address, value: 1n, chain: null });
    };
    // Without an outcome that is certain: what was sent may have arrived.
    await rejection(shop.post("x"));
    expect(await world.openings()).to.deep.equal([]);
    expect((await shop.post("x")).status).to.equal(200);
    expect(await locked()).to.equal(2n * price);
  });

  it("forgets an opening that was refused before it was sent", async () => {
    const bad: Hex = "0x08c379a0";
    node = async (call, next) => {
      const data = (call.params?.[0] as { data?: string } | undefined)?.data ?? "";
      const isOpening = call.method === "eth_call" && data.length > 300;
      if (isOpening) throw Object.assign(new Error("execution reverted"), { code: 3, data: bad });
      return next(call);
    };
    expect(await rejection(shop.post("x"))).to.include({ code: "contract-refused" });
    node = (call, next) => next(call);
    await store.settled();
    expect(await shop.paying.close()).to.deep.equal([]);
    expect((JSON.parse(store.text!) as { committed: string }).committed).to.equal("0");
  });
});
