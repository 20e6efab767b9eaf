import type { Address, Hex } from "viem";

import { isSubfenError } from "../errors.ts";
import type { Condition } from "../protocol/conditions/condition.ts";
import { decodeCondition } from "../protocol/conditions/decodeCondition.ts";
import type { MalformedParametersError, UnknownConditionError } from "../protocol/conditions/errors.ts";
import { getCode } from "./actions.ts";
import { conditionContracts } from "./conditionContracts.ts";
import { isKnownAt } from "./knownContracts.ts";
import type { TaskProblem } from "./taskProblem.ts";
import type { ChainClient } from "./write.ts";

const kinds = Object.keys(conditionContracts) as Condition["kind"][];

/**
 * Reads a condition off its parameters, where its contract and those of its children have code that is known.
 *
 * @returns The condition, or what speaks against it.
 * @internal
 */
export async function readCondition(
  client: ChainClient,
  parameters: { condition: Address; parameters: Hex; chainId: number },
): Promise<Condition | Extract<TaskProblem, { code: "condition-unknown" | "parameters-malformed" }>> {
  const contracts: { [kind in Condition["kind"]]?: Address } = {};
  for (;;) {
    try {
      return decodeCondition({ ...parameters, contracts, allowRoleOverlap: true });
    } catch (error) {
      if (isSubfenError(error, "malformed-parameters"))
        return { code: "parameters-malformed", reason: (error as never as MalformedParametersError).reason };
      if (!isSubfenError(error, "unknown-condition")) throw error;
      const { condition } = error as never as UnknownConditionError;
      const code = await getCode(client, { address: condition });
      const at = { address: condition, chainId: parameters.chainId };
      const kind = kinds.find(
        (name) => code !== undefined && isKnownAt(code, { ...at, contract: conditionContracts[name] }),
      );
      // Two contracts of one kind in one condition have no use but to confuse.
      if (kind === undefined || contracts[kind] !== undefined) return { code: "condition-unknown", condition };
      contracts[kind] = condition;
    }
  }
}
