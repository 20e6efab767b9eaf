import type { Address, Hex } from "viem";

import { assertField, type InvalidFieldError } from "../assertField.ts";
import { type ChannelFacts, refuseChannel } from "./channelFacts.ts";
import { judgePayments, type StatementJudgement } from "./judgePayments.ts";
import type { ConditionPolicy } from "./newPayments.ts";
import type { AcceptedStatement, StatedPayment } from "./statement.ts";

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

/**
 * The payee's rules: whether to accept a statement, and exactly why not. A pure function to be run inside the ledger's
 * atomic step; what takes a chain or a signature to find out is told to it. A plain voucher is a statement without
 * payments, and so leaves all out.
 *
 * What was accepted is never worth less afterwards: a payment is carried with all four fields, or left out for good,
 * and then the total has grown by what is due on it now. No payment is ever in the total and among the payments.
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
  const { channel, policy, accepted, statement, now } = parameters;
  const { channelId, cumulativeAmount, payments, isSignatureValid } = statement;
  assertField({ field: "ConditionalVoucher.cumulativeAmount", type: "uint128", value: cumulativeAmount });
  const channelFault = refuseChannel(channel, policy, channelId);
  if (channelFault) return { outcome: "refused", reason: channelFault };
  if (!isSignatureValid) return { outcome: "refused", reason: { code: "signature-invalid" } };
  const { deposit, chainId } = channel;
  return judgePayments({ accepted, cumulativeAmount, payments, deposit, policy, chainId, now });
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
