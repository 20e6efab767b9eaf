import { join } from "node:path";

import { expect } from "chai";

import { createRandom } from "../model/random.ts";
import { payerKey, sellerKey } from "../server/helpers.ts";
import { auditBooks, compareBooks } from "./books.ts";
import { bundle } from "./bundle.ts";
import { inFlight } from "./buyer.ts";
import { startChain } from "./chain.ts";
import { openGateway } from "./gateway.ts";
import { freePort, pause, type Process, useFolder } from "./processes.ts";

const crashes = Number(process.env["SUBFEN_CRASHES"] ?? 2);
const seed = Number(process.env["SUBFEN_SEED"] ?? 5);

describe("a buyer that is killed", () => {
  const folderOf = useFolder();

  it(`${crashes} times under ${inFlight} calls pays each once and knows in the end what it paid (seed ${seed})`, async function () {
    const random = createRandom(seed);
    const folder = folderOf();
    const chain = await startChain(folder);
    const { rpc, contract, token, seller } = chain;
    const port = await freePort();
    const ledgerPath = join(folder, "ledger.db");
    const options = { rpc, contract, token, key: sellerKey, ledgerPath, port };
    const gateway = await openGateway({ ...options, recheckAfter: 60, settleEvery: 0.3 });
    const start = await bundle("buyer.ts");
    const load = (): Process =>
      start("runBuyer", {
        rpc,
        url: `http://127.0.0.1:${port}/`,
        key: payerKey,
        storePath: join(folder, "buyer.json"),
      });

    /** What the killed and the living buyers have said. */
    const oracle = { acknowledged: new Map<string, bigint>(), asked: new Set<string>() };
    /** @returns How many answers are new. */
    function hear({ lines }: Process): number {
      const before = oracle.acknowledged.size;
      for (const line of lines.splice(0)) {
        const [, cost = "", answered = ""] = /^got (\d+) for (.*)$/.exec(line) ?? [];
        if (answered) oracle.acknowledged.set(answered, BigInt(cost));
        if (line.startsWith("asks ")) oracle.asked.add(line.slice("asks ".length));
      }
      return oracle.acknowledged.size - before;
    }
    const unanswered = () => [...oracle.asked].filter((key) => !oracle.acknowledged.has(key));

    let hits = 0;
    let spare = load();
    async function next(): Promise<Process> {
      const buyer = spare;
      spare = load();
      await buyer.line(/^loaded$/);
      buyer.tell(JSON.stringify({ again: unanswered(), firstCall: oracle.asked.size }));
      return buyer;
    }
    let buyer = await next();
    for (let crash = 0; crash < crashes; crash++) {
      const enough = random.chance(0.125) ? 0 : random.below(24);
      for (let heard = 0, looks = 0; heard < enough; looks++) {
        if (looks === 2_000) throw new Error(`no answer comes: ${buyer.output()}`);
        await pause(10);
        heard += hear(buyer);
      }
      await pause(random.below(60));
      await buyer.kill();
      hear(buyer);
      if (unanswered().length > 0) hits++;
      await compareBooks(ledgerPath, oracle);
      buyer = await next();
    }
    buyer.tell("finish");
    const [, said = ""] = await buyer.line(/^finished (.*)$/);
    hear(buyer);
    const [faults, spent, uncertain] = JSON.parse(said) as [string[], string, string];
    expect(faults).to.deep.equal([]);
    expect(unanswered()).to.deep.equal([]);
    expect(hits, "kills that hit a call without an answer").to.be.at.least(Math.max(1, Math.floor(crashes / 5)));

    const told = [...oracle.acknowledged.values()].reduce((sum, cost) => sum + cost, 0n);
    const books = await compareBooks(ledgerPath, oracle);
    expect(books).to.deep.include({ spent: told, held: 0n, holds: 0, accounts: 1 });
    expect({ spent, uncertain }).to.deep.equal({ spent: String(told), uncertain: "0" });
    expect((await gateway.settleAll()).failed).to.deep.equal([]);
    expect(await chain.balanceOf(seller.address)).to.equal(told);
    expect((await auditBooks(ledgerPath, rpc)).differences).to.deep.equal([]);
    gateway.server.closeAllConnections();
    gateway.server.close();
    await gateway.close();
    this.test!.title += `: ${hits} hit a call without an answer, ${oracle.acknowledged.size} calls answered`;
  }).timeout(60_000 + crashes * 10_000);
});
