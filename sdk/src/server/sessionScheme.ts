import { isAddressEqual } from "viem/utils";

import { type BoundedSet, boundedSet } from "../boundedSet.ts";
import { endingOf } from "../ledger/decideHold.ts";
import type { ProofResult } from "../ledger/ledger.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import { canonicalize } from "../wire/encoding.ts";
import {
  formatSessionRequest,
  parseSessionPayload,
  parseSessionRequest,
  type SessionPayload,
  type VoucherDeposit,
} from "../wire/session.ts";
import { createChannelSignal } from "./channelSignal.ts";
import { createClosing } from "./closing.ts";
import { createConditions, type GatewayProof } from "./conditions.ts";
import { createFreshChannels } from "./freshChannels.ts";
import { createFunding } from "./funding.ts";
import type { Offer } from "./gateway.ts";
import type { GatewayParameters } from "./gatewayParameters.ts";
import { createReceipts } from "./receipts.ts";
import { createReceiptSigner } from "./receiptSigner.ts";
import type { Price } from "./price.ts";
import { toRefusal } from "./refusals.ts";
import type { Reply } from "./reply.ts";
import type { Exchange, Scheme } from "./scheme.ts";
import { ProblemError, type Seller } from "./seller.ts";
import { createSelling } from "./selling.ts";
import { createTickAccounts } from "./ticks/tickAccounts.ts";
import { createTickSelling } from "./ticks/tickSelling.ts";
import type { Workload } from "./workload.ts";

/** The scheme of channels, with what of it is no answer to a request. */
export type SessionScheme = Scheme & {
  /** See {@link Gateway.prove}. */
  prove(proof: GatewayProof): Promise<ProofResult>;
  /** Writes down what is in memory alone. */
  writeDown(): Promise<void>;
  /** The same, for the last time. */
  close(): Promise<void>;
};

type ActionPayload<action> = Extract<SessionPayload, { action: action }>;

/**
 * Makes the scheme by which requests are paid from a channel (draft-evm-session-00; docs/http.md).
 *
 * @param seller - The seller.
 * @param parameters - The gateway's, of which it takes those of channels and work.
 * @param context.gracePeriod - Seconds between a payer's request to close and its end.
 * @param context.workload - Counts what runs.
 * @param context.report - Told what went wrong inside.
 */
export async function createSessionScheme(
  seller: Seller,
  parameters: GatewayParameters,
  { gracePeriod, workload, report }: { gracePeriod: number; workload: Workload; report: (error: unknown) => void },
): Promise<SessionScheme> {
  const { suggestedDeposit, minVoucherDelta = 0n, maxKeptAnswer = 2 ** 20, recheckAfter = 60 } = parameters;
  const { contract, chainId, token, payee } = seller;
  const channels = createFreshChannels(seller, recheckAfter);
  const funding = createFunding(seller, { maxRelaysPerHour: parameters.maxRelaysPerHour ?? 10 });
  // A payer may want its money back while the work runs: what was earned must still be settled in time.
  const workTimeout = Math.min(parameters.workTimeout ?? Number.POSITIVE_INFINITY, gracePeriod * 500);
  const { paymentTimeout = 30_000 } = parameters;
  const account = parameters.receiptAccount ?? localAccountOf(seller);
  const signer = account ? await createReceiptSigner({ contract, chainId, account }) : undefined;
  const receipts = createReceipts(seller, signer);
  const signal = createChannelSignal();
  const tickOptions = parameters.ticks && { ...parameters.ticks, window: parameters.ticks.window ?? 128 };
  const { conditional } = parameters;
  const conditions = await createConditions(seller, { conditional, ticks: tickOptions });
  const ticks = tickOptions && (await createTickAccounts(seller, { ...tickOptions, recheckAfter, channels, report }));
  const closing = createClosing(seller, parameters.drainTimeout ?? 30_000, ticks);
  const waits = { minVoucherDelta, maxKeptAnswer, workTimeout, workload, paymentTimeout };
  const selling = createSelling(seller, { channels, conditions, ticks, receipts, signal, ...waits, report });
  const sellByTick = ticks && createTickSelling({ ticks, selling, receipts, signal, ...waits, report });

  /** The requests of challenges that were found to be of a price: that is immutable, and so is what is encoded. */
  const seen = new WeakMap<Price, BoundedSet>();

  /** A price list changes only when the seller is configured anew: a challenge with another one is answered by a fresh one. */
  function requireSameOffer(request: string, offer: Offer): void {
    const known = seen.get(offer.price) ?? boundedSet(1_024);
    if (known.has(request)) return;
    seen.set(offer.price, known);
    const asked = parseSessionRequest(request);
    const isOfThisOffer =
      canonicalize(asked.pricing ?? null) === canonicalize(offer.price.pricing) &&
      asked.chainId === chainId &&
      isAddressEqual(asked.recipient, payee) &&
      isAddressEqual(asked.currency, token) &&
      isAddressEqual(asked.escrowContract, contract);
    if (!isOfThisOffer) {
      const detail = "The challenge was issued for another price list, payee, token or chain. Answer the new one.";
      throw new ProblemError("challenge-not-found", detail);
    }
    known.add(request);
  }

  async function open(exchange: Exchange, payload: ActionPayload<"open">): Promise<Reply> {
    const { channel, txHash } = await funding.open(payload, exchange.source);
    channels.note(channel.channelId);
    // A statement of zero buys nothing: it only opens.
    if (payload.cumulativeAmount === 0n) return selling.acknowledge(exchange.challenge.id, channel, txHash);
    return selling.sell(exchange, payload);
  }

  /** Tops a channel up for a voucher that needs it. One that would be refused all the same costs the seller no gas. */
  async function topUpFor(offer: Offer, voucher: ActionPayload<"voucher">, deposit: VoucherDeposit): Promise<void> {
    const { channelId, cumulativeAmount } = voucher;
    const channel = await channels.read(channelId);
    conditions.requireStatement(channel, voucher, conditions.toConditional(offer, voucher));
    const ending = endingOf(channel);
    if (ending) throw toRefusal({ kind: "refused", reason: ending, channel }, voucher, 0n);
    const { value: additionalDeposit } = deposit.funding.authorization;
    if (cumulativeAmount > channel.deposit + additionalDeposit) {
      throw toRefusal({ kind: "refused", reason: "amount-exceeds-deposit", channel }, voucher, 0n);
    }
    await funding.topUp({ ...deposit, action: "topUp", channelId, additionalDeposit });
  }

  return {
    intent: "session",

    ask(offer, amount) {
      const request = formatSessionRequest({
        amount,
        currency: token,
        recipient: payee,
        suggestedDeposit,
        chainId,
        escrowContract: contract,
        feePayer: true,
        credentialTypes: ["authorization", "hash"],
        minVoucherDelta,
        receiptSigner: signer?.address,
        pricing: offer.price.pricing,
        ...conditions.offered(offer),
      });
      return { request };
    },

    async respond(exchange) {
      const { challenge, offer } = exchange;
      exchange.requireFresh();
      requireSameOffer(challenge.request, offer);
      const payload = parseSessionPayload(exchange.payload);
      switch (payload.action) {
        case "open":
          return open(exchange, payload);
        case "topUp": {
          const { channel, txHash } = await funding.topUp(payload);
          return selling.acknowledge(challenge.id, channel, txHash);
        }
        case "close": {
          const { channel, txHash } = await closing.close(payload);
          return selling.acknowledge(challenge.id, channel, txHash);
        }
        case "voucher": {
          const { deposit } = payload;
          if (deposit?.action === "open") return open(exchange, { ...payload, ...deposit });
          if (deposit) await topUpFor(offer, payload, deposit);
          return selling.sell(exchange, payload);
        }
        case "tick":
          if (sellByTick) return sellByTick(exchange, payload);
          throw new ProblemError("ticks-not-offered", "The seller takes no ticks. Pay by vouchers.");
      }
    },

    async prove(proof) {
      const result = await conditions.prove(proof);
      signal.notify(proof.channelId);
      return result;
    },
    writeDown: async () => ticks?.markAll(),
    close: async () => ticks?.close(),
  };
}

/** A node's account would be asked over the network for each answer. */
function localAccountOf({ client }: Seller): SigningAccount | undefined {
  const { account } = client;
  return account?.type === "local" ? account : undefined;
}
