import { expect } from "chai";
import * as fc from "fast-check";

import { type Hostile, hostile } from "./hostile.ts";
import { hangUp, sendHttp, sendRaw, writeCredential } from "./send.ts";
import { openShop, type Shop } from "./shop.ts";
import { price } from "../stall.ts";

const requests = Number(process.env["SUBFEN_FUZZ"] ?? 1000);
const seed = Number(process.env["SUBFEN_SEED"] ?? 5);
/** Of so many requests one is an honest buyer's. */
const honestEvery = 20;

/** What node itself answers to bytes that are no HTTP that it serves. */
const nodesOwn = [501, 505];

describe("a gateway among strangers", () => {
  let shop: Shop;
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  before(async () => {
    shop = await openShop();
    process.on("unhandledRejection", onRejection);
    process.on("uncaughtExceptionMonitor", onRejection);
  });
  after(async () => {
    process.off("unhandledRejection", onRejection);
    process.off("uncaughtExceptionMonitor", onRejection);
    hangUp();
    await shop.close();
  });

  async function send(call: Hostile): Promise<readonly number[]> {
    if (call.kind === "raw") return (await sendRaw(shop.port, call)).statuses;
    const { credential } = call;
    if (!credential) return (await sendHttp(shop.port, call, undefined)).statuses;
    const [material, other] = shop.pick(credential);
    const body = (credential.isRepeated ? material.body : undefined) ?? call.body;
    return (await sendHttp(shop.port, { ...call, body }, writeCredential(material, other, credential))).statuses;
  }

  it(`F057: serves ${requests} requests, one in ${honestEvery} honest, and only that one costs and gets anything (seed ${seed})`, async function () {
    this.timeout(requests * 100);
    const { world, stall, bought, failures } = shop;
    const parties = [world.payer, world.seller, shop.stranger, world.channels];
    const balances = () => Promise.all(parties.map(({ address }) => world.balanceOf(address)));
    const before = await balances();
    const worked = stall.worked.length;
    const seen = new Set<number>();
    const calls = fc.sample(hostile, { seed, numRuns: requests - Math.floor(requests / honestEvery) });
    const sizes = fc.sample(fc.integer({ min: 1, max: 2 * honestEvery - 3 }), { seed, numRuns: requests });

    let sent = 0;
    let honest = 0;
    for (const size of sizes) {
      if (sent === calls.length) break;
      const burst = calls.slice(sent, sent + size);
      const buys = Math.floor((sent + burst.length) / (honestEvery - 1)) - honest;
      honest += buys;
      const bad: Promise<void>[] = burst.map(async (call, i) => {
        for (const status of await send(call)) {
          seen.add(status);
          // An answer is given again to the request that it was bought by, and to no other.
          const isServed = status === 200 && !(call.kind === "http" && call.credential?.isRepeated);
          if (isServed) throw new Error(`request ${sent + i} was served: ${JSON.stringify(call)}`);
          const isFine = status < 500 || (call.kind === "raw" && nodesOwn.includes(status));
          if (!isFine) throw new Error(`request ${sent + i} was answered ${status}: ${JSON.stringify(call)}`);
        }
      });
      const good = (async () => {
        for (let i = 0; i < buys; i++) await shop.buy();
      })();
      await Promise.all([...bad, good]);
      sent += burst.length;
    }

    // They got as far as each of these.
    expect([...seen]).to.include.members([204, 400, 402, 409, 410, 413]);
    expect(honest).to.equal(Math.floor(calls.length / (honestEvery - 1)));
    expect(failures.map(({ method, status, problem }) => `${method} ${status} ${problem}`)).to.deep.equal([]);
    expect(rejections).to.deep.equal([]);
    // Nobody else has got anything to run.
    expect(stall.worked.length - worked).to.equal(honest);
    expect(await balances()).to.deep.equal(before);
    await stall.gateway.settleAll();
    for (const [channel, { count, receipts }] of bought) {
      expect(receipts).to.equal(count * price);
      expect(await stall.record(channel)).to.include({ spent: receipts, held: 0n, closing: false });
    }
    expect(await stall.record(shop.theirs)).to.include({ spent: 0n, held: 0n });
    const total = [...bought.values()].reduce((sum, { receipts }) => sum + receipts, 0n);
    const [, seller = 0n] = before;
    expect(await world.balanceOf(world.seller.address)).to.equal(seller + total);
    const books = await shop.auditBooks();
    expect(books.differences).to.deep.equal([]);
    expect(books).to.include({ captured: total, settled: total, held: 0n, lost: 0n });
    expect(stall.gateway.running).to.equal(0);
  });
});
