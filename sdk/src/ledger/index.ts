export * from "./ledger.ts";
export { decideAcceptance, decideClose, decideHold, type HoldDecision } from "./decideHold.ts";
export { createMemoryLedger, UnknownHoldError } from "./memoryLedger.ts";
