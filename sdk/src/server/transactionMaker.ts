import type { Hex, LocalAccount } from "viem";
import { keccak256 } from "viem/utils";

import { max, min } from "../bigints.ts";
import { prepareTransactionRequest } from "../chain/actions.ts";
import type { ChainClient } from "../chain/write.ts";
import type { SavedTransaction } from "../ledger/ledger.ts";

/** Wei for each unit of gas. On a chain without EIP-1559 both are the gas price. */
export type Fees = Pick<SavedTransaction, "maxFeePerGas" | "maxPriorityFeePerGas">;

/** Prices and signs the transactions of one account. */
export type TransactionMaker = {
  /** The gas limit and the fees of a call, as the node says now. */
  price(call: Pick<SavedTransaction, "to" | "data">): Promise<Fees & Pick<SavedTransaction, "gas">>;
  /** Fees that replace a transaction, or `undefined` where they would be too high. */
  raise(saved: Fees): Promise<Fees | undefined>;
  sign(transaction: Omit<SavedTransaction, "id" | "hashes" | "sentAt">): Promise<{ raw: Hex; hash: Hex }>;
};

/** Nodes want a tenth more for a replacement. */
const enough = (fee: bigint): bigint => (fee * 9n) / 8n + 1n;
/** What is offered for one: a quarter more. */
const raised = (fee: bigint): bigint => (fee * 5n) / 4n + 1n;
/** A fee that may replace another, is as high as the node says now, and not above the most. */
const higher = (old: bigint, now: bigint, most: bigint): bigint => min(max(raised(old), now), most);

/** The highest fee, as a multiple of what the node says now: a chain that stands still must not drive it up for ever. */
const maxMultiple = 5n;

/**
 * Makes a transaction maker.
 *
 * @param parameters.client - A viem client.
 * @param parameters.account - Whose transactions they are.
 * @param parameters.chainId - The chain's id.
 * @param parameters.maxFeePerGas - Wei for each unit of gas that is never exceeded.
 */
export function createTransactionMaker(parameters: {
  client: ChainClient;
  account: LocalAccount;
  chainId: number;
  maxFeePerGas: bigint | undefined;
}): TransactionMaker {
  const { client, account, chainId, maxFeePerGas: limit } = parameters;
  let isLegacy: boolean | undefined;

  const capped = (fee: bigint): bigint => (limit === undefined ? fee : min(fee, limit));

  function toFees(prepared: object): Fees {
    const { gasPrice, maxFeePerGas, maxPriorityFeePerGas } = prepared as Record<string, bigint | undefined>;
    isLegacy = maxFeePerGas === undefined;
    const fee = capped(maxFeePerGas ?? gasPrice ?? 0n);
    const tip = maxPriorityFeePerGas ?? fee;
    return { maxFeePerGas: fee, maxPriorityFeePerGas: min(tip, fee) };
  }

  async function currentFees(): Promise<Fees> {
    return toFees(await prepareTransactionRequest(client, { chain: client.chain, parameters: ["type", "fees"] }));
  }

  return {
    async price(call) {
      const prepared = await prepareTransactionRequest(client, {
        ...call,
        account,
        chain: client.chain,
        parameters: ["type", "fees", "gas"],
      });
      return { ...toFees(prepared), gas: prepared.gas };
    },

    async raise(saved) {
      const current = await currentFees();
      const most = capped(current.maxFeePerGas * maxMultiple);
      const fee = higher(saved.maxFeePerGas, current.maxFeePerGas, most);
      const tip = higher(saved.maxPriorityFeePerGas, current.maxPriorityFeePerGas, fee);
      const replaces = fee >= enough(saved.maxFeePerGas) && tip >= enough(saved.maxPriorityFeePerGas);
      return replaces ? { maxFeePerGas: fee, maxPriorityFeePerGas: tip } : undefined;
    },

    async sign({ to, data, nonce, gas, maxFeePerGas, maxPriorityFeePerGas }) {
      if (isLegacy === undefined) await currentFees();
      const base = { to, data, nonce, gas, chainId };
      const raw = await (isLegacy
        ? account.signTransaction({ ...base, type: "legacy", gasPrice: maxFeePerGas })
        : account.signTransaction({ ...base, type: "eip1559", maxFeePerGas, maxPriorityFeePerGas }));
      return { raw, hash: keccak256(raw) };
    },
  };
}
