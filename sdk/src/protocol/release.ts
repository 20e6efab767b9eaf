import type { Address, Hex } from "viem";

import type { InvalidFieldError } from "./assertField.ts";
import { escrowDomain, type EscrowLocation } from "./taskId.ts";
import {
  hashTypedMessage,
  type SignErrorType,
  type SigningAccount,
  signTypedMessage,
  type TypedMessage,
  verifyTypedMessage,
} from "./typedMessage.ts";

/** The EIP-712 type of a client's leave to pay a task's provider. */
export const releaseType = "Release(bytes32 taskId,uint128 cumulativeAmount,uint64 deadline)";

/** The client's leave to pay a task's provider up to a total, for anybody to send. */
export type Release = {
  /** See `computeTaskId`. */
  taskId: Hex;
  /** Everything released once this is done, in base units: not what is added. */
  cumulativeAmount: bigint;
  /** Last Unix second at which it may be sent. */
  deadline: bigint;
};

/**
 * Computes what the client signs for `releaseWithAuthorization` (EIP-712).
 *
 * @param parameters - Where the task lives, its id, the total released in base units, and the deadline in Unix seconds.
 * @returns The digest, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed, the amount needs more than 128 bits or the deadline more than 64.
 * @example
 * import { hashRelease } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * hashRelease({
 *   contract: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
 *   chainId: 31337,
 *   taskId: keccak256(stringToHex("a task")),
 *   cumulativeAmount: 5_000_000n,
 *   deadline: 1_900_000_000n,
 * });
 */
export function hashRelease(parameters: hashRelease.Parameters): hashRelease.ReturnType {
  return hashTypedMessage(toTypedMessage(parameters));
}

export declare namespace hashRelease {
  type Parameters = EscrowLocation & Release;
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Signs the client's leave to pay a task's provider (EIP-712), whatever the condition says.
 *
 * @param parameters - The client, and the release as in {@link hashRelease}.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed or too large; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { signRelease } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const signature = await signRelease({
 *   account: privateKeyToAccount(generatePrivateKey()),
 *   contract: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
 *   chainId: 31337,
 *   taskId: keccak256(stringToHex("a task")),
 *   cumulativeAmount: 5_000_000n,
 *   deadline: 1_900_000_000n,
 * });
 */
export async function signRelease(parameters: signRelease.Parameters): Promise<signRelease.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signRelease {
  type Parameters = hashRelease.Parameters & {
    /** The task's client. */
    account: SigningAccount;
  };
  type ReturnType = Hex;
  type ErrorType = SignErrorType;
}

/**
 * Checks a release's signature by ECDSA. The contract also takes that of a client which is a contract (ERC-1271): ask it
 * by simulation.
 *
 * @param parameters - The release as in {@link hashRelease}, its signature and whose it should be.
 * @returns `true` if `signer` made this signature in its one accepted form (65 bytes, low s, v 27 or 28).
 * @throws {InvalidFieldError} when a field other than the signature is malformed.
 * @example
 * import { signRelease, verifyRelease } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * const release = {
 *   contract: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
 *   chainId: 31337,
 *   taskId: keccak256(stringToHex("a task")),
 *   cumulativeAmount: 5_000_000n,
 *   deadline: 1_900_000_000n,
 * };
 * const signature = await signRelease({ ...release, account });
 * await verifyRelease({ ...release, signature, signer: account.address }); // true
 */
export async function verifyRelease(parameters: verifyRelease.Parameters): Promise<verifyRelease.ReturnType> {
  const { signature, signer } = parameters;
  return verifyTypedMessage({ ...toTypedMessage(parameters), signature, signer });
}

export declare namespace verifyRelease {
  type Parameters = hashRelease.Parameters & {
    signature: Hex;
    /** The task's client. */
    signer: Address;
  };
  type ReturnType = boolean;
  type ErrorType = InvalidFieldError;
}

function toTypedMessage(parameters: hashRelease.Parameters): TypedMessage {
  const { contract, chainId, taskId, cumulativeAmount, deadline } = parameters;
  return {
    domain: escrowDomain({ contract, chainId }),
    type: releaseType,
    message: { taskId, cumulativeAmount, deadline },
  };
}
