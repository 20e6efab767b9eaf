import type { Account, Address, Hex } from "viem";
import { parseAbi } from "viem/utils";

import { SubfenError } from "../errors.ts";
import { type Domain, hashDomain } from "../protocol/domain.ts";
import { mockDigitalYuanAbi } from "./abis/mockDigitalYuanAbi.ts";
import { readContract } from "./actions.ts";
import { requireKnownContract } from "./knownContracts.ts";
import { type ChainClient, simulateAndWrite } from "./write.ts";

const domainAbi = parseAbi([
  "function eip712Domain() view returns (bytes1 fields, string name, string version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] extensions)",
  "function DOMAIN_SEPARATOR() view returns (bytes32)",
  "function name() view returns (string)",
  "function version() view returns (string)",
]);

/** A token's EIP-712 domain cannot be told, so nothing can be signed for it. */
export class TokenDomainError extends SubfenError {
  override readonly name = "TokenDomainError";

  constructor(token: Address, reason: string, cause?: unknown) {
    super(`The EIP-712 domain of token ${token} cannot be told: ${reason}.`, {
      code: "token-domain",
      metaMessages: ["It cannot be paid by EIP-3009 authorizations; open the channel by a transaction instead."],
      cause,
    });
  }
}

/**
 * Reads the domain in which a token's authorizations are signed, from the token itself: by ERC-5267, or by name and
 * version checked against its domain separator.
 *
 * @param client - A viem client.
 * @param parameters - The token and the chain's id.
 * @returns The domain.
 * @throws {TokenDomainError} when the token tells none, or one that is not its own.
 */
export async function getTokenDomain(
  client: ChainClient,
  parameters: { token: Address; chainId: number },
): Promise<Domain> {
  const { token, chainId } = parameters;
  const contract = { address: token, abi: domainAbi } as const;
  try {
    const [name, version] = await readContract(client, { ...contract, functionName: "eip712Domain" }).then(
      ([, ...domain]) => domain,
      () =>
        Promise.all([
          readContract(client, { ...contract, functionName: "name" }),
          readContract(client, { ...contract, functionName: "version" }),
        ]),
    );
    const domain: Domain = { name, version, chainId, verifyingContract: token };
    const separator = await readContract(client, { ...contract, functionName: "DOMAIN_SEPARATOR" });
    if (separator !== hashDomain(domain)) throw new TokenDomainError(token, "its separator is another domain's");
    return domain;
  } catch (cause) {
    if (cause instanceof TokenDomainError) throw cause;
    throw new TokenDomainError(token, "it does not answer", cause);
  }
}

/**
 * Reads a balance.
 *
 * @param client - A viem client.
 * @param parameters - The token and the account.
 * @returns Base units.
 */
export async function getTokenBalance(
  client: ChainClient,
  parameters: { token: Address; account: Address },
): Promise<bigint> {
  return readContract(client, {
    address: parameters.token,
    abi: mockDigitalYuanAbi,
    functionName: "balanceOf",
    args: [parameters.account],
  });
}

/**
 * Tells whether an EIP-3009 authorization was carried out or cancelled.
 *
 * @param client - A viem client.
 * @param parameters - The token, who signed, and the authorization's nonce.
 * @returns `true` if its nonce is used at the newest block.
 */
export async function isAuthorizationUsed(
  client: ChainClient,
  parameters: { token: Address; authorizer: Address; nonce: Hex },
): Promise<boolean> {
  return readContract(client, {
    address: parameters.token,
    abi: mockDigitalYuanAbi,
    functionName: "authorizationState",
    args: [parameters.authorizer, parameters.nonce],
  });
}

/**
 * Lets the channel contract or the escrow take tokens from the sender.
 *
 * @param client - A viem client with the owner's account.
 * @param parameters - The token, the spender and the base units; 0 takes the allowance back, whoever the spender is.
 * @returns The hash of the transaction.
 * @throws {UnknownContractError} when the spender is not one that is known, nor named in `trustedContracts`.
 * @throws {ContractRefusedError} when the token refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function approveToken(
  client: ChainClient,
  parameters: {
    token: Address;
    spender: Address;
    amount: bigint;
    account?: Account | undefined;
    /** Spenders to use although their code is not known to this package. */
    trustedContracts?: readonly Address[] | undefined;
  },
): Promise<Hex> {
  const { spender, amount, trustedContracts } = parameters;
  if (amount > 0n) {
    const contract = ["PaymentChannels", "TaskEscrow"] as const;
    await requireKnownContract(client, { address: spender, contract, trustedContracts });
  }
  return simulateAndWrite(client, {
    address: parameters.token,
    abi: mockDigitalYuanAbi,
    functionName: "approve",
    args: [spender, amount],
    account: parameters.account,
  });
}
