import type { Hex } from "viem";
import { keccak256, stringToBytes } from "viem/utils";

import type { Json } from "../../wire/encoding.ts";
import { type Check, full, none, type Outcome } from "../check.ts";
import { deliverableText } from "../deliverable.ts";
import { InvalidSpecError } from "../spec.ts";
import { readOptions } from "./readOptions.ts";

/**
 * A check that the deliverable is exactly the expected text, byte for byte. Options: `expected`, the text; or
 * `expectedHash`, keccak-256 of its UTF-8 bytes, where the answer must not be told. A hash hides only an answer that
 * nobody can guess.
 *
 * @returns The check `exact-text`.
 * @example
 * import { exactText, hashDeliverable } from "subfen/evaluator";
 *
 * const check = exactText();
 * const spec = { check: "exact-text", options: { expectedHash: hashDeliverable("a long secret answer") } };
 */
export function exactText(): Check {
  return {
    name: "exact-text",
    async evaluate({ deliverable, options }) {
      const { expected, expectedHash } = readExpected(options, []);
      return compare(keccak256(deliverable), expectedHash ?? keccak256(stringToBytes(expected)));
    },
  };
}

/**
 * A check that the deliverable is the expected text but for its form: Unicode NFC, white space at the ends left out and
 * each run of it a single space. Options: `expected` or `expectedHash` (of {@link normalizeText}'s bytes), and
 * `ignoreCase`, `false` by default. What is not UTF-8 fails.
 *
 * @returns The check `normalized-text`.
 * @example
 * import { normalizedText } from "subfen/evaluator";
 *
 * const check = normalizedText();
 * const spec = { check: "normalized-text", options: { expected: "Jane Austen", ignoreCase: true } };
 */
export function normalizedText(): Check {
  return {
    name: "normalized-text",
    async evaluate({ deliverable, options }) {
      const { expected, expectedHash, ignoreCase } = readExpected(options, ["ignoreCase"]);
      const text = deliverableText(deliverable);
      if (text === undefined) return { score: none, report: { isText: false } };
      const hash = (value: string) => keccak256(stringToBytes(normalizeText(value, { ignoreCase })));
      return compare(hash(text), expectedHash ?? hash(expected));
    },
  };
}

/**
 * Brings a text to the form in which `normalized-text` compares it.
 *
 * @param text - Any text.
 * @param options.ignoreCase - Whether letters become lower case; `false` by default.
 * @returns The text in NFC, without white space at its ends, each other run of white space one space.
 * @example
 * import { normalizeText } from "subfen/evaluator";
 *
 * normalizeText("  Jane\n Austen "); // "Jane Austen"
 */
export function normalizeText(text: string, options: { ignoreCase?: boolean | undefined } = {}): string {
  const folded = options.ignoreCase ? text.normalize("NFC").toLowerCase() : text;
  return folded.normalize("NFC").trim().replaceAll(/\s+/gu, " ");
}

function readExpected(options: { readonly [name: string]: Json | undefined }, others: readonly string[]) {
  const { expected, expectedHash, ignoreCase } = readOptions(options, ["expected", "expectedHash", ...others]);
  if (ignoreCase !== undefined && typeof ignoreCase !== "boolean")
    throw new InvalidSpecError("ignoreCase is neither true nor false");
  const flags = { ignoreCase: ignoreCase === true };
  if (typeof expected === "string" && expectedHash === undefined)
    return { expected, expectedHash: undefined, ...flags };
  if (expected === undefined && typeof expectedHash === "string" && /^0x[0-9a-f]{64}$/.test(expectedHash))
    return { expected: "", expectedHash: expectedHash as Hex, ...flags };
  throw new InvalidSpecError("options are neither expected, a text, nor expectedHash, 32 bytes of hex in lower case");
}

function compare(found: Hex, expected: Hex): Outcome {
  return { score: found === expected ? full : none, report: { found, expected } };
}
