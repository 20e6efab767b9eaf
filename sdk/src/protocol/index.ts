export { formatYuan, InvalidAmountError, MAX_UINT104, MAX_UINT128, parseBaseUnits, parseYuan } from "./amounts.ts";
export { InvalidFieldError } from "./assertField.ts";
export { computeChannelId } from "./channelId.ts";
export {
  type CloseAuthorization,
  closeAuthorizationType,
  hashCloseAuthorization,
  signCloseAuthorization,
} from "./closeAuthorization.ts";
export { type CloseRequest, closeRequestType, hashCloseRequest, signCloseRequest } from "./closeRequest.ts";
export {
  computePaymentId,
  type ConditionalPayment,
  conditionalPaymentType,
  type ConditionalVoucher,
  conditionalVoucherType,
  hashConditionalPayment,
  hashConditionalVoucher,
  PaymentOrderError,
  signConditionalVoucher,
  verifyConditionalVoucher,
} from "./conditionalVoucher.ts";
export { allOf } from "./conditions/allOf.ts";
export { anyOf } from "./conditions/anyOf.ts";
export { type Attestation, attestation, type AttestationCondition } from "./conditions/attestation.ts";
export type { Condition, ConditionOf, DueParameters } from "./conditions/condition.ts";
export { type ConditionContracts, decodeCondition } from "./conditions/decodeCondition.ts";
export {
  type ConditionFault,
  ConditionOnChainError,
  InvalidConditionError,
  InvalidEvidenceError,
  MalformedParametersError,
  UnknownConditionError,
} from "./conditions/errors.ts";
export { hashlock, type HashlockCondition, hashPreimage } from "./conditions/hashlock.ts";
export { type KthCondition, kthOf } from "./conditions/kthOf.ts";
export { median } from "./conditions/median.ts";
export { review, type ReviewCondition } from "./conditions/review.ts";
export type { Tick } from "./conditions/tick.ts";
export { createTickChain, type TickChain } from "./conditions/tickChain.ts";
export { type TickCondition, ticks } from "./conditions/ticks.ts";
export { verifyTick } from "./conditions/verifyTick.ts";
export { channelsDomain, type ChannelsLocation, type Domain, hashDomain } from "./domain.ts";
export { type Contradiction, findContradictions, type SignedReceipt } from "./findContradictions.ts";
export { hashReceipt, type Receipt, receiptType, signReceipt, verifyReceipt } from "./receipt.ts";
export {
  hashReceiveWithAuthorization,
  openAuthorizationNonce,
  type ReceiveWithAuthorization,
  receiveWithAuthorizationType,
  signReceiveWithAuthorization,
  topUpAuthorizationNonce,
} from "./receiveWithAuthorization.ts";
export { hashRefund, type Refund, refundType, signRefund, verifyRefund } from "./refund.ts";
export { hashRelease, type Release, releaseType, signRelease, verifyRelease } from "./release.ts";
export { addEvidence, type EvidenceJudgement, type EvidenceRefusal } from "./rules/addEvidence.ts";
export type { ChannelFacts } from "./rules/channelFacts.ts";
export { estimateClaimGas } from "./rules/claimGas.ts";
export { entitlementOf } from "./rules/entitlementOf.ts";
export type { StatementJudgement } from "./rules/judgePayments.ts";
export { judgeStatement, type PayeePolicy } from "./rules/judgeStatement.ts";
export type { ConditionPolicy } from "./rules/newPayments.ts";
export type { PayerPolicy } from "./rules/payerPolicy.ts";
export { explainPlanRefusal, type PlanRefusal } from "./rules/planRefusal.ts";
export { nothingSigned, planStatement, type SignedStatements, type StatementPlan } from "./rules/planStatement.ts";
export { proveDue } from "./rules/proveDue.ts";
export { setWork, type WorkJudgement } from "./rules/setWork.ts";
export {
  type AcceptedStatement,
  type DroppedPayment,
  nothingAccepted,
  type StandingPayment,
  type StatedPayment,
} from "./rules/statement.ts";
export { explainStatementRefusal, type StatementRefusal } from "./rules/statementRefusal.ts";
export { unprovenWork } from "./rules/unprovenWork.ts";
export {
  hashSettleAuthorization,
  type SettleAuthorization,
  settleAuthorizationType,
  signSettleAuthorization,
} from "./settleAuthorization.ts";
export { signStatusRequest, type StatusRequest, statusRequestType, verifyStatusRequest } from "./statusRequest.ts";
export { InvalidSignatureError, isCanonicalSignature, normalizeSignature, type SignatureFault } from "./signature.ts";
export { computeTaskId, escrowDomain, type EscrowLocation, type Task } from "./taskId.ts";
export { type Terms, voucherSigner } from "./terms.ts";
export type { SigningAccount, TypedData } from "./typedMessage.ts";
export {
  chargeAuthorizationNonce,
  hashTransferWithAuthorization,
  signTransferWithAuthorization,
  type TransferWithAuthorization,
  transferWithAuthorizationType,
} from "./transferWithAuthorization.ts";
export {
  attestationDomain,
  type AttestationLocation,
  hashVerdict,
  signVerdict,
  type Verdict,
  verdictType,
  verifyVerdict,
} from "./verdict.ts";
export { hashVoucher, signVoucher, verifyVoucher, type Voucher, voucherType } from "./voucher.ts";
