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
    super(`The chain's node did not answer ${action}.`, {
      code: "node-unreachable",
      metaMessages: [
        "Look at the client's transport, then ask again.",
        "What was being sent may have arrived: look at the chain before you send it again.",
      ],
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

/** What is at an address is not a contract that this package knows. Nothing was sent or signed. */
export class UnknownContractError extends SubfenError {
  override readonly name = "UnknownContractError";
  readonly address: Address;
  readonly chainId: number;
  /**
   * `missing` where there is no code at all, `code` where it is another's, `values` where our code was deployed with
   * values that could lock a deposit for good or make statements worthless.
   */
  readonly fault: "missing" | "code" | "values";

  constructor(parameters: {
    address: Address;
    chainId: number;
    /** Which contract it should be. */
    expected: string;
    fault: UnknownContractError["fault"];
  }) {
    const { address, chainId, expected, fault } = parameters;
    const place = `at ${address} on chain ${chainId}`;
    const check = "Check the address, and which chain the client is on.";
    const trust = "No money goes to unknown code. If you trust this address, name it in `trustedContracts`.";
    const [told, ...advice] = {
      missing: [
        `There is no contract ${place}, where ${expected} is expected.`,
        check,
        "`npm run deploy` of the repository puts this package's contracts on a chain.",
      ],
      code: [`The contract ${place} is not the ${expected} that this version knows.`, check, trust],
      values: [`The ${expected} ${place} has another grace period or signing domain than it should have.`, trust],
    }[fault] as [string, ...string[]];
    super(told, { code: "unknown-contract", metaMessages: advice });
    this.address = address;
    this.chainId = chainId;
    this.fault = fault;
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
