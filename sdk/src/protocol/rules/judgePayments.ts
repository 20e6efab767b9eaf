import type { Hex } from "viem";

import { max } from "../../bigints.ts";
import { sumClaimGas } from "./claimGas.ts";
import { entitlementOf } from "./entitlementOf.ts";
import { admitPayment, type ConditionPolicy } from "./newPayments.ts";
import {
  type AcceptedStatement,
  type DroppedPayment,
  isSamePayment,
  maxClaimGas,
  maxPayments,
  type StandingPayment,
  type StatedPayment,
  toStated,
} from "./statement.ts";
import type { StatementRefusal } from "./statementRefusal.ts";
import { unprovenWork } from "./unprovenWork.ts";

/** What became of a statement. */
export type StatementJudgement =
  /** To be stored, durably, before any work for it. */
  | {
      readonly outcome: "accepted";
      readonly next: AcceptedStatement;
      /** What is new in it. */
      readonly added: readonly Hex[];
      /** What it left out, for good, each with what was due on it. */
      readonly dropped: readonly DroppedPayment[];
      /** The sum of that, which the total has from now on; base units. */
      readonly folded: bigint;
    }
  /** The accepted statement is worth at least as much: parallel statements arrive swapped, which is no fault. */
  | {
      readonly outcome: "dominated";
      /** What is accepted, and payments that were never taken up and never will be. To be stored if it changed. */
      readonly next: AcceptedStatement;
      /** Its payments that stand in the accepted statement: work for them is paid. */
      readonly standing: readonly Hex[];
      /** Its payments that do not: work for them is not. */
      readonly missing: readonly Hex[];
    }
  | { readonly outcome: "refused"; readonly reason: StatementRefusal };

/**
 * The part of {@link judgeStatement} that is about what the statement says, for a payee that knows the channel to be
 * one it is paid in and the signature to be good.
 *
 * @internal
 */
export function judgePayments(parameters: {
  accepted: AcceptedStatement;
  /** Base units. */
  cumulativeAmount: bigint;
  payments: readonly StatedPayment[];
  /** What is locked, as far as it is confirmed, in base units. */
  deposit: bigint;
  policy: ConditionPolicy & { creditLimit: bigint };
  chainId: number;
  /** Unix time in seconds. */
  now: bigint;
}): StatementJudgement {
  const { accepted, cumulativeAmount, deposit, policy, chainId, now } = parameters;
  const count = parameters.payments.length;
  if (count > maxPayments) return refuse({ code: "too-many-payments", count, most: maxPayments });
  const payments = parameters.payments.map(toStated);
  for (const [index, { ref }] of payments.entries())
    if (ref <= (payments[index - 1]?.ref ?? "")) return refuse({ code: "payments-not-ascending", index, ref });

  const known = compare(accepted, payments);
  if (isDominated(accepted, cumulativeAmount, known)) return acknowledge(accepted, known);

  const left = accepted.payments.filter(({ ref }) => !payments.some((payment) => payment.ref === ref));
  const dropped = left.map(toDropped);
  const folded = dropped.reduce((sum, { due }) => sum + due, 0n);
  const required = accepted.cumulativeAmount + folded;
  if (cumulativeAmount < required)
    return refuse({
      code: "fold-too-low",
      cumulativeAmount,
      required,
      dropped: dropped.map(({ ref, due }) => ({ ref, due })),
    });
  const [changed] = known.changed;
  if (changed) return refuse({ code: "payment-changed", ref: changed.ref });
  const [revived] = known.dropped;
  if (revived) return refuse({ code: "ref-used", ref: revived.ref });
  const worstCase = payments.reduce((sum, { amount }) => sum + amount, cumulativeAmount);
  if (worstCase > deposit) return refuse({ code: "exceeds-deposit", worstCase, deposit });

  const standing: StandingPayment[] = [...known.standing];
  for (const payment of known.fresh) {
    const admitted = admitPayment(payment, { policy, chainId, now });
    if ("code" in admitted) return refuse(admitted);
    standing.push(admitted);
  }
  standing.sort((a, b) => (a.ref < b.ref ? -1 : 1));
  const next: AcceptedStatement = {
    cumulativeAmount,
    payments: standing,
    dropped: [...accepted.dropped, ...dropped],
    lost: left.reduce((sum, { work, due }) => sum + max(0n, work - due), accepted.lost),
  };
  const gas = sumClaimGas(standing);
  if (gas > maxClaimGas) return refuse({ code: "claim-gas-too-high", gas, most: maxClaimGas });
  const unproven = unprovenWork(next);
  // What is unproven already is not made more by a statement that adds nothing.
  if (known.fresh.length > 0 && unproven > policy.creditLimit)
    return refuse({ code: "credit-exceeded", unproven, creditLimit: policy.creditLimit });
  return { outcome: "accepted", next, added: known.fresh.map(({ ref }) => ref), dropped, folded };
}

/** A statement's payments by what the payee knows of them. */
type Compared = {
  standing: readonly StandingPayment[];
  dropped: readonly DroppedPayment[];
  /** A known ref with other fields. */
  changed: readonly StatedPayment[];
  fresh: readonly StatedPayment[];
};

function compare(accepted: AcceptedStatement, payments: readonly StatedPayment[]): Compared {
  const standing: StandingPayment[] = [];
  const dropped: DroppedPayment[] = [];
  const changed: StatedPayment[] = [];
  const fresh: StatedPayment[] = [];
  for (const payment of payments) {
    const stands = accepted.payments.find(({ ref }) => ref === payment.ref);
    const gone = accepted.dropped.find(({ ref }) => ref === payment.ref);
    if (stands && isSamePayment(stands, payment)) standing.push(stands);
    else if (gone && isSamePayment(gone, payment)) dropped.push(gone);
    else (stands || gone ? changed : fresh).push(payment);
  }
  return { standing, dropped, changed, fresh };
}

/**
 * Whether the accepted statement is worth at least as much, now and under all evidence that is still taken: payments
 * that both have cancel out, a dropped one is worth what was due on it, and one never seen nothing, since it never will
 * be taken up.
 */
function isDominated(accepted: AcceptedStatement, cumulativeAmount: bigint, known: Compared): boolean {
  const { standing, dropped, changed, fresh } = known;
  if (changed.length > 0 || cumulativeAmount > accepted.cumulativeAmount) return false;
  // At an equal total a new payment is one more, and not a late one: every later statement of a payer has a higher total.
  if (fresh.length > 0 && cumulativeAmount === accepted.cumulativeAmount) return false;
  const worth = entitlementOf({ cumulativeAmount, payments: [...standing, ...dropped] }, [...standing, ...dropped]);
  return worth <= entitlementOf(accepted, accepted.payments);
}

function acknowledge(accepted: AcceptedStatement, { standing, dropped, fresh }: Compared): StatementJudgement {
  const never = fresh.map((payment) => toDropped({ ...payment, due: 0n }));
  return {
    outcome: "dominated",
    next: never.length === 0 ? accepted : { ...accepted, dropped: [...accepted.dropped, ...never] },
    standing: standing.map(({ ref }) => ref),
    missing: [...dropped, ...never].map(({ ref }) => ref),
  };
}

function toDropped({ ref, condition, parametersHash, amount, due }: DroppedPayment): DroppedPayment {
  return { ref, condition, parametersHash, amount, due };
}

function refuse(reason: StatementRefusal): StatementJudgement {
  return { outcome: "refused", reason };
}
