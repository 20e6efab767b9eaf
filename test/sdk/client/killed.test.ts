import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { parseYuan } from "../../../sdk/src/index.ts";
import { createMemoryLedger } from "../../../sdk/src/server/index.ts";
import { parseCredential } from "../../../sdk/src/wire/index.ts";
import { openShop, price, type Shop } from "./helpers.ts";
import type { Task } from "./buyerProcess.ts";
import { type BuyerProcess, killAll, serveChain, startBuyer } from "./processes.ts";

/** A few in every test run; `npm run test:deep` kills at more. */
const killsAt = process.env["SUBFEN_KILLS"] === "all" ? [1, 2, 3, 10, 18] : [2, 10];

describe("a buyer that is killed", () => {
  let shop: Shop;
  let folder: string;
  let chain: Awaited<ReturnType<typeof serveChain>>;
  let task: Task;
  const bodies = Array.from({ length: 16 }, (_, i) => `call ${i}`);

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "subfen-"));
    shop = await openShop({ gateway: { ledger: createMemoryLedger() } });
    chain = await serveChain(shop.world);
    const [path, seller] = [join(folder, "channels.json"), `${shop.url}/hello`];
    task = { path, rpc: chain.url, seller, bodies, isKeyed: false };
  });
  afterEach(async () => {
    killAll();
    await chain.close();
    await shop.close();
    rmSync(folder, { recursive: true });
  });

  async function record() {
    const [channelId] = await shop.world.openings();
    return shop.gateway.ledger.getChannel(channelId!);
  }

  /** What one request was paid with: equal for all tries of one payment. */
  function paymentsOf(index: number): string {
    const { key, authorization } = shop.seen[index]!;
    const payload = parseCredential(authorization)?.payload;
    return JSON.stringify([key, payload?.["cumulativeAmount"], payload?.["signature"]]);
  }

  for (const isKeyed of [true, false]) {
    const which = isKeyed ? "repeats all by their keys" : "repeats those without an answer";
    it(`in the middle of 16 parallel calls, started again, ${which}: none is paid twice`, async () => {
      let release: () => void = () => undefined;
      const released = new Promise<void>((resolve) => (release = resolve));
      const payments = new Map<string, string[]>();
      let isKilled = false;
      let started: () => void = () => undefined;
      const allStarted = new Promise<void>((resolve) => (started = resolve));
      shop.between = async (request, next) => {
        const index = shop.seen.length - 1;
        const body = await request.clone().text();
        if (body !== "" && request.headers.get("authorization") !== null) {
          payments.set(body, [...(payments.get(body) ?? []), paymentsOf(index)]);
          if (payments.size === 16 && shop.worked.length === 12) started();
          // Four never get to the seller.
          if (!isKilled && Number(body.slice(5)) >= 12) await released;
          if (!isKilled && Number(body.slice(5)) >= 12) return new Response(null, { status: 504 });
        }
        return next(request);
      };
      shop.work = async (request) => {
        const body = await request.text();
        if (payments.size === 16 && shop.worked.length === 12) started();
        // Four are answered, eight are at work when the buyer dies.
        if (Number(body.slice(5)) >= 4) await released;
        return new Response(`hello ${body}`);
      };

      const first = startBuyer({ ...task, isKeyed });
      await allStarted;
      const answered = (await first.hear("answer", 4)).map(({ body }) => body);
      await first.kill();
      expect(answered.toSorted()).to.deep.equal(bodies.slice(0, 4));
      isKilled = true;

      const again = isKeyed ? bodies : bodies.filter((body) => !answered.includes(body));
      const second = startBuyer({ ...task, isKeyed, bodies: again });
      await second.hear("opened");
      release();
      const { spent, uncertain } = await outcomeOf(second);
      const texts = (await second.hear("answer", again.length)).map(({ text }) => text);
      expect(texts.toSorted()).to.deep.equal(again.map((body) => `hello ${body}`).toSorted());
      expect(shop.worked.toSorted()).to.deep.equal(bodies.toSorted());
      for (const body of again) expect(new Set(payments.get(body)).size, body).to.equal(1);
      expect(await record()).to.include({ spent: 16n * price, held: 0n });
      expect({ spent, uncertain }).to.deep.equal({ spent: String(16n * price), uncertain: "0" });
      expect(await shop.world.openings()).to.have.lengthOf(1);
    });
  }

  for (const killAt of killsAt) {
    it(`when the seller gets its request number ${killAt}: goes on with one channel, sums exact`, async () => {
      let first: BuyerProcess | undefined = startBuyer({ ...task, isKeyed: true });
      const dead = new Promise<void>((resolve, reject) => {
        shop.between = async (request, next) => {
          if (first && shop.seen.length >= killAt) {
            const victim = first;
            first = undefined;
            victim.kill().then(resolve, reject);
          }
          return next(request);
        };
      });
      await dead;
      const second = startBuyer({ ...task, isKeyed: true });
      const { spent, uncertain } = await outcomeOf(second);
      expect(shop.worked.toSorted()).to.deep.equal(bodies.toSorted());
      expect(await record()).to.include({ spent: 16n * price, held: 0n });
      expect({ spent, uncertain }).to.deep.equal({ spent: String(16n * price), uncertain: "0" });
      expect(await shop.world.openings()).to.have.lengthOf(1);
      expect(await shop.world.balanceOf(shop.world.channels.address)).to.equal(parseYuan("1"));
    });
  }
});

async function outcomeOf(buyer: BuyerProcess) {
  const [done] = await buyer.hear("done");
  return done!;
}
