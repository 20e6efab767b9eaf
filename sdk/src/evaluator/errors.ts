import type { Verdict } from "../protocol/verdict.ts";
import { SubfenError } from "../errors.ts";

/** A specification asks for a check that this evaluator does not have. */
export class UnknownCheckError extends SubfenError {
  override readonly name = "UnknownCheckError";
  declare readonly code: "unknown-check";

  constructor(check: string, known: readonly string[]) {
    super(`This evaluator has no check named ${check}.`, {
      code: "unknown-check",
      metaMessages: [`Known: ${known.join(", ")}`, "Do: ask an evaluator that has it; nothing was signed."],
    });
  }
}

/** A verdict on this payment is on record, about something else. An evaluator's first verdict is final. */
export class VerdictFinalError extends SubfenError {
  override readonly name = "VerdictFinalError";
  declare readonly code: "verdict-final";
  /** What is on record. */
  readonly verdict: Verdict;
  /** Base units that were asked for then. */
  readonly askedAmount: bigint;
  /** What is asked differently now. */
  readonly differences: readonly ("specHash" | "deliverableHash" | "amount")[];

  constructor(verdict: Verdict, askedAmount: bigint, differences: VerdictFinalError["differences"]) {
    super(`The verdict on payment ${verdict.paymentId} is final.`, {
      code: "verdict-final",
      metaMessages: [
        `On record: ${verdict.amount} of ${askedAmount} base units, specHash ${verdict.specHash}, deliverableHash ${verdict.deliverableHash}`,
        `Given: another ${differences.join(", another ")}`,
        "Do: ask with what is on record to get that verdict again; agree on a new payment for new work.",
      ],
    });
    this.verdict = verdict;
    this.askedAmount = askedAmount;
    this.differences = differences;
  }
}

/** It is later than the condition counts verdicts: one would be worth nothing. */
export class JudgeByPassedError extends SubfenError {
  override readonly name = "JudgeByPassedError";
  declare readonly code: "judge-by-passed";

  constructor(judgeBy: bigint, issuedAt: bigint) {
    super("A verdict would come too late to count.", {
      code: "judge-by-passed",
      metaMessages: [
        `Given: judgeBy ${judgeBy}`,
        `Now: ${issuedAt}`,
        "Do: nothing was signed; the payment is not due.",
      ],
    });
  }
}

/** The evaluator was closed. */
export class EvaluatorClosedError extends SubfenError {
  override readonly name = "EvaluatorClosedError";
  declare readonly code: "evaluator-closed";

  constructor() {
    super("This evaluator is closed.", { code: "evaluator-closed", metaMessages: ["Do: make a new one."] });
  }
}
