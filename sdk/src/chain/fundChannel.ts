import type { Address, Hex } from "viem";

import type { Terms } from "../protocol/terms.ts";
import { callChannels, type Funding, type Sending } from "./callChannels.ts";
import { requireKnownContract } from "./knownContracts.ts";
import type { ChainClient } from "./write.ts";

/**
 * Opens a channel from the sender's own tokens. Needs an allowance to the contract: see `approveToken`.
 *
 * @param client - A viem client with the payer's account.
 * @param parameters - The contract, the terms without the payer, which is the sender, and the deposit in base units.
 * @returns The hash of the transaction.
 * @throws {UnknownContractError} when the contract is not one that is known, nor named in `trustedContracts`.
 * @throws {ContractRefusedError} when the contract or the token refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function openChannel(
  client: ChainClient,
  parameters: Funding<{ terms: Omit<Terms, "payer">; deposit: bigint }>,
): Promise<Hex> {
  const { contract: address, trustedContracts } = parameters;
  await requireKnownContract(client, { address, contract: "PaymentChannels", trustedContracts });
  const { payee, token, salt, authorizedSigner } = parameters.terms;
  return callChannels(client, parameters, "open", [payee, token, parameters.deposit, salt, authorizedSigner]);
}

/**
 * Opens a channel by the payer's EIP-3009 authorization; anybody may send it.
 *
 * @param client - A viem client with the relayer's account.
 * @param parameters - The contract, the terms, the deposit in base units and the payer's authorization. Its nonce is
 * `openAuthorizationNonce(terms)`, its times are in seconds.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract or the token refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function openChannelWithAuthorization(
  client: ChainClient,
  parameters: Sending<{
    terms: Terms;
    deposit: bigint;
    authorization: { validAfter: bigint; validBefore: bigint; nonce: Hex };
    signature: Hex;
  }>,
): Promise<Hex> {
  const { terms, deposit, authorization, signature } = parameters;
  return callChannels(client, parameters, "openWithAuthorization", [
    terms.payee,
    terms.token,
    deposit,
    terms.salt,
    terms.authorizedSigner,
    terms.payer,
    authorization.validAfter,
    authorization.validBefore,
    authorization.nonce,
    signature,
  ]);
}

/**
 * Adds to a channel's deposit from the payer's own tokens; takes a pending request to close back.
 *
 * @param client - A viem client with the payer's account.
 * @param parameters - The contract, the terms and the base units to add.
 * @returns The hash of the transaction.
 * @throws {UnknownContractError} when the contract is not one that is known, nor named in `trustedContracts`.
 * @throws {ContractRefusedError} when the contract or the token refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function topUpChannel(
  client: ChainClient,
  parameters: Funding<{ terms: Terms; additionalDeposit: bigint }>,
): Promise<Hex> {
  const { contract: address, trustedContracts } = parameters;
  await requireKnownContract(client, { address, contract: "PaymentChannels", trustedContracts });
  return callChannels(client, parameters, "topUp", [parameters.terms, parameters.additionalDeposit]);
}

/**
 * Adds to a channel's deposit by an EIP-3009 authorization; anybody may send it.
 *
 * @param client - A viem client with the relayer's account.
 * @param parameters - The contract, the terms, the base units to add and the authorization of `from`. Its nonce is
 * `topUpAuthorizationNonce(...)`, its times are in seconds.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract or the token refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function topUpChannelWithAuthorization(
  client: ChainClient,
  parameters: Sending<{
    terms: Terms;
    additionalDeposit: bigint;
    topUpSalt: Hex;
    authorization: { from: Address; validAfter: bigint; validBefore: bigint; nonce: Hex };
    signature: Hex;
  }>,
): Promise<Hex> {
  const { terms, additionalDeposit, topUpSalt, authorization, signature } = parameters;
  return callChannels(client, parameters, "topUpWithAuthorization", [
    terms,
    additionalDeposit,
    authorization.from,
    topUpSalt,
    authorization.validAfter,
    authorization.validBefore,
    authorization.nonce,
    signature,
  ]);
}
