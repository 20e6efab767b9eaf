import type { Address, Hex } from "viem";

import { computeChannelId } from "../channelId.ts";
import type { ChannelsLocation } from "../domain.ts";
import type { Terms } from "../terms.ts";
import type { StatementRefusal } from "./statementRefusal.ts";

/** The shortest time, in seconds, in which a payee must be able to claim after a payer asked to close. */
export const leastGracePeriod = 600;

/** What a payee found out about a channel before it judges a statement. Amounts in base units. */
export type ChannelFacts = ChannelsLocation & {
  terms: Terms;
  /** Whether the contract has code that is known. */
  isContractKnown: boolean;
  /** What is locked, as far as it is confirmed. */
  deposit: bigint;
  /** The contract's grace period, in seconds. */
  closeGracePeriod: number;
  /** Unix time in seconds; 0 while no request to close is pending. */
  closeRequestedAt: number;
  finalized: boolean;
};

/**
 * Whether a channel is one to be paid in.
 *
 * @returns What speaks against it, or `undefined`.
 * @internal
 */
export function refuseChannel(
  channel: ChannelFacts,
  policy: { payee: Address; token: Address },
  channelId: Hex,
): StatementRefusal | undefined {
  const { contract, chainId, terms, deposit, closeGracePeriod, closeRequestedAt } = channel;
  if (!channel.isContractKnown) return { code: "contract-unknown", contract };
  const expected = computeChannelId({ terms, contract, chainId });
  if (channelId.toLowerCase() !== expected) return { code: "channel-id-mismatch", channelId, expected };
  for (const role of ["payee", "token"] as const)
    if (terms[role].toLowerCase() !== policy[role].toLowerCase())
      return { code: `${role}-mismatch`, given: terms[role], expected: policy[role] };
  if (closeGracePeriod < leastGracePeriod)
    return { code: "grace-period-too-short", closeGracePeriod, least: leastGracePeriod };
  if (deposit === 0n) return { code: "not-funded" };
  if (closeRequestedAt !== 0) return { code: "close-requested", closeRequestedAt };
  return channel.finalized ? { code: "channel-finalized" } : undefined;
}
