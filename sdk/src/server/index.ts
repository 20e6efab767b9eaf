export { audit, type AuditReport, NodeBehindLedgerError } from "./audit/audit.ts";
export type { Difference, DifferenceKind } from "./audit/difference.ts";
export { type Challenger, createChallenger, InvalidRealmError, WeakSecretError } from "./challenger.ts";
export { createFastAccount, type FastAccount } from "./fastAccount.ts";
export type { ConditionalOptions, GatewayProof, TickOptions } from "./conditions.ts";
export { forwardTo, UpstreamRefusedError } from "./forwardTo.ts";
export type { GatewayFault } from "./faults.ts";
export { createGateway, type Gateway, type Offer, type Work } from "./gateway.ts";
export type { GatewayEvent } from "./gatewayEvent.ts";
export type { ChargeOptions, GatewayParameters } from "./gatewayParameters.ts";
export { paid } from "./hono.ts";
export { toNodeListener } from "./nodeListener.ts";
export { NoTokenError, UnsuitableContractError } from "./openSeller.ts";
export { TransactionPendingError, TransactionReplacedError } from "./outbox.ts";
export {
  InvalidPriceError,
  type Price,
  pricePerMillion,
  pricePerMillionTokens,
  pricePerRequest,
  priceUpTo,
  UnmeteredAnswerError,
  type WorkMeter,
} from "./price.ts";
export { createReceiptSigner, type ReceiptSigner } from "./receiptSigner.ts";
export { LedgerBehindChainError, type LedgerOnChain, resynchronize } from "./resynchronize.ts";
export { InvalidSettlerError, NodeBehindError, type SettlerOptions } from "./settler.ts";
export {
  ClaimSkippedError,
  DepositLostError,
  EarningsLostError,
  type Settlement,
  type SettlementFailure,
  type Settlements,
} from "./settling.ts";
export { createVoucherVerifier, type VoucherVerifier } from "./voucherVerifier.ts";
export * from "../ledger/index.ts";
