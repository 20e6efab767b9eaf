import { createMemoryLedger } from "../../../sdk/src/ledger/index.ts";
import { describeLedger } from "./conformance.ts";

describeLedger("the memory ledger", createMemoryLedger);
