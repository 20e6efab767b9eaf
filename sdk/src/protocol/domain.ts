import type { Address, Hex } from "viem";
import { hashStruct } from "viem/utils";

import { assertField, InvalidFieldError } from "./assertField.ts";

/** An EIP-712 domain with the four fields that every contract here and every EIP-3009 token known to it uses. */
export type Domain = {
  name: string;
  version: string;
  /** EIP-155 id of the chain. */
  chainId: number;
  /** The contract that checks the signature. */
  verifyingContract: Address;
};

const domainType = [
  { name: "name", type: "string" },
  { name: "version", type: "string" },
  { name: "chainId", type: "uint256" },
  { name: "verifyingContract", type: "address" },
];

/** Where a channel lives: what every statement about it is bound to. */
export type ChannelsLocation = {
  /** PaymentChannels. */
  contract: Address;
  /** EIP-155 id of the chain it stands on. */
  chainId: number;
};

/**
 * The EIP-712 domain of PaymentChannels, as draft-evm-session-00 names it.
 *
 * @param parameters - The address of PaymentChannels and the chain's id.
 * @returns Name "EVM Payment Channel", version "1", chain and contract.
 * @example
 * import { channelsDomain } from "subfen";
 *
 * channelsDomain({ contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", chainId: 31337 });
 */
export function channelsDomain(parameters: channelsDomain.Parameters): channelsDomain.ReturnType {
  const { contract, chainId } = parameters;
  return { name: "EVM Payment Channel", version: "1", chainId, verifyingContract: contract };
}

export declare namespace channelsDomain {
  type Parameters = ChannelsLocation;
  type ReturnType = Domain;
}

/**
 * Hashes an EIP-712 domain: the domain separator that contracts call `DOMAIN_SEPARATOR` or `domainSeparator()`.
 *
 * @param domain - All four fields.
 * @returns The separator, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed.
 * @example
 * import { channelsDomain, hashDomain } from "subfen";
 *
 * hashDomain(channelsDomain({ contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", chainId: 31337 }));
 */
export function hashDomain(domain: Domain): hashDomain.ReturnType {
  assertDomain(domain);
  return hashStruct({ data: domain, primaryType: "EIP712Domain", types: { EIP712Domain: domainType } });
}

export declare namespace hashDomain {
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/** @internal */
export function assertDomain(domain: Domain): void {
  for (const key of ["name", "version"] as const) {
    if (typeof domain[key] !== "string")
      throw new InvalidFieldError({ field: `Domain.${key}`, type: "string", value: domain[key], allowed: "a string." });
  }
  // Numbers above 2^53 are rounded before anybody can see it.
  if (!Number.isSafeInteger(domain.chainId) || domain.chainId < 1)
    throw new InvalidFieldError({
      field: "Domain.chainId",
      type: "chain id",
      value: domain.chainId,
      allowed: "a positive integer below 2^53.",
    });
  assertField({ field: "Domain.verifyingContract", type: "address", value: domain.verifyingContract });
}
