export * from "./ledger.ts";
export { LedgerUnavailableError } from "./assembleLedger.ts";
export { decideAcceptance, decideClose, decideHold, type HoldDecision } from "./decideHold.ts";
export { createMemoryLedger } from "./memoryLedger.ts";
export { UnknownHoldError } from "./steps.ts";
export { LogTooLongError } from "./sqlite/groupCommit.ts";
export { type LedgerReader, openLedgerReader, UnreadableLedgerError } from "./sqlite/ledgerReader.ts";
export { LedgerVersionError } from "./sqlite/ledgerVersionError.ts";
export { createSqliteLedger, ForeignLedgerError, NoSqliteError } from "./sqlite/sqliteLedger.ts";
