import type { Address, Hex } from "viem";

import { isEnding } from "../../ledger/decideHold.ts";
import { computePaymentId } from "../../protocol/conditionalVoucher.ts";
import { decodeCondition } from "../../protocol/conditions/decodeCondition.ts";
import type { FreshChannels } from "../freshChannels.ts";
import { createKeccak256 } from "../keccak.ts";
import { ProblemError, type Seller } from "../seller.ts";
import { createTickAccount, type TickAccount } from "./tickAccount.ts";
import { createTickReader } from "./tickReader.ts";

/** The part of a gateway that is paid by ticks. */
export type TickAccounts = {
  /**
   * Finds the account of a payment, from memory or from the ledger, and does something with it at once.
   *
   * @param take - Must not wait: nothing ends the account in between.
   * @throws {ProblemError} when the payment does not stand, is not one of ticks, the channel is ending, or another
   * process serves it.
   */
  take<result>(
    channelId: Hex,
    ref: Hex,
    take: (account: TickAccount) => result,
  ): Promise<{ account: TickAccount; result: result }>;
  /** Waits for something of an account; where its ticks turn out to be somebody else's or dropped, it is forgotten. */
  use<result>(account: TickAccount, run: () => Promise<result>): Promise<result>;
  /**
   * Does something that may end payments of the channel: their ticks are written down before, and nobody is served by
   * them meanwhile.
   *
   * @param keeps - Payments that go on.
   */
  sealed<result>(channelId: Hex, keeps: readonly Hex[], run: () => Promise<result>): Promise<result>;
  /** Writes everything down. */
  markAll(): Promise<void>;
  /** Writes everything down, and gives all of it up. */
  close(): Promise<void>;
};

/** Milliseconds after which ticks that nothing follows are written down. */
const restAfter = 1_000;
/** Milliseconds for which an account at rest is kept, so that a request that is sent again gets its answer. */
const keptFor = 15_000;
const leaseTtl = 600_000;

/**
 * Makes the part of a gateway that is paid by ticks. An account is one process's at a time.
 *
 * @param seller - The seller.
 * @param options.condition - TickCondition.
 * @param options.window - The most ticks that are not written down, and the most by which one may be ahead.
 * @param options.recheckAfter - Seconds after which the channel is looked at again.
 */
export async function createTickAccounts(
  seller: Seller,
  options: {
    condition: Address;
    window: number;
    recheckAfter: number;
    channels: FreshChannels;
    report: (error: unknown) => void;
  },
): Promise<TickAccounts> {
  const { ledger, chainId, now } = seller;
  const { condition, window, recheckAfter, channels, report } = options;
  const keccak = await createKeccak256();
  const holder = crypto.randomUUID();
  type Entry = { readonly account: Promise<TickAccount>; checkedAt: number; restingSince: number | undefined };
  /** By channel, then by payment. */
  const entries = new Map<Hex, Map<Hex, Entry>>();
  const sealing = new Map<Hex, Promise<unknown>>();

  const leaseOf = (channelId: Hex, ref: Hex) => ({ name: `ticks ${channelId} ${ref}`, holder, ttl: leaseTtl });

  /** The channel with its payment, as long as both go on. */
  async function requireStanding(channelId: Hex, ref: Hex) {
    const channel = await channels.read(channelId);
    const numbers = { channelId, ref };
    if (isEnding(channel)) {
      throw new ProblemError(
        "channel-closing",
        "The channel is closing: it buys nothing more. Open a new one.",
        numbers,
      );
    }
    const payment = channel.payments.find((one) => one.ref === ref);
    if (!payment) {
      const detail = "The payment of this tick does not stand: send its statement first, or it was dropped.";
      throw new ProblemError("payment-unknown", detail, numbers);
    }
    if (payment.condition !== condition.toLowerCase()) {
      throw new ProblemError("ticks-not-offered", "This payment is not one of ticks that the seller takes.", numbers);
    }
    const worstCase = channel.payments.reduce((sum, { amount }) => sum + amount, channel.accepted);
    if (worstCase > channel.deposit) {
      const detail = `The deposit of ${channel.deposit} does not cover the statement. Top the channel up.`;
      throw new ProblemError("amount-exceeds-deposit", detail, { ...numbers, deposit: String(channel.deposit) });
    }
    await requireLease(channel.channelId, ref);
    return { channel, payment };
  }

  async function requireLease(channelId: Hex, ref: Hex): Promise<void> {
    if (await ledger.acquireLease(leaseOf(channelId, ref))) return;
    const detail = "Another process of the seller takes these ticks now. Send the next one there, or come back.";
    throw new ProblemError("ticks-elsewhere", detail, { channelId, ref, retryAfter: 1 });
  }

  async function load(channelId: Hex, ref: Hex): Promise<TickAccount> {
    const { channel, payment } = await requireStanding(channelId, ref);
    const { parameters, evidence } = payment;
    const ticks = decodeCondition({ contracts: { ticks: condition }, chainId, condition, parameters });
    if (ticks.kind !== "ticks") throw new Error("the known condition is one of ticks");
    const { root, tickAmount, tickCount } = ticks;
    const known = evidence === "0x" ? { n: 0, x: root } : readTick(evidence);
    const paymentId = computePaymentId({ channelId, ref });
    const reader = createTickReader(keccak, { paymentId, known, tickCount }, window);
    return createTickAccount({ ledger, channel, payment, reader, tickAmount, window, report });
  }

  function entryOf(channelId: Hex, ref: Hex): Entry {
    const ofChannel = entries.get(channelId) ?? new Map<Hex, Entry>();
    entries.set(channelId, ofChannel);
    const known = ofChannel.get(ref);
    if (known) return known;
    const entry: Entry = { account: load(channelId, ref), checkedAt: now(), restingSince: undefined };
    ofChannel.set(ref, entry);
    entry.account.catch(() => forget(channelId, ref, entry));
    return entry;
  }

  function forget(channelId: Hex, ref: Hex, entry?: Entry): void {
    const ofChannel = entries.get(channelId);
    if (!ofChannel || (entry && ofChannel.get(ref) !== entry)) return;
    ofChannel.delete(ref);
    if (ofChannel.size === 0) entries.delete(channelId);
  }

  async function giveUp(account: TickAccount): Promise<void> {
    forget(account.channelId, account.ref);
    await ledger.releaseLease(leaseOf(account.channelId, account.ref));
  }

  /** All accounts at once, so that their marks share the ledger's commits. What goes wrong is told to the owner. */
  async function forAll(run: (account: TickAccount, entry: Entry) => Promise<void>): Promise<void> {
    const all = [...entries.values()].flatMap((ofChannel) => [...ofChannel.values()]);
    await Promise.all(
      all.map(async (entry) => {
        const account = await entry.account.catch(() => undefined);
        if (account) await use(account, () => run(account, entry)).catch(report);
      }),
    );
  }

  async function rest(): Promise<void> {
    await forAll(async (account, entry) => {
      await account.rest();
      // Looked at after the waiting, so that no tick is taken on an account that is given up.
      entry.restingSince = account.isAtRest ? (entry.restingSince ?? now()) : undefined;
      if (entry.restingSince !== undefined && now() - entry.restingSince >= keptFor) await giveUp(account);
    });
  }

  async function use<result>(account: TickAccount, run: () => Promise<result>): Promise<result> {
    try {
      return await run();
    } catch (error) {
      const isGone =
        error instanceof ProblemError &&
        ["payment-unknown", "payment-dropped", "ticks-elsewhere", "channel-not-found"].includes(error.problem);
      if (isGone) forget(account.channelId, account.ref);
      throw error;
    }
  }

  async function recheck(account: TickAccount, entry: Entry): Promise<void> {
    entry.checkedAt = now();
    try {
      await use(account, () => requireStanding(account.channelId, account.ref));
    } catch (error) {
      entry.checkedAt = Number.NEGATIVE_INFINITY;
      throw error;
    }
  }

  const timer = setInterval(() => void rest().catch(report), restAfter);
  timer.unref();

  return {
    use,

    async take(channelId, ref, take) {
      for (;;) {
        while (sealing.has(channelId)) await sealing.get(channelId)?.catch(() => undefined);
        const entry = entryOf(channelId, ref);
        const account = await entry.account;
        if (now() - entry.checkedAt >= recheckAfter * 1000) await recheck(account, entry);
        // It may have been given up in the meantime.
        const isOpen = entries.get(channelId)?.get(ref) === entry && !sealing.has(channelId);
        if (isOpen) return { account, result: take(account) };
      }
    },

    async sealed(channelId, keeps, run) {
      while (sealing.has(channelId)) await sealing.get(channelId)?.catch(() => undefined);
      const ending = [...(entries.get(channelId)?.entries() ?? [])].filter(([ref]) => !keeps.includes(ref));
      const work = (async () => {
        for (const [, { account }] of ending) {
          const opened = await account.catch(() => undefined);
          if (!opened) continue;
          await use(opened, () => opened.seal());
          await giveUp(opened);
        }
        return run();
      })();
      sealing.set(channelId, work);
      try {
        return await work;
      } finally {
        sealing.delete(channelId);
      }
    },

    markAll: () => forAll((account) => account.seal()),

    async close() {
      clearInterval(timer);
      await forAll(async (account) => {
        await account.seal();
        await giveUp(account);
      });
    },
  };
}

function readTick(evidence: Hex): { n: number; x: Hex } {
  return { n: Number(evidence.slice(0, 66)), x: `0x${evidence.slice(66)}` };
}
