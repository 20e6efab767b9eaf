import { join } from "node:path";

import { expect } from "chai";

import { createRandom } from "../model/random.ts";
import { payerKey, sellerKey } from "../server/helpers.ts";
import { auditBooks, compareBooks } from "./books.ts";
import { inFlight, startBuyer } from "./buyer.ts";
import { startChain } from "./chain.ts";
import { createGatewayProcess } from "./gatewayProcess.ts";
import { freePort, pause, useFolder } from "./processes.ts";

const crashes = Math.ceil(Number(process.env["SUBFEN_CRASHES"] ?? 3) / 3);
const seed = Number(process.env["SUBFEN_SEED"] ?? 5);

describe("a chain that is killed", () => {
  const folderOf = useFolder();

  it(`${crashes} times under ${inFlight} calls, and forgets its newest blocks, costs nobody anything (seed ${seed})`, async function () {
    const random = createRandom(seed);
    const folder = folderOf();
    const chain = await startChain(folder);
    const { rpc, contract, token, seller, client } = chain;
    const port = await freePort();
    const ledgerPath = join(folder, "ledger.db");
    const options = { rpc, contract, token, key: sellerKey, ledgerPath, port };
    // Each call asks the chain, so that every outage is met.
    const gateway = await createGatewayProcess({ ...options, recheckAfter: 0, settleEvery: 0.2 });
    await gateway.open();
    const buyer = startBuyer({ rpc, url: `http://127.0.0.1:${port}/`, key: payerKey });
    let forgotten = 0n;
    let highest = 0n;
    for (let crash = 0; crash < crashes; crash++) {
      await buyer.answered(10 + random.below(20));
      // Blocks that are written, and then some that are not.
      await chain.written();
      await pause(500 + random.below(300));
      const before = await client.getBlockNumber({ cacheTime: 0 });
      await chain.kill();
      await pause(random.below(300));
      expect(buyer.faults).to.deep.equal([]);
      await compareBooks(ledgerPath, buyer);
      await chain.restart();
      const after = await client.getBlockNumber({ cacheTime: 0 });
      forgotten += before - after;
      if (before > highest) highest = before;
    }
    await buyer.answered(10);
    const now = await client.getBlockNumber({ cacheTime: 0 });
    if (now <= highest) await client.mine({ blocks: Number(highest - now) + 1 });
    await buyer.finish();
    expect(buyer.faults).to.deep.equal([]);
    expect(forgotten > 0n, "blocks were forgotten").to.equal(true);

    const books = await compareBooks(ledgerPath, buyer);
    const told = [...buyer.acknowledged.values()].reduce((sum, cost) => sum + cost, 0n);
    expect(books).to.deep.include({ spent: told, held: 0n, holds: 0 });
    expect(await gateway.settle()).to.equal("settled, 0 failed: ");
    expect(await chain.balanceOf(seller.address)).to.equal(told);
    const { differences } = await auditBooks(ledgerPath, rpc);
    expect(differences).to.deep.equal([]);
    this.test!.title += `: ${forgotten} blocks forgotten, ${buyer.acknowledged.size} calls answered`;
  }).timeout(60_000 + crashes * 20_000);
});
