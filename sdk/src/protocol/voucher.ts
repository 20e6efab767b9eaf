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

/** The EIP-712 type of a voucher, byte for byte that of draft-evm-session-00. */
export const voucherType = "Voucher(bytes32 channelId,uint128 cumulativeAmount)";

/** A statement of the total owed so far in one channel, unconditionally. */
export type Voucher = {
  channelId: Hex;
  /** Everything owed since the channel was opened, in base units. */
  cumulativeAmount: bigint;
};

/**
 * Computes what is signed for a voucher (EIP-712; draft-evm-session-00). The contract's `getVoucherDigest` agrees.
 *
 * @param parameters - Where the channel lives, its id and the total owed so far in base units.
 * @returns The digest, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed or the amount needs more than 128 bits.
 * @example
 * import { hashVoucher } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * hashVoucher({
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   cumulativeAmount: 250_000n,
 * });
 */
export function hashVoucher(parameters: hashVoucher.Parameters): hashVoucher.ReturnType {
  return hashTypedMessage(toTypedMessage(parameters));
}

export declare namespace hashVoucher {
  type Parameters = ChannelsLocation & Voucher;
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Signs a voucher (EIP-712; draft-evm-session-00): from then on the signer owes `cumulativeAmount` in this channel,
 * whatever is signed later. Limits are the caller's business; see the purse.
 *
 * @param parameters - The signer, where the channel lives, its id and the total owed so far in base units.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed or the amount needs more than 128 bits; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { signVoucher } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const signature = await signVoucher({
 *   account: privateKeyToAccount(generatePrivateKey()),
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   cumulativeAmount: 250_000n,
 * });
 */
export async function signVoucher(parameters: signVoucher.Parameters): Promise<signVoucher.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signVoucher {
  type Parameters = hashVoucher.Parameters & {
    /** The payer or the channel's `authorizedSigner`. */
    account: SigningAccount;
  };
  type ReturnType = Hex;
  type ErrorType = SignErrorType;
}

/**
 * Checks a voucher's signature by ECDSA alone, as `settleBatch` does: signatures of contracts (ERC-1271) are not asked
 * for. Servers use `createVoucherVerifier`, which gives the same answers many times faster.
 *
 * @param parameters - Where the channel lives, the voucher, its signature and whose it should be.
 * @returns `true` if `signer` made this signature in its one accepted form (65 bytes, low s, v 27 or 28).
 * @throws {InvalidFieldError} when a field other than the signature is malformed.
 * @example
 * import { signVoucher, verifyVoucher } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * const voucher = {
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   cumulativeAmount: 250_000n,
 * };
 * const signature = await signVoucher({ ...voucher, account });
 * await verifyVoucher({ ...voucher, signature, signer: account.address }); // true
 */
export async function verifyVoucher(parameters: verifyVoucher.Parameters): Promise<verifyVoucher.ReturnType> {
  const { signature, signer } = parameters;
  return verifyTypedMessage({ ...toTypedMessage(parameters), signature, signer });
}

export declare namespace verifyVoucher {
  type Parameters = hashVoucher.Parameters & {
    signature: Hex;
    /** Who must have signed: see `voucherSigner`. */
    signer: Address;
  };
  type ReturnType = boolean;
  type ErrorType = InvalidFieldError;
}

function toTypedMessage({ contract, chainId, channelId, cumulativeAmount }: hashVoucher.Parameters): TypedMessage {
  return {
    domain: channelsDomain({ contract, chainId }),
    type: voucherType,
    message: { channelId, cumulativeAmount },
  };
}
