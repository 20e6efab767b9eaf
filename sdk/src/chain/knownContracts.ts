import type { Address, Hex } from "viem";
import { keccak256 } from "viem/utils";

import { defaultCodes } from "./abis/defaultCodes.ts";
import { productionCodes } from "./abis/productionCodes.ts";
import { getCode } from "./actions.ts";
import { UnknownContractError } from "./errors.ts";
import { maskImmutables } from "./maskImmutables.ts";
import type { ChainClient } from "./write.ts";

const knownCodes = [...productionCodes, ...defaultCodes];

/** A contract of ours. */
export type KnownContract = (typeof knownCodes)[number]["contract"];

/**
 * Tells whether code is that of a contract of ours, whatever its immutable values are.
 *
 * @param code - Runtime code.
 * @param contract - Which contract it should be.
 * @returns `true` if it is.
 */
export function isKnownCode(code: Hex, contract: KnownContract): boolean {
  const size = (code.length - 2) / 2;
  return knownCodes.some(
    (known) =>
      known.contract === contract &&
      known.size === size &&
      keccak256(maskImmutables(code, known.immutables)) === known.hash,
  );
}

/**
 * Makes sure that the code at an address is ours, before money goes there on somebody else's word.
 *
 * @param client - A viem client.
 * @param parameters.address - The address.
 * @param parameters.contract - What should be there.
 * @throws {UnknownContractError} when something else or nothing is there.
 */
export async function requireKnownContract(
  client: ChainClient,
  parameters: { address: Address; contract: KnownContract },
): Promise<void> {
  const code = await getCode(client, { address: parameters.address });
  if (code === undefined || !isKnownCode(code, parameters.contract)) {
    throw new UnknownContractError(parameters.address, parameters.contract, code === undefined);
  }
}
