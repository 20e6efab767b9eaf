import type { Account, Hex } from "viem";

import { getBlock } from "../chain/actions.ts";
import { getCloseGracePeriod } from "../chain/channels.ts";
import { requestCloseChannel, withdrawChannel } from "../chain/closeChannel.ts";
import { ContractRefusedError } from "../chain/errors.ts";
import { confirmTransaction } from "../chain/write.ts";
import { zeroAddress } from "../protocol/terms.ts";
import { readProblem } from "../wire/problem.ts";
import { parseSessionReceipt } from "../wire/sessionReceipt.ts";
import type { SessionRequest } from "../wire/session.ts";
import { askTotal } from "./askTotal.ts";
import { pause } from "./call.ts";
import { forgetPending, outcomeOf, type PendingFunding } from "./funding.ts";
import { createPurse, type Purse } from "./purse.ts";
import { type Buyer, sendAction, type SellerSession, signStatement, takeOffer } from "./sellerSession.ts";
import type { Wallet } from "./wallet.ts";

const sellerTimeout = 60_000;
const pollInterval = 5000;

/** How a channel ended. Amounts in base units. */
export type ClosedChannel = {
  readonly origin: string;
  readonly channelId: Hex;
  /** What went to the payee in all. */
  readonly paid: bigint;
  /** What came back. */
  readonly refunded: bigint;
  /** What the payee captured above our own count: to be taken up with the seller. */
  readonly excess: bigint;
  /**
   * By the seller at once, or withdrawn from the chain after the grace period. `pending` when it is not known yet
   * whether the channel was ever opened: what was signed or sent may still be mined. Call `close()` again later.
   */
  readonly by: "seller" | "withdrawal" | "pending";
  /** The transaction that ended it, where it is known. */
  readonly txHash: Hex | undefined;
};

export type CloseOptions = {
  /** Stops waiting. */
  signal?: AbortSignal | undefined;
  /** Milliseconds to wait for a seller's answer, and for an opening that is on its way; 60,000 by default. */
  sellerTimeout?: number | undefined;
  /** Milliseconds between looks at the chain; 5,000 by default. */
  pollInterval?: number | undefined;
  /** Told when the change has to be waited for, with the Unix time in seconds from which it can be withdrawn. */
  onWait?: ((readyAt: number) => void) | undefined;
};

/**
 * Closes the channels to one seller.
 *
 * @param session - The seller.
 * @param buyer - Wallet, budget, transport and journal.
 * @param options - See {@link CloseOptions}.
 * @returns How each ended.
 */
export async function closeSession(
  session: SellerSession,
  buyer: Buyer,
  options: CloseOptions,
): Promise<ClosedChannel[]> {
  const signal = options.signal ?? new AbortController().signal;
  while (session.inFlight > 0 || session.funding) await pause(20, signal);
  const { pinned, pending } = session;
  if (!pinned || !(session.purse || session.spares.length > 0 || pending)) return [];
  await buyer.wallet.requireChain(pinned.chainId);
  const isOpening = !session.purse && pending !== undefined;
  const isUncertain = isOpening && !(await takeOpening(session, pending, buyer, options, signal));
  const purses = [...(session.purse ? [session.purse] : []), ...session.spares];
  const closed = await Promise.all(purses.map((purse) => closeChannel(session, purse, pinned, buyer, options, signal)));
  if (!isUncertain) return closed;
  const { origin } = session;
  const { channelId } = pending.payload;
  const nothing = { paid: 0n, refunded: 0n, excess: 0n, txHash: undefined };
  return [...closed, { origin, channelId, ...nothing, by: "pending" }];
}

async function closeChannel(
  session: SellerSession,
  purse: Purse,
  { escrowContract: contract }: SessionRequest,
  buyer: Buyer,
  options: CloseOptions,
  signal: AbortSignal,
): Promise<ClosedChannel> {
  const { wallet, budget, journal } = buyer;
  const { channelId } = purse;
  const asked = await askSeller(session, purse, buyer, options.sellerTimeout ?? sellerTimeout, signal).catch(
    () => undefined,
  );
  signal.throwIfAborted();
  let channel = await wallet.readChannel(contract, channelId);
  let txHash = asked;
  const by = channel.finalized ? "seller" : "withdrawal";
  if (!channel.finalized) {
    txHash = await withdraw(wallet, contract, purse, options, signal);
    channel = await wallet.readChannel(contract, channelId);
  }
  const { deposit, settled } = channel;
  const { pending } = session;
  // A top-up that was signed can no longer be used.
  if (pending?.payload.channelId === channelId && deposit <= pending.before) forgetPending(session, buyer);
  else if (pending?.payload.channelId === channelId) session.pending = undefined;
  if (session.purse === purse) session.purse = undefined;
  session.spares = session.spares.filter((spare) => spare !== purse);
  budget.committed -= deposit - settled;
  await journal.commit();
  const expected = purse.charged + purse.uncertain;
  return {
    origin: session.origin,
    channelId,
    paid: settled,
    refunded: deposit - settled,
    excess: settled > expected ? settled - expected : 0n,
    by,
    txHash,
  };
}

/**
 * An opening whose answer never came may have happened all the same, or still happen.
 *
 * @returns Whether that is known by now: if it has happened, the session has its purse.
 */
async function takeOpening(
  session: SellerSession,
  pending: PendingFunding,
  buyer: Buyer,
  options: CloseOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { payload, terms } = pending;
  const deadline = Date.now() + (options.sellerTimeout ?? sellerTimeout);
  for (;;) {
    const outcome = await outcomeOf(session, pending, buyer);
    if (outcome === "used") {
      const { channelId } = payload;
      const { deposit } = await buyer.wallet.readChannel(session.pinned?.escrowContract ?? zeroAddress, channelId);
      session.pending = undefined;
      session.purse = createPurse({ channelId, terms, deposit });
      return true;
    }
    if (outcome !== "open") {
      forgetPending(session, buyer);
      await buyer.journal.commit();
      return true;
    }
    if (Date.now() >= deadline) return false;
    await pause(Math.min(options.pollInterval ?? pollInterval, Math.max(0, deadline - Date.now())), signal);
  }
}

/** @returns The seller's transaction, or `undefined` when it did not close. */
async function askSeller(
  session: SellerSession,
  purse: Purse,
  buyer: Buyer,
  timeout: number,
  signal: AbortSignal,
): Promise<Hex | undefined> {
  const { actionCall, pinned } = session;
  const offer = [...session.offers.values()].at(-1);
  if (!actionCall || !pinned || !offer) return undefined;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
  if (purse.uncertain > 0n) await askTotal(session, purse, buyer, limited);
  let amount = purse.closingStatement();
  let { challenge } = offer;
  for (let attempt = 0; attempt < 3; attempt++) {
    const statement = await signStatement(buyer.wallet, pinned, purse.channelId, amount);
    const response = await sendAction(session, challenge, { action: "close", ...statement }, buyer, limited);
    const receipt = response.headers.get("payment-receipt");
    if (response.ok) return receipt === null ? undefined : parseSessionReceipt(receipt).txHash;
    const problem = await readProblem(response);
    if (problem?.code === "statement-used" && purse.signed < purse.deposit) {
      // It has bought something that we do not know of, or is older than the seller remembers; one above all is neither.
      amount = purse.signed + 1n;
      continue;
    }
    // An old challenge is answered by a fresh one.
    const fresh = await takeOffer(session, actionCall, response);
    if (response.status !== 402 || !fresh) return undefined;
    challenge = fresh.challenge;
  }
  return undefined;
}

/** Over the chain: the seller may still settle what it earned until the grace period is over, then the rest comes back. */
async function withdraw(
  wallet: Wallet,
  contract: `0x${string}`,
  purse: Purse,
  options: CloseOptions,
  signal: AbortSignal,
): Promise<Hex | undefined> {
  const { client } = wallet;
  const { channelId, terms } = purse;
  const account = "signTransaction" in wallet.account ? (wallet.account as unknown as Account) : client.account;
  const call = { contract, terms, account };
  let { closeRequestedAt } = await wallet.readChannel(contract, channelId);
  if (closeRequestedAt === 0) {
    await confirmTransaction(client, { hash: await requestCloseChannel(client, call) });
    ({ closeRequestedAt } = await wallet.readChannel(contract, channelId));
  }
  const readyAt = closeRequestedAt + (await getCloseGracePeriod(client, { contract }));
  options.onWait?.(readyAt);
  for (;;) {
    if ((await wallet.readChannel(contract, channelId)).finalized) return undefined;
    const { timestamp } = await getBlock(client);
    if (Number(timestamp) >= readyAt) {
      try {
        const hash = await withdrawChannel(client, call);
        await confirmTransaction(client, { hash });
        return hash;
      } catch (error) {
        // The seller closed in the meantime, which is as good.
        if (!(error instanceof ContractRefusedError) || error.errorName !== "ChannelFinalized") throw error;
        return undefined;
      }
    }
    await pause(options.pollInterval ?? pollInterval, signal);
  }
}
