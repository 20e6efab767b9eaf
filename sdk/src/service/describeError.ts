import { isSubfenError } from "../errors.ts";

/** What may be told of an error. */
export type ErrorDescription = {
  /** The code of an error of this package; `other` of all others. */
  readonly code: string;
  /** Its message, where it is of this package: those carry no key, no signature and no URL. */
  readonly message: string;
  /** Names and codes of what caused it, from the outside in. */
  readonly causes: readonly string[];
  /** Where an error that is not of this package was thrown. */
  readonly at: readonly string[] | undefined;
};

/** Causes that are told, and lines of a stack. */
const depth = 8;

/**
 * Tells of an error what holds no secret. Others' messages are left out, since they quote URLs with keys, headers and
 * bodies: of those only the kind is told and where it was thrown.
 *
 * @param error - Anything that was thrown.
 */
export function describeError(error: unknown): ErrorDescription {
  const causes: string[] = [];
  let cause = error instanceof Error ? error.cause : undefined;
  for (; cause !== undefined && causes.length < depth; cause = cause instanceof Error ? cause.cause : undefined) {
    causes.push(kindOf(cause));
  }
  if (isSubfenError(error)) return { code: error.code, message: error.message, causes, at: undefined };
  return { code: "other", message: kindOf(error), causes, at: framesOf(error) };
}

/** Such as `TypeError` or `Error ECONNREFUSED`. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  if (isSubfenError(error)) return error.code;
  const { name, code } = error as Error & { code?: unknown };
  const kind = /^[A-Z][A-Za-z]{0,60}Error$/.test(name) ? name : "Error";
  return typeof code === "string" && /^E[A-Z0-9_]{2,40}$/.test(code) ? `${kind} ${code}` : kind;
}

/** A stack begins with the message, which may have lines that look like its own. */
function framesOf(error: unknown): string[] | undefined {
  if (!(error instanceof Error) || typeof error.stack !== "string") return undefined;
  const start = error.stack.indexOf(error.message);
  if (start < 0) return undefined;
  const lines = error.stack.slice(start + error.message.length).split("\n");
  return lines.flatMap((line) => /^ {4}at (.*:\d+:\d+\)?)$/.exec(line)?.[1] ?? []).slice(0, depth);
}
