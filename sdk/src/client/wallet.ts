import type { Account, Address, Hex, NonceManager } from "viem";

import { getBlock, getChainId, getTransaction, getTransactionCount } from "../chain/actions.ts";
import { type Channel, getChannel } from "../chain/channels.ts";
import { InsufficientTokensError, WrongChainError } from "../chain/errors.ts";
import { openChannel, topUpChannel } from "../chain/fundChannel.ts";
import { requireKnownContract } from "../chain/knownContracts.ts";
import { approveToken, getTokenBalance, getTokenDomain, isAuthorizationUsed } from "../chain/token.ts";
import { type ChainClient, confirmTransaction } from "../chain/write.ts";
import {
  openAuthorizationNonce,
  signReceiveWithAuthorization,
  topUpAuthorizationNonce,
} from "../protocol/receiveWithAuthorization.ts";
import type { Terms } from "../protocol/terms.ts";
import type { Domain } from "../protocol/domain.ts";
import { chargeAuthorizationNonce, signTransferWithAuthorization } from "../protocol/transferWithAuthorization.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import { createTurns } from "../turns.ts";
import type { Challenge } from "../wire/challenge.ts";
import type { ChargePayload, ChargeRequest } from "../wire/charge.ts";
import type { Funding, SessionRequest } from "../wire/session.ts";

/** Seconds for which a seller may send an authorization. */
const authorizationLifetime = 600;

type Authorized = Extract<Funding, { type: "authorization" }>;

/** What a paying client does on the chain. */
export type Wallet = {
  readonly account: SigningAccount;
  readonly client: ChainClient;
  /** Makes sure that the client is on this chain. */
  requireChain(chainId: number): Promise<void>;
  /** Makes sure that money asked for by this challenge goes to code that is known, on the client's chain. */
  requireSafe(request: SessionRequest): Promise<void>;
  /** @returns The account's base units of the token, at least `needed`. */
  requireBalance(token: Address, needed: bigint): Promise<bigint>;
  /** Signs the opening of a channel for the seller to send. */
  authorizeOpening(request: SessionRequest, terms: Terms, deposit: bigint): Promise<Authorized>;
  /** The same for a top-up. */
  authorizeTopUp(request: SessionRequest, channelId: Hex, amount: bigint, salt: Hex): Promise<Authorized>;
  /** Signs a transfer to the seller that answers a challenge. */
  authorizeCharge(request: ChargeRequest, challenge: Challenge): Promise<ChargePayload>;
  /** @returns Whether the account's authorization with this nonce was carried out or cancelled. */
  isAuthorizationUsed(token: Address, nonce: Hex): Promise<boolean>;
  /** Lets the contract take the amount. */
  approve(request: SessionRequest, amount: bigint): Promise<void>;
  /** Sends the opening of a channel itself, for a seller that does not. @returns The transaction, not yet mined. */
  sendOpening(contract: Address, terms: Terms, deposit: bigint, nonce: number): Promise<Hex>;
  /** The same for a top-up. */
  sendTopUp(contract: Address, terms: Terms, amount: bigint, nonce: number): Promise<Hex>;
  /** Does one piece of work at a time: the nonce it counted is free when it sends, what it found nobody else takes. */
  inTurn<value>(work: () => Promise<value>): Promise<value>;
  /** @returns How many transactions of the sender are mined, and how many are on their way as well. */
  countSent(): Promise<{ mined: number; all: number }>;
  /** @returns Whether the node knows this transaction, mined or not. */
  isKnown(hash: Hex): Promise<boolean>;
  /** @returns The chain's own clock, in Unix seconds. */
  chainTime(): Promise<bigint>;
  readChannel(contract: Address, channelId: Hex): Promise<Channel>;
};

/** Makes the wallet of a paying client. `trustedContracts` are used whatever code they have. */
export function createWallet(
  account: SigningAccount,
  client: ChainClient,
  trustedContracts: readonly Address[],
): Wallet {
  const domains = new Map<Address, Domain>();
  // A local account sends by itself, a client's account through its wallet.
  const sender = "signTransaction" in account ? (account as unknown as Account) : client.account;

  async function requireChain(expected: number): Promise<void> {
    const chainId = await getChainId(client);
    if (chainId !== expected) throw new WrongChainError(chainId, expected);
  }

  async function requireToken(token: Address, chainId: number): Promise<void> {
    await requireKnownContract(client, { address: token, contract: "MockDigitalYuan", trustedContracts, chainId });
  }

  async function domainOf(token: Address, chainId: number): Promise<Domain> {
    const domain = domains.get(token) ?? (await getTokenDomain(client, { token, chainId }));
    domains.set(token, domain);
    return domain;
  }

  async function authorize(request: SessionRequest, value: bigint, nonce: Hex): Promise<Authorized> {
    const { currency: token, escrowContract: to, chainId } = request;
    const domain = await domainOf(token, chainId);
    const validBefore = BigInt(Math.floor(Date.now() / 1000) + authorizationLifetime);
    // Valid at once: a clock that is ahead of the chain's must not make it fail.
    const authorization = { from: account.address, to, value, validAfter: 0n, validBefore, nonce };
    const signature = await signReceiveWithAuthorization({ account, domain, ...authorization });
    return { type: "authorization", authorization, signature };
  }

  return {
    account,
    client,

    requireChain,

    async requireSafe({ escrowContract: address, currency, chainId }) {
      await requireChain(chainId);
      await requireKnownContract(client, { address, contract: "PaymentChannels", trustedContracts, chainId });
      await requireToken(currency, chainId);
    },

    async requireBalance(token, needed) {
      const balance = await getTokenBalance(client, { token, account: account.address });
      if (balance < needed) throw new InsufficientTokensError(account.address, token, balance, needed);
      return balance;
    },

    authorizeOpening: (request, terms, deposit) => authorize(request, deposit, openAuthorizationNonce(terms)),

    authorizeTopUp(request, channelId, amount, salt) {
      const binding = { channelId, additionalDeposit: amount, from: account.address, topUpSalt: salt };
      return authorize(request, amount, topUpAuthorizationNonce(binding));
    },

    async authorizeCharge({ amount: value, currency: token, recipient: to, chainId }, challenge) {
      await requireChain(chainId);
      await requireToken(token, chainId);
      const domain = await domainOf(token, chainId);
      const nonce = chargeAuthorizationNonce(challenge);
      const validBefore = BigInt(Math.floor(Date.parse(challenge.expires ?? "") / 1000));
      const authorization = { from: account.address, to, value, validAfter: 0n, validBefore, nonce };
      return {
        ...authorization,
        signature: await signTransferWithAuthorization({ account, domain, ...authorization }),
      };
    },

    isAuthorizationUsed: (token, nonce) => isAuthorizationUsed(client, { token, authorizer: account.address, nonce }),

    async approve({ currency: token, escrowContract: spender }, amount) {
      const hash = await approveToken(client, { token, spender, amount, account: sender, trustedContracts });
      await confirmTransaction(client, { hash });
    },

    sendOpening: (contract, terms, deposit, nonce) =>
      openChannel(client, { contract, terms, deposit, account: withNonce(sender, nonce), trustedContracts }),

    sendTopUp: (contract, terms, additionalDeposit, nonce) =>
      topUpChannel(client, { contract, terms, additionalDeposit, account: withNonce(sender, nonce), trustedContracts }),

    inTurn: createTurns(),

    async countSent() {
      const { address } = sender ?? account;
      // In this order, so that one that is mined in between is not taken for a new one.
      const mined = await getTransactionCount(client, { address, blockTag: "latest" });
      return { mined, all: await getTransactionCount(client, { address, blockTag: "pending" }) };
    },

    async isKnown(hash) {
      try {
        await getTransaction(client, { hash });
        return true;
      } catch (error) {
        if ((error as Error).name === "TransactionNotFoundError") return false;
        throw error;
      }
    },

    chainTime: async () => (await getBlock(client)).timestamp,

    readChannel: (contract, channelId) => getChannel(client, { contract, channelId }),
  };
}

/** The account with one nonce for whatever it sends. A wallet that holds the key itself counts itself too. */
function withNonce(account: Account | undefined, nonce: number): Account | undefined {
  if (account?.type !== "local") return account;
  const nonceManager: NonceManager = {
    consume: async () => nonce,
    get: async () => nonce,
    increment: () => undefined,
    reset: () => undefined,
  };
  return { ...account, nonceManager };
}

/** Whether the seller sends funding transactions for an authorization. */
export function isRelayed(request: SessionRequest): boolean {
  return request.feePayer && request.credentialTypes.includes("authorization");
}
