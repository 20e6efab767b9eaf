import type { Account, Address, Hex } from "viem";

import { getChainId } from "../chain/actions.ts";
import { type Channel, getChannel, getCloseGracePeriod, hasExpectedDomain } from "../chain/channels.ts";
import { InsufficientTokensError, UnknownContractError, WrongChainError } from "../chain/errors.ts";
import { openChannel, topUpChannel } from "../chain/fundChannel.ts";
import { requireKnownContract } from "../chain/knownContracts.ts";
import { approveToken, getTokenBalance, getTokenDomain } from "../chain/token.ts";
import { type ChainClient, confirmTransaction } from "../chain/write.ts";
import {
  openAuthorizationNonce,
  signReceiveWithAuthorization,
  topUpAuthorizationNonce,
} from "../protocol/receiveWithAuthorization.ts";
import type { Terms } from "../protocol/terms.ts";
import type { Domain } from "../protocol/domain.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import type { Funding, SessionRequest } from "../wire/session.ts";

/** Seconds for which a seller may send an authorization. */
const authorizationLifetime = 600;
/** The longest grace period that PaymentChannels allows, in seconds. */
const maxGracePeriod = 30 * 24 * 3600;

/** What a paying client does on the chain. */
export type Wallet = {
  readonly account: SigningAccount;
  readonly client: ChainClient;
  /** Makes sure that money asked for by this challenge goes to code that is known, on the client's chain. */
  requireSafe(request: SessionRequest): Promise<void>;
  /** @returns The account's base units of the token, at least `needed`. */
  requireBalance(token: Address, needed: bigint): Promise<bigint>;
  /** Signs the opening of a channel, or sends it where the seller does not. */
  fundOpening(request: SessionRequest, terms: Terms, deposit: bigint): Promise<Funding>;
  /** The same for a top-up. */
  fundTopUp(request: SessionRequest, terms: Terms, channelId: Hex, amount: bigint, salt: Hex): Promise<Funding>;
  readChannel(contract: Address, channelId: Hex): Promise<Channel>;
};

/** Makes the wallet of a paying client. `trusted` addresses are used whatever code they have. */
export function createWallet(account: SigningAccount, client: ChainClient, trusted: readonly Address[]): Wallet {
  const isTrusted = new Set<string>(trusted.map((address) => address.toLowerCase()));
  const safe = new Map<string, Promise<void>>();
  const domains = new Map<Address, Domain>();
  // A local account sends by itself, a client's account through its wallet.
  const sender = "signTransaction" in account ? (account as unknown as Account) : client.account;

  async function checkContracts({ escrowContract: contract, currency, chainId }: SessionRequest): Promise<void> {
    if (!isTrusted.has(contract.toLowerCase())) {
      await requireKnownContract(client, { address: contract, contract: "PaymentChannels" });
      // The code is ours, but the values it was deployed with could still lock a deposit for good.
      const isSound =
        (await getCloseGracePeriod(client, { contract })) <= maxGracePeriod &&
        (await hasExpectedDomain(client, { contract, chainId }));
      if (!isSound) throw new UnknownContractError(contract, "PaymentChannels", false);
    }
    if (!isTrusted.has(currency.toLowerCase())) {
      await requireKnownContract(client, { address: currency, contract: "MockDigitalYuan" });
    }
  }

  async function authorize(
    request: SessionRequest,
    value: bigint,
    nonce: Hex,
  ): Promise<Extract<Funding, { type: "authorization" }>> {
    const { currency: token, escrowContract: to, chainId } = request;
    const domain = domains.get(token) ?? (await getTokenDomain(client, { token, chainId }));
    domains.set(token, domain);
    const validBefore = BigInt(Math.floor(Date.now() / 1000) + authorizationLifetime);
    // Valid at once: a clock that is ahead of the chain's must not make it fail.
    const authorization = { from: account.address, to, value, validAfter: 0n, validBefore, nonce };
    const signature = await signReceiveWithAuthorization({ account, domain, ...authorization });
    return { type: "authorization", authorization, signature };
  }

  async function approve(request: SessionRequest, amount: bigint): Promise<void> {
    const { currency: token, escrowContract: spender } = request;
    await confirmTransaction(client, { hash: await approveToken(client, { token, spender, amount, account: sender }) });
  }

  return {
    account,
    client,

    async requireSafe(request) {
      const chainId = await getChainId(client);
      if (chainId !== request.chainId) throw new WrongChainError(chainId, request.chainId);
      const key = `${request.escrowContract} ${request.currency}`;
      const check = safe.get(key) ?? checkContracts(request);
      safe.set(key, check);
      await check.catch((error: unknown) => {
        safe.delete(key);
        throw error;
      });
    },

    async requireBalance(token, needed) {
      const balance = await getTokenBalance(client, { token, account: account.address });
      if (balance < needed) throw new InsufficientTokensError(account.address, token, balance, needed);
      return balance;
    },

    async fundOpening(request, terms, deposit) {
      if (isRelayed(request)) return authorize(request, deposit, openAuthorizationNonce(terms));
      await approve(request, deposit);
      const contract = request.escrowContract;
      const hash = await openChannel(client, { contract, terms, deposit, account: sender });
      await confirmTransaction(client, { hash });
      return { type: "hash", hash };
    },

    async fundTopUp(request, terms, channelId, amount, salt) {
      if (isRelayed(request)) {
        const from = account.address;
        const binding = { channelId, additionalDeposit: amount, from, topUpSalt: salt };
        return authorize(request, amount, topUpAuthorizationNonce(binding));
      }
      await approve(request, amount);
      const contract = request.escrowContract;
      const hash = await topUpChannel(client, { contract, terms, additionalDeposit: amount, account: sender });
      await confirmTransaction(client, { hash });
      return { type: "hash", hash };
    },

    readChannel: (contract, channelId) => getChannel(client, { contract, channelId }),
  };
}

/** Whether the seller sends funding transactions for an authorization. */
function isRelayed(request: SessionRequest): boolean {
  return request.feePayer && request.credentialTypes.includes("authorization");
}
