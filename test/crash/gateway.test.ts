import { join } from "node:path";

import { expect } from "chai";

import { createRandom } from "../model/random.ts";
import { payerKey, sellerKey } from "../server/helpers.ts";
import { auditBooks, compareBooks } from "./books.ts";
import { inFlight, startBuyer } from "./buyer.ts";
import { startChain } from "./chain.ts";
import { createGatewayProcess } from "./gatewayProcess.ts";
import { freePort, pause, useFolder } from "./processes.ts";

const crashes = Number(process.env["SUBFEN_CRASHES"] ?? 2);
/** Kills that must hit a request that was held, or the run has not shown what it should. */
const leastHits = Math.max(1, Math.floor(crashes / 5));
const seed = Number(process.env["SUBFEN_SEED"] ?? 5);

describe("a gateway that is killed", () => {
  const folderOf = useFolder();

  it(`${crashes} times under ${inFlight} calls has all that was acknowledged, once, and its sums are equal (seed ${seed})`, async function () {
    const random = createRandom(seed);
    const folder = folderOf();
    const chain = await startChain(folder);
    const { rpc, contract, token, seller } = chain;
    const port = await freePort();
    const ledgerPath = join(folder, "ledger.db");
    const gateway = await createGatewayProcess({
      rpc,
      contract,
      token,
      key: sellerKey,
      ledgerPath,
      port,
      recheckAfter: 60,
      settleEvery: 0.3,
    });
    await gateway.open();
    const buyer = startBuyer({ rpc, url: `http://127.0.0.1:${port}/`, key: payerKey });
    let hits = 0;
    for (let crash = 0; crash < crashes; crash++) {
      await buyer.answered(random.chance(0.125) ? 0 : random.below(24));
      await pause(random.below(60));
      await gateway.kill();
      const { holds } = await compareBooks(ledgerPath, buyer);
      if (holds > 0) hits++;
      await gateway.open();
      await compareBooks(ledgerPath, buyer);
      expect(buyer.faults).to.deep.equal([]);
    }
    await buyer.finish();
    expect(buyer.faults).to.deep.equal([]);
    expect(hits, "kills that hit a held request").to.be.at.least(leastHits);

    const { acknowledged, asked } = buyer;
    const books = await compareBooks(ledgerPath, buyer);
    const told = [...acknowledged.values()].reduce((sum, cost) => sum + cost, 0n);
    expect(acknowledged.size).to.equal(asked.size);
    expect(books).to.deep.include({ spent: told, held: 0n, holds: 0, accounts: 1 });
    expect(buyer.balance()).to.have.lengthOf(1);
    expect(buyer.balance()[0]).to.include({ spent: told, uncertain: 0n });

    expect(await gateway.settle()).to.equal("settled, 0 failed: ");
    expect(await chain.balanceOf(seller.address)).to.equal(told);
    const { differences, captured, settled } = await auditBooks(ledgerPath, rpc);
    expect(differences).to.deep.equal([]);
    expect({ captured, settled }).to.deep.equal({ captured: told, settled: told });
    this.test!.title += `: ${hits} hit a held request, ${acknowledged.size} calls answered`;
  }).timeout(60_000 + crashes * 10_000);
});
