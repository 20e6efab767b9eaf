import type { Account, Hex } from "viem";

import { getBlock } from "../chain/actions.ts";
import { getCloseGracePeriod } from "../chain/channels.ts";
import { requestCloseChannel, withdrawChannel } from "../chain/closeChannel.ts";
import { ContractRefusedError } from "../chain/errors.ts";
import { confirmTransaction } from "../chain/write.ts";
import { readProblem } from "../wire/problem.ts";
import { parseSessionReceipt } from "../wire/sessionReceipt.ts";
import { pause } from "./call.ts";
import { createPurse, type Purse } from "./purse.ts";
import { type Budget, sendAction, type SellerSession, signStatement, takeOffer } from "./sellerSession.ts";
import type { Wallet } from "./wallet.ts";

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
  /** By the seller at once, or withdrawn from the chain after the grace period. */
  readonly by: "seller" | "withdrawal";
  /** The transaction that ended it, where it is known. */
  readonly txHash: Hex | undefined;
};

export type CloseOptions = {
  /** Stops waiting. */
  signal?: AbortSignal | undefined;
  /** Milliseconds to wait for a seller's answer; 60,000 by default. */
  sellerTimeout?: number | undefined;
  /** Milliseconds between looks at the chain while the grace period runs; 5,000 by default. */
  pollInterval?: number | undefined;
  /** Told when the change has to be waited for, with the Unix time in seconds from which it can be withdrawn. */
  onWait?: ((readyAt: number) => void) | undefined;
};

/**
 * Closes the channel to one seller.
 *
 * @param session - The seller.
 * @param context - Wallet, budget and transport.
 * @param options - See {@link CloseOptions}.
 * @returns How it ended, or `undefined` when there is no channel.
 */
export async function closeSession(
  session: SellerSession,
  context: { wallet: Wallet; budget: Budget; transport: typeof fetch },
  options: CloseOptions,
): Promise<ClosedChannel | undefined> {
  const { wallet, budget } = context;
  const signal = options.signal ?? new AbortController().signal;
  while (session.inFlight > 0 || session.funding) await pause(20, signal);
  const { pinned } = session;
  const purse = session.purse ?? (await findPending(session, wallet));
  if (!purse || !pinned) return undefined;
  const contract = pinned.escrowContract;

  const asked = await askSeller(session, purse, context, options.sellerTimeout ?? 60_000, signal).catch(
    () => undefined,
  );
  signal.throwIfAborted();
  let channel = await wallet.readChannel(contract, purse.channelId);
  let txHash = asked;
  const by = channel.finalized ? "seller" : "withdrawal";
  if (!channel.finalized) {
    txHash = await withdraw(wallet, contract, purse, options, signal);
    channel = await wallet.readChannel(contract, purse.channelId);
  }
  session.purse = undefined;
  budget.committed -= channel.deposit - channel.settled;
  const expected = purse.charged + purse.uncertain;
  return {
    origin: session.origin,
    channelId: purse.channelId,
    paid: channel.settled,
    refunded: channel.deposit - channel.settled,
    excess: channel.settled > expected ? channel.settled - expected : 0n,
    by,
    txHash,
  };
}

/** An opening whose answer never came may have happened all the same. */
async function findPending({ pending, pinned }: SellerSession, wallet: Wallet): Promise<Purse | undefined> {
  if (!pending || !pinned) return undefined;
  const { channelId } = pending.payload;
  const { deposit, finalized } = await wallet.readChannel(pinned.escrowContract, channelId);
  return deposit === 0n || finalized ? undefined : createPurse({ channelId, terms: pending.terms, deposit });
}

/** @returns The seller's transaction, or `undefined` when it did not close. */
async function askSeller(
  session: SellerSession,
  purse: Purse,
  context: { wallet: Wallet; transport: typeof fetch },
  timeout: number,
  signal: AbortSignal,
): Promise<Hex | undefined> {
  const { actionCall, pinned } = session;
  const offer = [...session.offers.values()].at(-1);
  if (!actionCall || !pinned || !offer) return undefined;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
  let amount = purse.closingStatement();
  let { challenge } = offer;
  for (let attempt = 0; attempt < 3; attempt++) {
    const statement = await signStatement(context.wallet, pinned, purse.channelId, amount);
    const response = await sendAction(session, challenge, { action: "close", ...statement }, context, limited);
    const receipt = response.headers.get("payment-receipt");
    if (response.ok) return receipt === null ? undefined : parseSessionReceipt(receipt).txHash;
    const problem = await readProblem(response);
    if (problem?.code === "statement-used" && purse.signed < purse.deposit) {
      // It has bought something that we do not know of, or is older than the seller remembers; one above all is neither.
      amount = purse.signed + 1n;
      continue;
    }
    // An old challenge is answered by a fresh one.
    const fresh = takeOffer(session, actionCall, response);
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
    await pause(options.pollInterval ?? 5000, signal);
  }
}
