import type { Address, Hex } from "viem";

import type { InvalidFieldError } from "./assertField.ts";
import { channelsDomain, type ChannelsLocation } from "./domain.ts";
import {
  type SignErrorType,
  type SigningAccount,
  signTypedMessage,
  type TypedMessage,
  verifyTypedMessage,
} from "./typedMessage.ts";

/** The EIP-712 type by which a channel's signer asks the seller what stands in it. No contract knows it. */
export const statusRequestType = "ChannelStatusRequest(bytes32 channelId,uint64 timestamp)";

/** A question of a channel's signer to the seller. */
export type StatusRequest = {
  channelId: Hex;
  /** Unix time in milliseconds, by the seller's clock; higher for every question. */
  timestamp: bigint;
};

/**
 * Signs the question what stands in a channel (EIP-712). It owes nothing and moves nothing.
 *
 * @param parameters - The channel's signer, where the channel lives, its id, and the time in Unix milliseconds.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { signStatusRequest } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const signature = await signStatusRequest({
 *   account: privateKeyToAccount(generatePrivateKey()),
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   timestamp: BigInt(Date.now()),
 * });
 */
export async function signStatusRequest(
  parameters: signStatusRequest.Parameters,
): Promise<signStatusRequest.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signStatusRequest {
  type Parameters = ChannelsLocation & StatusRequest & { account: SigningAccount };
  type ReturnType = Hex;
  type ErrorType = SignErrorType;
}

/**
 * Checks who signed the question what stands in a channel, by ECDSA alone.
 *
 * @param parameters - The question as in {@link signStatusRequest}, its signature and whose it should be.
 * @returns `true` if `signer` made this signature in its one accepted form.
 * @throws {InvalidFieldError} when a field other than the signature is malformed.
 * @example
 * import { signStatusRequest, verifyStatusRequest } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * const question = {
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   timestamp: 1_900_000_000_000n,
 * };
 * const signature = await signStatusRequest({ ...question, account });
 * await verifyStatusRequest({ ...question, signature, signer: account.address }); // true
 */
export async function verifyStatusRequest(
  parameters: verifyStatusRequest.Parameters,
): Promise<verifyStatusRequest.ReturnType> {
  const { signature, signer } = parameters;
  return verifyTypedMessage({ ...toTypedMessage(parameters), signature, signer });
}

export declare namespace verifyStatusRequest {
  type Parameters = ChannelsLocation & StatusRequest & { signature: Hex; signer: Address };
  type ReturnType = boolean;
  type ErrorType = InvalidFieldError;
}

function toTypedMessage({ contract, chainId, channelId, timestamp }: ChannelsLocation & StatusRequest): TypedMessage {
  return {
    domain: channelsDomain({ contract, chainId }),
    type: statusRequestType,
    message: { channelId, timestamp },
  };
}
