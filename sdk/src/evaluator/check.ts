import { SubfenError } from "../errors.ts";
import type { Json } from "../wire/encoding.ts";

/** A share of the whole, from 0/1 to 1/1, exactly. */
export type Score = { readonly numerator: bigint; readonly denominator: bigint };

/** What a check found. */
export type Outcome = {
  readonly score: Score;
  /** What it saw, for the record: at most 64 KiB of JSON, and nothing secret, since it is shown. */
  readonly report: Json;
};

/**
 * Decides whether a deliverable is what was asked for. An outcome is final, so it must come from the deliverable: what
 * is the evaluator's own fault is thrown as {@link CheckUnavailableError}, and bad options as `InvalidSpecError`.
 */
export type Check = {
  /** The name by which specifications ask for it, in kebab case. */
  readonly name: string;
  /**
   * @param parameters.deliverable - The bytes.
   * @param parameters.options - The specification's options, unchecked.
   * @param parameters.signal - Aborted when nobody waits any more.
   */
  evaluate(parameters: {
    deliverable: Uint8Array;
    options: { readonly [name: string]: Json | undefined };
    signal: AbortSignal;
  }): Promise<Outcome>;
  /** Ends what it keeps running between evaluations. */
  close?(): Promise<void>;
};

/** A check could not be carried out, by no fault of the deliverable. Nothing was signed. */
export class CheckUnavailableError extends SubfenError {
  override readonly name = "CheckUnavailableError";
  declare readonly code: "check-unavailable";

  constructor(reason: string, cause?: unknown) {
    super(`The check could not be carried out: ${reason}.`, {
      code: "check-unavailable",
      metaMessages: ["Do: ask again when that is mended; nothing was signed, so nothing is final."],
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** An option of a check or an evaluator's part that cannot work. */
export class InvalidCheckError extends SubfenError {
  override readonly name = "InvalidCheckError";
  declare readonly code: "invalid-check";

  constructor(check: string, reason: string) {
    super(`The check ${check} cannot work: ${reason}.`, {
      code: "invalid-check",
      metaMessages: ["Do: correct what it was made with."],
    });
  }
}

export const full: Score = { numerator: 1n, denominator: 1n };
export const none: Score = { numerator: 0n, denominator: 1n };
