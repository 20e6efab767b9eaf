import { type Address, type Hex, zeroAddress, zeroHash } from "viem";

import {
  type AcceptedStatement,
  type ChannelFacts,
  computeChannelId,
  type Condition,
  hashlock,
  hashPreimage,
  judgeStatement,
  nothingAccepted,
  type PayeePolicy,
  type StatedPayment,
} from "../../../../sdk/src/protocol/index.ts";
import { contracts } from "../conditions/samples.ts";

export const now = 1_000n;
export const payee: Address = "0x00000000000000000000000000000000000000aa";
export const token: Address = "0x00000000000000000000000000000000000000bb";
export const channel: ChannelFacts = {
  contract: "0x00000000000000000000000000000000000000cc",
  chainId: 31337,
  terms: {
    payer: "0x00000000000000000000000000000000000000dd",
    payee,
    token,
    salt: zeroHash,
    authorizedSigner: zeroAddress,
  },
  isContractKnown: true,
  deposit: 1_000n,
  closeGracePeriod: 600,
  closeRequestedAt: 0,
  finalized: false,
};
export const channelId = computeChannelId(channel);
export const policy: PayeePolicy = { payee, token, contracts, creditLimit: 500n };

export const refOf = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;
export const lock = () => hashlock({ condition: contracts.hashlock, sha256Hash: hashPreimage(zeroHash) });

/** A payment under `refOf(n)`. */
export function payment(n: number, amount = 100n, condition: Condition = lock()): StatedPayment {
  const { address, parameters, parametersHash } = condition;
  return { ref: refOf(n), condition: address, parameters, parametersHash, amount };
}

export type Given = {
  channel?: Partial<ChannelFacts>;
  policy?: Partial<PayeePolicy>;
  accepted?: AcceptedStatement;
  statement?: Partial<judgeStatement.Parameters["statement"]>;
  now?: bigint;
};

/** Judges a statement over 10 without payments, or what is given instead. */
export function judge(given: Given = {}): judgeStatement.ReturnType {
  return judgeStatement({
    channel: { ...channel, ...given.channel },
    policy: { ...policy, ...given.policy },
    accepted: given.accepted ?? nothingAccepted,
    statement: { channelId, cumulativeAmount: 10n, payments: [], isSignatureValid: true, ...given.statement },
    now: given.now ?? now,
  });
}

/** What is accepted after a statement that has to be. */
export function accept(cumulativeAmount: bigint, payments: StatedPayment[], given: Given = {}): AcceptedStatement {
  const judgement = judge({ ...given, statement: { cumulativeAmount, payments } });
  if (judgement.outcome !== "accepted") throw new Error(JSON.stringify(judgement, (_, member) => String(member)));
  return judgement.next;
}
