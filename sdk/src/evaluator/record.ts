import type { Address, Hex } from "viem";

import { SubfenError } from "../errors.ts";
import type { Verdict } from "../protocol/verdict.ts";
import type { Json } from "../wire/encoding.ts";

/** What an evaluator writes down about an evaluation. JSON, as it is shown. */
export type Report = {
  /** The specification. */
  readonly spec: Json;
  /** Base units that were asked for, as a decimal string. */
  readonly askedAmount: string;
  /** The check's score as a fraction, such as `1/1`. */
  readonly score: string;
  /** Unix time in milliseconds. */
  readonly startedAt: number;
  /** Unix time in milliseconds. */
  readonly endedAt: number;
  /** What the check saw. */
  readonly saw: Json;
};

/** A verdict on record. It has no signature yet when the evaluator died between deciding and signing. */
export type RecordedVerdict = {
  readonly verdict: Verdict;
  /** Base units that were asked for. */
  readonly askedAmount: bigint;
  readonly report: Report;
  readonly signature: Hex | undefined;
};

/** An evaluation that came to no verdict. */
export type RecordedFailure = {
  readonly paymentId: Hex;
  readonly specHash: Hex;
  readonly deliverableHash: Hex;
  /** Unix time in milliseconds. */
  readonly at: number;
  /** What could not be done. */
  readonly reason: string;
};

/** Whose record it is. */
export type RecordOwner = {
  readonly evaluator: Address;
  /** AttestationCondition. */
  readonly condition: Address;
  readonly chainId: number;
};

/** What an evaluator remembers: one verdict a payment, for good. Ids come in lower case. */
export type VerdictRecord = {
  /** Whose it is, if it is bound. */
  readonly owner: RecordOwner | undefined;
  /** The verdict on a payment. */
  find(paymentId: Hex): Promise<RecordedVerdict | undefined>;
  /**
   * Writes a verdict down if its payment has none. Durable when the promise resolves.
   *
   * @returns The verdict that stands: this one, or the one that was there.
   */
  add(entry: Omit<RecordedVerdict, "signature">): Promise<RecordedVerdict>;
  /**
   * Adds the signature to a verdict that has none.
   *
   * @returns The one that stands.
   */
  addSignature(paymentId: Hex, signature: Hex): Promise<Hex>;
  /** Writes down that an evaluation failed. The last {@link keptFailures} of a payment are kept. */
  addFailure(failure: RecordedFailure): Promise<void>;
  /** The failures of a payment, the oldest first. */
  failures(paymentId: Hex): Promise<RecordedFailure[]>;
  close(): Promise<void>;
};

/** Failures kept for each payment. */
export const keptFailures = 10;

/** The record could not be read or written. Nothing was signed. */
export class RecordUnavailableError extends SubfenError {
  override readonly name = "RecordUnavailableError";
  declare readonly code: "record-unavailable";

  constructor(reason: string, cause?: unknown) {
    super(`The record of verdicts cannot be used: ${reason}.`, {
      code: "record-unavailable",
      metaMessages: ["Do: give the record what it lacks and ask again; nothing was signed."],
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** The record belongs to another evaluator, condition or chain. */
export class ForeignRecordError extends SubfenError {
  override readonly name = "ForeignRecordError";
  declare readonly code: "foreign-record";

  constructor(field: keyof RecordOwner, found: string, wanted: string) {
    super(`The record is of another ${field}.`, {
      code: "foreign-record",
      metaMessages: [
        `Found: ${found}`,
        `Wanted: ${wanted}`,
        "Do: use one record for each evaluator, condition and chain.",
      ],
    });
  }
}

/** Refuses a record that is bound to somebody else. */
export function assertOwner(found: Record<keyof RecordOwner, unknown>, wanted: RecordOwner): void {
  for (const field of ["evaluator", "condition", "chainId"] as const) {
    const [was, is] = [found[field], wanted[field]].map((value) => String(value).toLowerCase()) as [string, string];
    if (was !== is) throw new ForeignRecordError(field, was, is);
  }
}
