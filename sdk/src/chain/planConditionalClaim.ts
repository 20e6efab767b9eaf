import type { Abi, Hex } from "viem";
import { size } from "viem/utils";

import { min } from "../bigints.ts";
import { isSubfenError, SubfenError } from "../errors.ts";
import { MAX_UINT128 } from "../protocol/amounts.ts";
import { InvalidFieldError } from "../protocol/assertField.ts";
import { computeChannelId } from "../protocol/channelId.ts";
import { computePaymentId } from "../protocol/conditionalVoucher.ts";
import { maxClaimGas } from "../protocol/rules/statement.ts";
import type { Terms } from "../protocol/terms.ts";
import { paymentChannelsAbi } from "./abis/paymentChannelsAbi.ts";
import { getChainId, simulateContract } from "./actions.ts";
import type { OnContract } from "./callChannels.ts";
import { getChannel } from "./channels.ts";
import { ContractRefusedError, toChainError } from "./errors.ts";
import {
  type ConditionalClaim,
  type EvidenceMismatch,
  type PaymentEvidence,
  type SignedConditionalVoucher,
  toConditionalClaim,
} from "./toConditionalClaim.ts";
import { type ConditionFailure, whyNothingDue } from "./whyNothingDue.ts";
import type { ChainClient } from "./write.ts";

/** What a payee's rules let a whole claim cost: a condition that they accepted must not be left out for its gas. */
const defaultConditionGas = maxClaimGas;
/** With less, what a condition leaves that burns everything (a 64th) would not do for the contract's own refusal. */
const leastConditionGas = 200_000n;
/** A claim without payments, its transaction included. */
const claimGas = 150_000n;
/** Of calldata, at its highest price (EIP-7623). */
const byteGas = 40n;

/**
 * Why evidence is left out of a claim: it is not about this statement, its condition fails or says that nothing is due,
 * other evidence for the payment proves as much, or it proves something when asked alone but not in
 * the claim.
 */
export type LeftReason =
  Exclude<EvidenceMismatch, "given-twice"> | ConditionFailure | "proves-no-more" | "not-in-claim";

/** Evidence that is left out of a claim. */
export type LeftEvidence = { readonly ref: Hex; readonly reason: LeftReason };

/** What a claim is about and what is to prove it. */
export type ClaimSources = {
  terms: Terms;
  statement: SignedConditionalVoucher;
  /** Any evidence at hand, in any order; what proves nothing is left out. */
  evidence: readonly PaymentEvidence[];
  /** What to capture in all, in base units; by default everything that is proven, at most the deposit. */
  amount?: bigint | undefined;
  /** About how much gas one condition may take, 200,000 at least; 3,000,000 by default. */
  conditionGas?: bigint | undefined;
};

/** Nothing would be gained by a claim. */
export class NothingToGainError extends SubfenError {
  override readonly name = "NothingToGainError";
  declare readonly code: "nothing-to-gain";
  /** What the statement is worth with this evidence, in base units. */
  readonly entitlement: bigint;
  /** Base units. */
  readonly deposit: bigint;
  /** What is captured already, in base units. */
  readonly settled: bigint;
  /** The evidence that proves nothing, and why. */
  readonly left: readonly LeftEvidence[];

  constructor(parameters: { entitlement: bigint; deposit: bigint; settled: bigint; left: readonly LeftEvidence[] }) {
    const { entitlement, deposit, settled, left } = parameters;
    super(`The claim would gain nothing: ${settled} base units are settled already.`, {
      code: "nothing-to-gain",
      metaMessages: [
        `Given: a statement worth ${entitlement} with this evidence, a deposit of ${deposit}`,
        ...left.map(({ ref, reason }) => `Given: evidence for ${ref}, left out: ${reason}`),
        "Do: claim again with better evidence, or name `amount` to close the channel and give the rest up.",
      ],
    });
    this.entitlement = entitlement;
    this.deposit = deposit;
    this.settled = settled;
    this.left = left;
  }
}

/**
 * Finds out what a conditional statement is worth now and makes the claim for it: asks the contract by simulation,
 * evidence by evidence and then all together, so that a condition which fails or burns gas costs its own payment alone.
 * Sends nothing: whoever closes a channel can look at what would be forfeited.
 *
 * @param client - A viem client; needs no account.
 * @param parameters - The contract, the channel's terms, the signed statement and the evidence.
 * @returns The claim, what it captures in all (`amount`), what the statement is worth (`entitlement`), the payments
 * that are `proven` with what is due of each, all in base units, and the evidence that is `left` out with the reason.
 * @throws {NothingToGainError} when no `amount` is given and nothing would be gained.
 * @throws {ContractRefusedError} when the contract refuses the statement itself, for example for its signature.
 * @throws {PaymentOrderError} when the statement's payments are not strictly ascending by `ref`.
 * @throws {InvalidFieldError} when a field is malformed, or `conditionGas` is too small.
 * @example
 * const plan = await planConditionalClaim(client, { contract, terms, statement, evidence });
 * for (const { ref, reason } of plan.left) console.log(`${ref} would be forfeited: ${reason}`);
 */
export async function planConditionalClaim(
  client: ChainClient,
  parameters: planConditionalClaim.Parameters,
): Promise<planConditionalClaim.ReturnType> {
  const { contract, terms, statement, conditionGas = defaultConditionGas } = parameters;
  if (typeof conditionGas !== "bigint" || conditionGas < leastConditionGas)
    throw new InvalidFieldError({
      field: "conditionGas",
      type: "amount of gas",
      value: conditionGas,
      allowed: `a bigint, at least ${leastConditionGas}.`,
    });
  const channelId = computeChannelId({ terms, contract, chainId: await getChainId(client) });
  const { deposit, settled } = await getChannel(client, { contract, channelId });
  const toClaim = (evidence: readonly PaymentEvidence[], amount = MAX_UINT128) =>
    toConditionalClaim({ terms, statement, evidence, amount });
  const worth = (evidence: readonly PaymentEvidence[], gas?: bigint) =>
    askWorth(client, contract, toClaim(evidence), gas);
  const unconditional = await worth([]);

  async function ask(evidence: PaymentEvidence): Promise<Asked> {
    const reason = mismatchOf(() => toClaim([evidence]));
    if (reason !== undefined) return { evidence, due: 0n, reason };
    const claim = toClaim([evidence]);
    const due = (await worth([evidence], gasOf(claim, conditionGas))) - unconditional;
    const [payment] = claim.proven;
    if (due > 0n || !payment) return { evidence, due };
    const paymentId = computePaymentId({ channelId, ref: payment.ref });
    return { evidence, due, reason: await whyNothingDue(client, payment, { paymentId, gas: conditionGas }) };
  }

  const asked = chooseBest(await Promise.all(parameters.evidence.map(ask)));
  const { proven, entitlement } = await proveTogether(asked, unconditional, worth);
  const left = asked.flatMap(({ evidence: { ref }, reason }, i): LeftEvidence[] => {
    if (reason !== undefined) return [{ ref, reason }];
    return proven.includes(asked[i] as Asked) ? [] : [{ ref, reason: "not-in-claim" }];
  });
  const amount = parameters.amount ?? min(entitlement, deposit);
  if (parameters.amount === undefined && amount <= settled)
    throw new NothingToGainError({ entitlement, deposit, settled, left });
  const claim = toClaim(
    proven.map(({ evidence }) => evidence),
    amount,
  );
  return { claim, amount, entitlement, proven: proven.map(({ evidence: { ref }, due }) => ({ ref, due })), left };
}

export declare namespace planConditionalClaim {
  type Parameters = OnContract<ClaimSources>;
  type ReturnType = {
    readonly claim: ConditionalClaim;
    readonly amount: bigint;
    readonly entitlement: bigint;
    readonly proven: readonly { readonly ref: Hex; readonly due: bigint }[];
    readonly left: readonly LeftEvidence[];
  };
}

type Asked = { readonly evidence: PaymentEvidence; readonly due: bigint; readonly reason?: LeftReason };

/**
 * What a claim is worth, from the contract's own mouth: an amount above every entitlement is refused with the
 * entitlement, so that nothing here repeats how the contract asks conditions. A lost connection is no answer and
 * throws: evidence is never given up for it.
 */
async function askWorth(
  client: ChainClient,
  contract: Hex,
  claim: ConditionalClaim,
  gas: bigint | undefined,
): Promise<bigint> {
  const call = { address: contract, abi: paymentChannelsAbi as Abi, functionName: "settleConditional", args: [claim] };
  const account = claim.terms.payee;
  try {
    await simulateContract(client, { ...call, account, chain: client.chain, ...(gas === undefined ? {} : { gas }) });
  } catch (cause) {
    const error = toChainError(cause, { ...call, account });
    if (!(error instanceof ContractRefusedError)) {
      if (claim.proven.length > 0 && /out ?of ?gas/i.test(error.message)) return 0n;
      throw error;
    }
    if (error.errorName === "AmountExceedsEntitlement") return error.args[1] as bigint;
    if (error.errorName !== "AmountExceedsDeposit") throw error;
  }
  return MAX_UINT128;
}

/** Of a claim of one payment whose condition takes this much. */
function gasOf({ proven, paymentHashes }: ConditionalClaim, conditionGas: bigint): bigint {
  const bytes = proven.reduce(
    (sum, { parameters, evidence }) => sum + 320 + size(parameters) + size(evidence),
    1_000 + 32 * paymentHashes.length,
  );
  return claimGas + BigInt(bytes) * byteGas + conditionGas;
}

function mismatchOf(make: () => unknown): Exclude<EvidenceMismatch, "given-twice"> | undefined {
  try {
    make();
  } catch (error) {
    if (isSubfenError(error, "evidence-mismatch")) return (error as never as { reason: never }).reason;
    throw error;
  }
  return undefined;
}

/** Of many pieces of evidence for one payment the first that proves most is kept. */
function chooseBest(asked: readonly Asked[]): readonly Asked[] {
  const best = new Map<string, Asked>();
  for (const one of asked) {
    const ref = one.evidence.ref.toLowerCase();
    if (one.reason === undefined && one.due > (best.get(ref)?.due ?? 0n)) best.set(ref, one);
  }
  return asked.map((one) => {
    const isBeaten = one.reason === undefined && best.get(one.evidence.ref.toLowerCase()) !== one;
    return isBeaten ? { ...one, reason: "proves-no-more" } : one;
  });
}

/**
 * Asks with as much gas as the node gives, as the transaction's own simulation does: a condition sees how much there
 * is, and may pay when asked alone and burn everything in the claim. What is worth most goes first.
 */
async function proveTogether(
  asked: readonly Asked[],
  unconditional: bigint,
  worth: (evidence: readonly PaymentEvidence[]) => Promise<bigint>,
): Promise<{ proven: readonly Asked[]; entitlement: bigint }> {
  const good = asked.filter(({ reason }) => reason === undefined);
  const evidenceOf = (some: readonly Asked[]) => some.map(({ evidence }) => evidence);
  const expected = good.reduce((sum, { due }) => sum + due, unconditional);
  if ((await worth(evidenceOf(good))) === expected) return { proven: good, entitlement: expected };
  let [proven, entitlement]: [Asked[], bigint] = [[], unconditional];
  const byWorth = [...good].sort((one, other) => (one.due > other.due ? -1 : one.due < other.due ? 1 : 0));
  for (const one of byWorth) {
    const together = await worth(evidenceOf([...proven, one]));
    if (together !== entitlement + one.due) continue;
    [proven, entitlement] = [[...proven, one], together];
  }
  return { proven, entitlement };
}
