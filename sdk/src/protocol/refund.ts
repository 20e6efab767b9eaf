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

/** The EIP-712 type of a provider's consent to give a task up. */
export const refundType = "Refund(bytes32 taskId,uint64 deadline)";

/** The provider's consent that what is not released goes back, for anybody to send. */
export type Refund = {
  /** See `computeTaskId`. */
  taskId: Hex;
  /** Last Unix second at which it may be sent. */
  deadline: bigint;
};

/**
 * Computes what the provider signs for `refundWithAuthorization` (EIP-712).
 *
 * @param parameters - Where the task lives, its id, and the deadline in Unix seconds.
 * @returns The digest, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed or the deadline needs more than 64 bits.
 * @example
 * import { hashRefund } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * hashRefund({
 *   contract: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
 *   chainId: 31337,
 *   taskId: keccak256(stringToHex("a task")),
 *   deadline: 1_900_000_000n,
 * });
 */
export function hashRefund(parameters: hashRefund.Parameters): hashRefund.ReturnType {
  return hashTypedMessage(toTypedMessage(parameters));
}

export declare namespace hashRefund {
  type Parameters = EscrowLocation & Refund;
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Signs the provider's consent to give a task up (EIP-712): the task is closed and what is not released is the client's.
 *
 * @param parameters - The provider, and the refund as in {@link hashRefund}.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed or the deadline needs more than 64 bits; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { signRefund } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const signature = await signRefund({
 *   account: privateKeyToAccount(generatePrivateKey()),
 *   contract: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
 *   chainId: 31337,
 *   taskId: keccak256(stringToHex("a task")),
 *   deadline: 1_900_000_000n,
 * });
 */
export async function signRefund(parameters: signRefund.Parameters): Promise<signRefund.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signRefund {
  type Parameters = hashRefund.Parameters & {
    /** The task's provider. */
    account: SigningAccount;
  };
  type ReturnType = Hex;
  type ErrorType = SignErrorType;
}

/**
 * Checks a refund's signature by ECDSA. The contract also takes that of a provider which is a contract (ERC-1271): ask it
 * by simulation.
 *
 * @param parameters - The refund as in {@link hashRefund}, its signature and whose it should be.
 * @returns `true` if `signer` made this signature in its one accepted form (65 bytes, low s, v 27 or 28).
 * @throws {InvalidFieldError} when a field other than the signature is malformed.
 * @example
 * import { signRefund, verifyRefund } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * const refund = {
 *   contract: "0xCf7Ed3AccA5a467e9e704C703E8D87F634fB0Fc9",
 *   chainId: 31337,
 *   taskId: keccak256(stringToHex("a task")),
 *   deadline: 1_900_000_000n,
 * };
 * const signature = await signRefund({ ...refund, account });
 * await verifyRefund({ ...refund, signature, signer: account.address }); // true
 */
export async function verifyRefund(parameters: verifyRefund.Parameters): Promise<verifyRefund.ReturnType> {
  const { signature, signer } = parameters;
  return verifyTypedMessage({ ...toTypedMessage(parameters), signature, signer });
}

export declare namespace verifyRefund {
  type Parameters = hashRefund.Parameters & {
    signature: Hex;
    /** The task's provider. */
    signer: Address;
  };
  type ReturnType = boolean;
  type ErrorType = InvalidFieldError;
}

function toTypedMessage({ contract, chainId, taskId, deadline }: hashRefund.Parameters): TypedMessage {
  return { domain: escrowDomain({ contract, chainId }), type: refundType, message: { taskId, deadline } };
}
