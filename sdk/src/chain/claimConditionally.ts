import type { Hex } from "viem";

import { SubfenError } from "../errors.ts";
import { callChannels, type Sending } from "./callChannels.ts";
import { type ClaimSources, type LeftEvidence, type LeftReason, planConditionalClaim } from "./planConditionalClaim.ts";
import type { ChainClient } from "./write.ts";

/** What was claimed by a conditional statement. */
export type ClaimedConditionally = {
  /** The hash of the transaction. */
  readonly hash: Hex;
  /** Base units captured in all once it is mined. */
  readonly amount: bigint;
  /** The payments that were proven, and what is due of each in base units. */
  readonly proven: readonly { readonly ref: Hex; readonly due: bigint }[];
  /** The evidence that was left out, and why. */
  readonly left: readonly LeftEvidence[];
};

/** Closing now would give up a payment for which there is evidence. */
export class EvidenceForfeitedError extends SubfenError {
  override readonly name = "EvidenceForfeitedError";
  declare readonly code: "evidence-forfeited";
  readonly ref: Hex;
  readonly reason: LeftReason;

  constructor({ ref, reason }: LeftEvidence, amount: bigint) {
    super("Closing the channel now would give up a payment for which there is evidence.", {
      code: "evidence-forfeited",
      metaMessages: [
        `Given: evidence for ${ref} that cannot be claimed: ${reason}`,
        `Do: settle first and mend the evidence, or name \`amount\` (${amount} now) to give the rest up.`,
      ],
    });
    this.ref = ref;
    this.reason = reason;
  }
}

/**
 * Captures what a conditional statement is worth with the evidence at hand; what is new of it is paid to the payee.
 * Which evidence is worth its place is found out by simulation first, see `planConditionalClaim`. What is left out can
 * be claimed later, until the channel is closed.
 *
 * @param client - A viem client with the account of the payee or its operator.
 * @param parameters - The contract, the channel's terms, the signed statement and the evidence; amounts in base units.
 * @returns The hash of the transaction, the amount captured in all, and what was proven and what was left out.
 * @throws {NothingToGainError} when no `amount` is given and nothing would be gained.
 * @throws {ContractRefusedError} when the contract refuses, for example because an `amount` is above the entitlement.
 * @throws {PaymentOrderError} when the statement's payments are not strictly ascending by `ref`.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const evidence = [{ ref, parameters, evidence: condition.encodeEvidence({ preimage }) }];
 * const { hash, left } = await settleChannelConditionally(client, { contract, terms, statement, evidence });
 */
export async function settleChannelConditionally(
  client: ChainClient,
  parameters: Sending<ClaimSources>,
): Promise<ClaimedConditionally> {
  return send(client, parameters, "settleConditional", await planConditionalClaim(client, parameters));
}

/**
 * As `settleChannelConditionally`; refunds the rest and ends the channel. Payments that are not proven are forfeited:
 * look at `planConditionalClaim` before.
 *
 * @param client - A viem client with the payee's account.
 * @param parameters - The contract, the channel's terms, the signed statement and the evidence; amounts in base units.
 * @returns The hash of the transaction, the amount captured in all, and what was proven and what was left out.
 * @throws {NothingToGainError} when no `amount` is given and nothing would be gained.
 * @throws {EvidenceForfeitedError} when no `amount` is given and evidence would be given up that may be worth
 * something.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {PaymentOrderError} when the statement's payments are not strictly ascending by `ref`.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const { hash, amount } = await closeChannelConditionally(client, { contract, terms, statement, evidence });
 */
export async function closeChannelConditionally(
  client: ChainClient,
  parameters: Sending<ClaimSources>,
): Promise<ClaimedConditionally> {
  const plan = await planConditionalClaim(client, parameters);
  const [failed] = plan.left.filter(({ reason }) => reason !== "nothing-due" && reason !== "proves-no-more");
  if (parameters.amount === undefined && failed) throw new EvidenceForfeitedError(failed, plan.amount);
  return send(client, parameters, "closeConditional", plan);
}

async function send(
  client: ChainClient,
  parameters: Sending<ClaimSources>,
  functionName: string,
  { claim, amount, proven, left }: planConditionalClaim.ReturnType,
): Promise<ClaimedConditionally> {
  const hash = await callChannels(client, parameters, functionName, [claim]);
  return { hash, amount, proven, left };
}
