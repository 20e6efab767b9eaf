import { max } from "../bigints.ts";
import { isSubfenError } from "../errors.ts";
import { canonicalize, type Json } from "../wire/encoding.ts";
import { type Check, CheckUnavailableError, type Outcome } from "./check.ts";

/** Errors that are about the request: the check had nothing to carry out. */
const refusals = [
  "invalid-spec",
  "invalid-deliverable",
  "deliverable-too-large",
  "check-unavailable",
  "evaluator-closed",
];

/**
 * Carries a check out, and takes from it nothing but a score and a report that can be kept.
 *
 * @returns The outcome.
 * @throws {CheckUnavailableError} when the check fails, takes too long, or returns anything else.
 * @throws What the check throws about the request, as it is.
 */
export async function carryOut(check: Check, parameters: Parameters<Check["evaluate"]>[0]): Promise<Outcome> {
  const { signal } = parameters;
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  try {
    return requireOutcome(await Promise.race([aborted, check.evaluate(parameters)]));
  } catch (cause) {
    if (isSubfenError(cause) && refusals.includes(cause.code)) throw cause;
    throw new CheckUnavailableError(signal.aborted ? "it took too long" : `${check.name} failed`, cause);
  }
}

const longestReport = 65_536;

/** A check that somebody else wrote may return anything. */
function requireOutcome({ score, report }: Outcome): Outcome {
  const { numerator, denominator } = score;
  if (typeof numerator !== "bigint" || typeof denominator !== "bigint" || denominator <= 0n || numerator < 0n)
    throw new TypeError("the score is no fraction");
  if (max(numerator, denominator) !== denominator) throw new TypeError("the score is above one");
  const text = canonicalize(report);
  if (text === undefined || text.length > longestReport) throw new TypeError("the report is too long or no JSON");
  return { score: { numerator, denominator }, report: JSON.parse(text) as Json };
}
