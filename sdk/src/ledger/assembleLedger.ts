import type { Hex } from "viem";

import { assertField } from "../protocol/assertField.ts";
import { SubfenError } from "../errors.ts";
import type { ChargeRef } from "./charge.ts";
import { createChargeSteps } from "./chargeSteps.ts";
import type { ChainState, Ledger, LedgerOwner } from "./ledger.ts";
import { createSteps } from "./steps.ts";
import type { Store } from "./store.ts";

/** A ledger could not do a step: nothing of it has happened, and nothing that hangs on it may be given. */
export class LedgerUnavailableError extends SubfenError {
  override readonly name = "LedgerUnavailableError";

  constructor(reason: string, cause?: unknown) {
    super(`The ledger could not be written: ${reason}.`, {
      code: "ledger-unavailable",
      metaMessages: ["Nothing has changed. Give the ledger what it lacks, and try again."],
      cause,
    });
  }
}

/** Milliseconds of 30 days: how long what a finalized channel has bought is kept by default. */
export const defaultRetention = 30 * 24 * 3600 * 1000;

/** Milliseconds of a day: how long what an authorization has bought is kept. Its challenge is long past by then. */
const chargeRetention = 24 * 3600 * 1000;

/**
 * Makes a ledger of a store. What it does is the same whatever the store is made of.
 *
 * @param parameters.store - Where things are kept.
 * @param parameters.run - Makes a step atomic, and durable when the promise resolves.
 * @param parameters.now - The clock, in milliseconds.
 * @param parameters.retention - Milliseconds that the purchases of a finalized channel are kept.
 * @param parameters.owner - Whose it is, if it is bound.
 * @returns The ledger.
 */
export function assembleLedger(parameters: {
  store: Store;
  run: <result>(step: () => result) => Promise<result>;
  now: () => number;
  retention: number;
  owner: LedgerOwner | undefined;
}): Ledger {
  const { store, now, retention, owner } = parameters;
  const steps = createSteps(store, now);
  const charges = createChargeSteps(store, now);
  let closing: Promise<void> | undefined;

  function requireOpen(): void {
    if (closing) throw new LedgerUnavailableError("it is closed");
  }

  async function run<result>(step: () => result): Promise<result> {
    requireOpen();
    return parameters.run(step);
  }

  return {
    owner,

    async addChannel(channel) {
      assertIds({ channelId: channel.channelId });
      assertAmounts({ cumulativeAmount: channel.cumulativeAmount });
      assertChain(channel.chain);
      return run(() => steps.addChannel(channel));
    },

    async getChannel(channelId) {
      assertIds({ channelId });
      requireOpen();
      return store.channel(channelId);
    },

    async updateChain(channelId, chain) {
      assertIds({ channelId });
      assertChain(chain);
      return run(() => steps.updateChain(channelId, chain));
    },

    async accept(statement) {
      const { channelId, cumulativeAmount, minVoucherDelta } = statement;
      assertIds({ channelId });
      assertAmounts({ cumulativeAmount, minVoucherDelta });
      return run(() => steps.accept(statement));
    },

    async hold(request) {
      const { channelId, requestHash, cumulativeAmount, amount, minVoucherDelta } = request;
      assertIds({ channelId, requestHash });
      assertAmounts({ cumulativeAmount, amount, minVoucherDelta });
      return run(() => steps.hold(request));
    },

    async prove(proof) {
      const { channelId, ref, due } = proof;
      assertIds({ channelId, ref });
      assertAmounts({ due });
      return run(() => steps.prove({ ...proof, ref: ref.toLowerCase() as Hex }));
    },

    async concede({ channelId, ref }) {
      assertIds({ channelId, ref });
      return run(() => steps.concede({ channelId, ref: ref.toLowerCase() as Hex }));
    },

    async markTicks(mark) {
      const { channelId, ref, due, drawn, charged, freed, holds } = mark;
      assertIds({ channelId, ref });
      assertAmounts({ due, drawn, charged, freed });
      for (const { cumulativeAmount, requestHash, amount } of holds) {
        assertIds({ requestHash });
        assertAmounts({ cumulativeAmount, amount });
      }
      return run(() => steps.markTicks({ ...mark, ref: ref.toLowerCase() as Hex }));
    },

    async capture(capture) {
      const { channelId, cumulativeAmount, amount } = capture;
      assertIds({ channelId });
      assertAmounts({ cumulativeAmount, amount });
      return run(() => steps.capture(capture));
    },

    async advance(advance) {
      const { channelId, cumulativeAmount, delivered, amount } = advance;
      assertIds({ channelId });
      assertAmounts({ cumulativeAmount, delivered, amount });
      return run(() => steps.advance(advance));
    },

    async release(release) {
      assertIds({ channelId: release.channelId });
      assertAmounts({ cumulativeAmount: release.cumulativeAmount });
      return run(() => steps.release(release));
    },

    async beginClose(statement) {
      assertIds({ channelId: statement.channelId });
      assertAmounts({ cumulativeAmount: statement.cumulativeAmount });
      return run(() => steps.beginClose(statement));
    },

    async cancelClose(channelId) {
      assertIds({ channelId });
      return run(() => steps.cancelClose(channelId));
    },

    async retire(channel) {
      assertIds({ channelId: channel.channelId });
      assertChain(channel.chain);
      return run(() => steps.retire(channel));
    },

    async *channels(filter = {}) {
      const { unsettled = false, after } = filter;
      if (after !== undefined) assertIds({ after });
      requireOpen();
      for (const row of store.channels({ unsettled, after })) {
        yield row;
        requireOpen();
      }
    },

    async *holds(channelId, filter = {}) {
      assertIds({ channelId });
      if (filter.after !== undefined) assertAmounts({ after: filter.after });
      requireOpen();
      for (const purchase of store.purchases(channelId, filter)) {
        yield purchase;
        requireOpen();
      }
    },

    async saveTransaction(transaction) {
      const { hash, gas = 0n, maxFeePerGas, maxPriorityFeePerGas } = transaction;
      assertIds({ hash });
      assertAmounts({ gas, maxFeePerGas, maxPriorityFeePerGas });
      return run(() => steps.saveTransaction(transaction));
    },

    async transactions(account) {
      requireOpen();
      return store.transactions(account);
    },

    async removeTransaction({ account, nonce }) {
      return run(() => store.dropTransaction(account, nonce));
    },

    async getCharge(ref) {
      assertCharge(ref);
      requireOpen();
      return charges.get(ref);
    },

    async holdCharge(charge) {
      assertCharge(charge);
      return run(() => charges.hold(charge));
    },

    async earnCharge(charge) {
      assertCharge(charge);
      return run(() => charges.earn(charge));
    },

    async releaseCharge(ref) {
      assertCharge(ref);
      return run(() => charges.release(ref));
    },

    async settleCharge(charge) {
      assertCharge(charge);
      assertIds({ txHash: charge.txHash });
      return run(() => charges.settle(charge));
    },

    async earnedCharges() {
      requireOpen();
      return store.earnedCharges();
    },

    acquireLease: (lease) => run(() => steps.acquireLease(lease)),
    releaseLease: (lease) => run(() => steps.releaseLease(lease)),

    async maintain() {
      const released = await run(() => steps.releaseAbandoned());
      const old = store.finalizedBefore(now() - retention);
      for (const channelId of old) {
        // A step forgets only so many, since requests wait for it.
        while (!(await run(() => steps.prune(channelId)))) continue;
      }
      while (!(await run(() => store.forgetCharges(now() - chargeRetention)))) continue;
      return { released, pruned: old.length };
    },

    close() {
      closing ??= parameters
        .run(() => {
          store.leave();
          steps.releaseAbandoned();
        })
        .finally(() => store.close());
      return closing;
    },
  };
}

function assertIds(ids: Record<string, unknown>): void {
  for (const field in ids) assertField({ field, type: "bytes32", value: ids[field] });
}

function assertCharge({ payer, nonce }: ChargeRef): void {
  assertField({ field: "payer", type: "address", value: payer });
  assertIds({ nonce });
}

function assertAmounts(amounts: Record<string, unknown>): void {
  for (const field in amounts) assertField({ field, type: "uint128", value: amounts[field] });
}

function assertChain({ blockNumber, deposit, settled }: ChainState): void {
  assertAmounts({ deposit, settled });
  assertField({ field: "blockNumber", type: "uint64", value: blockNumber });
}
