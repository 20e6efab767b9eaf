import { formatCredential } from "../wire/credential.ts";
import { formatSessionPayload } from "../wire/session.ts";
import type { SessionReceipt } from "../wire/sessionReceipt.ts";
import type { Challenge } from "../wire/challenge.ts";
import { send } from "./call.ts";
import type { Purse } from "./purse.ts";
import { readReceipt } from "./readReceipt.ts";
import { type Buyer, type SellerSession, signStatement, toActionCall } from "./sellerSession.ts";

/**
 * Gives a seller the statement over an amount without asking for work.
 *
 * @param session - The seller.
 * @param channelId - The channel.
 * @param cumulativeAmount - Base units. Given again, it only tells what stands in the channel.
 * @param context - The challenge that is answered, where it is sent, and the buyer.
 * @returns The receipt, or `undefined` when none came.
 */
export async function giveStatement(
  session: SellerSession,
  channelId: Purse["channelId"],
  cumulativeAmount: bigint,
  context: { challenge: Challenge; url: URL; signal: AbortSignal; buyer: Buyer },
): Promise<SessionReceipt | undefined> {
  const { challenge, url, signal, buyer } = context;
  const { pinned } = session;
  if (!pinned) return undefined;
  const statement = await signStatement(buyer.wallet, pinned, channelId, cumulativeAmount);
  await buyer.journal.commit();
  const credential = formatCredential({
    challenge,
    payload: formatSessionPayload({ action: "voucher", ...statement }),
  });
  const head = { ...toActionCall("HEAD", url), idempotencyKey: crypto.randomUUID(), signal };
  const response = await send(buyer.transport, head, credential);
  return readReceipt(response.headers.get("payment-receipt"));
}

/** Learns what calls without a known outcome have cost in sum, where the seller tells and none of them runs any more. */
export async function askTotal(session: SellerSession, purse: Purse, buyer: Buyer, signal: AbortSignal): Promise<void> {
  const offer = [...session.offers.values()].at(-1);
  const { actionCall } = session;
  if (!offer || !actionCall || purse.signed === 0n) return;
  const context = { challenge: offer.challenge, url: actionCall.url, signal, buyer };
  const receipt = await giveStatement(session, purse.channelId, purse.signed, context).catch(() => undefined);
  if (receipt) purse.take(receipt);
}
