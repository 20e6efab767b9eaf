export { type Challenger, createChallenger, WeakSecretError } from "./challenger.ts";
export type { Settlement, SettlementFailure } from "./closing.ts";
export { forwardTo } from "./forwardTo.ts";
export { createGateway, type Gateway, type Offer, UnsuitableContractError, type Work } from "./gateway.ts";
export { paid } from "./hono.ts";
export { toNodeListener } from "./nodeListener.ts";
export {
  InvalidPriceError,
  type Price,
  pricePerMillionTokens,
  pricePerRequest,
  UnmeteredAnswerError,
} from "./price.ts";
export { createVoucherVerifier, type VoucherVerifier } from "./voucherVerifier.ts";
export * from "../ledger/index.ts";
