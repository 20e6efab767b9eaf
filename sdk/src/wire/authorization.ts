import type { Address, Hex } from "viem";

import type { Reader } from "./reader.ts";

/** An EIP-3009 authorization as it travels. Amounts in base units, times in seconds. */
export type Authorization = {
  readonly from: Address;
  readonly to: Address;
  readonly value: bigint;
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly nonce: Hex;
};

/** @returns Its JSON: lower-case hex, amounts and times as decimal strings. @internal */
export function formatAuthorization({ from, to, value, validAfter, validBefore, nonce }: Authorization) {
  return {
    from: lower(from),
    to: lower(to),
    value: String(value),
    validAfter: String(validAfter),
    validBefore: String(validBefore),
    nonce: lower(nonce),
  };
}

/** @throws {MalformedError} when a member is missing or has the wrong form. @internal */
export function parseAuthorization(read: Reader): Authorization {
  return {
    from: read.address("from"),
    to: read.address("to"),
    value: read.amount("value"),
    validAfter: read.time("validAfter"),
    validBefore: read.time("validBefore"),
    nonce: read.bytes32("nonce"),
  };
}

/** @internal */
export function lower<value extends string>(value: value): Lowercase<value> {
  return value.toLowerCase() as Lowercase<value>;
}
