import type { Address, Hex } from "viem";
import { bytesToHex } from "viem/utils";

import { max, min } from "../bigints.ts";
import { SubfenError } from "../errors.ts";
import { assertField, type InvalidFieldError } from "../protocol/assertField.ts";
import { computePaymentId, signConditionalVoucher } from "../protocol/conditionalVoucher.ts";
import type { InvalidConditionError } from "../protocol/conditions/errors.ts";
import { createTickChain, type TickChain } from "../protocol/conditions/tickChain.ts";
import { ticks } from "../protocol/conditions/ticks.ts";
import type { ChannelsLocation } from "../protocol/domain.ts";
import { explainPlanRefusal, type PlanRefusal } from "../protocol/rules/planRefusal.ts";
import { nothingSigned, planStatement, type SignedStatements } from "../protocol/rules/planStatement.ts";
import type { SigningAccount } from "../protocol/typedMessage.ts";
import { signVoucher } from "../protocol/voucher.ts";
import type { SessionPayload, TickPayload } from "../wire/session.ts";

/** What must outlive the process: whoever has it can show all ticks of the chain. Amounts in base units. */
export type TickPayerState = {
  /** Everything signed in the channel. */
  readonly signed: SignedStatements;
  /** What calls have cost that were paid before these ticks. */
  readonly spent: bigint;
  /** The chain in use, where there is one. */
  readonly chain: { readonly ref: Hex; readonly seed: Hex } | undefined;
  /** The most ticks that may have been shown. */
  readonly shown: number;
};

/** Pays the calls of one channel by ticks. */
export type TickPayer = {
  /** Ticks that can still be shown. */
  readonly left: number;
  /** What ticks have paid of the chain in use, in base units: what its payee can claim beside the total. */
  readonly due: bigint;
  /**
   * Signs the next statement, while no call is begun: it has what ticks have paid in its total, and a new chain. Send
   * it before the chain's first tick, by a HEAD where it is to buy nothing.
   *
   * @returns What to send.
   * @throws {StatementNotPlannedError} when it would cost more than is allowed or deposited.
   */
  renew(): Promise<Extract<SessionPayload, { action: "voucher" }>>;
  /**
   * Shows the tick that pays for a call, a higher one for each.
   *
   * @param ceiling - The most it can cost, in base units.
   * @returns What to send with it, and again with the same call until it is answered.
   * @throws {TicksUsedUpError} when no tick is left that pays so much: `renew`.
   * @throws {TickWindowError} when more would be paid than may be without an answer: wait for one.
   */
  begin(ceiling: bigint): Promise<TickPayload>;
  /**
   * Notes what a call has cost; what it has not cost pays for the next.
   *
   * @param tick - The tick that paid for it.
   * @param amount - Base units by its receipt; at most its ceiling is believed. 0 where the seller has failed.
   */
  end(tick: TickPayload, amount: bigint): void;
  /**
   * Signs a voucher over everything that ticks have paid, while no call is begun, and gives the chain up.
   *
   * @param action - What it is for: to go on by vouchers, or to close.
   * @returns What to send.
   * @throws {StatementNotPlannedError} when it would cost more than is allowed or deposited.
   */
  fold<action extends "voucher" | "close">(action: action): Promise<Extract<SessionPayload, { action: action }>>;
  /** What to keep. */
  state(): TickPayerState;
};

/** A statement was not signed, since it could cost too much. */
export class StatementNotPlannedError extends SubfenError {
  override readonly name = "StatementNotPlannedError";
  declare readonly code: "statement-not-planned";
  readonly refusal: PlanRefusal;

  constructor(refusal: PlanRefusal) {
    const { message, remedy } = explainPlanRefusal(refusal);
    super(message, { code: "statement-not-planned", metaMessages: [`Do: ${remedy}`] });
    this.refusal = refusal;
  }
}

/** The chain has no tick left that pays for the call. Nothing was shown. */
export class TicksUsedUpError extends SubfenError {
  override readonly name = "TicksUsedUpError";
  declare readonly code: "ticks-used-up";
  /** The tick that would be needed. */
  readonly needed: number;

  constructor(needed: number, tickCount: number) {
    super(`The call needs tick ${needed}, but the chain has ${tickCount}.`, {
      code: "ticks-used-up",
      metaMessages: ["Do: `renew`, and send the statement before the next call."],
    });
    this.needed = needed;
  }
}

/** More would be paid than may be without an answer. Nothing was shown. */
export class TickWindowError extends SubfenError {
  override readonly name = "TickWindowError";
  declare readonly code: "tick-window";

  constructor(ahead: number, window: number) {
    super(`The call would put ${ahead} ticks at risk that no answer has confirmed; ${window} are allowed.`, {
      code: "tick-window",
      metaMessages: ["Do: wait for an answer, or give a larger `window`."],
    });
  }
}

/**
 * Makes a payer that pays the calls of one channel by ticks: one 32-byte value of a hash chain each, in place of a
 * signature. Nobody else may sign for the channel meanwhile.
 *
 * What it risks is a window: the ticks that were shown and not answered. A state is saved before a statement leaves and
 * before more than half a window of ticks is shown beyond the saved ones; after a restart it goes on above them.
 *
 * @param parameters - Who pays in which channel, by which chain, within which limits, and what was kept.
 * @returns The payer.
 * @throws {InvalidFieldError} when an amount or id is malformed.
 * @throws {InvalidConditionError} when the number of ticks is not from 1 to 10,000, or a tick is worth nothing.
 * @example
 * import { createTickPayer } from "subfen";
 * import { keccak256, stringToHex } from "viem";
 * import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
 *
 * const payer = createTickPayer({
 *   account: privateKeyToAccount(generatePrivateKey()),
 *   contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
 *   chainId: 31337,
 *   channelId: keccak256(stringToHex("a channel")),
 *   deposit: 1_000_000n,
 *   condition: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
 *   tickAmount: 12n,
 *   tickCount: 1_000,
 *   mostLiability: 100_000n,
 * });
 * await payer.renew(); // { action: "voucher", … }
 * (await payer.begin(12n)).n; // 1
 */
export function createTickPayer(parameters: createTickPayer.Parameters): createTickPayer.ReturnType {
  const { account, contract, chainId, channelId, condition, tickAmount, tickCount, mostLiability } = parameters;
  const { window = 64, save, kept } = parameters;
  assertField({ field: "TickPayer.deposit", type: "uint128", value: parameters.deposit });
  const most = tickAmount * BigInt(tickCount);
  assertField({ field: "TickPayer.mostLiability", type: "uint128", value: mostLiability });
  const reserve = Math.ceil(window / 2);
  let { signed = nothingSigned, spent = 0n } = kept ?? {};
  let chain = kept?.chain && { ...kept.chain, ticks: restore(kept.chain) };
  /** The highest tick shown, and the highest that is saved as shown. */
  let shown = kept?.shown ?? 0;
  let reserved = shown;
  /** What calls have cost that ticks have paid, and the ceilings of those that run, by tick. */
  let charged = kept ? BigInt(shown) * tickAmount : 0n;
  const open = new Map<number, bigint>();
  let answered = shown;

  function restore({ ref, seed }: { ref: Hex; seed: Hex }): TickChain {
    return createTickChain({ paymentId: computePaymentId({ channelId, ref }), tickCount, seed });
  }

  const dueOf = (n: number): bigint => min(BigInt(n) * tickAmount, most);

  function state(): TickPayerState {
    return { signed, spent, chain: chain && { ref: chain.ref, seed: chain.ticks.seed }, shown: reserved };
  }

  /** Plans a statement without the chain in use, and with another one if it is given; saved before it is signed. */
  async function plan(next: { ref: Hex; ticks: TickChain } | undefined) {
    const added = next && {
      ref: next.ref,
      condition: ticks({ condition, root: next.ticks.root, tickAmount, tickCount }),
      amount: most,
    };
    const planned = planStatement({
      signed,
      policy: {
        mostLiability,
        mostPayment: most,
        contracts: { ticks: condition },
        kinds: ["ticks"],
        evaluators: [],
        mostJudgePeriod: 0n,
      },
      deposit: parameters.deposit,
      spent,
      openCalls: [],
      fold: chain ? [{ ref: chain.ref, due: dueOf(shown) }] : [],
      add: added ? [added] : [],
      now: BigInt(Math.floor(Date.now() / 1000)),
    });
    if (planned.outcome === "refused") throw new StatementNotPlannedError(planned.reason);
    const before = { signed, chain };
    signed = planned.next;
    chain = next && { ...next, seed: next.ticks.seed };
    const saving = save?.({ ...state(), shown: 0 });
    try {
      await saving;
    } catch (error) {
      // It was not signed, so that what stood goes on.
      ({ signed, chain } = before);
      throw error;
    }
    shown = reserved = answered = 0;
    charged = 0n;
    open.clear();
    return planned.statement;
  }

  return {
    get left() {
      return chain ? tickCount - shown : 0;
    },
    get due() {
      return chain ? dueOf(shown) : 0n;
    },
    state,

    async renew() {
      const ref = bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
      const next = createTickChain({ paymentId: computePaymentId({ channelId, ref }), tickCount });
      const { cumulativeAmount, payments } = await plan({ ref, ticks: next });
      const statement = { contract, chainId, channelId, cumulativeAmount, payments };
      const signature = await signConditionalVoucher({ ...statement, account });
      return { action: "voucher", channelId, cumulativeAmount, signature, payments };
    },

    async begin(ceiling) {
      assertField({ field: "TickPayer.ceiling", type: "uint128", value: ceiling });
      const running = [...open.values()].reduce((sum, one) => sum + one, 0n);
      const n = Math.max(shown + 1, Number((charged + running + ceiling + tickAmount - 1n) / tickAmount));
      if (!chain || n > tickCount) throw new TicksUsedUpError(n, chain ? tickCount : 0);
      if (n - answered > window) throw new TickWindowError(n - answered, window);
      const { ref } = chain;
      const tick = chain.ticks.tick(n);
      // Counted before anything is awaited, so that parallel calls never show one tick.
      shown = n;
      open.set(n, ceiling);
      if (save && n > reserved) {
        reserved = Math.min(n + reserve, tickCount);
        await save(state());
      }
      return { action: "tick", channelId, ref, ...tick };
    },

    end({ ref, n }, amount) {
      const ceiling = open.get(n);
      if (ceiling === undefined || ref !== chain?.ref) return;
      open.delete(n);
      charged += min(max(amount, 0n), ceiling);
      answered = Math.max(answered, n);
    },

    async fold(action) {
      const { cumulativeAmount } = await plan(undefined);
      const signature = await signVoucher({ account, contract, chainId, channelId, cumulativeAmount });
      return { action, channelId, cumulativeAmount, signature } as Extract<SessionPayload, { action: typeof action }>;
    },
  };
}

export declare namespace createTickPayer {
  type Parameters = ChannelsLocation & {
    /** The payer or the channel's `authorizedSigner`. */
    account: SigningAccount;
    channelId: Hex;
    /** What is locked in the channel, in base units. */
    deposit: bigint;
    /** TickCondition, whose code was checked: see `requireKnownContract`. */
    condition: Address;
    /** What one tick pays, in base units. */
    tickAmount: bigint;
    /** Ticks of one chain, from 1 to 10,000. */
    tickCount: number;
    /** The most, in base units, that everything ever signed in the channel may cost in the worst case. */
    mostLiability: bigint;
    /** The most ticks at risk: shown without an answer to a later one; 64 by default. The seller's is an upper bound. */
    window?: number | undefined;
    /** Keeps a state durably; called before what depends on it leaves. Without it nothing outlives the process. */
    save?: ((state: TickPayerState) => Promise<void>) | undefined;
    /** What was kept of the same channel. */
    kept?: TickPayerState | undefined;
  };
  type ReturnType = TickPayer;
  type ErrorType = InvalidFieldError | InvalidConditionError;
}
