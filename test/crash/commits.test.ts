import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";
import { createWalletClient, http } from "viem";

import { parseYuan, payingFetch } from "../../sdk/src/index.ts";
import { sellerKey } from "../server/helpers.ts";
import { startChain } from "./chain.ts";
import { createGatewayProcess } from "./gatewayProcess.ts";
import { ceiling } from "./price.ts";
import { freePort, useFolder } from "./processes.ts";

const statuses = ["held", "captured", "released"];

describe("a gateway whose commits are late", () => {
  const folderOf = useFolder();

  it("writes its log through to the disk, works on what is held in the file, and answers what is captured in it", async () => {
    const folder = folderOf();
    const { rpc, contract, token, payer } = await startChain(folder);
    const port = await freePort();
    const ledgerPath = join(folder, "ledger.db");
    const options = { rpc, contract, token, key: sellerKey, ledgerPath, port, recheckAfter: 60, settleEvery: 60 };
    const gateway = await createGatewayProcess({ ...options, commitDelay: 150 });
    await gateway.open();
    // SIGKILL cannot tell FULL from OFF, since the operating system keeps what was written: so the pragmas are asked for.
    const [, pragmas] = await gateway.line(/^pragmas (.*)$/);
    expect(pragmas).to.equal("wal 2 1 1");

    const file = new DatabaseSync(ledgerPath, { readOnly: true });
    // Some calls fail on purpose and are made again: what counts is the one that was not given back.
    const find = file.prepare("SELECT status FROM purchases WHERE idempotencyKey = ? ORDER BY status = 2 LIMIT 1");
    const statusOf = (key: string) => statuses[Number(find.get(key)?.["status"] ?? 3)] ?? "nothing";
    /** What the file says when the first bytes of an answer arrive. */
    const seen: string[] = [];
    const watched: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      const key = new Headers(init?.headers).get("idempotency-key") ?? "";
      if (response.ok) seen.push(`${key} ${statusOf(key)}`);
      return response;
    };
    const client = createWalletClient({ account: payer, transport: http(rpc), pollingInterval: 20 });
    const paying = payingFetch({
      account: payer,
      client,
      maxDeposit: parseYuan("1"),
      maxPrice: ceiling,
      fetch: watched,
    });
    async function buy(key: string): Promise<void> {
      const works = gateway.line(new RegExp(`^works on ${key}$`)).then(() => statusOf(key));
      const init = { method: "POST", body: key, headers: { "idempotency-key": key } };
      for (let tries = 0; tries < 20 && !(await paying(`http://127.0.0.1:${port}/`, init)).ok; tries++) continue;
      expect(await works, "when the work begins").to.equal("held");
    }
    for (const key of ["one", "two", "three"]) await buy(key);
    expect(seen.filter((line) => !line.endsWith(" nothing"))).to.deep.equal(
      ["one", "two", "three"].map((key) => `${key} captured`),
    );
    file.close();
  }).timeout(60_000);
});
