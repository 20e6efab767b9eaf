import type { Hex } from "viem";

import { max } from "../../bigints.ts";
import { assertField, type InvalidFieldError } from "../assertField.ts";
import type { Condition } from "../conditions/condition.ts";
import { estimatePaymentGas, sumClaimGas } from "./claimGas.ts";
import { type PayerPolicy, refuseCondition } from "./payerPolicy.ts";
import type { PlanRefusal } from "./planRefusal.ts";
import { lower, maxClaimGas, maxPayments, type StatedPayment, toStated } from "./statement.ts";

/** Everything a payer has signed in one channel, as far as it still matters: plain data, to be stored as it is. */
export type SignedStatements = {
  /** The highest total signed, in base units. */
  cumulativeAmount: bigint;
  /** What the newest statement carries, ascending by `ref`, each with the gas that claiming it takes. */
  payments: readonly (StatedPayment & { claimGas: bigint })[];
  /** Every ref ever signed, whatever became of the statement. */
  refs: readonly Hex[];
  /** The sum of all payments that were folded, in base units. */
  folded: bigint;
  /** The most that any statement ever signed can cost, in base units. */
  liability: bigint;
};

/** What is signed in a channel before its first statement. */
export const nothingSigned: SignedStatements = Object.freeze({
  cumulativeAmount: 0n,
  payments: Object.freeze([]),
  refs: Object.freeze([]),
  folded: 0n,
  liability: 0n,
});

/** What came of a plan. */
export type StatementPlan =
  /** `next` is to be stored, durably, before `statement` is signed and leaves. */
  | {
      readonly outcome: "sign";
      readonly statement: { readonly cumulativeAmount: bigint; readonly payments: readonly StatedPayment[] };
      readonly next: SignedStatements;
    }
  /** Nothing may be signed, and nothing changes. */
  | { readonly outcome: "refused"; readonly reason: PlanRefusal };

/**
 * The payer's rules: what to state next, or exactly why nothing may be signed. A pure function.
 *
 * The total is above every earlier one, and at least what receipts and folded payments come to with every open call at its
 * ceiling: so headroom that nobody earned does not pile up. It grows by what is folded, as the payee demands; that payment
 * could have been claimed before, so this costs nothing more. Everything not folded or dropped is carried unchanged. A ref
 * is good for one statement on, whatever became of it.
 *
 * @param parameters - What is signed so far (`nothingSigned` at first), the policy, the deposit, what verified receipts of
 *   plain calls come to, the ceilings of all plain calls without a receipt, the one to be paid included, what to fold with
 *   what its evidence proves (see `proveDue`), what to drop since it failed, what to add, and the time in Unix seconds.
 *   Amounts in base units.
 * @returns The statement to sign and what to store first, or the reason with its numbers.
 * @throws {InvalidFieldError} when an amount or a ref is malformed.
 * @example
 * import { nothingSigned, planStatement } from "subfen";
 *
 * const plan = planStatement({
 *   signed: nothingSigned,
 *   policy: {
 *     mostLiability: 50_000n,
 *     mostPayment: 1_000n,
 *     contracts: {},
 *     kinds: ["attestation", "ticks"],
 *     evaluators: [],
 *     mostJudgePeriod: 3_600n,
 *   },
 *   deposit: 1_000_000n,
 *   spent: 0n,
 *   openCalls: [120n],
 *   now: 1_800_000_000n,
 * });
 * plan.outcome === "sign" && plan.statement.cumulativeAmount; // 120n
 */
export function planStatement(parameters: planStatement.Parameters): planStatement.ReturnType {
  const { signed, policy, deposit, spent, openCalls, fold = [], drop = [], add = [], now } = parameters;
  for (const amount of [spent, ...openCalls]) assertField({ field: "Plan.spent", type: "uint128", value: amount });

  const carried = new Map(signed.payments.map((payment) => [payment.ref, payment]));
  let folding = 0n;
  for (const { ref, due } of [...fold, ...drop.map((one) => ({ ref: one, due: 0n }))]) {
    assertField({ field: "Plan.due", type: "uint128", value: due });
    const payment = carried.get(toRef(ref));
    if (!payment) return refuse({ code: "payment-not-carried", ref });
    if (due > payment.amount) return refuse({ code: "fold-exceeds-amount", ref, due, amount: payment.amount });
    folding += due;
    carried.delete(payment.ref);
  }

  const refs = new Set(signed.refs);
  for (const { ref: given, condition, amount } of add) {
    const ref = toRef(given);
    assertField({ field: "Plan.amount", type: "uint128", value: amount });
    if (refs.has(ref)) return refuse({ code: "ref-used", ref });
    if (amount === 0n) return refuse({ code: "amount-zero", ref });
    if (amount > policy.mostPayment)
      return refuse({ code: "payment-exceeds-limit", ref, amount, most: policy.mostPayment });
    const refusal = refuseCondition(ref, condition, policy, now);
    if (refusal) return refuse(refusal);
    refs.add(ref);
    const { parameters: encoded, parametersHash } = condition;
    const stated = { ref, condition: lower(condition.address), parametersHash, amount, parameters: encoded };
    carried.set(ref, { ...stated, claimGas: estimatePaymentGas(condition) });
  }

  const payments = [...carried.values()].toSorted((a, b) => (a.ref < b.ref ? -1 : 1));
  const count = payments.length;
  if (count > maxPayments) return refuse({ code: "too-many-payments", count, most: maxPayments });
  const gas = sumClaimGas(payments);
  if (gas > maxClaimGas) return refuse({ code: "claim-gas-too-high", gas, most: maxClaimGas });

  const open = openCalls.reduce((sum, ceiling) => sum + ceiling, 0n);
  const folded = signed.folded + folding;
  const { cumulativeAmount: highest } = signed;
  const cumulativeAmount = max(highest + 1n, highest + folding, spent + folded + open);
  const worstCase = payments.reduce((sum, { amount }) => sum + amount, cumulativeAmount);
  if (worstCase > deposit) return refuse({ code: "exceeds-deposit", worstCase, deposit });
  if (worstCase > policy.mostLiability) return refuse({ code: "exceeds-limit", worstCase, most: policy.mostLiability });
  return {
    outcome: "sign",
    statement: { cumulativeAmount, payments: payments.map(toStated) },
    next: { cumulativeAmount, payments, refs: [...refs], folded, liability: max(signed.liability, worstCase) },
  };
}

export declare namespace planStatement {
  type Parameters = {
    signed: SignedStatements;
    policy: PayerPolicy;
    /** What is locked in the channel. */
    deposit: bigint;
    /** What verified receipts of plain calls have charged. */
    spent: bigint;
    /** The ceilings of plain calls without a receipt. */
    openCalls: readonly bigint[];
    /** Payments to move into the total, each with what its evidence proves. */
    fold?: readonly { ref: Hex; due: bigint }[] | undefined;
    /** Payments that failed: nothing is due on them. */
    drop?: readonly Hex[] | undefined;
    /** Payments to add, each under 32 bytes never used before. */
    add?: readonly { ref: Hex; condition: Condition; amount: bigint }[] | undefined;
    /** Unix time in seconds. */
    now: bigint;
  };
  type ReturnType = StatementPlan;
  type ErrorType = InvalidFieldError;
}

function toRef(ref: Hex): Hex {
  assertField({ field: "Plan.ref", type: "bytes32", value: ref });
  return lower(ref);
}

function refuse(reason: PlanRefusal): StatementPlan {
  return { outcome: "refused", reason };
}
