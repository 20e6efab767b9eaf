import type { Hex } from "viem";

import type { StatedPayment } from "../../sdk/src/protocol/index.ts";

export type Statement = { cumulativeAmount: bigint; payments: readonly StatedPayment[] };
type Verdict = "accepted" | "dominated" | "refused";

/**
 * What a payee should have accepted, worked out from the history of one channel and not from the state that the rules
 * keep: every payment it ever had, the evidence it took, and every statement that it acknowledged.
 */
export function createReference(limits: { deposit: bigint; creditLimit: bigint }) {
  /** Every payment known by its ref: as it was stated, the best evidence taken while it stood, and the work for it. */
  const known = new Map<Hex, { payment: StatedPayment; held: bigint; work: bigint; stands: boolean }>();
  const acknowledged: Statement[] = [];
  let accepted: Statement = { cumulativeAmount: 0n, payments: [] };

  const sum = (values: Iterable<bigint>): bigint => [...values].reduce((total, value) => total + value, 0n);
  const held = (ref: Hex): bigint => known.get(ref)?.held ?? 0n;
  const worth = ({ cumulativeAmount, payments }: Statement): bigint =>
    cumulativeAmount + sum(payments.map(({ ref }) => held(ref)));
  const unproven = (): bigint =>
    sum([...known.values()].map((one) => (one.work > one.held ? one.work - one.held : 0n)));
  const isSame = (one: StatedPayment, other: StatedPayment): boolean =>
    [one.condition === other.condition, one.parametersHash === other.parametersHash, one.amount === other.amount].every(
      Boolean,
    );

  function judge(statement: Statement): Verdict {
    const { cumulativeAmount, payments } = statement;
    const pairs = payments.map((payment) => ({ payment, before: known.get(payment.ref) }));
    if (payments.length > 16) return "refused";
    if (pairs.some(({ payment, before }) => before && !isSame(payment, before.payment))) return "refused";
    const fresh = pairs.filter(({ before }) => !before);
    const isLate = cumulativeAmount < accepted.cumulativeAmount;
    const isRepeated = cumulativeAmount === accepted.cumulativeAmount && fresh.length === 0;
    if ((isLate || isRepeated) && worth(statement) <= worth(accepted)) return "dominated";
    if (pairs.some(({ before }) => before && !before.stands)) return "refused";
    const left = accepted.payments.filter(({ ref }) => !payments.some((payment) => payment.ref === ref));
    if (cumulativeAmount < accepted.cumulativeAmount + sum(left.map(({ ref }) => held(ref)))) return "refused";
    const added = sum(fresh.map(({ payment }) => payment.amount));
    if (cumulativeAmount + sum(payments.map(({ amount }) => amount)) > limits.deposit) return "refused";
    if (fresh.some(({ payment }) => payment.amount === 0n)) return "refused";
    if (fresh.length > 0 && unproven() + added > limits.creditLimit) return "refused";
    return "accepted";
  }

  return {
    judge,
    /** Notes what became of a statement. */
    take(statement: Statement, verdict: Verdict): void {
      if (verdict === "refused") return;
      acknowledged.push(statement);
      const stands = verdict === "accepted";
      for (const payment of statement.payments)
        if (!known.has(payment.ref))
          known.set(payment.ref, { payment, held: 0n, work: stands ? payment.amount : 0n, stands });
      if (!stands) return;
      accepted = statement;
      const refs = new Set(statement.payments.map(({ ref }) => ref));
      for (const [ref, one] of known) if (!refs.has(ref)) one.stands = false;
    },
    /** @returns Whether evidence is taken. */
    prove(ref: Hex, due: bigint): boolean {
      const one = known.get(ref);
      if (!one?.stands) return false;
      const counted = due < one.payment.amount ? due : one.payment.amount;
      if (counted > one.held) one.held = counted;
      return true;
    },
    /** Less work than was thought, or more within the credit. @returns Whether that is allowed. */
    work(ref: Hex, work: bigint): boolean {
      const one = known.get(ref);
      if (!one?.stands) return false;
      const before = one.work;
      one.work = work;
      if (work <= before || unproven() <= limits.creditLimit) return true;
      one.work = before;
      return false;
    },
    accepted: () => accepted,
    held,
    worth,
    unproven,
    stands: (ref: Hex): boolean => known.get(ref)?.stands ?? false,
    /** The acknowledged statement that is worth the most under the evidence that was taken. */
    best: (): bigint =>
      acknowledged.reduce((most, statement) => (worth(statement) > most ? worth(statement) : most), 0n),
  };
}

export type Reference = ReturnType<typeof createReference>;
