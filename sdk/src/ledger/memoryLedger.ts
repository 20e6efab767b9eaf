import type { Hex } from "viem";

import { SubfenError } from "../errors.ts";
import { decideAcceptance, decideClose, decideHold } from "./decideHold.ts";
import type { ChannelRecord, Hold, HoldResult, Ledger } from "./ledger.ts";

/** A capture or a release of something that is not held. */
export class UnknownHoldError extends SubfenError {
  override readonly name = "UnknownHoldError";

  constructor(channelId: Hex, cumulativeAmount: bigint) {
    super(`The statement over ${cumulativeAmount} on channel ${channelId} holds nothing.`, {
      code: "unknown-hold",
      metaMessages: ["Each hold is captured or released once."],
    });
  }
}

type Entry = {
  record: ChannelRecord;
  /** By cumulative amount, oldest first. */
  holds: Map<bigint, Hold>;
  statementsByKey: Map<string, bigint>;
  /** The highest statement whose purchase is forgotten; below zero while none is. */
  forgottenUpTo: bigint;
};

/**
 * A ledger in memory: for tests and for sellers that can afford to lose what is not settled when the process ends.
 *
 * @param options.keep - How many statements a channel are remembered with their answers, 1,024 by default. A statement
 * older than the remembered ones is refused, so forgetting never lets one buy twice.
 * @returns The ledger.
 */
export function createMemoryLedger(options: { keep?: number } = {}): Ledger {
  const { keep = 1024 } = options;
  const entries = new Map<Hex, Entry>();

  function requireHold(channelId: Hex, cumulativeAmount: bigint): { entry: Entry; hold: Hold } {
    const entry = entries.get(channelId);
    const hold = entry?.holds.get(cumulativeAmount);
    if (!entry || hold?.status !== "held") throw new UnknownHoldError(channelId, cumulativeAmount);
    return { entry, hold };
  }

  function remember(entry: Entry, hold: Hold): void {
    entry.holds.delete(hold.cumulativeAmount);
    entry.holds.set(hold.cumulativeAmount, hold);
    if (hold.idempotencyKey !== undefined) entry.statementsByKey.set(hold.idempotencyKey, hold.cumulativeAmount);
    if (entry.holds.size <= keep) return;
    for (const [cumulativeAmount, old] of entry.holds) {
      if (old.status === "held") continue;
      entry.holds.delete(cumulativeAmount);
      const key = old.idempotencyKey;
      if (key !== undefined && entry.statementsByKey.get(key) === cumulativeAmount) entry.statementsByKey.delete(key);
      if (cumulativeAmount > entry.forgottenUpTo) entry.forgottenUpTo = cumulativeAmount;
      break;
    }
  }

  function update(entry: Entry, changes: Partial<ChannelRecord>): ChannelRecord {
    entry.record = { ...entry.record, ...changes };
    return entry.record;
  }

  return {
    async addChannel({ channelId, terms, chain, cumulativeAmount, signature }) {
      const entry = entries.get(channelId);
      if (entry) {
        const isHigher = cumulativeAmount > entry.record.accepted && cumulativeAmount <= chain.deposit;
        return update(entry, { ...chain, ...(isHigher ? { accepted: cumulativeAmount, signature } : {}) });
      }
      const record: ChannelRecord = {
        ...chain,
        channelId,
        terms,
        accepted: cumulativeAmount,
        signature,
        spent: chain.settled,
        held: 0n,
        closing: false,
      };
      entries.set(channelId, { record, holds: new Map(), statementsByKey: new Map(), forgottenUpTo: -1n });
      return record;
    },

    async getChannel(channelId) {
      return entries.get(channelId)?.record;
    },

    async updateChain(channelId, chain) {
      const entry = entries.get(channelId);
      return entry && update(entry, chain);
    },

    async accept(statement) {
      const entry = entries.get(statement.channelId);
      if (!entry) return { kind: "unknown-channel" };
      const { accepts, refusal } = decideAcceptance(entry.record, statement);
      if (refusal) return { kind: "refused", reason: refusal, channel: entry.record };
      if (accepts) update(entry, { accepted: statement.cumulativeAmount, signature: statement.signature });
      return { kind: "held", channel: entry.record };
    },

    async hold(request): Promise<HoldResult> {
      const entry = entries.get(request.channelId);
      if (!entry) return { kind: "unknown-channel" };
      const { cumulativeAmount, idempotencyKey } = request;
      const keyed = idempotencyKey === undefined ? undefined : entry.statementsByKey.get(idempotencyKey);
      const decision = decideHold(
        entry.record,
        {
          byStatement: entry.holds.get(cumulativeAmount),
          byKey: keyed === undefined ? undefined : entry.holds.get(keyed),
          forgottenUpTo: entry.forgottenUpTo,
        },
        request,
      );
      if (decision.kind === "repeat") return { kind: "repeated", channel: entry.record, hold: decision.hold };
      if (decision.accepts) update(entry, { accepted: cumulativeAmount, signature: request.signature });
      if (decision.kind === "refuse") return { kind: "refused", reason: decision.reason, channel: entry.record };

      const { requestHash, amount } = request;
      const hold: Hold = {
        cumulativeAmount,
        requestHash,
        idempotencyKey,
        amount,
        status: "held",
        captured: 0n,
        spentAfter: 0n,
        answer: undefined,
      };
      remember(entry, hold);
      return { kind: "held", channel: update(entry, { held: entry.record.held + amount }) };
    },

    async capture({ channelId, cumulativeAmount, amount, answer }) {
      const { entry, hold } = requireHold(channelId, cumulativeAmount);
      const captured = amount < hold.amount ? amount : hold.amount;
      const spent = entry.record.spent + captured;
      const channel = update(entry, { spent, held: entry.record.held - hold.amount });
      const settled: Hold = { ...hold, status: "captured", captured, spentAfter: spent, answer };
      remember(entry, settled);
      return { channel, hold: settled };
    },

    async release({ channelId, cumulativeAmount }) {
      const { entry, hold } = requireHold(channelId, cumulativeAmount);
      remember(entry, { ...hold, status: "released" });
      return update(entry, { held: entry.record.held - hold.amount });
    },

    async beginClose(statement) {
      const entry = entries.get(statement.channelId);
      if (!entry) return { kind: "unknown-channel" };
      const { cumulativeAmount, signature } = statement;
      const isUsed = entry.holds.has(cumulativeAmount) || cumulativeAmount <= entry.forgottenUpTo;
      const decision = decideClose(entry.record, isUsed, cumulativeAmount);
      if (decision.refusal) return { kind: "refused", reason: decision.refusal, channel: entry.record };
      const raised = decision.accepts ? { accepted: cumulativeAmount, signature } : {};
      return { kind: "held", channel: update(entry, { ...raised, closing: true }) };
    },

    async cancelClose(channelId) {
      const entry = entries.get(channelId);
      if (entry) update(entry, { closing: false });
    },

    async *channels() {
      for (const { record } of entries.values()) yield record;
    },
  };
}
