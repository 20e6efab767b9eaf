import type { Address, Hex } from "viem";
import { toHex } from "viem/utils";

import { max, min } from "../bigints.ts";
import type { ChainClient } from "../chain/write.ts";
import { DepositAboveLimitError, PriceAboveLimitError, UnsupportedFundingError } from "../client/errors.ts";
import { signStatement } from "../client/sellerSession.ts";
import type { BuyerStore } from "../client/store.ts";
import { createWallet, isRelayed, type Wallet } from "../client/wallet.ts";
import { computeChannelId } from "../protocol/channelId.ts";
import { type Terms, zeroAddress } from "../protocol/terms.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import { createTurns } from "../turns.ts";
import type { Challenge } from "../wire/challenge.ts";
import { formatCredential } from "../wire/credential.ts";
import { canonicalize, encodeBase64Url, type Json } from "../wire/encoding.ts";
import {
  formatSessionPayload,
  parseSessionRequest,
  type SessionPayload,
  type SessionRequest,
} from "../wire/session.ts";
import { formatChannels, type KeptChannel, parseChannels } from "./channels.ts";

/** A challenge as mppx hands it on: its `request` is decoded. */
export type MppxChallenge = Omit<Challenge, "request"> & { readonly request: Readonly<Record<string, unknown>> };

/** A payment method as mppx's client and command line take it. */
export type SessionMethod = {
  readonly name: "evm";
  readonly intent: "session";
  /** What mppx checks payloads and requests by; whatever needs checking is checked when a credential is made. */
  readonly schema: {
    readonly credential: { readonly payload: { parse<value>(value: value): value } };
    readonly request: { parse<value>(value: value): value };
  };
  /** Signs for one request. @returns The value of `Authorization`. */
  createCredential(parameters: { challenge: MppxChallenge }): Promise<string>;
  /** What was opened, so that it can be closed: see `requestClose`. Amounts in base units. */
  channels(): readonly KeptChannel[];
};

/**
 * Makes a payment method for mppx, by which its client and its command line (`mppx --config FILE URL`) pay sellers of
 * `evm`/`session`: from a channel for each seller, opened by the first payment and topped up by later ones, within the
 * limits. It is a plain object, and needs nothing of mppx.
 *
 * mppx tells a method no outcome, so each request counts at the amount of its challenge, which a metered one may not
 * reach. `payingFetch` counts exactly, and closes.
 *
 * @param parameters - Who pays, by which chain, within which limits.
 * @returns The method.
 * @throws Its `createCredential` rejects with {PriceAboveLimitError}, {DepositAboveLimitError},
 * {InsufficientTokensError}, {WrongChainError}, {UnknownContractError}, {UnsupportedFundingError}, {StoreWriteError},
 * or {MalformedError} for a challenge that is none.
 * @throws {StoreInUseError} when the store was given away before.
 * @throws {MalformedError} when what the store holds was not saved by this account's method.
 * @example
 * // mppx.config.mjs
 * import { createFileStore } from "subfen/client";
 * import { session } from "subfen/mppx";
 *
 * const store = await createFileStore({ path: "agent/mppx.json" });
 * export default { methods: [session({ account, client, maxDeposit: 1_000_000n, maxPrice: 10_000n, store })] };
 */
export function session(parameters: session.Parameters): session.ReturnType {
  const { account, client, maxDeposit, maxPrice, store, trustedContracts = [] } = parameters;
  const wallet = createWallet(account, client, trustedContracts);
  const text = store?.take();
  const channels = new Map(
    (text === undefined ? [] : parseChannels(text, account.address)).map((kept) => [keyOf(kept), kept]),
  );
  const inTurn = createTurns();

  function limitDeposit(wanted: bigint, needed: bigint): bigint {
    const committed = [...channels.values()].reduce((sum, { deposit }) => sum + deposit, 0n);
    const available = maxDeposit - committed;
    if (needed > available) throw new DepositAboveLimitError(needed, available, maxDeposit);
    return min(max(wanted, needed), available);
  }

  async function pay(request: SessionRequest): Promise<SessionPayload> {
    const { amount, suggestedDeposit, chainId, escrowContract: contract } = request;
    if (amount > maxPrice) throw new PriceAboveLimitError(amount, maxPrice, contract);
    await wallet.requireSafe(request);
    if (!isRelayed(request)) throw new UnsupportedFundingError(request.credentialTypes);
    const known = channels.get(keyOf({ chainId, contract, payee: request.recipient, token: request.currency }));
    const plan = { request, amount, suggestedDeposit: suggestedDeposit ?? 1000n * amount };
    const kept = known ? await goOn(wallet, known, plan, limitDeposit) : await begin(wallet, plan, limitDeposit);
    channels.set(keyOf(kept.channel), kept.channel);
    // What was signed must be known to whoever comes after us, before anybody else can know it.
    await store?.save(formatChannels(account.address, [...channels.values()]));
    return kept.payload;
  }

  return {
    name: "evm",
    intent: "session",
    schema: { credential: { payload: { parse: (value) => value } }, request: { parse: (value) => value } },
    createCredential: ({ challenge: { request: decoded, ...rest } }) =>
      inTurn(async () => {
        // Canonical, as it was sent: the seller's binding is over these bytes.
        const encoded = encodeBase64Url(canonicalize(decoded as Json));
        const request = parseSessionRequest(encoded);
        const payload = await pay(request);
        const { id, realm, method, intent, expires, digest, opaque, description } = rest;
        return formatCredential({
          challenge: { id, realm, method, intent, request: encoded, expires, digest, opaque, description },
          source: `did:pkh:eip155:${request.chainId}:${account.address}`,
          payload: formatSessionPayload(payload),
        });
      }),
    channels: () => [...channels.values()],
  };
}

export declare namespace session {
  type Parameters = {
    /** Who pays: signs vouchers and authorizations. A viem account, or anything that signs typed data. */
    account: SigningAccount;
    /** Reads the chain. */
    client: ChainClient;
    /** Base units that may be locked in all. */
    maxDeposit: bigint;
    /** Base units that one request may cost. */
    maxPrice: bigint;
    /** Where channels outlive this process; without it each one opens channels anew. */
    store?: BuyerStore | undefined;
    /** Channel contracts and tokens to use although their code is not known to this package. */
    trustedContracts?: readonly Address[] | undefined;
  };
  type ReturnType = SessionMethod;
}

type Plan = { request: SessionRequest; amount: bigint; suggestedDeposit: bigint };
type Limit = (wanted: bigint, needed: bigint) => bigint;
type Step = { payload: SessionPayload; channel: KeptChannel };

/** Opens a channel with the payment of the first request. */
async function begin(wallet: Wallet, { request, amount, suggestedDeposit }: Plan, limit: Limit): Promise<Step> {
  const { chainId, escrowContract: contract, recipient: payee, currency: token } = request;
  const balance = await wallet.requireBalance(token, amount);
  const deposit = min(limit(suggestedDeposit, amount), balance);
  const salt = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const terms: Terms = { payer: wallet.account.address, payee, token, salt, authorizedSigner: zeroAddress };
  const channelId = computeChannelId({ terms, contract, chainId });
  const funding = await wallet.authorizeOpening(request, terms, deposit);
  const statement = await signStatement(wallet, request, channelId, amount);
  const payload = { action: "open", salt, authorizedSigner: zeroAddress, funding, ...statement } as const;
  return {
    payload,
    channel: { channelId, chainId, contract, payee, token, deposit, signed: amount, opening: payload },
  };
}

/** Signs the next statement, with a top-up where the deposit does not carry it. */
async function goOn(wallet: Wallet, channel: KeptChannel, plan: Plan, limit: Limit): Promise<Step> {
  const { request, amount, suggestedDeposit } = plan;
  const { channelId, contract } = channel;
  const { deposit: onChain } = await wallet.readChannel(contract, channelId);
  // The opening is not there yet: it is presented again, never signed anew.
  if (onChain === 0n) return { payload: channel.opening, channel };
  const cumulativeAmount = channel.signed + amount;
  const statement = await signStatement(wallet, request, channelId, cumulativeAmount);
  const missing = cumulativeAmount - onChain;
  const next = { ...channel, deposit: max(channel.deposit, onChain), signed: cumulativeAmount };
  if (missing <= 0n) return { payload: { action: "voucher", ...statement }, channel: next };
  const balance = await wallet.requireBalance(request.currency, missing);
  const added = min(limit(suggestedDeposit, missing), balance);
  const salt: Hex = toHex(crypto.getRandomValues(new Uint8Array(32)));
  const funding = await wallet.authorizeTopUp(request, channelId, added, salt);
  const deposit = { action: "topUp", funding, salt } as const;
  return { payload: { action: "voucher", ...statement, deposit }, channel: { ...next, deposit: onChain + added } };
}

function keyOf({ chainId, contract, payee, token }: Pick<KeptChannel, "chainId" | "contract" | "payee" | "token">) {
  return `${chainId} ${contract} ${payee} ${token}`.toLowerCase();
}
