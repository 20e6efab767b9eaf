import type { Condition } from "../protocol/conditions/condition.ts";
import type { KnownContract } from "./knownContracts.ts";

/** The contract that decides about each kind of condition. */
export const conditionContracts = {
  hashlock: "HashlockCondition",
  attestation: "AttestationCondition",
  ticks: "TickCondition",
  kth: "KthCondition",
  review: "ReviewCondition",
} as const satisfies { [kind in Condition["kind"]]: KnownContract };
