export { type Authorize, bearerToken, WeakTokenError } from "./bearerToken.ts";
export { type Check, CheckUnavailableError, InvalidCheckError, type Outcome, type Score } from "./check.ts";
export { jsonSchema } from "./checks/jsonSchema.ts";
export { rubric } from "./checks/rubric.ts";
export { type TestCommand, testCommand } from "./checks/testCommand.ts";
export { exactText, normalizedText, normalizeText } from "./checks/text.ts";
export { createEvaluator, type Evaluator, type SignedVerdict, type VerdictRequest } from "./createEvaluator.ts";
export { createEvaluatorHandler } from "./createEvaluatorHandler.ts";
export { type Deliverable, hashDeliverable, InvalidDeliverableError } from "./deliverable.ts";
export { EvaluatorClosedError, JudgeByPassedError, UnknownCheckError, VerdictFinalError } from "./errors.ts";
export { createMemoryRecord } from "./memoryRecord.ts";
export type { EvaluatorProblemCode } from "./problems.ts";
export {
  ForeignRecordError,
  type RecordedFailure,
  type RecordedVerdict,
  type RecordOwner,
  RecordUnavailableError,
  type Report,
  type VerdictRecord,
} from "./record.ts";
export {
  EvaluatorUnavailableError,
  requestVerdict,
  UnsafeEvaluatorUrlError,
  VerdictDistrustedError,
  VerdictRefusedError,
} from "./requestVerdict.ts";
export { hashSpec, InvalidSpecError, type Spec } from "./spec.ts";
export { createSqliteRecord } from "./sqliteRecord.ts";
export { NoSqliteError } from "../ledger/sqlite/loadSqlite.ts";
