import { SubfenError } from "../errors.ts";
import { describeValue } from "./describeValue.ts";

/** The largest amount a statement can carry, in base units. */
export const MAX_UINT128 = 2n ** 128n - 1n;

/** The largest deposit a channel or a task can hold, in base units. */
export const MAX_UINT104 = 2n ** 104n - 1n;

/** Digits after the point of one yuan: a base unit is 0.000001 yuan, a ten-thousandth of a fen. */
const decimals = 6;

/** A string or number that is not an amount in the notation asked for, or is too large for 128 bits. */
export class InvalidAmountError extends SubfenError {
  override readonly name = "InvalidAmountError";
  declare readonly code: "invalid-amount";

  constructor(parameters: InvalidAmountError.Parameters) {
    super(`The amount ${describeValue(parameters.input)} is not valid.`, {
      code: "invalid-amount",
      metaMessages: [`Allowed: ${parameters.allowed}`, `Do: ${parameters.remedy}`],
    });
  }
}

export declare namespace InvalidAmountError {
  type Parameters = {
    /** What was refused. */
    input: unknown;
    /** The notation and the range that are allowed. */
    allowed: string;
    /** What the caller should do. */
    remedy: string;
  };
}

/**
 * Reads an amount written in yuan, as people and configuration files write it. Nothing is rounded: what has no exact
 * number of base units is refused, and so are signs, exponents, spaces, separators and leading zeros.
 *
 * @param yuan - Yuan as a decimal string with at most 6 digits after the point.
 * @returns The amount in base units (1 yuan is 1,000,000), between 0 and 2^128 - 1.
 * @throws {InvalidAmountError} when the string is written otherwise or the amount needs more than 128 bits.
 * @example
 * import { parseYuan } from "subfen";
 *
 * parseYuan("0.0012"); // 1200n
 */
export function parseYuan(yuan: string): parseYuan.ReturnType {
  const match = typeof yuan === "string" ? /^(0|[1-9][0-9]{0,32})(?:\.([0-9]{1,6}))?$/.exec(yuan) : null;
  const [, whole = "", fraction = ""] = match ?? [];
  const amount = match === null ? -1n : BigInt(whole + fraction.padEnd(decimals, "0"));
  if (amount < 0n || amount > MAX_UINT128)
    throw new InvalidAmountError({
      input: yuan,
      allowed: `a decimal string in yuan such as "12" or "0.0012", at most 6 digits after the point, at most ${formatYuan(MAX_UINT128)}.`,
      remedy: "write the amount without sign, exponent, spaces, separators or leading zeros.",
    });
  return amount;
}

export declare namespace parseYuan {
  type ReturnType = bigint;
  type ErrorType = InvalidAmountError;
}

/**
 * Writes an amount in yuan, exactly and as short as possible: the inverse of {@link parseYuan}.
 *
 * @param amount - Base units (1 yuan is 1,000,000), not negative; balances above 128 bits are written too.
 * @returns Yuan as a decimal string without trailing zeros.
 * @throws {InvalidAmountError} when the amount is negative or not a bigint.
 * @example
 * import { formatYuan } from "subfen";
 *
 * formatYuan(1_200n); // "0.0012"
 */
export function formatYuan(amount: bigint): formatYuan.ReturnType {
  if (typeof amount !== "bigint" || amount < 0n)
    throw new InvalidAmountError({
      input: amount,
      allowed: "a bigint of base units, 0 or more.",
      remedy: "pass base units as a bigint, and write a difference with its own sign.",
    });
  const digits = amount.toString().padStart(decimals + 1, "0");
  const fraction = digits.slice(-decimals).replace(/0+$/, "");
  return digits.slice(0, -decimals) + (fraction === "" ? "" : `.${fraction}`);
}

export declare namespace formatYuan {
  type ReturnType = string;
  type ErrorType = InvalidAmountError;
}

/**
 * Reads an amount as it stands on the wire: base units as a decimal string. There is one way to write each amount, so
 * that two programs never read one message differently, and nothing is ever cut to 128 bits.
 *
 * @param input - Base units as a decimal string; unknown, since it comes from outside.
 * @returns The amount in base units, between 0 and 2^128 - 1.
 * @throws {InvalidAmountError} when it is not a string, is written otherwise (`"010"`, `" 10"`, `"+10"`, `"10.0"`,
 *   `"1e3"`, `""`, `"-1"`) or needs more than 128 bits.
 * @example
 * import { parseBaseUnits } from "subfen";
 *
 * parseBaseUnits("250000"); // 250000n
 */
export function parseBaseUnits(input: unknown): parseBaseUnits.ReturnType {
  const amount = typeof input === "string" && /^(?:0|[1-9][0-9]{0,38})$/.test(input) ? BigInt(input) : -1n;
  if (amount < 0n || amount > MAX_UINT128)
    throw new InvalidAmountError({
      input,
      allowed: `a decimal string of base units such as "250000", at most ${MAX_UINT128}.`,
      remedy: "send a JSON string of digits without sign, point, exponent, spaces or leading zeros.",
    });
  return amount;
}

export declare namespace parseBaseUnits {
  type ReturnType = bigint;
  type ErrorType = InvalidAmountError;
}
