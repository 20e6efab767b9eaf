import type { Address, Hex } from "viem";
import { encodeAbiParameters } from "viem/utils";

import type { InvalidFieldError } from "../assertField.ts";
import { assertTime, type ConditionOf, toAddress, toCondition } from "./condition.ts";
import { ConditionOnChainError, InvalidConditionError } from "./errors.ts";

/** Delivered work is paid unless its reviewer objects in time; then an arbiter decides. */
export type ReviewCondition = ConditionOf<"review"> & {
  readonly provider: Address;
  readonly reviewer: Address;
  readonly arbiter: Address;
  readonly reviewPeriod: bigint;
  readonly arbitrationPeriod: bigint;
  readonly deadline: bigint;
  readonly silentArbiterPays: boolean;
  /** Whether two of the roles are one account: then the review is no check, and whoever is asked to agree must see it. */
  readonly hasRoleOverlap: boolean;
  /** @returns The evidence, which is empty: what counts is on chain. */
  encodeEvidence(): Hex;
};

/**
 * Describes a task that is paid unless its reviewer objects within a period after delivery; an arbiter then names the
 * amount. For the escrow only. What is due is known on chain alone, so `amountDue` of this value rejects.
 *
 * @param parameters - The address of ReviewCondition, the three roles, both periods in seconds, the task's deadline in
 *   Unix seconds, and what a silent arbiter means.
 * @returns The condition, frozen.
 * @throws {InvalidFieldError} when a field is malformed.
 * @throws {InvalidConditionError} when an address, a period or the deadline is zero, or two roles are one account and
 *   `allowRoleOverlap` does not say that this is meant.
 * @example
 * import { review } from "subfen";
 *
 * const condition = review({
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   provider: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
 *   reviewer: "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
 *   arbiter: "0x5FC8d32690cc91D4c39d9d3abcBD16989F875707",
 *   reviewPeriod: 86_400n,
 *   arbitrationPeriod: 86_400n,
 *   deadline: 1_900_000_000n,
 *   silentArbiterPays: true,
 * });
 * condition.hasRoleOverlap; // false
 */
export function review(parameters: review.Parameters): review.ReturnType {
  const { condition, reviewPeriod, arbitrationPeriod, deadline, silentArbiterPays } = parameters;
  const provider = toAddress("review.provider", parameters.provider);
  const reviewer = toAddress("review.reviewer", parameters.reviewer);
  const arbiter = toAddress("review.arbiter", parameters.arbiter);
  assertTime("review.reviewPeriod", reviewPeriod);
  assertTime("review.arbitrationPeriod", arbitrationPeriod);
  assertTime("review.deadline", deadline);
  const hasRoleOverlap = new Set([provider, reviewer, arbiter]).size < 3;
  if (hasRoleOverlap && parameters.allowRoleOverlap !== true)
    throw new InvalidConditionError({
      field: "review",
      reason: "role-overlap",
      given: `provider ${provider}, reviewer ${reviewer}, arbiter ${arbiter}`,
      remedy: "name three parties, or set allowRoleOverlap where one is meant to judge itself.",
    });
  return toCondition({
    kind: "review",
    address: condition,
    parameters: encodeAbiParameters(
      [
        { type: "address" },
        { type: "address" },
        { type: "address" },
        { type: "uint64" },
        { type: "uint64" },
        { type: "uint64" },
        { type: "bool" },
      ],
      [provider, reviewer, arbiter, reviewPeriod, arbitrationPeriod, deadline, silentArbiterPays],
    ),
    fields: {
      provider,
      reviewer,
      arbiter,
      reviewPeriod,
      arbitrationPeriod,
      deadline,
      silentArbiterPays,
      hasRoleOverlap,
      encodeEvidence: (): Hex => "0x",
    },
    due() {
      throw new ConditionOnChainError(condition);
    },
  });
}

export declare namespace review {
  type Parameters = {
    /** ReviewCondition. */
    condition: Address;
    /** Who delivers. */
    provider: Address;
    /** Who may object; need not be the client. */
    reviewer: Address;
    /** Who decides an objection. */
    arbiter: Address;
    /** Seconds after the delivery in which the reviewer may object. */
    reviewPeriod: bigint;
    /** Seconds after the objection in which the arbiter may decide. */
    arbitrationPeriod: bigint;
    /** The task's deadline, in Unix seconds. */
    deadline: bigint;
    /** Whether all is due, or nothing, when the arbiter stays silent. */
    silentArbiterPays: boolean;
    /** Says that two roles are meant to be one account (F034). */
    allowRoleOverlap?: boolean | undefined;
  };
  type ReturnType = ReviewCondition;
  type ErrorType = InvalidFieldError | InvalidConditionError;
}
