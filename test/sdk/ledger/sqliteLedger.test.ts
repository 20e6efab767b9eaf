import { describeLedger } from "./conformance.ts";
import { useFiles } from "./files.ts";

describe("SQLite", () => {
  const files = useFiles();
  describeLedger("the SQLite ledger", (options) => files.open(files.path(), options));
});
