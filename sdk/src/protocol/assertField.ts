import { isAddress } from "viem/utils";

import { SubfenError } from "../errors.ts";
import { describeValue } from "./describeValue.ts";

/** A field of a signed or hashed structure whose value does not fit its Solidity type. */
export class InvalidFieldError extends SubfenError {
  override readonly name = "InvalidFieldError";
  declare readonly code: "invalid-field";
  /** Structure and field, such as `Voucher.cumulativeAmount`. */
  readonly field: string;

  constructor(parameters: InvalidFieldError.Parameters) {
    const { field, type, value, allowed } = parameters;
    super(`${field} is not a valid ${type}.`, {
      code: "invalid-field",
      metaMessages: [
        `Given: ${describeValue(value)}`,
        `Allowed: ${allowed}`,
        "Do: correct this field; nothing was cut to size, hashed or signed.",
      ],
    });
    this.field = field;
  }
}

export declare namespace InvalidFieldError {
  type Parameters = {
    /** Structure and field, such as `Voucher.cumulativeAmount`. */
    field: string;
    /** Its Solidity type. */
    type: string;
    /** What was refused: described in the message, shown only when shorter than a key. */
    value: unknown;
    /** What is allowed. */
    allowed: string;
  };
}

/**
 * Refuses a value that does not fit its Solidity type, before anything is encoded: encoders differ in what they cut,
 * pad or convert. Knows the types that the protocol signs.
 *
 * @internal
 */
export function assertField(parameters: { field: string; type: string; value: unknown }): void {
  const { type, value } = parameters;
  const refuse = (allowed: string) => {
    throw new InvalidFieldError({ ...parameters, allowed });
  };
  if (type === "address") {
    if (typeof value !== "string" || !isAddress(value))
      refuse("0x and 40 hexadecimal digits; letters of both cases only with the right checksum.");
  } else if (type === "bytes32") {
    if (typeof value !== "string" || !/^0x[0-9a-fA-F]{64}$/.test(value)) refuse("0x and 64 hexadecimal digits.");
  } else {
    const bits = Number(type.slice("uint".length));
    if (typeof value !== "bigint" || BigInt.asUintN(bits, value) !== value) refuse(`a bigint from 0 to 2^${bits} - 1.`);
  }
}
