/** The same in every copy of the package in a process: `Symbol.for` is registered once for all of them. */
const brand: unique symbol = Symbol.for("subfen.SubfenError") as never;

/**
 * Every error this package throws by itself: what went wrong, the numbers, what to do, and a code that stays the same
 * from version to version. Subclasses stand beside the function that throws them.
 *
 * Messages carry no key, no signature and no URL. What a wallet or a node threw is kept as `cause` and not repeated
 * in the message, since it may hold such things.
 */
export class SubfenError extends Error {
  override readonly name: string = "SubfenError";
  /** What kind of error this is, in kebab case: for programs. */
  readonly code: string;
  /** The first line of the message. */
  readonly shortMessage: string;
  /** The lines after it: the numbers and what to do. */
  readonly metaMessages: readonly string[];
  /** What {@link isSubfenError} looks for. */
  readonly [brand] = true;

  constructor(shortMessage: string, parameters: SubfenError.Parameters) {
    const { code, metaMessages = [] } = parameters;
    const message = metaMessages.length === 0 ? shortMessage : [shortMessage, "", ...metaMessages].join("\n");
    super(message, "cause" in parameters ? { cause: parameters.cause } : undefined);
    this.code = code;
    this.shortMessage = shortMessage;
    this.metaMessages = metaMessages;
  }
}

export declare namespace SubfenError {
  type Parameters = {
    /** What kind of error this is, in kebab case: never changed once published. */
    code: string;
    /** The numbers and what to do, one thought a line. */
    metaMessages?: readonly string[] | undefined;
    /** What was caught, if this error was made from another. */
    cause?: unknown;
  };
}

/**
 * Tells whether a caught value is an error of this package, and of one kind if `code` is given. Unlike `instanceof` it
 * also knows errors that another copy of the package threw.
 *
 * @param value - Anything, usually what was caught.
 * @param code - The code the error must have; every code if left out.
 * @returns `true` and a narrowed type, or `false`.
 * @example
 * import { isSubfenError, parseYuan } from "subfen";
 *
 * try {
 *   parseYuan("1e3");
 * } catch (error) {
 *   if (!isSubfenError(error, "invalid-amount")) throw error;
 * }
 */
export function isSubfenError<code extends string = string>(
  value: unknown,
  code?: code,
): value is SubfenError & { readonly code: code } {
  if (typeof value !== "object" || value === null) return false;
  const candidate = value as { readonly [brand]?: unknown; readonly code?: unknown };
  return candidate[brand] === true && (code === undefined || candidate.code === code);
}
