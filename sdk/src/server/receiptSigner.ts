import type { Address, Hex } from "viem";

import {
  type ChannelsLocation,
  type InvalidFieldError,
  type InvalidSignatureError,
  type Receipt,
  receiptType,
  type SigningAccount,
  signReceipt,
} from "../protocol/index.ts";
import { assertMessage, toTypes } from "../protocol/typedMessage.ts";
import type { FastAccount } from "./fastAccount.ts";
import { createStatementHasher } from "./statementHasher.ts";

/** Signs the receipts of one seller. */
export type ReceiptSigner = {
  /** Whose receipts they are. */
  readonly address: Address;
  /**
   * Signs a receipt.
   *
   * @param receipt - The receipt: `spent` in base units, `issuedAt` in Unix seconds.
   * @returns What `signReceipt` returns, byte for byte; at once where the account is a {@link FastAccount}.
   * @throws {InvalidFieldError} when a field is malformed; nothing is signed.
   * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
   */
  sign(receipt: Receipt): Hex | Promise<Hex>;
};

const types = toTypes(receiptType);

/**
 * Makes a signer of receipts (EIP-712) for the hot path.
 *
 * @param parameters - Where the channels live, and who signs: an account of `createFastAccount` takes a tenth of the
 * time.
 * @returns The signer.
 * @throws {InvalidFieldError} when the address or the chain's id is malformed.
 * @example
 * import { createFastAccount, createReceiptSigner } from "subfen/server";
 * import { generatePrivateKey } from "viem/accounts";
 *
 * const channels = { contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", chainId: 31337 };
 * const account = await createFastAccount({ privateKey: generatePrivateKey() });
 * const signer = await createReceiptSigner({ ...channels, account });
 */
export async function createReceiptSigner(
  parameters: createReceiptSigner.Parameters,
): Promise<createReceiptSigner.ReturnType> {
  const { account, contract, chainId } = parameters;
  const hash = await createStatementHasher({ contract, chainId, type: receiptType });
  return {
    address: account.address,
    sign(receipt) {
      if (!("signDigest" in account)) return signReceipt({ account, contract, chainId, ...receipt });
      assertMessage({ types, primaryType: "Receipt", message: receipt });
      return account.signDigest(hash(receipt));
    },
  };
}

export declare namespace createReceiptSigner {
  type Parameters = ChannelsLocation & { account: SigningAccount | FastAccount };
  type ReturnType = ReceiptSigner;
  type ErrorType = InvalidFieldError | InvalidSignatureError;
}
