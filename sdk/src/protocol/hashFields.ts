import type { Hex } from "viem";
import { encodeAbiParameters, keccak256 } from "viem/utils";

import { assertField } from "./assertField.ts";

/**
 * `keccak256(abi.encode(...))` over fields of fixed size, each checked first.
 *
 * @internal
 */
export function hashFields(parameters: {
  /** What the fields belong to, for messages. */
  name: string;
  /** Type, name and value of each field, in the order of the encoding. */
  fields: readonly (readonly [
    type: "address" | "bytes32" | "uint64" | "uint128" | "uint256",
    name: string,
    value: unknown,
  ])[];
}): Hex {
  const { name, fields } = parameters;
  for (const [type, field, value] of fields) assertField({ field: `${name}.${field}`, type, value });
  return keccak256(
    encodeAbiParameters(
      fields.map(([type]) => ({ type })),
      fields.map(([, , value]) => value),
    ),
  );
}
