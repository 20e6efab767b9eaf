import type { Address, Hex } from "viem";

import { isSubfenError } from "../errors.ts";
import { assertField, type InvalidFieldError } from "../protocol/assertField.ts";
import type { InvalidSignatureError } from "../protocol/signature.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import { type AttestationLocation, attestationDomain, signVerdict, type Verdict } from "../protocol/verdict.ts";
import { assertDomain } from "../protocol/domain.ts";
import { createReport } from "../report.ts";
import type { Json } from "../wire/encoding.ts";
import { carryOut } from "./carryOut.ts";
import { type Check, type CheckUnavailableError, InvalidCheckError, type Score } from "./check.ts";
import type { Deliverable, InvalidDeliverableError } from "./deliverable.ts";
import { EvaluatorClosedError, JudgeByPassedError, UnknownCheckError, VerdictFinalError } from "./errors.ts";
import {
  assertOwner,
  type ForeignRecordError,
  type RecordedFailure,
  type RecordedVerdict,
  type RecordUnavailableError,
  type Report,
  type VerdictRecord,
} from "./record.ts";
import { type Asked, readRequest } from "./readRequest.ts";
import type { InvalidSpecError, Spec } from "./spec.ts";
import { createTurnsByPayment } from "./turnsByPayment.ts";

/** What an evaluator is asked. */
export type VerdictRequest = {
  /** See `computePaymentId`; the task's id in the escrow. */
  paymentId: Hex;
  /** What the payment is worth at most, in base units. */
  amount: bigint;
  spec: Spec;
  deliverable: Deliverable;
  /** The condition's `judgeBy`, in Unix seconds: a later verdict would not count and is not made. */
  judgeBy?: bigint | undefined;
};

/** A verdict, whose it is, and what it rests on. */
export type SignedVerdict = {
  readonly verdict: Verdict;
  /** 65 bytes, as the condition takes it. */
  readonly signature: Hex;
  readonly report: Report;
};

/** Decides whether work is what was asked for, and signs what it decided. */
export type Evaluator = AttestationLocation & {
  readonly address: Address;
  /** The names of its checks. */
  readonly checks: readonly string[];
  /**
   * Evaluates a deliverable and signs the verdict, once for each payment: asked again for the same, it gives the same
   * answer from its record. Nothing due is a verdict too.
   *
   * @param request - The payment, its amount in base units, the specification and what was delivered.
   * @returns The verdict with its signature, and the report of what was seen.
   * @throws {VerdictFinalError} when a verdict on this payment is on record, about anything else.
   * @throws {UnknownCheckError} when the specification asks for a check that is not here.
   * @throws {InvalidSpecError} when the specification or its options are not valid.
   * @throws {InvalidDeliverableError} when the deliverable is too large or no text where a text is needed.
   * @throws {InvalidFieldError} when the id or a number is malformed.
   * @throws {JudgeByPassedError} when a verdict would be too late.
   * @throws {CheckUnavailableError} when the check could not be carried out: ask again later.
   * @throws {RecordUnavailableError} when the record cannot be read or written: ask again later.
   * @throws {EvaluatorClosedError} after `close`.
   */
  evaluate(request: VerdictRequest): Promise<SignedVerdict>;
  /** What is on record about a payment: its verdict, or `undefined` and why evaluations came to none. */
  find(paymentId: Hex): Promise<{ verdict: SignedVerdict | undefined; failures: RecordedFailure[] }>;
  /** Aborts what is being evaluated, without a verdict, and ends the checks. The record stays open. */
  close(): Promise<void>;
};

/**
 * Makes an evaluator. Each verdict is durable in the record before its signature leaves, and the record decides when two
 * evaluators of one key share it, so there are never two verdicts on one payment.
 *
 * @param parameters - See each.
 * @returns The evaluator.
 * @throws {InvalidCheckError} when two checks have one name.
 * @throws {ForeignRecordError} when the record belongs to another evaluator, condition or chain.
 * @throws {InvalidFieldError} when the condition's address is malformed.
 * @example
 * import { createEvaluator, createSqliteRecord, jsonSchema } from "subfen/evaluator";
 *
 * const at = { condition, chainId: 31337 };
 * const record = await createSqliteRecord({ path: "verdicts.db", owner: { ...at, evaluator: account.address } });
 * const evaluator = createEvaluator({ ...at, account, record, checks: [jsonSchema()] });
 * const spec = { check: "json-schema", options: { schema: { type: "object", required: ["total"] } } };
 * const { verdict, signature } = await evaluator.evaluate({ paymentId, amount: 80n, spec, deliverable: '{"total":12}' });
 */
export function createEvaluator(parameters: createEvaluator.Parameters): createEvaluator.ReturnType {
  const { account, condition, chainId, record, now = Date.now } = parameters;
  const { timeout = 600_000, maxDeliverable = 2 ** 20 } = parameters;
  assertDomain(attestationDomain({ condition, chainId }));
  const checks = new Map<string, Check>();
  for (const check of parameters.checks) {
    if (checks.has(check.name)) throw new InvalidCheckError(check.name, "another has the same name");
    checks.set(check.name, check);
  }
  if (record.owner) assertOwner(record.owner, { evaluator: account.address, condition, chainId });
  const report = createReport(parameters.onError);
  const closing = new AbortController();
  const inTurn = createTurnsByPayment();

  async function sign({ verdict, report: seen, signature }: RecordedVerdict): Promise<SignedVerdict> {
    if (signature) return { verdict, signature, report: seen };
    const made = await signVerdict({ ...verdict, account, condition, chainId });
    return { verdict, signature: await record.addSignature(verdict.paymentId, made), report: seen };
  }

  async function decide(request: Asked): Promise<RecordedVerdict> {
    const { paymentId, amount, spec, bytes, deliverableHash, judgeBy } = request;
    const known = await record.find(paymentId);
    if (known) return known;
    if (closing.signal.aborted) throw new EvaluatorClosedError();
    const check = checks.get(spec.spec.check);
    if (!check) throw new UnknownCheckError(spec.spec.check, [...checks.keys()]);
    // A time-out of its own, since a check that hangs would hold the payment for ever.
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(timeout)]);
    const startedAt = now();
    requireInTime(judgeBy, startedAt);
    const { score, report: saw } = await carryOut(check, {
      deliverable: bytes,
      options: spec.spec.options ?? {},
      signal,
    });
    const endedAt = now();
    const issuedAt = requireInTime(judgeBy, endedAt);
    return record.add({
      verdict: { paymentId, specHash: spec.specHash, deliverableHash, amount: due(spec.spec, score, amount), issuedAt },
      askedAmount: amount,
      report: {
        spec: spec.spec as Json,
        askedAmount: String(amount),
        score: `${score.numerator}/${score.denominator}`,
        startedAt,
        endedAt,
        saw,
      },
    });
  }

  async function evaluate(asked: Asked): Promise<SignedVerdict> {
    const { paymentId, deliverableHash } = asked;
    try {
      const stands = await decide(asked);
      requireSame(stands, asked);
      return await sign(stands);
    } catch (error) {
      if (isSubfenError(error, "check-unavailable")) {
        const { specHash } = asked.spec;
        const failure = { paymentId, specHash, deliverableHash, at: now(), reason: error.shortMessage };
        await record.addFailure(failure).catch(report);
        report(error);
      }
      throw error;
    }
  }

  return {
    address: account.address,
    condition,
    chainId,
    checks: [...checks.keys()],
    async evaluate(request) {
      const asked = readRequest(request, maxDeliverable);
      return inTurn(asked.paymentId, () => evaluate(asked));
    },
    async find(paymentId) {
      assertField({ field: "paymentId", type: "bytes32", value: paymentId });
      const id = paymentId.toLowerCase() as Hex;
      const found = await record.find(id);
      return { verdict: found && (await sign(found)), failures: await record.failures(id) };
    },
    async close() {
      closing.abort(new EvaluatorClosedError());
      await Promise.all([...checks.values()].map((check) => check.close?.()));
    },
  };
}

export declare namespace createEvaluator {
  type Parameters = AttestationLocation & {
    /** The evaluator's key: a plain one, since the condition checks ECDSA only. */
    account: SigningAccount;
    /** What it can check. Their names must differ. */
    checks: readonly Check[];
    /** Its memory: `createSqliteRecord`. */
    record: VerdictRecord;
    /** Milliseconds after which any check counts as not carried out; ten minutes by default. Checks have limits of their own. */
    timeout?: number | undefined;
    /** Bytes a deliverable may have; 1 MiB by default. */
    maxDeliverable?: number | undefined;
    /** Told each check that could not be carried out, and failures that were not written down. */
    onError?: ((error: unknown) => void) | undefined;
    /** The clock, in milliseconds; `Date.now` by default. */
    now?: (() => number) | undefined;
  };
  type ReturnType = Evaluator;
  type ErrorType = InvalidCheckError | ForeignRecordError | InvalidFieldError;
  /** What `evaluate` rejects with. */
  type EvaluateErrorType =
    | CheckUnavailableError
    | EvaluatorClosedError
    | InvalidDeliverableError
    | InvalidFieldError
    | InvalidSignatureError
    | InvalidSpecError
    | JudgeByPassedError
    | RecordUnavailableError
    | UnknownCheckError
    | VerdictFinalError;
}

function requireSame({ verdict, askedAmount }: RecordedVerdict, asked: Asked): void {
  const differences: VerdictFinalError["differences"] = [
    ...(verdict.specHash === asked.spec.specHash ? [] : (["specHash"] as const)),
    ...(verdict.deliverableHash === asked.deliverableHash ? [] : (["deliverableHash"] as const)),
    ...(askedAmount === asked.amount ? [] : (["amount"] as const)),
  ];
  if (differences.length > 0) throw new VerdictFinalError(verdict, askedAmount, differences);
}

/** @returns The time of a verdict, in Unix seconds. */
function requireInTime(judgeBy: bigint | undefined, time: number): bigint {
  const issuedAt = BigInt(Math.floor(time / 1000));
  if (judgeBy !== undefined && issuedAt > judgeBy) throw new JudgeByPassedError(judgeBy, issuedAt);
  return issuedAt;
}

/** Rounded down: what is not wholly earned is not due. */
function due({ payment = "all-or-nothing" }: Spec, { numerator, denominator }: Score, amount: bigint): bigint {
  if (payment === "graded") return (amount * numerator) / denominator;
  return numerator === denominator ? amount : 0n;
}
