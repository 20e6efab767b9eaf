import type { Hex } from "viem";

import type { Terms } from "../protocol/terms.ts";
import type { SessionReceipt } from "../wire/sessionReceipt.ts";

/** One payer's view of one channel, and the payer's rules over it (docs/protocol.md). Amounts in base units. */
export type Purse = {
  readonly channelId: Hex;
  readonly terms: Terms;
  /** What is locked. */
  readonly deposit: bigint;
  /** What receipts have charged. */
  readonly charged: bigint;
  /** The highest statement signed: what the payee can capture at the worst. */
  readonly signed: bigint;
  /** What calls without a known outcome can cost at the most. */
  readonly uncertain: bigint;
  /** Why the seller's receipts are no longer believed; nothing more is signed for it. */
  readonly distrust: string | undefined;
  /** @returns The statement that a call of this ceiling would need. */
  next(ceiling: bigint): bigint;
  /** Counts a call at its ceiling. @returns The statement to sign for it: higher than every earlier one. */
  begin(call: symbol, ceiling: bigint): bigint;
  /** The outcome is unknown: the call counts at its ceiling until it is known. */
  lose(call: symbol): void;
  /** The seller said that the call costs nothing. */
  forgive(call: symbol): void;
  /** Takes a receipt. @returns What the call cost. */
  charge(call: symbol, receipt: SessionReceipt): bigint;
  /** @returns A statement to close with: at least what was charged, and one that has paid for nothing. */
  closingStatement(): bigint;
  /** Notes the deposit that the chain or the seller confirmed. */
  setDeposit(deposit: bigint): void;
};

/**
 * Starts the accounts of a channel that was just opened.
 *
 * @param channel - Its id, terms and deposit.
 * @returns The purse. Synchronous throughout, so that parallel calls never sign one statement twice.
 */
export function createPurse(channel: { channelId: Hex; terms: Terms; deposit: bigint }): Purse {
  const ceilings = new Map<symbol, { ceiling: bigint; isLost: boolean }>();
  /** Statements that went out with a request and are not below `charged`. */
  const used = new Set<bigint>();
  let { deposit } = channel;
  let signed = 0n;
  let charged = 0n;
  let distrust: string | undefined;

  function openCeilings(): bigint {
    let sum = 0n;
    for (const { ceiling } of ceilings.values()) sum += ceiling;
    return sum;
  }

  function next(ceiling: bigint): bigint {
    const owed = charged + openCeilings() + ceiling;
    return owed > signed ? owed : signed + 1n;
  }

  /** What the seller says must fit what was signed and seen; otherwise our own count stands. */
  function faultOf(receipt: SessionReceipt, ceiling: bigint, worst: bigint): string | undefined {
    if (receipt.channelId !== channel.channelId) return "a receipt for another channel";
    if (receipt.amount > ceiling) return `a charge of ${receipt.amount} for a call of at most ${ceiling}`;
    if (receipt.spent > worst) return `a total of ${receipt.spent} where at most ${worst} can be spent`;
    if (receipt.spent < receipt.amount) return `a total of ${receipt.spent} below one charge of ${receipt.amount}`;
    if (receipt.acceptedCumulative > signed) {
      return `a statement over ${receipt.acceptedCumulative} where the highest signed one is ${signed}`;
    }
    return undefined;
  }

  return {
    channelId: channel.channelId,
    terms: channel.terms,
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
    begin(call, ceiling) {
      signed = next(ceiling);
      ceilings.set(call, { ceiling, isLost: false });
      used.add(signed);
      return signed;
    },
    lose(call) {
      const entry = ceilings.get(call);
      if (entry) ceilings.set(call, { ...entry, isLost: true });
    },
    forgive(call) {
      ceilings.delete(call);
    },
    charge(call, receipt) {
      const ceiling = ceilings.get(call)?.ceiling ?? 0n;
      const worst = charged + openCeilings();
      distrust ??= faultOf(receipt, ceiling, worst);
      ceilings.delete(call);
      const amount = receipt.amount < ceiling ? receipt.amount : ceiling;
      charged += amount;
      const entries = [...ceilings.values()];
      const isQuiet = receipt.held === 0n && entries.every(({ isLost }) => isLost);
      if (distrust === undefined && isQuiet && entries.length > 0 && receipt.spent >= charged) {
        // Nothing runs on either side, so the seller's total tells what the lost calls have cost.
        charged = receipt.spent;
        ceilings.clear();
      }
      for (const statement of used) {
        if (statement >= charged) break;
        used.delete(statement);
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
  };
}
