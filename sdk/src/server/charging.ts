import type { Hex } from "viem";
import { isAddressEqual } from "viem/utils";

import { getBlockNumber } from "../chain/actions.ts";
import { ContractRefusedError, TransactionRevertedError } from "../chain/errors.ts";
import { getTokenBalance, getTokenDomain } from "../chain/token.ts";
import {
  findTransferByAuthorization,
  hasTransfer,
  simulateTransferByAuthorization,
  transferByAuthorization,
} from "../chain/transferByAuthorization.ts";
import { confirmTransaction } from "../chain/write.ts";
import type { Charge } from "../ledger/charge.ts";
import { chargeAuthorizationNonce, hashTransferWithAuthorization } from "../protocol/transferWithAuthorization.ts";
import { isCanonicalSignature } from "../protocol/signature.ts";
import type { Challenge } from "../wire/challenge.ts";
import { type ChargePayload, parseChargePayload, parseChargeRequest } from "../wire/charge.ts";
import { TransactionReplacedError } from "./outbox.ts";
import { createRecoverSigner } from "./recoverSigner.ts";
import { ProblemError, type Seller, toTransactionProblem } from "./seller.ts";

/** The part of a gateway that looks at authorizations to pay, and carries them out. */
export type Charging = {
  /**
   * Makes sure that an authorization pays for a challenge, to the last member, and that its payer signed it. ECDSA
   * alone.
   *
   * @throws {ProblemError} when it does not.
   */
  requirePayment(payload: ChargePayload, challenge: Challenge): void;
  /**
   * Makes sure that the token would carry an authorization out now, or finds that it has, whoever sent it.
   *
   * @returns The newest block, and the transaction where it has been carried out.
   * @throws {ProblemError} when the token refuses it or the chain does not answer.
   */
  requirePayable(payload: ChargePayload): Promise<{ blockNumber: bigint; txHash: Hex | undefined }>;
  /** @returns The payer's base units of the token. @throws {ProblemError} when the chain does not answer. */
  balanceOf(payload: ChargePayload): Promise<bigint>;
  /**
   * Moves the money of a charge, or finds that it has moved. A charge that the token refuses is given up; so is one
   * that is only held and has no outcome.
   *
   * @returns The transaction.
   * @throws {ProblemError} when the money has not moved, or not as far as is known.
   */
  settle(charge: Charge): Promise<Hex>;
  /** Settles the charges whose answer is kept and whose money has not moved: who served them may have ended. */
  settleEarned(): Promise<void>;
};

/** Blocks in which a transfer is looked for that somebody else may have sent: more than a challenge lives. */
const searchedBlocks = 10_000n;

/**
 * Makes the part.
 *
 * @throws {TokenDomainError} when the token cannot be paid by authorizations.
 */
export async function createCharging(seller: Seller, report: (error: unknown) => void): Promise<Charging> {
  const { client, token, payee, chainId, ledger, outbox, confirmations } = seller;
  const domain = await getTokenDomain(client, { token, chainId });
  const recoverSigner = await createRecoverSigner();
  const running = new Map<string, Promise<Hex>>();

  function faultOf(payload: ChargePayload, challenge: Challenge): string | undefined {
    const asked = parseChargeRequest(challenge.request);
    const isOurs =
      asked.chainId === chainId && isAddressEqual(asked.currency, token) && isAddressEqual(asked.recipient, payee);
    if (!isOurs) return "the challenge was issued for another payee, token or chain";
    if (!isAddressEqual(payload.to, payee)) return "it does not pay the recipient";
    if (payload.value !== asked.amount) return `it pays ${payload.value} base units and not ${asked.amount}`;
    if (payload.nonce !== chargeAuthorizationNonce(challenge)) return "its nonce is not that of the challenge";
    if (!isCanonicalSignature(payload.signature)) return "its signature is not one of low s with v 27 or 28";
    const signer = recoverSigner(hashTransferWithAuthorization({ domain, ...payload }), payload.signature);
    if (signer !== payload.from) return "it is not signed by its payer, or for another token, chain or amount";
    return undefined;
  }

  /** @returns The transaction by which the transfer was carried out, once it is confirmed. */
  async function findTransfer(authorization: ChargePayload, fromBlock: bigint): Promise<Hex | undefined> {
    const hash = await findTransferByAuthorization(client, { token, authorization, fromBlock });
    if (hash) await confirmTransaction(client, { hash, confirmations });
    return hash;
  }

  async function transfer(charge: Charge, payload: ChargePayload): Promise<Hex> {
    const { signature, ...authorization } = payload;
    const call = { token, authorization, signature };
    try {
      const id = `charge ${charge.payer} ${charge.nonce}`;
      const { logs, transactionHash } = await outbox.transact(id, (sender) => transferByAuthorization(sender, call));
      if (hasTransfer(logs, { token, ...authorization })) return transactionHash;
      throw new TransactionRevertedError(transactionHash);
    } catch (cause) {
      // An earlier try may have been mined, its outcome lost; or somebody else has sent it.
      const txHash = isRefusal(cause) ? await findTransfer(payload, charge.blockNumber) : undefined;
      if (txHash) return txHash;
      throw cause;
    }
  }

  async function settle(charge: Charge): Promise<Hex> {
    const { payer, nonce } = charge;
    try {
      const payload = parseChargePayload(JSON.parse(charge.authorization) as Record<string, unknown>);
      const txHash = await transfer(charge, payload);
      await ledger.settleCharge({ payer, nonce, txHash });
      return txHash;
    } catch (cause) {
      if (charge.status === "held" || isRefusal(cause)) await ledger.releaseCharge(charge).catch(report);
      throw toProblem(cause);
    }
  }

  /** Concurrent requests for one charge share one outcome. */
  function settleOnce(charge: Charge): Promise<Hex> {
    const key = `${charge.payer} ${charge.nonce}`;
    const existing = running.get(key);
    if (existing) return existing;
    const promise = settle(charge).finally(() => running.delete(key));
    running.set(key, promise);
    return promise;
  }

  return {
    settle: settleOnce,

    requirePayment(payload, challenge) {
      const fault = faultOf(payload, challenge);
      if (fault) throw new ProblemError("verification-failed", `The authorization does not pay for this: ${fault}.`);
    },

    async requirePayable(payload) {
      const { signature, ...authorization } = payload;
      try {
        const blockNumber = await getBlockNumber(client, { cacheTime: 0 });
        try {
          await simulateTransferByAuthorization(client, { token, authorization, signature });
          return { blockNumber, txHash: undefined };
        } catch (cause) {
          const fromBlock = blockNumber > searchedBlocks ? blockNumber - searchedBlocks : 0n;
          const txHash = isRefusal(cause) ? await findTransfer(payload, fromBlock) : undefined;
          if (txHash) return { blockNumber: fromBlock, txHash };
          throw cause;
        }
      } catch (cause) {
        throw toProblem(cause);
      }
    },

    async balanceOf({ from }) {
      return getTokenBalance(client, { token, account: from }).catch((cause: unknown) => {
        throw toProblem(cause);
      });
    },

    async settleEarned() {
      for (const charge of await ledger.earnedCharges()) await settleOnce(charge).catch(report);
    },
  };
}

/** Something was decided: the money has not moved by this try. */
function isRefusal(cause: unknown): boolean {
  return (
    cause instanceof ContractRefusedError ||
    cause instanceof TransactionRevertedError ||
    cause instanceof TransactionReplacedError
  );
}

function toProblem(cause: unknown): ProblemError {
  if (!isRefusal(cause)) return toTransactionProblem(cause, "The payment");
  const { errorName } = cause as Partial<ContractRefusedError>;
  const reason = errorName === undefined ? "" : ` (${errorName})`;
  const detail = `The token does not carry this authorization out${reason}. Nothing was charged.`;
  return new ProblemError("verification-failed", detail, {}, cause);
}
