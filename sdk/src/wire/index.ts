export * from "./challenge.ts";
export * from "./channelStatus.ts";
export type { ConditionalTerms, TickTerms, WireEvidence, WirePayment } from "./conditional.ts";
export * from "./credential.ts";
export * from "./encoding.ts";
export * from "./pricing.ts";
export * from "./problem.ts";
export * from "./session.ts";
export * from "./sessionReceipt.ts";
