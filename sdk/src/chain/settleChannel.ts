import type { Address, Hex } from "viem";

import { toCompactSignature } from "../protocol/signature.ts";
import type { Terms } from "../protocol/terms.ts";
import { callChannels, type Sending } from "./callChannels.ts";
import type { ChainClient } from "./write.ts";

/** A statement and the total to capture by it. */
export type Claim = {
  readonly terms: Terms;
  /** Base units captured in all once the claim is accepted. */
  readonly amount: bigint;
  /** Base units the statement allows in all. */
  readonly cumulativeAmount: bigint;
  readonly signature: Hex;
};

/** The payee's leave for somebody else to send one claim. */
export type PayeeAuthorization = {
  /** Any number; signed, not stored. */
  readonly nonce: bigint;
  /** Unix time in seconds, the last at which it is good. */
  readonly deadline: bigint;
  /** `signSettleAuthorization` or `signCloseAuthorization` over the claim's amount. */
  readonly signature: Hex;
};

/**
 * Captures up to the claim's amount; what is new of it is paid to the payee.
 *
 * @param client - A viem client with the account of the payee or its operator.
 * @param parameters - The contract and the claim.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses, for example because nothing is gained.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function settleChannel(client: ChainClient, parameters: Sending<{ claim: Claim }>): Promise<Hex> {
  return callChannels(client, parameters, "settle", [parameters.claim]);
}

/**
 * As `settleChannel`, sent by anybody with the payee's authorization.
 *
 * @param client - A viem client with the relayer's account.
 * @param parameters - The contract, the claim and the payee's authorization.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function settleChannelWithAuthorization(
  client: ChainClient,
  parameters: Sending<{ claim: Claim; authorization: PayeeAuthorization }>,
): Promise<Hex> {
  const { claim, authorization } = parameters;
  const { nonce, deadline, signature } = authorization;
  return callChannels(client, parameters, "settleWithAuthorization", [claim, nonce, deadline, signature]);
}

/**
 * Settles many channels of one payee and token in one transaction, which pays once. A claim that is refused is left out
 * and told by a ClaimSkipped event.
 *
 * @param client - A viem client with the account of the payee or its operator.
 * @param parameters - The contract, the payee, the token and the claims, all by ECDSA signers.
 * @returns The hash of the transaction.
 * @throws {InvalidSignatureError} when a signature is malformed or has a high s, so that no batch could hold it.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function settleChannels(
  client: ChainClient,
  parameters: Sending<{ payee: Address; token: Address; claims: readonly Claim[] }>,
): Promise<Hex> {
  const { payee, token, claims } = parameters;
  return callChannels(client, parameters, "settleBatch", [payee, token, claims.map(toBatchClaim)]);
}

/**
 * Lets an operator settle for the sender, or stops it. The money still goes to the sender.
 *
 * @param client - A viem client with the payee's account.
 * @param parameters - The contract, the operator and whether it is allowed.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function setOperator(
  client: ChainClient,
  parameters: Sending<{ operator: Address; approved: boolean }>,
): Promise<Hex> {
  return callChannels(client, parameters, "setOperator", [parameters.operator, parameters.approved]);
}

function toBatchClaim({ terms, amount, cumulativeAmount, signature }: Claim) {
  const { payer, authorizedSigner, salt } = terms;
  return { payer, authorizedSigner, salt, amount, cumulativeAmount, ...toCompactSignature(signature) };
}
