import { isAddressEqual } from "viem/utils";

import { type BoundedSet, boundedSet } from "../boundedSet.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import { canonicalize } from "../wire/encoding.ts";
import { formatSessionRequest, parseSessionPayload, parseSessionRequest } from "../wire/session.ts";
import { createChannelSignal } from "./channelSignal.ts";
import { createClosing } from "./closing.ts";
import { createFreshChannels } from "./freshChannels.ts";
import { createFunding } from "./funding.ts";
import type { Offer } from "./gateway.ts";
import type { GatewayParameters } from "./gatewayParameters.ts";
import { createReceipts } from "./receipts.ts";
import { createReceiptSigner } from "./receiptSigner.ts";
import type { Price } from "./price.ts";
import type { Scheme } from "./scheme.ts";
import { ProblemError, type Seller } from "./seller.ts";
import { createSelling } from "./selling.ts";

/**
 * Makes the scheme by which requests are paid from a channel (draft-evm-session-00; docs/http.md).
 *
 * @param seller - The seller.
 * @param parameters - The gateway's, of which it takes those of channels and work.
 * @param context.gracePeriod - Seconds between a payer's request to close and its end.
 * @param context.report - Told what went wrong inside.
 */
export async function createSessionScheme(
  seller: Seller,
  parameters: GatewayParameters,
  { gracePeriod, report }: { gracePeriod: number; report: (error: unknown) => void },
): Promise<Scheme> {
  const { suggestedDeposit, minVoucherDelta = 0n, maxKeptAnswer = 2 ** 20, recheckAfter = 60 } = parameters;
  const { contract, chainId, token, payee } = seller;
  const channels = createFreshChannels(seller, recheckAfter);
  const funding = createFunding(seller, { maxRelaysPerHour: parameters.maxRelaysPerHour ?? 10 });
  const closing = createClosing(seller, parameters.drainTimeout ?? 30_000);
  // A payer may want its money back while the work runs: what was earned must still be settled in time.
  const workTimeout = Math.min(parameters.workTimeout ?? Number.POSITIVE_INFINITY, gracePeriod * 500);
  const { paymentTimeout = 30_000 } = parameters;
  const account = parameters.receiptAccount ?? localAccountOf(seller);
  const signer = account ? await createReceiptSigner({ contract, chainId, account }) : undefined;
  const receipts = createReceipts(seller, signer);
  const signal = createChannelSignal();
  const waits = { minVoucherDelta, maxKeptAnswer, workTimeout, paymentTimeout };
  const selling = createSelling(seller, { channels, receipts, signal, ...waits, report });

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

  return {
    intent: "session",

    ask(offer, amount) {
      return formatSessionRequest({
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
      });
    },

    async respond(exchange) {
      const { challenge, offer } = exchange;
      requireSameOffer(challenge.request, offer);
      const payload = parseSessionPayload(exchange.payload);
      switch (payload.action) {
        case "open": {
          const { channel, txHash } = await funding.open(payload, exchange.source);
          channels.note(channel.channelId);
          // A statement of zero buys nothing: it only opens.
          if (payload.cumulativeAmount === 0n) return selling.acknowledge(challenge.id, channel, txHash);
          return selling.sell(exchange, payload);
        }
        case "topUp": {
          const { channel, txHash } = await funding.topUp(payload);
          return selling.acknowledge(challenge.id, channel, txHash);
        }
        case "close": {
          const { channel, txHash } = await closing.close(payload);
          return selling.acknowledge(challenge.id, channel, txHash);
        }
        case "voucher":
          return selling.sell(exchange, payload);
      }
    },
  };
}

/** A node's account would be asked over the network for each answer. */
function localAccountOf({ client }: Seller): SigningAccount | undefined {
  const { account } = client;
  return account?.type === "local" ? account : undefined;
}
