export type { Charge, ChargeLedger, ChargeRef, HoldChargeResult, KnownCharge } from "./charge.ts";
export * from "./ledger.ts";
export { LedgerUnavailableError } from "./assembleLedger.ts";
export {
  availableOn,
  decideAcceptance,
  decideClose,
  decideHold,
  decideRepeat,
  type HoldDecision,
  provenOn,
} from "./decideHold.ts";
export { createMemoryLedger } from "./memoryLedger.ts";
export { UnknownHoldError } from "./steps.ts";
export { isOfStatement, tickKey } from "./tickKey.ts";
export { LogTooLongError } from "./sqlite/groupCommit.ts";
export { type LedgerReader, openLedgerReader, UnreadableLedgerError } from "./sqlite/ledgerReader.ts";
export { LedgerVersionError } from "./sqlite/ledgerVersionError.ts";
export { NoSqliteError } from "./sqlite/loadSqlite.ts";
export { createSqliteLedger, ForeignLedgerError } from "./sqlite/sqliteLedger.ts";
