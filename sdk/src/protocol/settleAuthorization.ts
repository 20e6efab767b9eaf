import type { Hex } from "viem";

import type { InvalidFieldError } from "./assertField.ts";
import { channelsDomain, type ChannelsLocation } from "./domain.ts";
import {
  hashTypedMessage,
  type SignErrorType,
  type SigningAccount,
  signTypedMessage,
  type TypedMessage,
} from "./typedMessage.ts";

/** The EIP-712 type of the payee's consent to a settlement sent by somebody else, as in draft-evm-session-00. */
export const settleAuthorizationType =
  "SettleAuthorization(bytes32 channelId,uint128 cumulativeAmount,uint256 nonce,uint256 deadline)";

/** The payee's consent that anybody may settle its channel at this amount. */
export type SettleAuthorization = {
  channelId: Hex;
  /** What is captured, in base units: the claim's `amount`, which may be below the voucher's total. */
  cumulativeAmount: bigint;
  /** Signed but not stored: what keeps this from counting twice is that a settlement must gain something. */
  nonce: bigint;
  /** Last Unix second at which it is good. */
  deadline: bigint;
};

/**
 * Computes what the payee signs for `settleWithAuthorization` (EIP-712; draft-evm-session-00).
 *
 * @param parameters - Where the channel lives, its id, what is captured in base units, the nonce, and the deadline in
 *   Unix seconds.
 * @returns The digest, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed or the amount needs more than 128 bits.
 * @example
 * import { hashSettleAuthorization } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * hashSettleAuthorization({
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   cumulativeAmount: 250_000n,
 *   nonce: 7n,
 *   deadline: 1_900_000_000n,
 * });
 */
export function hashSettleAuthorization(
  parameters: hashSettleAuthorization.Parameters,
): hashSettleAuthorization.ReturnType {
  return hashTypedMessage(toTypedMessage(parameters));
}

export declare namespace hashSettleAuthorization {
  type Parameters = ChannelsLocation & SettleAuthorization;
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Signs the payee's consent to a settlement sent by somebody else (EIP-712; draft-evm-session-00).
 *
 * @param parameters - The payee, and the consent as in {@link hashSettleAuthorization}.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed or the amount needs more than 128 bits; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { signSettleAuthorization } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const signature = await signSettleAuthorization({
 *   account: privateKeyToAccount(generatePrivateKey()),
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   cumulativeAmount: 250_000n,
 *   nonce: 7n,
 *   deadline: 1_900_000_000n,
 * });
 */
export async function signSettleAuthorization(
  parameters: signSettleAuthorization.Parameters,
): Promise<signSettleAuthorization.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signSettleAuthorization {
  type Parameters = hashSettleAuthorization.Parameters & {
    /** The payee. */
    account: SigningAccount;
  };
  type ReturnType = Hex;
  type ErrorType = SignErrorType;
}

function toTypedMessage(parameters: hashSettleAuthorization.Parameters): TypedMessage {
  const { contract, chainId, channelId, cumulativeAmount, nonce, deadline } = parameters;
  return {
    domain: channelsDomain({ contract, chainId }),
    type: settleAuthorizationType,
    message: { channelId, cumulativeAmount, nonce, deadline },
  };
}
