export type { ClosedChannel, CloseOptions } from "./closeSession.ts";
export * from "./errors.ts";
export { type ChannelBalance, type Payment, payingFetch, type PayingFetch } from "./payingFetch.ts";
