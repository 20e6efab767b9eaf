import type { Address, Hex } from "viem";

import { max } from "../../bigints.ts";
import { assertField, type InvalidFieldError } from "../assertField.ts";
import { type ChannelFacts, refuseChannel } from "./channelFacts.ts";
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

/** What a payee demands, in all its channels or in those of one payer. */
export type PayeePolicy = ConditionPolicy & {
  payee: Address;
  token: Address;
  /**
   * The most work, in base units, that this payer may have done for it before it is proven. Counted in each channel by
   * itself: divide it among the channels that one payer may have.
   */
  creditLimit: bigint;
};

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
 * The payee's rules: whether to accept a statement, and exactly why not. A pure function to be run inside the ledger's
 * atomic step; what takes a chain or a signature to find out is told to it. A plain voucher is a statement without
 * payments, and so leaves all out.
 *
 * What was accepted is never worth less afterwards: a payment is carried with all four fields, or left out for good, and
 * then the total has grown by what is due on it now. No payment is ever in the total and among the payments.
 *
 * @param parameters - What is known of the channel, the payee's policy, what is accepted so far (`nothingAccepted` at
 *   first), the statement and whether its signature is the signer's by ECDSA, and the time in Unix seconds.
 * @returns What to store, or that nothing changes, or the reason of the refusal with its numbers.
 * @throws {InvalidFieldError} when a field of the statement does not fit its type: nothing signed can have such.
 * @example
 * import { computeChannelId, judgeStatement, nothingAccepted } from "subfen";
 * import { zeroAddress, zeroHash } from "viem";
 *
 * const payee = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
 * const token = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
 * const terms = { payer: zeroAddress, payee, token, salt: zeroHash, authorizedSigner: zeroAddress };
 * const at = { contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", chainId: 31337 };
 * const state = { deposit: 1_000_000n, closeGracePeriod: 900, closeRequestedAt: 0, finalized: false };
 * const judgement = judgeStatement({
 *   channel: { ...at, terms, isContractKnown: true, ...state },
 *   policy: { payee, token, contracts: {}, creditLimit: 0n },
 *   accepted: nothingAccepted,
 *   statement: {
 *     channelId: computeChannelId({ ...at, terms }),
 *     cumulativeAmount: 1_200n,
 *     payments: [],
 *     isSignatureValid: true,
 *   },
 *   now: 1_800_000_000n,
 * });
 * judgement.outcome; // "accepted"
 */
export function judgeStatement(parameters: judgeStatement.Parameters): judgeStatement.ReturnType {
  const { channel, policy, accepted, now } = parameters;
  const { channelId, cumulativeAmount, isSignatureValid } = parameters.statement;
  assertField({ field: "ConditionalVoucher.cumulativeAmount", type: "uint128", value: cumulativeAmount });
  const channelFault = refuseChannel(channel, policy, channelId);
  if (channelFault) return refuse(channelFault);
  if (!isSignatureValid) return refuse({ code: "signature-invalid" });
  const count = parameters.statement.payments.length;
  if (count > maxPayments) return refuse({ code: "too-many-payments", count, most: maxPayments });
  const payments = parameters.statement.payments.map(toStated);
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
  if (worstCase > channel.deposit) return refuse({ code: "exceeds-deposit", worstCase, deposit: channel.deposit });

  const standing: StandingPayment[] = [...known.standing];
  for (const payment of known.fresh) {
    const admitted = admitPayment(payment, { policy, chainId: channel.chainId, now });
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

export declare namespace judgeStatement {
  type Parameters = {
    channel: ChannelFacts;
    policy: PayeePolicy;
    /** What is accepted so far. */
    accepted: AcceptedStatement;
    statement: {
      channelId: Hex;
      /** Everything owed without a condition, in base units. */
      cumulativeAmount: bigint;
      /** Everything outstanding, strictly ascending by `ref`. */
      payments: readonly StatedPayment[];
      /** Whether the channel's signer made its signature, by ECDSA; see `verifyConditionalVoucher`. */
      isSignatureValid: boolean;
    };
    /** Unix time in seconds. */
    now: bigint;
  };
  type ReturnType = StatementJudgement;
  type ErrorType = InvalidFieldError;
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
 * Whether the accepted statement is worth at least as much, now and under all evidence that is still taken: payments that
 * both have cancel out, a dropped one is worth what was due on it, and one never seen nothing, since it never will be
 * taken up.
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
