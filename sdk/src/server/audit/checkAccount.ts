import type { ChannelRecord, LedgerOwner, Purchase } from "../../ledger/ledger.ts";
import { provenOn } from "../../ledger/decideHold.ts";
import { isOfStatement } from "../../ledger/tickKey.ts";
import { computeChannelId } from "../../protocol/channelId.ts";
import { hashConditionalVoucher } from "../../protocol/conditionalVoucher.ts";
import { voucherSigner } from "../../protocol/terms.ts";
import type { VoucherVerifier } from "../voucherVerifier.ts";
import { type Difference, type DifferenceKind, differenceOf } from "./difference.ts";

/** A channel's account as the ledger has it, at one moment. */
export type Account = { readonly channel: ChannelRecord; readonly purchases: readonly Purchase[] };

/** What a channel's account comes to. Amounts in base units. */
export type AccountSums = {
  /** Charged by the statements that are kept. */
  readonly charged: bigint;
  /** Booked as spent without a kept statement: settled before the ledger knew the channel, or its statements are forgotten. */
  readonly carried: bigint;
  /** Statements that were charged. */
  readonly statements: number;
};

/**
 * Checks a channel's account by itself: who signed, what each statement has bought, and that the charges, one after the
 * other, come to what is booked.
 *
 * @param account - The account.
 * @param owner - Whose ledger it is.
 * @param verifier - Checks signatures for the owner's contract.
 * @param settledBefore - The totals that the chain has settled on the channel, one after the other.
 * @returns The sums and every difference.
 */
export function checkAccount(
  account: Account,
  owner: LedgerOwner,
  verifier: VoucherVerifier,
  settledBefore: readonly bigint[],
): { sums: AccountSums; differences: Difference[] } {
  const { channel, purchases } = account;
  const { channelId, accepted, spent, held, retired } = channel;
  const differences: Difference[] = [];
  function name(kind: DifferenceKind, expected: bigint | string, found: bigint | string, statement?: bigint): void {
    differences.push(
      differenceOf(kind, expected, found, { channelId, ...(statement === undefined ? {} : { statement }) }),
    );
  }

  checkTerms(channel, owner, verifier, name);
  const captured = purchases.filter(({ status }) => status === "captured").sort(byCharge);
  const keys = new Map<string, bigint>();
  let running = 0n;
  for (const { cumulativeAmount, amount, status, ref, captured: charge, idempotencyKey: key } of purchases) {
    if (cumulativeAmount > accepted && isOfStatement(cumulativeAmount)) {
      name("statement-above-accepted", `at most ${accepted}`, cumulativeAmount, cumulativeAmount);
    }
    // What a condition decides about is held on the payer's credit.
    if (status === "held" && ref === undefined) running += amount;
    if (status === "released" && charge !== 0n) name("charge-without-work", 0n, charge, cumulativeAmount);
    if (charge > amount) name("charge-above-hold", `at most ${amount}`, charge, cumulativeAmount);
    if (status !== "captured") continue;
    const earlier = key === undefined ? undefined : keys.get(key);
    if (earlier !== undefined) {
      name(
        "charged-twice",
        `only the statement over ${earlier}`,
        `also the one over ${cumulativeAmount}`,
        cumulativeAmount,
      );
    }
    if (key !== undefined) keys.set(key, cumulativeAmount);
  }
  if (running !== held) name("held", running, held);

  const sums = retired ? checkKept(channel, captured, name) : checkChain(channel, captured, settledBefore, name);
  // A channel that comes with settlements may start with a statement below them; it has to rise above them to buy.
  const hasBought = captured.length > 0 || running > 0n;
  const stated = accepted + provenOn(channel);
  if (hasBought && !retired && spent + held > stated) name("overdrawn", `at most ${stated}`, spent + held);
  return { sums, differences };
}

type Name = (kind: DifferenceKind, expected: bigint | string, found: bigint | string, statement?: bigint) => void;

function checkTerms(channel: ChannelRecord, owner: LedgerOwner, verifier: VoucherVerifier, name: Name): void {
  const { channelId, terms, accepted, signature } = channel;
  const { contract, chainId } = owner;
  const id = computeChannelId({ terms, contract, chainId });
  if (id !== channelId) name("channel-id", id, channelId);
  for (const field of ["payee", "token"] as const) {
    if (terms[field].toLowerCase() !== owner[field].toLowerCase()) name("foreign-terms", owner[field], terms[field]);
  }
  if (accepted === 0n) return;
  const signer = voucherSigner(terms);
  const statement = { channelId, cumulativeAmount: accepted };
  const { valid } = channel.isConditional
    ? verifier.verifyDigest({
        digest: hashConditionalVoucher({ contract, chainId, ...statement, payments: channel.payments }),
        signature,
        signer,
      })
    : verifier.verify({ ...statement, signature, signer });
  if (!valid) name("signature", `a signature of ${signer}`, "another one", accepted);
}

/** Of charges that lead to one total, the one that raised it comes first, then those of nothing. */
function byCharge(a: Purchase, b: Purchase): number {
  return (
    compare(a.spentAfter, b.spentAfter) ||
    compare(b.captured, a.captured) ||
    compare(a.cumulativeAmount, b.cumulativeAmount)
  );
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Each charge starts where the one before it ended: then their sum is what is spent, and none is missing in between. */
function checkChain(
  { spent }: ChannelRecord,
  captured: readonly Purchase[],
  settledBefore: readonly bigint[],
  name: Name,
): AccountSums {
  const [first] = captured;
  const carried = first ? first.spentAfter - first.captured : spent;
  if (carried !== 0n && !settledBefore.includes(carried)) name("first-charge", 0n, carried, first?.cumulativeAmount);
  let total = carried;
  let charged = 0n;
  for (const { cumulativeAmount, captured: charge, spentAfter } of captured) {
    if (spentAfter - charge !== total) name("charge-order", total, spentAfter - charge, cumulativeAmount);
    total = spentAfter;
    charged += charge;
  }
  if (total !== spent) name("spent", total, spent);
  return { charged, carried, statements: captured.length };
}

/** A retired channel has forgotten statements or never knew them: those it has must not overlap. */
function checkKept({ spent }: ChannelRecord, captured: readonly Purchase[], name: Name): AccountSums {
  let total = 0n;
  let charged = 0n;
  for (const { cumulativeAmount, captured: charge, spentAfter } of captured) {
    if (spentAfter - charge < total) name("charge-order", `at least ${total}`, spentAfter - charge, cumulativeAmount);
    total = spentAfter;
    charged += charge;
  }
  if (total > spent) name("spent", `at least ${total}`, spent);
  return { charged, carried: spent - charged, statements: captured.length };
}
