import type { Address, Hex } from "viem";

import { SubfenError } from "../../errors.ts";

/** Data that Solidity's `abi.decode` would revert on. */
export class MalformedDataError extends SubfenError {
  override readonly name = "MalformedDataError";
  declare readonly code: "malformed-data";

  constructor(what: string) {
    super(`The data cannot be decoded: ${what}.`, { code: "malformed-data" });
  }
}

/**
 * Reads ABI-encoded data exactly as Solidity's decoder does: what lies outside the data or has bits outside its type is
 * refused; where a tail begins, whether tails overlap and what follows them is not looked at. Places are bytes from the
 * start of the data.
 *
 * @throws {MalformedDataError} from every function, where Solidity reverts.
 * @internal
 */
export function createAbiReader(data: Hex) {
  if (!/^0x(?:[0-9a-fA-F]{2})*$/.test(data)) throw new MalformedDataError("no bytes");
  const size = data.length / 2 - 1;

  function bytesOf(at: number, length: number): Hex {
    if (at + length > size) throw new MalformedDataError(`it ends at ${size}, before ${at + length}`);
    return `0x${data.slice(2 + at * 2, 2 + (at + length) * 2).toLowerCase()}`;
  }

  function uint(at: number, bits: number): bigint {
    const word = BigInt(bytesOf(at, 32));
    if (word >> BigInt(bits) !== 0n) throw new MalformedDataError(`a number of more than ${bits} bits`);
    return word;
  }

  /** A place or a length: what does not fit a number exactly is outside the data in any case. */
  const small = (at: number): number => Number(uint(at, 64));

  return {
    uint,
    bytes32: (at: number): Hex => bytesOf(at, 32),
    address: (at: number): Address => `0x${uint(at, 160).toString(16).padStart(40, "0")}`,
    bool: (at: number): boolean => uint(at, 1) === 1n,
    /** The start of what is pointed to from `at`; pointers count from `base`. */
    pointer: (at: number, base: number): number => base + small(at),
    bytes: (at: number): Hex => bytesOf(at + 32, small(at)),
    /** The places of an array's elements, or of their pointers, one word each. */
    elements(at: number): number[] {
      const length = small(at);
      bytesOf(at + 32, length * 32);
      return Array.from({ length }, (_, i) => at + 32 + i * 32);
    },
  };
}
