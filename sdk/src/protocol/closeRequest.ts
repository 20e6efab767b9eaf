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

/** The EIP-712 type of a close request made without gas. */
export const closeRequestType = "CloseRequest(bytes32 channelId,uint64 deadline)";

/** The payer's request to close, for anybody to send. */
export type CloseRequest = {
  channelId: Hex;
  /** Last Unix second at which it is good, even after a close that was cancelled: make it short. */
  deadline: bigint;
};

/**
 * Computes what the payer signs for `requestCloseWithAuthorization` (EIP-712).
 *
 * @param parameters - Where the channel lives, its id, and the deadline in Unix seconds.
 * @returns The digest, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed or the deadline needs more than 64 bits.
 * @example
 * import { hashCloseRequest } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * hashCloseRequest({
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   deadline: 1_900_000_000n,
 * });
 */
export function hashCloseRequest(parameters: hashCloseRequest.Parameters): hashCloseRequest.ReturnType {
  return hashTypedMessage(toTypedMessage(parameters));
}

export declare namespace hashCloseRequest {
  type Parameters = ChannelsLocation & CloseRequest;
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Signs the payer's request to close (EIP-712), so that a payer without gas can leave.
 *
 * @param parameters - The payer, and the request as in {@link hashCloseRequest}.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed or the deadline needs more than 64 bits; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { signCloseRequest } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const signature = await signCloseRequest({
 *   account: privateKeyToAccount(generatePrivateKey()),
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   deadline: 1_900_000_000n,
 * });
 */
export async function signCloseRequest(parameters: signCloseRequest.Parameters): Promise<signCloseRequest.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signCloseRequest {
  type Parameters = hashCloseRequest.Parameters & {
    /** The payer: an `authorizedSigner` cannot close. */
    account: SigningAccount;
  };
  type ReturnType = Hex;
  type ErrorType = SignErrorType;
}

function toTypedMessage({ contract, chainId, channelId, deadline }: hashCloseRequest.Parameters): TypedMessage {
  return {
    domain: channelsDomain({ contract, chainId }),
    type: closeRequestType,
    message: { channelId, deadline },
  };
}
