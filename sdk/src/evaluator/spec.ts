import type { Hex } from "viem";
import { keccak256, stringToBytes } from "viem/utils";

import { SubfenError } from "../errors.ts";
import { canonicalize, isObject, type Json } from "../wire/encoding.ts";

/**
 * What success means: which check decides, and what its outcome is worth. Payer, payee and evaluator agree on it by its
 * hash, so it is JSON and nothing else.
 */
export type Spec = {
  /** The check's name, such as `json-schema`. */
  readonly check: string;
  /** The check's own options; none by default. */
  readonly options?: { readonly [name: string]: Json | undefined } | undefined;
  /**
   * What the check's score is worth: `all-or-nothing` pays the whole amount for a full score and nothing below it,
   * `graded` pays the same share of the amount, rounded down. `all-or-nothing` by default.
   */
  readonly payment?: "all-or-nothing" | "graded" | undefined;
  /** The task in words. No check reads it. */
  readonly description?: string | undefined;
};

/** A spec that has been read: the same for everybody. */
export type ReadSpec = {
  readonly spec: Spec;
  /** Its canonical JSON. */
  readonly text: string;
  /** keccak-256 of that text's bytes: `specHash` of a verdict. */
  readonly specHash: Hex;
};

/** A specification that says nothing that can be checked, or that two programs could read differently. */
export class InvalidSpecError extends SubfenError {
  override readonly name = "InvalidSpecError";
  declare readonly code: "invalid-spec";

  constructor(reason: string, cause?: unknown) {
    super(`The specification is not valid: ${reason}.`, {
      code: "invalid-spec",
      metaMessages: ["Do: correct the specification; nothing was evaluated or signed."],
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

const longest = 65_536;
const deepest = 64;
const members = ["check", "options", "payment", "description"];

/**
 * Computes the hash by which a payment names its specification: keccak-256 of the canonical JSON (RFC 8785).
 *
 * @param spec - The specification. What stands in it counts, so a default that is written out is another one.
 * @returns The hash, 32 bytes.
 * @throws {InvalidSpecError} when it is no specification, holds what JSON cannot carry exactly (integers above 2^53 - 1,
 *   lone surrogates, dates), is longer than 64 KiB or deeper than 64.
 * @example
 * import { hashSpec } from "subfen/evaluator";
 *
 * hashSpec({ check: "normalized-text", options: { expected: "Paris" } });
 */
export function hashSpec(spec: Spec): hashSpec.ReturnType {
  return readSpec(spec).specHash;
}

export declare namespace hashSpec {
  type ReturnType = Hex;
  type ErrorType = InvalidSpecError;
}

/**
 * Reads a specification that comes from outside.
 *
 * @throws {InvalidSpecError} as {@link hashSpec}.
 */
export function readSpec(value: unknown): ReadSpec {
  assertJson(value, 0);
  if (!isObject(value)) throw new InvalidSpecError("it is not a JSON object");
  for (const name of Object.keys(value)) {
    // A misspelt member would change what is paid without a word.
    if (!members.includes(name))
      throw new InvalidSpecError(`it has the unknown member ${JSON.stringify(name.slice(0, 40))}`);
  }
  const { check, options, payment, description } = value;
  if (typeof check !== "string" || !/^[a-z0-9][a-z0-9-]{0,63}$/.test(check))
    throw new InvalidSpecError("check is not a name in kebab case of at most 64 characters");
  if (options !== undefined && !isObject(options)) throw new InvalidSpecError("options is not an object");
  if (payment !== undefined && payment !== "all-or-nothing" && payment !== "graded")
    throw new InvalidSpecError('payment is neither "all-or-nothing" nor "graded"');
  if (description !== undefined && typeof description !== "string")
    throw new InvalidSpecError("description is not a string");
  const text = canonicalize(value as Json);
  const bytes = stringToBytes(text);
  if (bytes.length > longest) throw new InvalidSpecError(`it has ${bytes.length} bytes, more than ${longest}`);
  return { spec: JSON.parse(text) as Spec, text, specHash: keccak256(bytes) };
}

/** Refuses what is no JSON, and what JSON readers read differently. */
function assertJson(value: unknown, depth: number): void {
  if (depth > deepest) throw new InvalidSpecError(`it is deeper than ${deepest}`);
  if (value === null || typeof value === "boolean") return;
  if (typeof value === "string") return assertText(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
      throw new InvalidSpecError("it has a number that not every JSON reader reads exactly");
    return;
  }
  if (Array.isArray(value)) {
    for (const item of value) assertJson(item, depth + 1);
    return;
  }
  const prototype: unknown = typeof value === "object" ? Object.getPrototypeOf(value) : undefined;
  if (!isObject(value) || (prototype !== Object.prototype && prototype !== null))
    throw new InvalidSpecError("it has a value that JSON does not know");
  for (const [name, member] of Object.entries(value)) {
    assertText(name);
    if (member !== undefined) assertJson(member, depth + 1);
  }
}

function assertText(text: string): void {
  if (hasLoneSurrogate(text)) throw new InvalidSpecError("it has a text with half a character in it");
}

/** Such a text has no UTF-8 bytes of its own: it would be hashed as another text. */
export function hasLoneSurrogate(text: string): boolean {
  return /\p{Surrogate}/u.test(text);
}
