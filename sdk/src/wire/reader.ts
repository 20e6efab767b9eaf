import type { Address, Hex } from "viem";
import { isAddress, isHex } from "viem/utils";

import { parseBaseUnits } from "../protocol/amounts.ts";
import { isObject, MalformedError } from "./encoding.ts";

/** Reads the members of one JSON object. */
export type Reader = ReturnType<typeof reader>;

/**
 * Makes a reader of a JSON object's members.
 *
 * @param what - What the object is, for the error.
 * @param value - The object.
 * @returns The reader. `null` counts as absent, hex and addresses come in lower case.
 * @throws Each of its functions {MalformedError}, naming the member, when that is missing or has the wrong form.
 */
export function reader(what: string, value: Record<string, unknown>) {
  const raw = (name: string): unknown => {
    const member = Object.hasOwn(value, name) ? value[name] : undefined;
    return member === null ? undefined : member;
  };
  const hex = (name: string, bytes: number): Hex => {
    const member = raw(name);
    if (isHex(member) && member.length === 2 + 2 * bytes) return member.toLowerCase() as Hex;
    throw new MalformedError(what, `${name} is not ${bytes} bytes of hex`);
  };
  return {
    raw,
    bytes32: (name: string) => hex(name, 32),
    signature: (name: string) => hex(name, 65),
    bytes(name: string): Hex {
      const member = raw(name);
      if (isHex(member) && member.length % 2 === 0) return member.toLowerCase() as Hex;
      throw new MalformedError(what, `${name} is not hex`);
    },
    /** A whole number, not below zero. */
    count(name: string): number {
      const member = raw(name);
      if (typeof member === "number" && Number.isSafeInteger(member) && member >= 0) return member;
      throw new MalformedError(what, `${name} is not a count`);
    },
    object(name: string): Record<string, unknown> {
      const member = raw(name);
      if (isObject(member)) return member;
      throw new MalformedError(what, `${name} is not an object`);
    },
    address(name: string): Address {
      const member = raw(name);
      // Lower case, so that equal addresses are equal strings; a mixed-case checksum is for people.
      if (typeof member === "string" && isAddress(member, { strict: false })) return member.toLowerCase() as Address;
      throw new MalformedError(what, `${name} is not an address`);
    },
    amount(name: string): bigint {
      const member = raw(name);
      if (typeof member !== "string") throw new MalformedError(what, `${name} is not a decimal string`);
      try {
        return parseBaseUnits(member);
      } catch (cause) {
        throw new MalformedError(what, `${name} is not a decimal string of at most 128 bits`, cause);
      }
    },
    /** Seconds as the token takes them: wider than any clock, since some payers write "for ever" as 2^256 - 1. */
    time(name: string): bigint {
      const member = raw(name);
      const isDecimal = typeof member === "string" && /^(?:0|[1-9][0-9]{0,77})$/.test(member);
      if (isDecimal && BigInt(member) < 2n ** 256n) return BigInt(member);
      throw new MalformedError(what, `${name} is not a decimal string of at most 256 bits`);
    },
    chainId(name: string): number {
      const member = raw(name);
      if (typeof member === "number" && Number.isSafeInteger(member) && member > 0) return member;
      throw new MalformedError(what, `${name} is not a number of a chain`);
    },
    strings(name: string): readonly string[] | undefined {
      const member = raw(name);
      if (member === undefined) return undefined;
      if (Array.isArray(member) && member.every((item) => typeof item === "string")) return member;
      throw new MalformedError(what, `${name} is not a list of strings`);
    },
  };
}
