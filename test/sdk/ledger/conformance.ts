import { describeAccounts } from "./accounts.ts";
import { createBench, type CreateLedger } from "./bench.ts";
import { describeChannels } from "./channels.ts";
import { describeClosings } from "./closings.ts";
import { describeHolds } from "./holds.ts";

/**
 * What every ledger must do, whatever it is made of.
 *
 * @param name - Of the ledger.
 * @param create - Makes an empty one; `keep` is how many statements a channel it remembers.
 */
export function describeLedger(name: string, create: CreateLedger): void {
  describe(name, () => {
    const bench = createBench(create);
    describeChannels(bench);
    describeHolds(bench);
    describeClosings(bench);
    describeAccounts(bench);
  });
}
