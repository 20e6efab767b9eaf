export type { ClosedChannel, CloseOptions } from "./closeSession.ts";
export { type ConditionalFetch, conditionalFetch, type Delivery } from "./conditionalFetch.ts";
export {
  createTickPayer,
  StatementNotPlannedError,
  type TickPayer,
  type TickPayerState,
  TicksUsedUpError,
  TickWindowError,
} from "./createTickPayer.ts";
export * from "./errors.ts";
export { createFileStore, NoFilesError, StoreLockError } from "./fileStore.ts";
export type { Payment } from "./payCall.ts";
export type { ChargePayment } from "./payCharge.ts";
export { type ChannelBalance, payingFetch, type PayingFetch } from "./payingFetch.ts";
export { type BuyerStore, StoreInUseError, StoreUnreadableError, StoreWriteError } from "./store.ts";
export { tickFetch, type TickFetch } from "./tickFetch.ts";
