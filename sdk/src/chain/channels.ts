import type { Account, Address, Hex } from "viem";
import { readContract } from "viem/actions";

import { channelsDomain, hashDomain } from "../protocol/domain.ts";
import type { Terms } from "../protocol/terms.ts";
import { paymentChannelsAbi } from "./abis/paymentChannelsAbi.ts";
import { type ChainClient, simulateAndWrite } from "./write.ts";

/** A channel as the contract stores it. Amounts in base units. */
export type Channel = {
  readonly deposit: bigint;
  /** The total captured by the payee. */
  readonly settled: bigint;
  /** Unix time in seconds; 0 while no request to close is pending. */
  readonly closeRequestedAt: number;
  readonly finalized: boolean;
};

/** A statement and the total to capture by it. */
export type Claim = {
  readonly terms: Terms;
  /** Base units captured in all once the claim is accepted. */
  readonly amount: bigint;
  /** Base units the statement allows in all. */
  readonly cumulativeAmount: bigint;
  readonly signature: Hex;
};

type OnContract<parameters = unknown> = parameters & {
  /** The channel contract. */
  contract: Address;
};

/** Parameters of an action that sends a transaction; `account` replaces the client's own. */
type Sending<parameters> = OnContract<parameters> & { account?: Account | undefined };

/**
 * Reads a channel.
 *
 * @param client - A viem client.
 * @param parameters - The contract and the channel's id.
 * @returns The channel; all zeros when there is none with this id.
 * @example
 * const { deposit, settled } = await getChannel(client, { contract, channelId });
 */
export async function getChannel(client: ChainClient, parameters: OnContract<{ channelId: Hex }>): Promise<Channel> {
  return readContract(client, {
    address: parameters.contract,
    abi: paymentChannelsAbi,
    functionName: "getChannel",
    args: [parameters.channelId],
  });
}

/**
 * Reads many channels at once.
 *
 * @param client - A viem client.
 * @param parameters - The contract and the ids.
 * @returns The channels in the order of the ids; all zeros where there is none.
 */
export async function getChannels(
  client: ChainClient,
  parameters: OnContract<{ channelIds: readonly Hex[] }>,
): Promise<readonly Channel[]> {
  return readContract(client, {
    address: parameters.contract,
    abi: paymentChannelsAbi,
    functionName: "getChannels",
    args: [parameters.channelIds],
  });
}

/**
 * Reads the grace period between a request to close and the withdrawal.
 *
 * @param client - A viem client.
 * @param parameters - The contract.
 * @returns Seconds.
 */
export async function getCloseGracePeriod(client: ChainClient, parameters: OnContract): Promise<number> {
  return readContract(client, {
    address: parameters.contract,
    abi: paymentChannelsAbi,
    functionName: "CLOSE_GRACE_PERIOD",
  });
}

/**
 * Tells whether the contract signs in the domain it should: what is signed for it off chain is good there.
 *
 * @param client - A viem client.
 * @param parameters - The contract and the chain's id.
 * @returns `true` if its EIP-712 domain separator is the expected one.
 */
export async function hasExpectedDomain(
  client: ChainClient,
  parameters: OnContract<{ chainId: number }>,
): Promise<boolean> {
  const separator = await readContract(client, {
    address: parameters.contract,
    abi: paymentChannelsAbi,
    functionName: "domainSeparator",
  });
  return separator === hashDomain(channelsDomain(parameters));
}

/**
 * Opens a channel from the sender's own tokens. Needs an allowance to the contract: see `approveToken`.
 *
 * @param client - A viem client with the payer's account.
 * @param parameters - The contract, the terms without the payer, which is the sender, and the deposit in base units.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract or the token refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function openChannel(
  client: ChainClient,
  parameters: Sending<{ terms: Omit<Terms, "payer">; deposit: bigint }>,
): Promise<Hex> {
  const { payee, token, salt, authorizedSigner } = parameters.terms;
  return send(client, parameters, "open", [payee, token, parameters.deposit, salt, authorizedSigner]);
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
  return send(client, parameters, "openWithAuthorization", [
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
 * @throws {ContractRefusedError} when the contract or the token refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function topUpChannel(
  client: ChainClient,
  parameters: Sending<{ terms: Terms; additionalDeposit: bigint }>,
): Promise<Hex> {
  return send(client, parameters, "topUp", [parameters.terms, parameters.additionalDeposit]);
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
  return send(client, parameters, "topUpWithAuthorization", [
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
  return send(client, parameters, "settle", [parameters.claim]);
}

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
  return send(client, parameters, "close", [parameters.claim]);
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
  return send(client, parameters, "requestClose", [parameters.terms]);
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
  return send(client, parameters, "withdraw", [parameters.terms]);
}

function send(
  client: ChainClient,
  { contract, account }: Sending<unknown>,
  functionName: string,
  args: readonly unknown[],
): Promise<Hex> {
  return simulateAndWrite(client, { address: contract, abi: paymentChannelsAbi, functionName, args, account });
}
