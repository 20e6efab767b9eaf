import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";
import type { Address } from "viem";

import { contracts, usualGracePeriod } from "./plan.ts";

/** What to do with a contract: send a transaction, or take what somebody else has put at its address. */
export type Step = { name: string; adopt?: Address };

/**
 * Makes an Ignition module of the planned contracts.
 *
 * @param id - The module's name in the plan.
 * @param steps - Its contracts, where not all are deployed.
 * @returns The module. Its parameters are `gracePeriod`, in seconds, and `operator`, an address.
 */
export function moduleOf(id: string, steps: readonly Step[] = contracts) {
  const planned = contracts.filter(({ module }) => module === id);
  return buildModule(id, (m) => {
    const choices = {
      gracePeriod: m.getParameter("gracePeriod", usualGracePeriod),
      operator: m.getParameter("operator", m.getAccount(0)),
    };
    return Object.fromEntries(
      planned.flatMap(({ name, arguments: argumentsOf }) => {
        const step = steps.find((one) => one.name === name);
        if (step === undefined) return [];
        const future = step.adopt ? m.contractAt(name, step.adopt) : m.contract(name, argumentsOf(choices));
        return [[name, future]];
      }),
    );
  });
}
