import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createSqliteLedger, type Ledger } from "../../../sdk/src/ledger/index.ts";
import { owner } from "./bench.ts";
import { describeLedger } from "./conformance.ts";

describe("SQLite", () => {
  let folder: string;
  let files = 0;
  const opened: Ledger[] = [];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "subfen-ledger-"));
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((ledger) => ledger.close()));
  });
  after(() => rmSync(folder, { recursive: true }));

  describeLedger("the SQLite ledger", async (options) => {
    const ledger = await createSqliteLedger({ path: join(folder, `${++files}.db`), owner, ...options });
    opened.push(ledger);
    return ledger;
  });
});
