import type { Address, Hex } from "viem";

import { type KnownContract, requireKnownContract } from "../chain/knownContracts.ts";
import type { ChainClient } from "../chain/write.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import { formatCredential } from "../wire/credential.ts";
import { formatSessionPayload, type SessionPayload } from "../wire/session.ts";
import { type Call, send } from "./call.ts";
import { type ClosedChannel, closeSession, type CloseOptions } from "./closeSession.ts";
import { StatementRefusedError, UnsafeOriginError } from "./errors.ts";
import { fund } from "./funding.ts";
import { createPurse } from "./purse.ts";
import { requireSafeOrigin } from "./safeOrigin.ts";
import {
  type Buyer,
  createSellerSession,
  knownOffer,
  type SellerSession,
  type SessionOffer,
  takeOffer,
  toActionCall,
} from "./sellerSession.ts";
import { createJournal } from "./store.ts";
import { createWallet } from "./wallet.ts";

/** What a buyer of one seller is made of. */
export type TillParameters = {
  /** Who pays: signs statements and authorizations. A viem account, or anything that signs typed data. */
  account: SigningAccount;
  /** Reads the chain. */
  client: ChainClient;
  /** Base units to lock in the channel: the most that may be spent. */
  deposit: bigint;
  /** Contracts to use although their code is not known to this package. */
  trustedContracts?: readonly Address[] | undefined;
  /** The `fetch` below; the global one by default. */
  fetch?: typeof fetch | undefined;
};

/** An open channel. */
export type OpenChannel = { readonly channelId: Hex; readonly deposit: bigint };

/** One seller and one channel to it, for buyers that state in their own way what they owe. */
export type Till = {
  readonly buyer: Buyer;
  /** @returns What the seller asks for a call, or its answer where that costs nothing that can be paid here. */
  offerFor(call: Call): Promise<SessionOffer | Response>;
  /**
   * Makes sure that what stands at these addresses is what it should be, once for each.
   *
   * @throws {UnknownContractError} when it is not.
   */
  requireKnown(offer: SessionOffer, contracts: Readonly<Partial<Record<KnownContract, Address>>>): Promise<void>;
  /** Opens the channel. */
  open(offer: SessionOffer, call: Call): Promise<OpenChannel>;
  /** Gives the seller something that asks for no work. @throws {StatementRefusedError} when it does not take it. */
  give(payload: SessionPayload, offer: SessionOffer, call: Call): Promise<void>;
  /**
   * Closes the channel with the seller, or over the chain.
   *
   * @param fold - Signs a voucher over everything that is owed, to go on from it.
   * @param charged - What calls have cost, in base units.
   */
  close(
    fold: (offer: SessionOffer) => Promise<Extract<SessionPayload, { action: "voucher" }>>,
    charged: bigint,
    options: CloseOptions,
  ): Promise<ClosedChannel | undefined>;
};

/** Makes a till. Nothing of it outlives the process. */
export function createTill(parameters: TillParameters): Till {
  const { account, client, deposit, trustedContracts = [], fetch: transport = fetch } = parameters;
  const wallet = createWallet(account, client, trustedContracts);
  const journal = createJournal(undefined, () => "");
  const budget = { maxDeposit: deposit, committed: 0n };
  const buyer: Buyer = { wallet, budget, transport, journal, tries: 4, recoverFrom: undefined, isInUse: () => false };
  /** What was asked for already: a seller may name other contracts with each price. */
  const known = new Set<string>();
  let session: SellerSession | undefined;

  async function give(payload: SessionPayload, { challenge }: SessionOffer, { url, signal }: Call): Promise<void> {
    const credential = formatCredential({ challenge, payload: formatSessionPayload(payload) });
    const head = { ...toActionCall("HEAD", url), idempotencyKey: crypto.randomUUID(), signal };
    const response = await send(transport, head, credential);
    if (!response.ok) throw new StatementRefusedError(url.origin, response.status);
  }

  return {
    buyer,
    give,

    async offerFor(call) {
      requireSafeOrigin(call.url);
      session ??= createSellerSession(call.url.origin);
      if (call.url.origin !== session.origin) throw new UnsafeOriginError(`this fetch pays ${session.origin} alone`);
      const kept = knownOffer(session, call);
      if (kept) return kept;
      const response = await send(transport, call);
      const taken = response.status === 402 ? await takeOffer(session, call, response) : undefined;
      if (taken) await response.body?.cancel();
      return taken === undefined ? response : taken;
    },

    async requireKnown({ request: { chainId } }, contracts) {
      for (const [contract, address] of Object.entries(contracts) as [KnownContract, Address][]) {
        if (known.has(`${contract} ${address}`)) continue;
        await wallet.requireChain(chainId);
        await requireKnownContract(client, { address, contract, trustedContracts, chainId });
        known.add(`${contract} ${address}`);
      }
    },

    async open(offer, call) {
      if (!session) throw new TypeError("the price was not asked");
      session.actionCall ??= toActionCall(call.method, call.url);
      const asked = { ...offer, request: { ...offer.request, suggestedDeposit: deposit } };
      while (!session.purse) await fund(session, asked, deposit, buyer);
      return session.purse;
    },

    async close(fold, charged, options) {
      const offer = session && [...session.offers.values()].at(-1);
      if (session?.purse && session.actionCall && offer) {
        const { channelId, terms, deposit: locked } = session.purse;
        const folded = await fold(offer);
        // Where it does not arrive, the channel is closed over the chain.
        await give(folded, offer, session.actionCall).catch(() => undefined);
        session.purse = createPurse({ channelId, terms, deposit: locked, charged, signed: folded.cumulativeAmount });
      }
      return session && (await closeSession(session, buyer, options))[0];
    },
  };
}
