import type { Address, Hex, TransactionReceipt } from "viem";
import { isAddressEqual } from "viem/utils";

import { getTransactionReceipt, waitForTransactionReceipt } from "../chain/actions.ts";
import { openChannelWithAuthorization, topUpChannelWithAuthorization } from "../chain/fundChannel.ts";
import { ContractRefusedError, TransactionRevertedError } from "../chain/errors.ts";
import type { ChainClient } from "../chain/write.ts";
import type { ChannelRecord } from "../ledger/ledger.ts";
import { computeChannelId } from "../protocol/channelId.ts";
import { openAuthorizationNonce, topUpAuthorizationNonce } from "../protocol/receiveWithAuthorization.ts";
import type { Terms } from "../protocol/terms.ts";
import type { FundingAuthorization, SessionPayload } from "../wire/session.ts";
import { createRelayLimit } from "./relayLimit.ts";
import {
  eventsOf,
  ProblemError,
  readChain,
  requireStatement,
  type SeenChannel,
  type Seller,
  toTransactionProblem,
} from "./seller.ts";

type OpenPayload = Extract<SessionPayload, { action: "open" }>;
type TopUpPayload = Extract<SessionPayload, { action: "topUp" }>;

/** How long an authorization must still be good when the seller sends it, in seconds. */
const margin = 10n;

/** Requests that may wait at a time for transactions of payers: anybody can name one that never comes. */
const mostWaiting = 64;

/** The part of a gateway that lets channels be opened and topped up. */
export type Funding = {
  /** Verifies an opening, sends it where the seller does, and adds the channel to the ledger. */
  open(payload: OpenPayload, source: string | undefined): Promise<{ channel: ChannelRecord; txHash: Hex | undefined }>;
  /** The same for a top-up. */
  topUp(payload: TopUpPayload): Promise<{ channel: ChannelRecord; txHash: Hex | undefined }>;
};

/**
 * Makes the funding part of a gateway. Everything that can be known without the chain is checked before any gas is
 * spent. The same credential sent twice, at once or again, funds once.
 */
export function createFunding(seller: Seller, options: { maxRelaysPerHour: number }): Funding {
  const limit = createRelayLimit(options.maxRelaysPerHour, seller.now);
  const running = new Map<string, Promise<Hex | undefined>>();
  let waiting = 0;

  /** Lets concurrent copies of one credential share one outcome. */
  function once(key: string, send: () => Promise<Hex | undefined>): Promise<Hex | undefined> {
    const existing = running.get(key);
    if (existing) return existing;
    const promise = send().finally(() => running.delete(key));
    running.set(key, promise);
    return promise;
  }

  /** Counts those who wait for a payer's transaction; one that is mined keeps nobody waiting. */
  async function inLine<result>(funding: OpenPayload["funding"], run: () => Promise<result>): Promise<result> {
    if (funding.type !== "hash") return run();
    const { hash } = funding;
    if (waiting >= mostWaiting) {
      await getTransactionReceipt(seller.client, { hash }).catch(() => {
        throw toPending(hash);
      });
    }
    waiting++;
    try {
      return await run();
    } finally {
      waiting--;
    }
  }

  async function requireReceipt(hash: Hex): Promise<TransactionReceipt> {
    const { client, confirmations, transactionTimeout } = seller;
    // By a signal, since viem's own timeout may leave it asking for ever.
    const time = { timeout: 0, signal: AbortSignal.timeout(transactionTimeout) };
    const receipt = await waitForTransactionReceipt(client, { hash, confirmations, ...time }).catch(
      (cause: unknown) => {
        throw toPending(hash, cause);
      },
    );
    if (receipt.status === "success") return receipt;
    throw new ProblemError("transaction-reverted", "The funding transaction was mined but reverted.", { txHash: hash });
  }

  function requireAuthorization(authorization: FundingAuthorization, amount: bigint, nonce: Hex): void {
    const now = BigInt(Math.floor(seller.now() / 1000));
    const fault = !isAddressEqual(authorization.to, seller.contract)
      ? "it does not pay the channel contract"
      : authorization.value !== amount
        ? "its value is another amount"
        : authorization.nonce !== nonce
          ? "its nonce is not derived from the channel"
          : authorization.validAfter > now
            ? "it is not valid yet: compare your clock with the Date header"
            : authorization.validBefore <= now + margin
              ? "it has expired or is about to: compare your clock with the Date header"
              : undefined;
    if (fault) throw new ProblemError("malformed-payload", `The authorization cannot be used: ${fault}.`);
  }

  /** Sends a payer's transaction at the seller's gas, so many times in an hour. */
  async function relay(payer: Address, id: string, send: (client: ChainClient) => Promise<Hex>): Promise<Hex> {
    const admit = (): void => {
      const wait = limit.take(payer);
      if (wait === 0) return;
      const retryAfter = Math.ceil(wait / 1000);
      const detail =
        `The seller has paid gas for this payer ${options.maxRelaysPerHour} times within an hour. ` +
        `Come back in ${retryAfter} s, or send the transaction yourself.`;
      throw new ProblemError("too-many-relays", detail, { retryAfter });
    };
    return (await seller.outbox.transact(id, send, admit)).transactionHash;
  }

  async function sendOpening(terms: Terms, channelId: Hex, payload: OpenPayload): Promise<Hex | undefined> {
    const { funding } = payload;
    if (funding.type === "hash") {
      const opened = eventsOf(seller, await requireReceipt(funding.hash), "ChannelOpened");
      if (opened.some(({ args }) => args.channelId === channelId)) return funding.hash;
      throw new ProblemError("channel-not-found", "The transaction did not open this channel.", { channelId });
    }
    const { authorization, signature } = funding;
    requireAuthorization(authorization, authorization.value, openAuthorizationNonce(terms));
    if (authorization.value < seller.minDeposit) {
      const minDeposit = String(seller.minDeposit);
      const detail = `The deposit must be at least ${minDeposit} base units.`;
      throw new ProblemError("deposit-too-small", detail, { minDeposit });
    }
    const { contract } = seller;
    const deposit = authorization.value;
    requireCovered(payload, deposit);
    const call = { contract, terms, deposit, authorization, signature };
    try {
      return await relay(authorization.from, `open ${channelId}`, (client) =>
        openChannelWithAuthorization(client, call),
      );
    } catch (cause) {
      // An earlier try may have been mined, its outcome lost; or somebody else has sent it.
      const isRefused = cause instanceof ContractRefusedError || cause instanceof TransactionRevertedError;
      if (isRefused && isOpen(await readChain(seller, channelId))) return undefined;
      throw toTransactionProblem(cause, "Opening the channel");
    }
  }

  async function sendTopUp(channel: ChannelRecord, payload: TopUpPayload): Promise<Hex | undefined> {
    const { funding, additionalDeposit, channelId } = payload;
    if (funding.type === "hash") {
      const toppedUp = eventsOf(seller, await requireReceipt(funding.hash), "ChannelToppedUp");
      if (toppedUp.some(({ args }) => args.channelId === channelId)) return funding.hash;
      throw new ProblemError("transaction-reverted", "The transaction did not top this channel up.", { channelId });
    }
    const { authorization, signature } = funding;
    const { salt: topUpSalt } = payload;
    if (topUpSalt === undefined) throw new ProblemError("malformed-payload", "salt is missing.");
    const { from } = authorization;
    const nonce = topUpAuthorizationNonce({ channelId, additionalDeposit, from, topUpSalt });
    requireAuthorization(authorization, additionalDeposit, nonce);
    const { contract } = seller;
    const call = { contract, terms: channel.terms, additionalDeposit, topUpSalt, authorization, signature };
    try {
      return await relay(from, `topUp ${nonce}`, (client) => topUpChannelWithAuthorization(client, call));
    } catch (cause) {
      // The authorization was used: by an earlier try of the same credential, since its nonce binds this top-up.
      if (cause instanceof ContractRefusedError && /used/i.test(cause.errorName ?? "")) return undefined;
      throw toTransactionProblem(cause, "Topping the channel up");
    }
  }

  return {
    async open(payload, source) {
      const { channelId, cumulativeAmount, signature, salt, authorizedSigner, funding } = payload;
      const payer = funding.type === "authorization" ? funding.authorization.from : parsePayer(source, seller.chainId);
      const terms: Terms = { payer, payee: seller.payee, token: seller.token, salt, authorizedSigner };
      if (computeChannelId({ terms, contract: seller.contract, chainId: seller.chainId }) !== channelId) {
        const detail = "channelId is not that of this payer, salt and signer with the challenge's payee and token.";
        throw new ProblemError("malformed-payload", detail, { channelId });
      }
      // Before the transaction rather than after it: a bad voucher must not cost the seller gas.
      requireStatement(seller, terms, payload);
      const known = await seller.ledger.getChannel(channelId);
      const txHash = known
        ? undefined
        : await inLine(funding, () => once(channelId, () => sendOpening(terms, channelId, payload)));

      const chain = await readChain(seller, channelId);
      if (!isOpen(chain)) throw new ProblemError("channel-not-found", "The channel is not open.", { channelId });
      if (chain.deposit === 0n) throw unconfirmedOpening(channelId);
      if (chain.finalized) throw new ProblemError("channel-finalized", "The channel is closed.", { channelId });
      if (chain.closeRequestedAt !== 0) {
        throw new ProblemError("channel-closing", "A request to close this channel is pending.", { channelId });
      }
      requireCovered(payload, chain.deposit);
      const channel = await seller.ledger.addChannel({ channelId, terms, chain, cumulativeAmount, signature });
      return { channel, txHash };
    },

    async topUp(payload) {
      const { channelId, funding } = payload;
      const known = await seller.ledger.getChannel(channelId);
      if (!known) throw new ProblemError("channel-not-found", "The seller does not know this channel.", { channelId });
      const key = funding.type === "hash" ? funding.hash : funding.authorization.nonce;
      const txHash = await inLine(funding, () => once(`${channelId} ${key}`, () => sendTopUp(known, payload)));
      const channel = await seller.ledger.updateChain(channelId, await readChain(seller, channelId));
      return { channel: channel ?? known, txHash };
    },
  };
}

function toPending(txHash: Hex, cause?: unknown): ProblemError {
  const detail = "The transaction is not confirmed yet. Send the same credential again when it is.";
  return new ProblemError("transaction-pending", detail, { txHash }, cause);
}

function isOpen({ deposit, unconfirmed }: SeenChannel): boolean {
  return deposit + unconfirmed > 0n;
}

/** A deposit that is not there for certain pays for nothing, be it new or taken back by a reorganisation. */
export function unconfirmedOpening(channelId: Hex): ProblemError {
  const detail = "The opening of this channel is not confirmed. Send the same credential again when it is.";
  return new ProblemError("transaction-pending", detail, { channelId });
}

function requireCovered({ channelId, cumulativeAmount }: OpenPayload, deposit: bigint): void {
  if (cumulativeAmount <= deposit) return;
  const members = { channelId, deposit: String(deposit), cumulativeAmount: String(cumulativeAmount) };
  throw new ProblemError("amount-exceeds-deposit", "The voucher is above the channel's deposit.", members);
}

/** `did:pkh:eip155:<chain id>:<address>`, in lower case as everything that is read. */
function parsePayer(source: string | undefined, chainId: number): Address {
  const match = /^did:pkh:eip155:(\d+):(0x[0-9a-fA-F]{40})$/.exec(source ?? "");
  if (match?.[1] === String(chainId) && match[2]) return match[2].toLowerCase() as Address;
  throw new ProblemError("malformed-payload", `source must be did:pkh:eip155:${chainId}:<the payer's address>.`);
}
