import type { Address, Hex } from "viem";

import type { InvalidFieldError } from "./assertField.ts";
import { assertDomain, type Domain } from "./domain.ts";
import { hashFields } from "./hashFields.ts";

/** What a task is about: fixed for its life, hashed into its id and never stored on chain. */
export type Task = {
  /** Pays; gets what is not released. */
  client: Address;
  /** Is paid. */
  provider: Address;
  /** The ERC-20 token that is paid in. */
  token: Address;
  /** What is locked, in base units. */
  amount: bigint;
  /** The contract that says how much is due. */
  condition: Address;
  /** keccak256 of the condition's parameters. */
  parametersHash: Hex;
  /** Last Unix second at which evidence counts; at most 365 days away when funded. */
  deadline: bigint;
  /** 32 bytes that make the id unlike that of any other task. */
  salt: Hex;
};

/** Where a task lives: what every statement about it is bound to. */
export type EscrowLocation = {
  /** TaskEscrow. */
  contract: Address;
  /** EIP-155 id of the chain it stands on. */
  chainId: number;
};

/**
 * The EIP-712 domain of TaskEscrow.
 *
 * @param parameters - The address of TaskEscrow and the chain's id.
 * @returns Name "subfen TaskEscrow", version "1", chain and contract.
 * @example
 * import { escrowDomain } from "subfen";
 *
 * escrowDomain({ contract: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9", chainId: 31337 });
 */
export function escrowDomain(parameters: escrowDomain.Parameters): escrowDomain.ReturnType {
  const { contract, chainId } = parameters;
  return { name: "subfen TaskEscrow", version: "1", chainId, verifyingContract: contract };
}

export declare namespace escrowDomain {
  type Parameters = EscrowLocation;
  type ReturnType = Domain;
}

/**
 * Computes the id of a task from its terms, as the contract does: `keccak256(abi.encode(client, provider, token, amount,
 * condition, parametersHash, deadline, salt, contract, chainId))`. It is also the task's payment id, by which conditions
 * and verdicts know it, and the nonce of the EIP-3009 authorization that funds it.
 *
 * @param parameters - The task (amount in base units, deadline in Unix seconds), the address of TaskEscrow and the chain's
 *   id.
 * @returns The id, 32 bytes.
 * @throws {InvalidFieldError} when a field or the chain's id is malformed, the amount needs more than 128 bits or the
 *   deadline more than 64.
 * @example
 * import { computeTaskId } from "subfen";
 * import { keccak256, zeroHash } from "viem";
 *
 * computeTaskId({
 *   task: {
 *     client: "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
 *     provider: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
 *     token: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
 *     amount: 5_000_000n,
 *     condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *     parametersHash: keccak256("0x"),
 *     deadline: 1_900_000_000n,
 *     salt: zeroHash,
 *   },
 *   contract: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
 *   chainId: 31337,
 * });
 */
export function computeTaskId(parameters: computeTaskId.Parameters): computeTaskId.ReturnType {
  const { task, contract, chainId } = parameters;
  assertDomain(escrowDomain({ contract, chainId }));
  return hashFields({
    name: "Task",
    fields: [
      ["address", "client", task.client],
      ["address", "provider", task.provider],
      ["address", "token", task.token],
      ["uint128", "amount", task.amount],
      ["address", "condition", task.condition],
      ["bytes32", "parametersHash", task.parametersHash],
      ["uint64", "deadline", task.deadline],
      ["bytes32", "salt", task.salt],
      ["address", "contract", contract],
      ["uint256", "chainId", BigInt(chainId)],
    ],
  });
}

export declare namespace computeTaskId {
  type Parameters = EscrowLocation & { task: Task };
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}
