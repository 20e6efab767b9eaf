import type { Hex } from "viem";
import { isAddressEqual } from "viem/utils";

import { findChannels, type FoundChannel } from "../chain/channelEvents.ts";
import { isSubfenError } from "../errors.ts";
import { computeChannelId } from "../protocol/channelId.ts";
import { verifyConditionalVoucher } from "../protocol/conditionalVoucher.ts";
import { signStatusRequest } from "../protocol/statusRequest.ts";
import { voucherSigner } from "../protocol/terms.ts";
import { verifyVoucher } from "../protocol/voucher.ts";
import {
  type ChannelStatus,
  channelStatusPath,
  formatStatusAuthorization,
  parseChannelStatus,
} from "../wire/channelStatus.ts";
import type { SessionRequest } from "../wire/session.ts";
import { pause } from "./call.ts";
import { RecoveryFailedError } from "./errors.ts";
import { createPurse, type Purse } from "./purse.ts";
import type { Buyer, SellerSession, SessionOffer } from "./sellerSession.ts";

/**
 * Finds the channels to a seller again: by the chain's events, their state, and what the seller says and can prove. The
 * best one is used on, the others are closed with it. All or nothing: when it fails, nothing has changed.
 *
 * @param session - The seller, no channel to it being known.
 * @param offer - What it asked last, the contract found good.
 * @param fromBlock - The first block to look at.
 * @param buyer - Wallet, budget, transport and journal.
 * @throws {RecoveryFailedError} when the seller does not answer.
 * @throws {LogQueryError} when the chain's node does not.
 */
export async function recover(
  session: SellerSession,
  { request }: SessionOffer,
  fromBlock: bigint,
  buyer: Buyer,
): Promise<void> {
  const { wallet, budget, journal } = buyer;
  const { escrowContract: contract, chainId } = request;
  const payer = wallet.account.address;
  const found = (await findChannels(wallet.client, { contract, payer, fromBlock })).filter(
    ({ channelId, terms, channel }) =>
      isAddressEqual(terms.payee, request.recipient) &&
      isAddressEqual(terms.token, request.currency) &&
      isAddressEqual(voucherSigner(terms), payer) &&
      // A node may say anything: what is signed for is what the terms hash to.
      computeChannelId({ terms, contract, chainId }) === channelId &&
      !channel.finalized &&
      !buyer.isInUse(channelId),
  );
  const purses: { purse: Purse; isOpen: boolean }[] = [];
  for (const one of found) {
    const status = await askStatus(session, request, one.channelId, buyer);
    const purse = await toPurse(one, status, request);
    purses.push({ purse, isOpen: one.channel.closeRequestedAt === 0 });
  }
  const usable = purses.flatMap(({ purse, isOpen }) => (isOpen && room(purse) > 0n ? [purse] : []));
  // Who lied about one channel is believed about none: the purse that says so keeps everything from being signed.
  const best =
    purses.find(({ purse }) => purse.distrust !== undefined)?.purse ??
    usable.reduce<Purse | undefined>((a, b) => (a && room(a) >= room(b) ? a : b), undefined);
  for (const { channel } of found) budget.committed += channel.deposit;
  session.purse = best;
  session.spares = purses.flatMap(({ purse }) => (purse === best ? [] : [purse]));
  session.isSearched = true;
  journal.note();
}

function room({ deposit, charged, uncertain }: Purse): bigint {
  return deposit - charged - uncertain;
}

/**
 * Starts the accounts of a channel that was found. Only what the seller proves by our own signature counts. Without it
 * the worst case does: all of the deposit may have been signed away, so nothing more is signed. Whatever was signed
 * before, it was never above the deposit.
 */
async function toPurse(
  { channelId, terms, channel }: FoundChannel,
  status: ChannelStatus | undefined,
  request: SessionRequest,
): Promise<Purse> {
  const { deposit, settled } = channel;
  const worst = { channelId, terms, deposit, charged: 0n, signed: deposit, open: [[deposit, deposit] as const] };
  if (!status) return createPurse(worst);
  const { acceptedCumulative: signed, spent, held, signature } = status;
  const { escrowContract: contract, chainId } = request;
  const signer = voucherSigner(terms);
  const statement = { contract, chainId, channelId, cumulativeAmount: signed, signature, signer };
  const { payments } = status;
  const isOurs = await (payments ? verifyConditional({ ...statement, payments }) : verifyVoucher(statement));
  // What else is owed there is not for this fetch to know: nothing more is signed, and it is closed with the others.
  if (payments && isOurs) return createPurse(worst);
  const distrust =
    status.channelId !== channelId
      ? "the status of another channel"
      : !isOurs
        ? `a statement over ${signed} that was never signed`
        : signed > deposit
          ? `a statement over ${signed} above the deposit of ${deposit}`
          : signed < settled
            ? `a highest statement of ${signed} where ${settled} is settled`
            : spent < settled
              ? `a total of ${spent} where ${settled} is settled`
              : spent + held > signed
                ? `a total of ${spent} and ${held} held where ${signed} is signed`
                : undefined;
  if (distrust !== undefined) return createPurse({ ...worst, distrust });
  // Calls that still run count at their ceilings, as calls whose answer was lost.
  const open = held > 0n ? [[signed, held] as const] : [];
  return createPurse({ channelId, terms, deposit, charged: spent, told: spent, signed, open });
}

/** Payments in a wrong order were never signed. */
async function verifyConditional(parameters: verifyConditionalVoucher.Parameters): Promise<boolean> {
  try {
    return await verifyConditionalVoucher(parameters);
  } catch (error) {
    if (isSubfenError(error, "payments-not-ascending")) return false;
    throw error;
  }
}

/** @returns What the seller says of the channel, or `undefined` when it does not know it. */
async function askStatus(
  session: SellerSession,
  { chainId, escrowContract: contract }: SessionRequest,
  channelId: Hex,
  { wallet, transport, tries }: Buyer,
): Promise<ChannelStatus | undefined> {
  /** By how much the seller's clock is ahead of ours, in milliseconds, where it refused ours. */
  let ahead = 0;
  for (let attempt = 1; ; attempt++) {
    let cause: unknown;
    try {
      const timestamp = BigInt(Date.now() + ahead);
      const signature = await signStatusRequest({ account: wallet.account, contract, chainId, channelId, timestamp });
      const response = await transport(new URL(channelStatusPath(channelId), session.origin), {
        headers: { authorization: formatStatusAuthorization({ timestamp, signature }) },
        redirect: "manual",
      });
      const text = await response.text();
      if (response.status === 200) return parseChannelStatus(text);
      if (response.status === 410 || response.status === 404) return undefined;
      cause = new Error(`status ${response.status}`);
      // The header has no smaller unit than a second.
      const sellerTime = Date.parse(response.headers.get("date") ?? "");
      if (response.status === 400 && !Number.isNaN(sellerTime)) ahead = sellerTime + 1000 - Date.now();
    } catch (error) {
      cause = error;
    }
    if (attempt >= tries || isSubfenError(cause)) throw new RecoveryFailedError(session.origin, channelId, cause);
    await pause(100 * 2 ** attempt);
  }
}
