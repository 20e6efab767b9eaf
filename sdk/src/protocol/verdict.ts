import type { Address, Hex } from "viem";

import type { InvalidFieldError } from "./assertField.ts";
import type { Domain } from "./domain.ts";
import {
  hashTypedMessage,
  type SignErrorType,
  type SigningAccount,
  signTypedMessage,
  type TypedMessage,
  verifyTypedMessage,
} from "./typedMessage.ts";

/** The EIP-712 type of a verdict; its domain is that of the AttestationCondition that will read it. */
export const verdictType =
  "Verdict(bytes32 paymentId,bytes32 specHash,bytes32 deliverableHash,uint128 amount,uint64 issuedAt)";

/** An evaluator's word on one payment: how much of it the deliverable is worth. The first one is final. */
export type Verdict = {
  /** See `computePaymentId`; the task's id in the escrow. */
  paymentId: Hex;
  /** Digest of what was asked for. */
  specHash: Hex;
  /** Digest of what was delivered. */
  deliverableHash: Hex;
  /** What is due, in base units; 0 is a verdict too. */
  amount: bigint;
  /** Unix time of the verdict, in seconds; it counts up to the condition's `judgeBy`. */
  issuedAt: bigint;
};

/** Where verdicts are read. */
export type AttestationLocation = {
  /** AttestationCondition. */
  condition: Address;
  /** EIP-155 id of the chain it stands on. */
  chainId: number;
};

/**
 * The EIP-712 domain of AttestationCondition.
 *
 * @param parameters - The address of AttestationCondition and the chain's id.
 * @returns Name "subfen AttestationCondition", version "1", chain and contract.
 * @example
 * import { attestationDomain } from "subfen";
 *
 * attestationDomain({ condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0", chainId: 31337 });
 */
export function attestationDomain(parameters: attestationDomain.Parameters): attestationDomain.ReturnType {
  const { condition, chainId } = parameters;
  return { name: "subfen AttestationCondition", version: "1", chainId, verifyingContract: condition };
}

export declare namespace attestationDomain {
  type Parameters = AttestationLocation;
  type ReturnType = Domain;
}

/**
 * Computes what is signed for a verdict (EIP-712).
 *
 * @param parameters - Where the verdict is read, and the verdict: `amount` in base units, `issuedAt` in Unix seconds.
 * @returns The digest, 32 bytes.
 * @throws {InvalidFieldError} when a field is malformed, `amount` needs more than 128 bits or `issuedAt` more than 64.
 * @example
 * import { hashVerdict } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 *
 * hashVerdict({
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   chainId: 31337,
 *   paymentId: keccak256(stringToHex("a payment")),
 *   specHash: keccak256(stringToHex("a specification")),
 *   deliverableHash: keccak256(stringToHex("a deliverable")),
 *   amount: 1_000n,
 *   issuedAt: 1_800_000_000n,
 * });
 */
export function hashVerdict(parameters: hashVerdict.Parameters): hashVerdict.ReturnType {
  return hashTypedMessage(toTypedMessage(parameters));
}

export declare namespace hashVerdict {
  type Parameters = AttestationLocation & Verdict;
  type ReturnType = Hex;
  type ErrorType = InvalidFieldError;
}

/**
 * Signs a verdict (EIP-712). An evaluator signs one verdict for a payment and keeps a durable record of it: two
 * different ones let the claimant choose.
 *
 * @param parameters - The evaluator, and the verdict as in {@link hashVerdict}.
 * @returns The signature, 65 bytes, low s, v 27 or 28.
 * @throws {InvalidFieldError} when a field is malformed or too large; nothing is signed.
 * @throws {InvalidSignatureError} when the account returns something that is no plain ECDSA signature.
 * @example
 * import { signVerdict } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const signature = await signVerdict({
 *   account: privateKeyToAccount(generatePrivateKey()),
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   chainId: 31337,
 *   paymentId: keccak256(stringToHex("a payment")),
 *   specHash: keccak256(stringToHex("a specification")),
 *   deliverableHash: keccak256(stringToHex("a deliverable")),
 *   amount: 1_000n,
 *   issuedAt: 1_800_000_000n,
 * });
 */
export async function signVerdict(parameters: signVerdict.Parameters): Promise<signVerdict.ReturnType> {
  return signTypedMessage({ ...toTypedMessage(parameters), account: parameters.account });
}

export declare namespace signVerdict {
  type Parameters = hashVerdict.Parameters & {
    /** The evaluator: a plain key, since the condition checks ECDSA only. */
    account: SigningAccount;
  };
  type ReturnType = Hex;
  type ErrorType = SignErrorType;
}

/**
 * Checks a verdict's signature by ECDSA, as the condition does. Whether the evaluator is one that counts, and the
 * verdict is about the right specification and in time, is the caller's part.
 *
 * @param parameters - The verdict as in {@link hashVerdict}, its signature and whose it should be.
 * @returns `true` if `signer` made this signature in its one accepted form (65 bytes, low s, v 27 or 28).
 * @throws {InvalidFieldError} when a field other than the signature is malformed.
 * @example
 * import { signVerdict, verifyVerdict } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const account = privateKeyToAccount(generatePrivateKey());
 * const verdict = {
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   chainId: 31337,
 *   paymentId: keccak256(stringToHex("a payment")),
 *   specHash: keccak256(stringToHex("a specification")),
 *   deliverableHash: keccak256(stringToHex("a deliverable")),
 *   amount: 1_000n,
 *   issuedAt: 1_800_000_000n,
 * };
 * const signature = await signVerdict({ ...verdict, account });
 * await verifyVerdict({ ...verdict, signature, signer: account.address }); // true
 */
export async function verifyVerdict(parameters: verifyVerdict.Parameters): Promise<verifyVerdict.ReturnType> {
  const { signature, signer } = parameters;
  return verifyTypedMessage({ ...toTypedMessage(parameters), signature, signer });
}

export declare namespace verifyVerdict {
  type Parameters = hashVerdict.Parameters & { signature: Hex; signer: Address };
  type ReturnType = boolean;
  type ErrorType = InvalidFieldError;
}

function toTypedMessage(parameters: hashVerdict.Parameters): TypedMessage {
  const { condition, chainId, paymentId, specHash, deliverableHash, amount, issuedAt } = parameters;
  return {
    domain: attestationDomain({ condition, chainId }),
    type: verdictType,
    message: { paymentId, specHash, deliverableHash, amount, issuedAt },
  };
}
