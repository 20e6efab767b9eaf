import type { Hex } from "viem";

import { min } from "../bigints.ts";
import type { Terms } from "../protocol/terms.ts";
import type { SessionReceipt } from "../wire/sessionReceipt.ts";

/** What must outlive the process: the accounts of one channel. Amounts in base units. */
export type PurseState = {
  readonly channelId: Hex;
  readonly terms: Terms;
  /** What is locked. */
  readonly deposit: bigint;
  /** What receipts have charged. */
  readonly charged: bigint;
  /** The highest statement signed: what the payee can capture at the worst. */
  readonly signed: bigint;
  /** Why the seller is no longer believed; nothing more is signed for it. */
  readonly distrust: string | undefined;
  /** Calls without a known outcome: the statement of each and its ceiling. */
  readonly open: readonly (readonly [statement: bigint, ceiling: bigint])[];
  /** Statements that went out with a request and are not below `charged`. */
  readonly used: readonly bigint[];
  /** The highest total that a receipt told. */
  readonly told: bigint;
  /** The ceilings of calls that the seller's total settled in sum: some may still be charged when they are repeated. */
  readonly settledInSum: bigint;
  /** What `charged` may count twice: repeated calls that the seller's total had settled in sum before. */
  readonly doubled: bigint;
};

/**
 * One payer's view of one channel, and the payer's rules over it (docs/protocol.md). Amounts in base units. A call is
 * known by the statement that was signed for it: no two have the same.
 */
export type Purse = Pick<PurseState, "channelId" | "terms" | "deposit" | "charged" | "signed" | "distrust"> & {
  /** What calls without a known outcome can cost at the most. */
  readonly uncertain: bigint;
  /** @returns The statement that a call of this ceiling would need. */
  next(ceiling: bigint): bigint;
  /** Counts a call at its ceiling. @returns The statement to sign for it: higher than every earlier one. */
  begin(ceiling: bigint): bigint;
  /** A call that runs may cost this much more. @returns The statement to sign for that, which buys no call of its own. */
  raise(statement: bigint, more: bigint): bigint;
  /** A call without a known outcome is asked for again. */
  repeat(statement: bigint, ceiling: bigint): void;
  /** The outcome is unknown: the call counts at its ceiling until it is known. */
  lose(statement: bigint): void;
  /** The seller said that the call costs nothing. */
  forgive(statement: bigint): void;
  /** Takes a receipt that is about no call: the seller's total. */
  take(receipt: SessionReceipt): void;
  /** The seller has to answer for something: nothing more is signed for it. */
  accuse(fault: string): void;
  /** Takes a receipt. @returns What the call cost. */
  charge(statement: bigint, receipt: SessionReceipt): bigint;
  /** @returns A statement to close with: at least what was charged, and one that has paid for nothing. */
  closingStatement(): bigint;
  /** Notes the deposit that the chain or the seller confirmed. */
  setDeposit(deposit: bigint): void;
  /** @returns What to keep, to go on from it after a restart. */
  state(): PurseState;
};

/** A call that was begun: `isRepeated` when the seller's total had settled it before. */
type OpenCall = { readonly ceiling: bigint; readonly isLost: boolean; readonly isRepeated: boolean };

/**
 * Starts the accounts of a channel that was just opened, or goes on with those that were kept.
 *
 * @param channel - Its id, terms and deposit, and what was kept of it. Calls that were open then are lost ones now.
 * @returns The purse. Synchronous throughout, so that parallel calls never sign one statement twice.
 */
export function createPurse(channel: Pick<PurseState, "channelId" | "terms" | "deposit"> & Partial<PurseState>): Purse {
  const { channelId, terms } = channel;
  const calls = new Map<bigint, OpenCall>();
  for (const [statement, ceiling] of channel.open ?? []) {
    // Whether it was repeated is no longer known, so it may be counted twice until the next total.
    calls.set(statement, { ceiling, isLost: true, isRepeated: true });
  }
  const used = new Set<bigint>(channel.used);
  let { deposit, signed = 0n, charged = 0n, distrust, told = 0n, settledInSum = 0n, doubled = 0n } = channel;

  function openCeilings(): bigint {
    let sum = 0n;
    for (const { ceiling } of calls.values()) sum += ceiling;
    return sum;
  }

  function next(ceiling: bigint): bigint {
    const owed = charged + openCeilings() + ceiling;
    return owed > signed ? owed : signed + 1n;
  }

  /** What the seller says must fit what was signed and seen; otherwise our own count stands. */
  function faultOf(receipt: SessionReceipt, ceiling: bigint): string | undefined {
    const worst = charged + openCeilings() + settledInSum;
    if (receipt.channelId !== channelId) return "a receipt for another channel";
    if (receipt.amount > ceiling) return `a charge of ${receipt.amount} for a call of at most ${ceiling}`;
    if (receipt.spent > worst) return `a total of ${receipt.spent} where at most ${worst} can be spent`;
    if (receipt.spent < receipt.amount) return `a total of ${receipt.spent} below one charge of ${receipt.amount}`;
    if (receipt.acceptedCumulative > signed) {
      return `a statement over ${receipt.acceptedCumulative} where the highest signed one is ${signed}`;
    }
    return undefined;
  }

  /** Where nothing runs on either side, the newest total tells what the calls without an answer have cost in sum. */
  function takeTotal({ spent, held }: SessionReceipt): void {
    const isNewest = spent >= told;
    if (isNewest) told = spent;
    const isQuiet = held === 0n && [...calls.values()].every(({ isLost }) => isLost);
    if (!isNewest || !isQuiet || spent < charged - doubled) return;
    const lost = openCeilings() + settledInSum;
    settledInSum = min(lost, charged + lost - spent);
    charged = spent;
    doubled = 0n;
    calls.clear();
  }

  return {
    channelId,
    terms,
    get deposit() {
      return deposit;
    },
    get charged() {
      return charged;
    },
    get signed() {
      return signed;
    },
    get uncertain() {
      return openCeilings();
    },
    get distrust() {
      return distrust;
    },
    next,
    begin(ceiling) {
      signed = next(ceiling);
      calls.set(signed, { ceiling, isLost: false, isRepeated: false });
      used.add(signed);
      return signed;
    },
    raise(statement, more) {
      const call = calls.get(statement);
      if (call) calls.set(statement, { ...call, ceiling: call.ceiling + more });
      signed = next(0n);
      used.add(signed);
      return signed;
    },
    repeat(statement, ceiling) {
      const call = calls.get(statement);
      if (!call) settledInSum -= min(settledInSum, ceiling);
      calls.set(statement, call ? { ...call, isLost: false } : { ceiling, isLost: false, isRepeated: true });
    },
    lose(statement) {
      const call = calls.get(statement);
      if (call) calls.set(statement, { ...call, isLost: true });
    },
    forgive(statement) {
      calls.delete(statement);
    },
    take(receipt) {
      distrust ??= faultOf(receipt, 0n);
      if (distrust === undefined) takeTotal(receipt);
    },
    accuse(fault) {
      distrust ??= fault;
    },
    charge(statement, receipt) {
      const { ceiling, isRepeated } = calls.get(statement) ?? { ceiling: 0n, isRepeated: false };
      distrust ??= faultOf(receipt, ceiling);
      calls.delete(statement);
      const amount = min(receipt.amount, ceiling);
      charged += amount;
      if (isRepeated) doubled += amount;
      if (distrust === undefined) takeTotal(receipt);
      for (const early of used) {
        if (early >= charged) break;
        used.delete(early);
      }
      return amount;
    },
    closingStatement() {
      let statement = charged;
      while (used.has(statement)) statement++;
      return statement;
    },
    setDeposit(amount) {
      deposit = amount;
    },
    state() {
      const open = [...calls].map(([statement, { ceiling }]) => [statement, ceiling] as const);
      return {
        channelId,
        terms,
        deposit,
        charged,
        signed,
        distrust,
        open,
        used: [...used],
        told,
        settledInSum,
        doubled,
      };
    },
  };
}
