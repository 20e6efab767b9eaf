import type { Address, Hex } from "viem";
import { keccak256, stringToHex } from "viem/utils";

import type { InvalidFieldError } from "./assertField.ts";
import type { Domain } from "./domain.ts";
import {
  hashTypedMessage,
  type SignErrorType,
  type SigningAccount,
  signTypedMessage,
  type TypedMessage,
} from "./typedMessage.ts";

/** The EIP-712 type of EIP-3009's `transferWithAuthorization`; its domain is the token's own. */
export const transferWithAuthorizationType =
  "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)";

/** A transfer that anybody can carry out, as it is and once (EIP-3009). */
export type TransferWithAuthorization = {
  /** Whose tokens move; signs. */
  from: Address;
  /** Who receives them. */
  to: Address;
  /** How much, in base units; named as EIP-3009 names it. */
  value: bigint;
  /** Unix time in seconds after which it is good (exclusive). */
  validAfter: bigint;
  /** Unix time in seconds before which it is good (exclusive). */
  validBefore: bigint;
  /** See {@link chargeAuthorizationNonce}. */
  nonce: Hex;
};

/**
 * Computes the EIP-3009 nonce by which a payment answers one challenge and no other (draft-evm-charge-00, "Challenge
 * Binding"): `keccak256(abi.encodePacked(id, realm))`.
 *
 * @param challenge - The challenge's id and realm, as they stand in the header.
 * @returns The nonce, 32 bytes.
 * @example
 * import { chargeAuthorizationNonce } from "subfen";
 *
 * chargeAuthorizationNonce({ id: "aB3cDeF4gHiJkLmN", realm: "api.example.com" });
 */
export function chargeAuthorizationNonce(
  challenge: chargeAuthorizationNonce.Parameters,
): chargeAuthorizationNonce.ReturnType {
  return keccak256(stringToHex(challenge.id + challenge.realm));
}

export declare namespace chargeAuthorizationNonce {
  type Parameters = { readonly id: string; readonly realm: string };
  type ReturnType = Hex;
}

/**
 * Computes what is signed for EIP-3009's `transferWithAuthorization`.
 *
 * @param parameters - The token's own domain, read from the token or a pinned table and never from whoever asks to be
 *   paid, and the authorization: `value` in base units, times in Unix seconds.
 * @returns The digest, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed.
 * @example
 * import { chargeAuthorizationNonce, hashTransferWithAuthorization } from "subfen";
 *
 * const token = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
 * hashTransferWithAuthorization({
 *   domain: { name: "Mock Digital Yuan", version: "1", chainId: 31337, verifyingContract: token },
 *   from: "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
 *   to: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
 *   value: 1_000_000n,
 *   validAfter: 0n,
 *   validBefore: 1_900_000_000n,
 *   nonce: chargeAuthorizationNonce({ id: "aB3cDeF4gHiJkLmN", realm: "api.example.com" }),
 * });
 */
export function hashTransferWithAuthorization(
  parameters: hashTransferWithAuthorization.Parameters,
): hashTransferWithAuthorization.ReturnType {
  return hashTypedMessage(toTypedMessage(parameters));
}

export declare namespace hashTransferWithAuthorization {
  type Parameters = TransferWithAuthorization & {
    /** The token's EIP-712 domain. */
    domain: Domain;
  };
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Signs EIP-3009's `transferWithAuthorization`: anybody may then move `value` to `to` within the given times, once.
 *
 * @param parameters - The owner of the tokens, and the authorization as in {@link hashTransferWithAuthorization}.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { chargeAuthorizationNonce, signTransferWithAuthorization } from "subfen";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * const token = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
 * const signature = await signTransferWithAuthorization({
 *   account,
 *   domain: { name: "Mock Digital Yuan", version: "1", chainId: 31337, verifyingContract: token },
 *   from: account.address,
 *   to: "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
 *   value: 1_000_000n,
 *   validAfter: 0n,
 *   validBefore: 1_900_000_000n,
 *   nonce: chargeAuthorizationNonce({ id: "aB3cDeF4gHiJkLmN", realm: "api.example.com" }),
 * });
 */
export async function signTransferWithAuthorization(
  parameters: signTransferWithAuthorization.Parameters,
): Promise<signTransferWithAuthorization.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signTransferWithAuthorization {
  type Parameters = hashTransferWithAuthorization.Parameters & {
    /** The owner of the tokens, `from`. */
    account: SigningAccount;
  };
  type ReturnType = Hex;
  type ErrorType = SignErrorType;
}

function toTypedMessage(parameters: hashTransferWithAuthorization.Parameters): TypedMessage {
  const { domain, from, to, value, validAfter, validBefore, nonce } = parameters;
  return {
    domain,
    type: transferWithAuthorizationType,
    message: { from, to, value, validAfter, validBefore, nonce },
  };
}
