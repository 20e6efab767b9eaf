import type { Address, Hex } from "viem";

import type { InvalidFieldError } from "./assertField.ts";
import { channelsDomain, type ChannelsLocation } from "./domain.ts";
import {
  hashTypedMessage,
  type SignErrorType,
  type SigningAccount,
  signTypedMessage,
  type TypedMessage,
  verifyTypedMessage,
} from "./typedMessage.ts";

/** The EIP-712 type of a receipt; its domain is that of PaymentChannels, which never reads one. */
export const receiptType =
  "Receipt(bytes32 channelId,bytes32 statementHash,uint128 spent,bytes32 requestHash,bytes32 responseHash,uint64 issuedAt)";

/** The payee's word on what one call cost: it lowers what the payer still considers owed. */
export type Receipt = {
  channelId: Hex;
  /** Digest of the statement that paid for the call. */
  statementHash: Hex;
  /** Everything spent in this channel, this call included, in base units. */
  spent: bigint;
  /** Digest of the request. */
  requestHash: Hex;
  /** Digest of the response. */
  responseHash: Hex;
  /** Unix time of the receipt, in seconds. */
  issuedAt: bigint;
};

/**
 * Computes what is signed for a receipt (EIP-712).
 *
 * @param parameters - Where the channel lives, and the receipt: `spent` in base units, `issuedAt` in Unix seconds.
 * @returns The digest, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed, `spent` needs more than 128 bits or `issuedAt` more than 64.
 * @example
 * import { hashReceipt } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * hashReceipt({
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   statementHash: keccak256(stringToHex("a voucher")),
 *   spent: 1_234n,
 *   requestHash: keccak256(stringToHex("a request")),
 *   responseHash: keccak256(stringToHex("a response")),
 *   issuedAt: 1_800_000_000n,
 * });
 */
export function hashReceipt(parameters: hashReceipt.Parameters): hashReceipt.ReturnType {
  return hashTypedMessage(toTypedMessage(parameters));
}

export declare namespace hashReceipt {
  type Parameters = ChannelsLocation & Receipt;
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Signs a receipt (EIP-712), as the payee or the key it announced.
 *
 * @param parameters - The signer, and the receipt as in {@link hashReceipt}.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed or too large; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { signReceipt } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const signature = await signReceipt({
 *   account: privateKeyToAccount(generatePrivateKey()),
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   statementHash: keccak256(stringToHex("a voucher")),
 *   spent: 1_234n,
 *   requestHash: keccak256(stringToHex("a request")),
 *   responseHash: keccak256(stringToHex("a response")),
 *   issuedAt: 1_800_000_000n,
 * });
 */
export async function signReceipt(parameters: signReceipt.Parameters): Promise<signReceipt.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signReceipt {
  type Parameters = hashReceipt.Parameters & { account: SigningAccount };
  type ReturnType = Hex;
  type ErrorType = SignErrorType;
}

/**
 * Checks a receipt's signature by ECDSA. Whether the receipt belongs to the call and to the channel is the caller's
 * part: compare its hashes and `spent` too.
 *
 * @param parameters - The receipt as in {@link hashReceipt}, its signature and whose it should be.
 * @returns `true` if `signer` made this signature in its one accepted form (65 bytes, low s, v 27 or 28).
 * @throws {InvalidFieldError} when a field other than the signature is malformed.
 * @example
 * import { signReceipt, verifyReceipt } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * const receipt = {
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   statementHash: keccak256(stringToHex("a voucher")),
 *   spent: 1_234n,
 *   requestHash: keccak256(stringToHex("a request")),
 *   responseHash: keccak256(stringToHex("a response")),
 *   issuedAt: 1_800_000_000n,
 * };
 * const signature = await signReceipt({ ...receipt, account });
 * await verifyReceipt({ ...receipt, signature, signer: account.address }); // true
 */
export async function verifyReceipt(parameters: verifyReceipt.Parameters): Promise<verifyReceipt.ReturnType> {
  const { signature, signer } = parameters;
  return verifyTypedMessage({ ...toTypedMessage(parameters), signature, signer });
}

export declare namespace verifyReceipt {
  type Parameters = hashReceipt.Parameters & { signature: Hex; signer: Address };
  type ReturnType = boolean;
  type ErrorType = InvalidFieldError;
}

function toTypedMessage(parameters: hashReceipt.Parameters): TypedMessage {
  const { contract, chainId, channelId, statementHash, spent, requestHash, responseHash, issuedAt } = parameters;
  return {
    domain: channelsDomain({ contract, chainId }),
    type: receiptType,
    message: { channelId, statementHash, spent, requestHash, responseHash, issuedAt },
  };
}
