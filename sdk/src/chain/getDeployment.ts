import type { Address } from "viem";

import type { Condition } from "../protocol/conditions/condition.ts";
import { recordedDeployments, usualAddresses } from "./abis/deployments.ts";
import { conditionContracts } from "./conditionContracts.ts";

/** Where the contracts of this package are on a chain. */
export type Deployment = {
  readonly chainId: number;
  readonly paymentChannels: Address;
  readonly taskEscrow: Address;
  /** By the kind of condition that each decides about. */
  readonly conditions: { readonly [kind in Condition["kind"]]: Address };
  /** The token in use; `undefined` where none is recorded. */
  readonly token: Address | undefined;
  /** The block to look for events from; `undefined` where the deployment is not recorded, or its first block not known. */
  readonly fromBlock: bigint | undefined;
};

/**
 * Tells where the contracts are on a chain: as a deployment was recorded in this version, or else where `npm run deploy`
 * puts them, which is the same on every chain. Asks no chain: whether they are there is found out before money goes to
 * them, see `requireKnownContract`.
 *
 * @param chainId - The chain's id.
 * @returns The addresses, and of a recorded deployment its token and, where it is known, its first block.
 * @example
 * const { paymentChannels: contract, fromBlock = 0n } = getDeployment(11_155_111);
 * const channels = await findChannels(client, { contract, payer, fromBlock });
 */
export function getDeployment(chainId: number): Deployment {
  const recorded = recordedDeployments[chainId];
  const addressOf = (name: keyof typeof usualAddresses): Address =>
    recorded?.contracts[name]?.address ?? usualAddresses[name];
  return {
    chainId,
    paymentChannels: addressOf("PaymentChannels"),
    taskEscrow: addressOf("TaskEscrow"),
    conditions: {
      hashlock: addressOf(conditionContracts.hashlock),
      attestation: addressOf(conditionContracts.attestation),
      ticks: addressOf(conditionContracts.ticks),
      kth: addressOf(conditionContracts.kth),
      review: addressOf(conditionContracts.review),
    },
    token: recorded?.token,
    fromBlock: recorded?.fromBlock,
  };
}
