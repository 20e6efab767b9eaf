import { describeAccounts } from "./accounts.ts";
import { createBench, type CreateLedger } from "./bench.ts";
import { describeChain } from "./chain.ts";
import { describeCharges } from "./charges.ts";
import { describeChannels } from "./channels.ts";
import { describeClosings } from "./closings.ts";
import { describeConditional } from "./conditional.ts";
import { describeHolds } from "./holds.ts";
import { describeKeeping } from "./keeping.ts";
import { describeSettling } from "./settling.ts";
import { describeStreams } from "./streams.ts";

/**
 * What every ledger must do, whatever it is made of.
 *
 * @param name - Of the ledger.
 * @param create - Makes an empty one; see {@link CreateLedger}.
 */
export function describeLedger(name: string, create: CreateLedger): void {
  describe(name, () => {
    const bench = createBench(create);
    describeChannels(bench);
    describeHolds(bench);
    describeStreams(bench);
    describeClosings(bench);
    describeChain(bench);
    describeSettling(bench);
    describeKeeping(bench);
    describeConditional(bench);
    describeAccounts(bench);
    describeCharges(bench);
  });
}
