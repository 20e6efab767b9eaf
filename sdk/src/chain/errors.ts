import type { Abi, Address, ContractFunctionRevertedError, Hex } from "viem";

import { SubfenError } from "../errors.ts";
import { findCause } from "./findCause.ts";

/** A contract refused a call: the typed error it named, with its arguments. Nothing was sent. */
export class ContractRefusedError extends SubfenError {
  override readonly name = "ContractRefusedError";
  /** The contract's error, such as `ChannelNotFound`; `undefined` when it gave none that is known. */
  readonly errorName: string | undefined;
  /** The error's arguments in their order; amounts in base units. */
  readonly args: readonly unknown[];

  constructor(parameters: {
    contract: Address;
    functionName: string;
    errorName: string | undefined;
    args: readonly unknown[];
    cause: unknown;
  }) {
    const { contract, functionName, errorName, args, cause } = parameters;
    const told =
      errorName === undefined ? "without a known reason" : `with ${errorName}(${args.map(String).join(", ")})`;
    super(`${functionName} was refused ${told}.`, {
      code: "contract-refused",
      metaMessages: [`Contract: ${contract}`, "The call was only simulated: nothing was sent and no gas was spent."],
      cause,
    });
    this.errorName = errorName;
    this.args = args;
  }
}

/** The account that sends a transaction cannot pay its gas. */
export class NoGasError extends SubfenError {
  override readonly name = "NoGasError";

  constructor(account: Address, functionName: string, cause: unknown) {
    super(`${account} cannot pay the gas of ${functionName}.`, {
      code: "no-gas",
      metaMessages: ["Send it some of the chain's native coin, or use an action that somebody else relays."],
      cause,
    });
  }
}

/** A transaction was mined and failed: it changed nothing. */
export class TransactionRevertedError extends SubfenError {
  override readonly name = "TransactionRevertedError";
  readonly hash: Hex;

  constructor(hash: Hex) {
    super(`Transaction ${hash} was mined but reverted: it changed nothing.`, {
      code: "transaction-reverted",
      metaMessages: [
        "It passed its simulation, so something else was mined first. Read the channel or task and decide again.",
      ],
    });
    this.hash = hash;
  }
}

/**
 * The chain's node could not be asked, or did not answer in time: any function that asks the chain may throw this. What was
 * sent may have arrived.
 */
export class NodeUnreachableError extends SubfenError {
  override readonly name = "NodeUnreachableError";

  constructor(action: string, cause: unknown) {
    super(`The chain's node gave no answer to ${action}.`, {
      code: "node-unreachable",
      metaMessages: ["Look at the client's transport, then ask again: nothing is lost by that."],
      cause,
    });
  }
}

/** The client's node is on another chain than expected. */
export class WrongChainError extends SubfenError {
  override readonly name = "WrongChainError";

  constructor(actual: number, expected: number) {
    super(`The client is on chain ${actual}, but chain ${expected} is asked for.`, {
      code: "wrong-chain",
      metaMessages: [`Give a client of chain ${expected}.`],
    });
  }
}

/** The account has too few tokens. */
export class InsufficientTokensError extends SubfenError {
  override readonly name = "InsufficientTokensError";
  /** Base units it has. */
  readonly balance: bigint;
  /** Base units it needs. */
  readonly needed: bigint;

  constructor(account: Address, token: Address, balance: bigint, needed: bigint) {
    super(`${account} has ${balance} base units of token ${token}, but ${needed} are needed.`, {
      code: "insufficient-tokens",
      metaMessages: [`Fund the account with at least ${needed - balance} more.`],
    });
    this.balance = balance;
    this.needed = needed;
  }
}

/** The code at an address is not that of a contract this package knows. */
export class UnknownContractError extends SubfenError {
  override readonly name = "UnknownContractError";

  constructor(address: Address, expected: string, isEmpty: boolean) {
    super(
      isEmpty
        ? `There is no contract at ${address}, where ${expected} is expected.`
        : `The contract at ${address} is not the ${expected} that this version knows.`,
      {
        code: "unknown-contract",
        metaMessages: ["No money goes to unknown code. If you trust this address, name it in `trustedContracts`."],
      },
    );
  }
}

/** Turns what viem throws for a call into an error of ours, its cause kept. */
export function toChainError(
  cause: unknown,
  call: { address: Address; functionName: string; account: Address; abi: Abi },
): Error {
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const revert = findCause<ContractFunctionRevertedError>(error, "ContractFunctionRevertedError");
  if (revert) {
    return new ContractRefusedError({
      contract: call.address,
      functionName: call.functionName,
      errorName: revert.data?.errorName ?? revert.reason,
      args: revert.data?.args ?? [],
      cause,
    });
  }
  const isWithoutGas =
    findCause(error, "InsufficientFundsError") !== undefined ||
    /insufficient funds|doesn't have enough funds/i.test(error.message);
  return isWithoutGas ? new NoGasError(call.account, call.functionName, cause) : error;
}
