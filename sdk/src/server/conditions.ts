import type { Address, Hex } from "viem";
import { keccak256 } from "viem/utils";

import { conditionContracts } from "../chain/conditionContracts.ts";
import { getDeployment } from "../chain/getDeployment.ts";
import { requireKnownContract } from "../chain/knownContracts.ts";
import type { ChannelRecord, Conditional, ProofResult } from "../ledger/ledger.ts";
import { hashConditionalVoucher } from "../protocol/conditionalVoucher.ts";
import { leavesOf } from "../protocol/rules/newPayments.ts";
import type { Condition } from "../protocol/conditions/condition.ts";
import { proveDue } from "../protocol/rules/proveDue.ts";
import { voucherSigner } from "../protocol/terms.ts";
import type { ConditionalTerms, TickTerms, WireEvidence } from "../wire/conditional.ts";
import type { Conditions, Statement } from "../wire/session.ts";
import type { Offer } from "./gateway.ts";
import { toProofProblem } from "./refusals.ts";
import { ProblemError, requireStatement, type Seller, toSignatureProblem } from "./seller.ts";

/** Which conditional payments a gateway takes, for the offers that allow them. Amounts in base units, times in seconds. */
export type ConditionalOptions = {
  /** The condition contracts, whose code must be known; by default those of the chain's deployment. */
  readonly contracts?: { readonly [kind in "hashlock" | "attestation" | "kth"]?: Address | undefined } | undefined;
  /** Whose verdicts it works for; none where it takes no attestations. */
  readonly evaluators?: readonly Address[] | undefined;
  /** The most work that is done on one channel before it is proven. */
  readonly creditLimit: bigint;
  /** What evaluators must have left to judge; 0 by default. */
  readonly leastJudgePeriod?: bigint | undefined;
  /** Further demands on a condition. */
  readonly acceptsCondition?: ((condition: Condition) => boolean) | undefined;
};

/** How a gateway takes ticks. */
export type TickOptions = {
  /** The TickCondition contract, whose code must be known; by default that of the chain's deployment. */
  readonly condition?: Address | undefined;
  /** The most ticks that the seller may lose, and the most by which one may be ahead; 128 by default. */
  readonly window?: number | undefined;
};

/** What proves a payment, as {@link Gateway.prove} takes it. */
export type GatewayProof = { readonly channelId: Hex; readonly ref: Hex; readonly evidence: Hex };

/** The part of a gateway that knows conditions. */
export type ConditionsPart = {
  /** What a challenge says of conditional payments for this offer. */
  offered(offer: Offer): { conditional?: ConditionalTerms; ticks?: TickTerms };
  /** What the ledger is told of a statement; `undefined` for a plain voucher. */
  toConditional(offer: Offer, statement: Conditions): Conditional | undefined;
  /**
   * Makes sure that the channel's signer made the statement, conditional or plain, by ECDSA.
   *
   * @throws {ProblemError} when it did not.
   */
  requireStatement(channel: ChannelRecord, statement: Statement, conditional: Conditional | undefined): void;
  /** Takes evidence for those of the payments that stand. @throws {ProblemError} when it is not taken. */
  proveStanding(channel: ChannelRecord, evidence: readonly WireEvidence[]): Promise<void>;
  /** Takes evidence; see {@link Gateway.prove}. */
  prove(proof: GatewayProof): Promise<ProofResult>;
};

/** @throws {UnknownContractError} when a condition's code is not known. */
export async function createConditions(
  seller: Seller,
  options: {
    conditional: ConditionalOptions | undefined;
    ticks: TickTerms | undefined;
    trustedContracts: readonly Address[] | undefined;
  },
): Promise<ConditionsPart> {
  const { client, ledger, chainId, contract, verifier } = seller;
  const { conditional, ticks, trustedContracts } = options;
  const offered = conditional && (conditional.contracts ?? usualConditions(chainId));
  const contracts = { ...offered, ...(ticks ? { ticks: ticks.condition } : {}) };
  const evaluators = conditional?.evaluators ?? [];
  for (const kind of ["hashlock", "attestation", "kth", "ticks"] as const) {
    const address = contracts[kind];
    const check = { contract: conditionContracts[kind], trustedContracts, chainId };
    if (address) await requireKnownContract(client, { ...check, address });
  }
  const isTrusted = (evaluator: Address): boolean =>
    evaluators.some((trusted) => trusted.toLowerCase() === evaluator.toLowerCase());

  /** Ticks are paid before and need no trust, unless something else is combined with them. */
  function accepts(offer: Offer, condition: Condition): boolean {
    if (condition.kind === "ticks") return true;
    if (!conditional || !offer.conditional) return false;
    const isJudged = leavesOf(condition).every(
      (leaf) => leaf.kind !== "attestation" || leaf.evaluators.every(isTrusted),
    );
    return isJudged && (conditional.acceptsCondition?.(condition) ?? true);
  }

  async function prove({ channelId, ref, evidence }: GatewayProof): Promise<ProofResult> {
    const channel = await ledger.getChannel(channelId);
    const payment = channel?.payments.find((one) => one.ref === ref.toLowerCase());
    const due = payment ? await proveDue({ contracts, chainId, channelId, payment, evidence }) : 0n;
    return ledger.prove({ channelId, ref, evidence, due });
  }

  return {
    offered: (offer) => ({
      ...(offered && offer.conditional
        ? { conditional: { conditions: offered, evaluators, creditLimit: conditional.creditLimit } }
        : {}),
      ...(ticks ? { ticks } : {}),
    }),

    toConditional(offer, { payments, ref }) {
      if (payments === undefined) {
        if (ref === undefined) return undefined;
        const detail = "A payment pays only under the statement that it stands in: send payload.payments.";
        throw new ProblemError("malformed-payload", detail, { ref });
      }
      if (!conditional && !ticks) {
        throw new ProblemError("conditional-not-offered", "The seller takes no conditional payments.");
      }
      const ticked = payments.find((one) => one.ref === ref && one.condition === ticks?.condition.toLowerCase());
      if (ticked) {
        const detail = "A payment of ticks pays by its ticks: send the action tick.";
        throw new ProblemError("malformed-payload", detail, { ref: ticked.ref });
      }
      return {
        payments: payments.map((one) => ({ ...one, parametersHash: keccak256(one.parameters) })),
        ref,
        policy: {
          contracts,
          acceptsCondition: (condition) => accepts(offer, condition),
          leastJudgePeriod: conditional?.leastJudgePeriod,
          creditLimit: conditional?.creditLimit ?? 0n,
          prepaidTicks: true,
        },
        chainId,
      };
    },

    requireStatement({ terms }, statement, stated) {
      if (!stated) return requireStatement(seller, terms, statement);
      const { channelId, cumulativeAmount, signature } = statement;
      const { payments } = stated;
      const [unsorted] = payments.flatMap(({ ref }, index) => (ref > (payments[index - 1]?.ref ?? "") ? [] : [ref]));
      if (unsorted !== undefined) {
        const detail = "The payments are not strictly ascending by ref, so that nobody could claim them.";
        throw new ProblemError("payments-not-ascending", detail, { ref: unsorted });
      }
      const digest = hashConditionalVoucher({ contract, chainId, channelId, cumulativeAmount, payments });
      const result = verifier.verifyDigest({ digest, signature, signer: voucherSigner(terms) });
      if (!result.valid) throw toSignatureProblem(channelId, result.reason);
    },

    async proveStanding({ channelId, payments }, evidence) {
      for (const { ref, evidence: given } of evidence) {
        const payment = payments.find((one) => one.ref === ref);
        if (!payment) continue;
        if (payment.condition === ticks?.condition.toLowerCase()) {
          throw new ProblemError("malformed-payload", "Ticks are shown by the action tick.", { ref });
        }
        const result = await prove({ channelId, ref, evidence: given });
        if (result.kind === "refused") throw toProofProblem(result.reason);
        if (result.kind === "proven" && result.due === 0n) {
          throw new ProblemError("evidence-invalid", "The evidence proves nothing of this payment.", {
            channelId,
            ref,
          });
        }
      }
    },

    prove,
  };
}

/** Reviews are for the escrow alone, and ticks are taken by themselves. */
function usualConditions(chainId: number): NonNullable<ConditionalOptions["contracts"]> {
  const { hashlock, attestation, kth } = getDeployment(chainId).conditions;
  return { hashlock, attestation, kth };
}
