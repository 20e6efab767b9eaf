import type { Hex } from "viem";

/** What each kind of difference means. */
const meanings = {
  "channel-id": "The channel's id is not that of its terms.",
  "foreign-terms": "The channel does not pay this payee in this token.",
  signature: "The highest statement is not signed by the channel's signer: nothing can be claimed by it.",
  "statement-above-accepted": "A statement has bought something and is above the highest one that was accepted.",
  "charge-above-hold": "More was charged than was held for the request.",
  "charge-without-work": "Something was charged for a request that was not served.",
  "charged-twice": "Two statements were charged under one idempotency key.",
  "charge-order": "The charges do not follow one another: one is missing, doubled or changed.",
  "first-charge": "The first charge starts neither at zero nor at an amount that the chain has settled.",
  spent: "What is booked as spent is not what the last charge has brought it to.",
  held: "What is booked as held is not the sum of the running requests.",
  overdrawn: "More was sold than the payer's highest statement allows.",
  "deposit-too-small": "More was sold than the channel's deposit on the chain covers.",
  "deposit-above-chain": "The ledger counts on a deposit that the chain does not have.",
  "settled-above-spent": "The chain has settled more than the ledger knows to be earned.",
  "settlement-missing": "The ledger takes for settled what the chain does not have as settled.",
  "closing-missing": "The ledger takes for closed what the chain has open.",
  "earnings-lost": "The channel was closed before all that was earned on it was settled: the rest is lost.",
  "unproven-earnings": "Something is booked as spent that neither a charge nor a settlement on the chain proves.",
  "opening-not-found": "The chain tells of no opening of this channel since the block that the audit began with.",
  "settlement-events": "The settlements that the chain tells of do not come to what the contract has stored.",
  "unknown-channel": "The chain has settled on a channel of this payee that the ledger does not know.",
  income: "The payee was not paid what its channels have settled.",
} as const;

export type DifferenceKind = keyof typeof meanings;

/** One place where the ledger and the chain, or the ledger and itself, do not say the same. */
export type Difference = {
  readonly kind: DifferenceKind;
  /** Of which channel; `undefined` where it is about all of them. */
  readonly channelId: Hex | undefined;
  /** Which statement, by its cumulative amount in base units; `undefined` where it is about the channel. */
  readonly statement: bigint | undefined;
  /** What should be: base units, or words. */
  readonly expected: string;
  /** What is. */
  readonly found: string;
  /** What it means. */
  readonly meaning: string;
};

/** Makes a difference. */
export function differenceOf(
  kind: DifferenceKind,
  expected: bigint | string,
  found: bigint | string,
  where: { channelId?: Hex; statement?: bigint } = {},
): Difference {
  const { channelId, statement } = where;
  return { kind, channelId, statement, expected: String(expected), found: String(found), meaning: meanings[kind] };
}
