import type { Address, Hex } from "viem";

import type { InvalidFieldError } from "./assertField.ts";
import type { Domain } from "./domain.ts";
import { hashFields } from "./hashFields.ts";
import type { Terms } from "./terms.ts";
import {
  hashTypedMessage,
  type SignErrorType,
  type SigningAccount,
  signTypedMessage,
  type TypedMessage,
} from "./typedMessage.ts";

/** The EIP-712 type of EIP-3009's `receiveWithAuthorization`; its domain is the token's own. */
export const receiveWithAuthorizationType =
  "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)";

/** A transfer that only its receiver can carry out (EIP-3009). */
export type ReceiveWithAuthorization = {
  /** Whose tokens move; signs. */
  from: Address;
  /** Who receives them and must be the caller: the contract that is funded. */
  to: Address;
  /** How much, in base units; named as EIP-3009 names it. */
  value: bigint;
  /** Unix time in seconds after which it is good (exclusive). */
  validAfter: bigint;
  /** Unix time in seconds before which it is good (exclusive). */
  validBefore: bigint;
  /** See {@link openAuthorizationNonce} and {@link topUpAuthorizationNonce}; of a task it is the task's id. */
  nonce: Hex;
};

/**
 * Computes the EIP-3009 nonce that `openWithAuthorization` demands: `keccak256(abi.encode(payer, payee, token, salt,
 * authorizedSigner))`. It ties the payer's signature to every term, so that a relayer cannot change one.
 *
 * @param terms - The terms of the channel to open; the payer is whose tokens move.
 * @returns The nonce, 32 bytes.
 * @throws {InvalidFieldError} when a term is malformed.
 * @example
 * import { openAuthorizationNonce } from "subfen";
 * import { zeroAddress, zeroHash } from "viem";
 *
 * openAuthorizationNonce({
 *   payer: "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
 *   payee: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
 *   token: "0x5FbDB2315678afecb367f032d93F642f64180aa3",
 *   salt: zeroHash,
 *   authorizedSigner: zeroAddress,
 * });
 */
export function openAuthorizationNonce(terms: Terms): openAuthorizationNonce.ReturnType {
  return hashFields({
    name: "Terms",
    fields: [
      ["address", "payer", terms.payer],
      ["address", "payee", terms.payee],
      ["address", "token", terms.token],
      ["bytes32", "salt", terms.salt],
      ["address", "authorizedSigner", terms.authorizedSigner],
    ],
  });
}

export declare namespace openAuthorizationNonce {
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Computes the EIP-3009 nonce that `topUpWithAuthorization` demands: `keccak256(abi.encode(channelId,
 * additionalDeposit, from, topUpSalt))`.
 *
 * @param parameters - The channel's id, what is added in base units, whose tokens move, and 32 bytes that make this
 *   top-up unlike the others.
 * @returns The nonce, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed or the amount needs more than 128 bits.
 * @example
 * import { topUpAuthorizationNonce } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * topUpAuthorizationNonce({
 *   channelId: keccak256(stringToHex("a channel")),
 *   additionalDeposit: 5_000_000n,
 *   from: "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
 *   topUpSalt: keccak256(stringToHex("the first top-up")),
 * });
 */
export function topUpAuthorizationNonce(
  parameters: topUpAuthorizationNonce.Parameters,
): topUpAuthorizationNonce.ReturnType {
  const { channelId, additionalDeposit, from, topUpSalt } = parameters;
  return hashFields({
    name: "TopUp",
    fields: [
      ["bytes32", "channelId", channelId],
      ["uint128", "additionalDeposit", additionalDeposit],
      ["address", "from", from],
      ["bytes32", "topUpSalt", topUpSalt],
    ],
  });
}

export declare namespace topUpAuthorizationNonce {
  type Parameters = {
    channelId: Hex;
    /** What is added to the deposit, in base units. */
    additionalDeposit: bigint;
    /** Whose tokens move: anybody may fund a channel. */
    from: Address;
    topUpSalt: Hex;
  };
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Computes what is signed for EIP-3009's `receiveWithAuthorization`.
 *
 * @param parameters - The token's own domain, read from the token or a pinned table and never from whoever asks to be
 *   paid, and the authorization: `value` in base units, times in Unix seconds.
 * @returns The digest, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed.
 * @example
 * import { hashReceiveWithAuthorization } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * const token = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
 * hashReceiveWithAuthorization({
 *   domain: { name: "Mock Digital Yuan", version: "1", chainId: 31337, verifyingContract: token },
 *   from: "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
 *   to: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   value: 1_000_000n,
 *   validAfter: 0n,
 *   validBefore: 1_900_000_000n,
 *   nonce: keccak256(stringToHex("a nonce")),
 * });
 */
export function hashReceiveWithAuthorization(
  parameters: hashReceiveWithAuthorization.Parameters,
): hashReceiveWithAuthorization.ReturnType {
  return hashTypedMessage(toTypedMessage(parameters));
}

export declare namespace hashReceiveWithAuthorization {
  type Parameters = ReceiveWithAuthorization & {
    /** The token's EIP-712 domain. */
    domain: Domain;
  };
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Signs EIP-3009's `receiveWithAuthorization`: `to`, and nobody else, may then take `value` within the given times,
 * once.
 *
 * @param parameters - The owner of the tokens, and the authorization as in {@link hashReceiveWithAuthorization}.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { signReceiveWithAuthorization } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * const token = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
 * const signature = await signReceiveWithAuthorization({
 *   account,
 *   domain: { name: "Mock Digital Yuan", version: "1", chainId: 31337, verifyingContract: token },
 *   from: account.address,
 *   to: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   value: 1_000_000n,
 *   validAfter: 0n,
 *   validBefore: 1_900_000_000n,
 *   nonce: keccak256(stringToHex("a nonce")),
 * });
 */
export async function signReceiveWithAuthorization(
  parameters: signReceiveWithAuthorization.Parameters,
): Promise<signReceiveWithAuthorization.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signReceiveWithAuthorization {
  type Parameters = hashReceiveWithAuthorization.Parameters & {
    /** The owner of the tokens, `from`. */
    account: SigningAccount;
  };
  type ReturnType = Hex;
  type ErrorType = SignErrorType;
}

function toTypedMessage(parameters: hashReceiveWithAuthorization.Parameters): TypedMessage {
  const { domain, from, to, value, validAfter, validBefore, nonce } = parameters;
  return {
    domain,
    type: receiveWithAuthorizationType,
    message: { from, to, value, validAfter, validBefore, nonce },
  };
}
