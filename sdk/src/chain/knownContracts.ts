import type { Address, Hex } from "viem";
import { keccak256 } from "viem/utils";

import { boundedSet, type BoundedSet } from "../boundedSet.ts";
import { defaultCodes } from "./abis/defaultCodes.ts";
import { recordedDeployments } from "./abis/deployments.ts";
import { productionCodes } from "./abis/productionCodes.ts";
import { getChainId, getCode } from "./actions.ts";
import { getCloseGracePeriod, hasExpectedDomain } from "./channels.ts";
import { UnknownContractError } from "./errors.ts";
import { isLocalChain } from "./localChains.ts";
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
 * The same for code at an address, where what a deployment is recorded with counts as well: contracts of an older version,
 * by their code, and a token of another issuer.
 *
 * @internal
 */
export function isKnownAt(
  code: Hex,
  { contract, address, chainId }: { contract: KnownContract; address: Address; chainId: number },
): boolean {
  if (isKnownCode(code, contract)) return true;
  const { token, contracts = {} } = recordedDeployments[chainId] ?? {};
  const recorded = contracts[contract];
  if (recorded) return isSame(recorded.address, address) && recorded.codeHash === keccak256(code);
  // Its code says little: many are proxies.
  return contract === "MockDigitalYuan" && token !== undefined && isSame(token, address);
}

function isSame(one: Address, other: Address): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** The longest grace period that PaymentChannels allows, in seconds. */
const maxGracePeriod = 30 * 24 * 3600;

/** What was found good, by client: two clients of one chain's id may still ask nodes of two chains, such as a fork. */
const seen = new WeakMap<ChainClient, BoundedSet>();

/**
 * Makes sure that what is at an address is a contract of ours, before money goes there. What was found good is not asked
 * for again with the same client, unless its chain is a local one, which may be started anew.
 *
 * @param client - A viem client.
 * @param parameters.address - The address.
 * @param parameters.contract - What should be there: one, or any of several.
 * @param parameters.trustedContracts - Addresses that may have any code, but must have some.
 * @param parameters.chainId - The chain that the client is on, where that was asked just now.
 * @throws {UnknownContractError} when nothing or something else is there, or PaymentChannels whose grace period is above 30
 * days or whose signing domain is not its own.
 * @throws {NodeUnreachableError} when the node does not answer.
 * @example
 * await requireKnownContract(client, { address: condition, contract: "AttestationCondition" });
 */
export async function requireKnownContract(
  client: ChainClient,
  parameters: requireKnownContract.Parameters,
): Promise<void> {
  const { address, contract, trustedContracts = [], chainId = await getChainId(client) } = parameters;
  const contracts: readonly KnownContract[] = typeof contract === "string" ? [contract] : contract;
  const isTrusted = trustedContracts.some((trusted) => isSame(trusted, address));
  const key = `${chainId} ${address} ${isTrusted ? "trusted" : contracts.join()}`.toLowerCase();
  const good = seen.get(client) ?? boundedSet(1_000);
  seen.set(client, good);
  if (good.has(key)) return;

  const at = { address, chainId, expected: contracts.join(" or ") };
  const code = await getCode(client, { address });
  if (code === undefined) throw new UnknownContractError({ ...at, fault: "missing" });
  if (!isTrusted) {
    const found = contracts.find((name) => isKnownAt(code, { contract: name, address, chainId }));
    if (found === undefined) throw new UnknownContractError({ ...at, fault: "code" });
    // The code is ours, but the values it was deployed with could still lock a deposit for good.
    if (found === "PaymentChannels" && !(await hasSoundValues(client, { contract: address, chainId })))
      throw new UnknownContractError({ ...at, fault: "values" });
  }
  if (!isLocalChain(chainId)) good.add(key);
}

export declare namespace requireKnownContract {
  type Parameters = {
    address: Address;
    contract: KnownContract | readonly KnownContract[];
    trustedContracts?: readonly Address[] | undefined;
    chainId?: number | undefined;
  };
  type ReturnType = void;
  type ErrorType = UnknownContractError;
}

async function hasSoundValues(client: ChainClient, at: { contract: Address; chainId: number }): Promise<boolean> {
  return (await getCloseGracePeriod(client, at)) <= maxGracePeriod && (await hasExpectedDomain(client, at));
}
