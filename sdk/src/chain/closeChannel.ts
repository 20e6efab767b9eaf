import type { Hex } from "viem";

import type { Terms } from "../protocol/terms.ts";
import { callChannels, type Sending } from "./callChannels.ts";
import type { Claim, PayeeAuthorization } from "./settleChannel.ts";
import type { ChainClient } from "./write.ts";

/**
 * Captures the claim's amount, refunds the rest and ends the channel.
 *
 * @param client - A viem client with the payee's account.
 * @param parameters - The contract and the claim. At the settled amount the statement is ignored.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function closeChannel(client: ChainClient, parameters: Sending<{ claim: Claim }>): Promise<Hex> {
  return callChannels(client, parameters, "close", [parameters.claim]);
}

/**
 * Starts the grace period after which the payer gets the rest back without the payee.
 *
 * @param client - A viem client with the payer's account.
 * @param parameters - The contract and the terms.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function requestCloseChannel(client: ChainClient, parameters: Sending<{ terms: Terms }>): Promise<Hex> {
  return callChannels(client, parameters, "requestClose", [parameters.terms]);
}

/**
 * Refunds what is not settled to the payer and ends the channel, once the grace period has passed. Anybody may send it.
 *
 * @param client - A viem client with any account.
 * @param parameters - The contract and the terms.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function withdrawChannel(client: ChainClient, parameters: Sending<{ terms: Terms }>): Promise<Hex> {
  return callChannels(client, parameters, "withdraw", [parameters.terms]);
}

/**
 * As `closeChannel`, sent by anybody with the payee's authorization.
 *
 * @param client - A viem client with the relayer's account.
 * @param parameters - The contract, the claim and the payee's authorization.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function closeChannelWithAuthorization(
  client: ChainClient,
  parameters: Sending<{ claim: Claim; authorization: PayeeAuthorization }>,
): Promise<Hex> {
  const { claim, authorization } = parameters;
  const { nonce, deadline, signature } = authorization;
  return callChannels(client, parameters, "closeWithAuthorization", [claim, nonce, deadline, signature]);
}

/**
 * As `requestCloseChannel`, sent by anybody with the payer's signature, so that a payer without gas can leave.
 *
 * @param client - A viem client with the relayer's account.
 * @param parameters - The contract, the terms, and `signCloseRequest`'s signature with its deadline (Unix time in
 * seconds, the last at which it is good).
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function requestCloseChannelWithAuthorization(
  client: ChainClient,
  parameters: Sending<{ terms: Terms; deadline: bigint; signature: Hex }>,
): Promise<Hex> {
  const { terms, deadline, signature } = parameters;
  return callChannels(client, parameters, "requestCloseWithAuthorization", [terms, deadline, signature]);
}
