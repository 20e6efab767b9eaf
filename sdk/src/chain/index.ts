export { mockDigitalYuanAbi } from "./abis/mockDigitalYuanAbi.ts";
export { paymentChannelsAbi } from "./abis/paymentChannelsAbi.ts";
export * from "./channels.ts";
export * from "./errors.ts";
export * from "./knownContracts.ts";
export { subfenActions, type SubfenActions } from "./subfenActions.ts";
export * from "./token.ts";
export { type ChainClient, confirmTransaction, MissingAccountError } from "./write.ts";
