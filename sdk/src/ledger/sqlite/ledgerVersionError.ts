import { SubfenError } from "../../errors.ts";

/** A ledger's file was written by a newer version of this package. */
export class LedgerVersionError extends SubfenError {
  override readonly name = "LedgerVersionError";

  constructor(unknown: readonly string[]) {
    super("The ledger was written by a newer version of this package.", {
      code: "ledger-too-new",
      metaMessages: [`Migrations that this version does not know: ${unknown.join(", ")}`, "Use the newer version."],
    });
  }
}
