import type { Address, Hex } from "viem";
import { hashStruct } from "viem/utils";

import { SubfenError } from "../errors.ts";
import { assertField, type InvalidFieldError } from "./assertField.ts";
import { channelsDomain, type ChannelsLocation } from "./domain.ts";
import { hashFields } from "./hashFields.ts";
import {
  assertMessage,
  hashTypedMessage,
  type SignErrorType,
  type SigningAccount,
  signTypedMessage,
  toTypes,
  type TypedMessage,
  verifyTypedMessage,
} from "./typedMessage.ts";

/** The EIP-712 type of one conditional payment. */
export const conditionalPaymentType =
  "ConditionalPayment(bytes32 ref,address condition,bytes32 parametersHash,uint128 amount)";

/** The EIP-712 type of a conditional voucher. */
export const conditionalVoucherType = `ConditionalVoucher(bytes32 channelId,uint128 cumulativeAmount,ConditionalPayment[] payments)${conditionalPaymentType}`;

/** A payment that is owed once evidence meets a condition. */
export type ConditionalPayment = {
  /** 32 bytes that name the payment within its channel; used once. */
  ref: Hex;
  /** The contract that says how much is due. */
  condition: Address;
  /** keccak256 of the condition's parameters. */
  parametersHash: Hex;
  /** The most that can become due, in base units. */
  amount: bigint;
};

/** A statement of the total owed so far in one channel, and of everything that may still become due. */
export type ConditionalVoucher = {
  channelId: Hex;
  /** Everything owed without a condition since the channel was opened, in base units. */
  cumulativeAmount: bigint;
  /** Everything outstanding, strictly ascending by `ref`. */
  payments: readonly ConditionalPayment[];
};

/** Payments that are not strictly ascending by `ref`: the contract refuses such a statement for good. */
export class PaymentOrderError extends SubfenError {
  override readonly name = "PaymentOrderError";
  declare readonly code: "payments-not-ascending";
  /** Place of the first payment that is not above the one before it, from 0. */
  readonly index: number;

  constructor(parameters: { index: number; ref: Hex; previousRef: Hex }) {
    const { index, ref, previousRef } = parameters;
    super("The payments of a conditional voucher must be strictly ascending by ref.", {
      code: "payments-not-ascending",
      metaMessages: [
        `Given: payments[${index}].ref ${ref}, not above payments[${index - 1}].ref ${previousRef}`,
        "Do: sort the payments by ref and use each ref once.",
      ],
    });
    this.index = index;
  }
}

/**
 * Computes the id under which conditions know a payment: `keccak256(abi.encode(channelId, ref))`. Evidence names it,
 * so evidence for one payment is worth nothing for another.
 *
 * @param parameters - The channel's id and the payment's ref.
 * @returns The id, 32 bytes.
 * @throws {InvalidFieldError} when one of them is not 32 bytes.
 * @example
 * import { computePaymentId } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * computePaymentId({ channelId: keccak256(stringToHex("a channel")), ref: keccak256(stringToHex("a payment")) });
 */
export function computePaymentId(parameters: computePaymentId.Parameters): computePaymentId.ReturnType {
  const { channelId, ref } = parameters;
  return hashFields({
    name: "Payment",
    fields: [
      ["bytes32", "channelId", channelId],
      ["bytes32", "ref", ref],
    ],
  });
}

export declare namespace computePaymentId {
  type Parameters = { channelId: Hex; ref: Hex };
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Hashes one conditional payment as EIP-712 hashes a struct: the entry of `paymentHashes` in a conditional claim.
 *
 * @param payment - The payment, amount in base units.
 * @returns The struct hash, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed or the amount needs more than 128 bits.
 * @example
 * import { hashConditionalPayment } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * hashConditionalPayment({
 *   ref: keccak256(stringToHex("a payment")),
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   parametersHash: keccak256("0x"),
 *   amount: 1_000n,
 * });
 */
export function hashConditionalPayment(payment: ConditionalPayment): hashConditionalPayment.ReturnType {
  const types = toTypes(conditionalPaymentType);
  const primaryType = "ConditionalPayment";
  assertMessage({ types, primaryType, message: payment });
  return hashStruct({ data: payment, primaryType, types });
}

export declare namespace hashConditionalPayment {
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Computes what is signed for a conditional voucher (EIP-712).
 *
 * @param parameters - Where the channel lives, its id, the total owed without a condition and the outstanding
 *   payments, amounts in base units.
 * @returns The digest, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed or an amount needs more than 128 bits.
 * @throws {PaymentOrderError} when the payments are not strictly ascending by `ref`.
 * @example
 * import { hashConditionalVoucher } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * hashConditionalVoucher({
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   cumulativeAmount: 5_000n,
 *   payments: [
 *     {
 *       ref: keccak256(stringToHex("a payment")),
 *       condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *       parametersHash: keccak256("0x"),
 *       amount: 1_000n,
 *     },
 *   ],
 * });
 */
export function hashConditionalVoucher(
  parameters: hashConditionalVoucher.Parameters,
): hashConditionalVoucher.ReturnType {
  return hashTypedMessage(toTypedMessage(parameters));
}

export declare namespace hashConditionalVoucher {
  type Parameters = ChannelsLocation & ConditionalVoucher;
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError | PaymentOrderError;
}

/**
 * Signs a conditional voucher (EIP-712): from then on the signer owes up to `cumulativeAmount` and all payment amounts
 * together, whatever is signed later.
 *
 * @param parameters - The signer, and the statement as in {@link hashConditionalVoucher}.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed or an amount needs more than 128 bits; nothing is signed.
 * @throws {PaymentOrderError} when the payments are not strictly ascending by `ref`; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { signConditionalVoucher } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const signature = await signConditionalVoucher({
 *   account: privateKeyToAccount(generatePrivateKey()),
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   cumulativeAmount: 5_000n,
 *   payments: [],
 * });
 */
export async function signConditionalVoucher(
  parameters: signConditionalVoucher.Parameters,
): Promise<signConditionalVoucher.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signConditionalVoucher {
  type Parameters = hashConditionalVoucher.Parameters & {
    /** The payer or the channel's `authorizedSigner`. */
    account: SigningAccount;
  };
  type ReturnType = Hex;
  type ErrorType = SignErrorType | PaymentOrderError;
}

/**
 * Checks a conditional voucher's signature by ECDSA alone.
 *
 * @param parameters - The statement as in {@link hashConditionalVoucher}, its signature and whose it should be.
 * @returns `true` if `signer` made this signature in its one accepted form (65 bytes, low s, v 27 or 28).
 * @throws {InvalidFieldError} when a field other than the signature is malformed.
 * @throws {PaymentOrderError} when the payments are not strictly ascending by `ref`.
 * @example
 * import { signConditionalVoucher, verifyConditionalVoucher } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * const statement = {
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   cumulativeAmount: 5_000n,
 *   payments: [],
 * };
 * const signature = await signConditionalVoucher({ ...statement, account });
 * await verifyConditionalVoucher({ ...statement, signature, signer: account.address }); // true
 */
export async function verifyConditionalVoucher(
  parameters: verifyConditionalVoucher.Parameters,
): Promise<verifyConditionalVoucher.ReturnType> {
  const { signature, signer } = parameters;
  return verifyTypedMessage({ ...toTypedMessage(parameters), signature, signer });
}

export declare namespace verifyConditionalVoucher {
  type Parameters = hashConditionalVoucher.Parameters & {
    signature: Hex;
    /** Who must have signed: see `voucherSigner`. */
    signer: Address;
  };
  type ReturnType = boolean;
  type ErrorType = InvalidFieldError | PaymentOrderError;
}

function toTypedMessage(parameters: hashConditionalVoucher.Parameters): TypedMessage {
  const { contract, chainId, channelId, cumulativeAmount, payments } = parameters;
  let previousRef: Hex | undefined;
  for (const [index, { ref }] of payments.entries()) {
    assertField({ field: "ConditionalPayment.ref", type: "bytes32", value: ref });
    if (previousRef !== undefined && BigInt(ref) <= BigInt(previousRef))
      throw new PaymentOrderError({ index, ref, previousRef });
    previousRef = ref;
  }
  return {
    domain: channelsDomain({ contract, chainId }),
    type: conditionalVoucherType,
    message: { channelId, cumulativeAmount, payments },
  };
}
