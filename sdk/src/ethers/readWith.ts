import type { AbstractProvider, FallbackProvider, Filter, PerformActionRequest, Provider } from "ethers";

import { UnsupportedByEthersError } from "./rpcError.ts";
import { toRpcBlock, toRpcLog, toRpcReceipt, toRpcTransaction } from "./toRpc.ts";

/**
 * What is asked of a provider without JSON-RPC of its own, such as a FallbackProvider, for an answer that is one value.
 * By `_perform`, since the methods in front of it keep answers for a quarter of a second: long enough for a balance, a
 * nonce or a channel to have become another.
 */
const values: Record<string, (...params: never[]) => PerformActionRequest> = {
  eth_chainId: () => ({ method: "chainId" }),
  eth_blockNumber: () => ({ method: "getBlockNumber" }),
  eth_gasPrice: () => ({ method: "getGasPrice" }),
  eth_maxPriorityFeePerGas: () => ({ method: "getPriorityFee" }),
  eth_getBalance: (address: string, blockTag: string) => ({ method: "getBalance", address, blockTag }),
  eth_getCode: (address: string, blockTag: string) => ({ method: "getCode", address, blockTag }),
  eth_getTransactionCount(address: string, blockTag: string) {
    return { method: "getTransactionCount", address, blockTag };
  },
  eth_call(transaction: RpcCall, blockTag = "latest") {
    return { method: "call", transaction: toEthersCall(transaction), blockTag };
  },
  eth_estimateGas: (transaction: RpcCall) => ({ method: "estimateGas", transaction: toEthersCall(transaction) }),
};

type RpcCall = { gas?: string };

/** ethers has another name for a limit of gas, and would drop it without a word. */
function toEthersCall({ gas, ...transaction }: RpcCall): object {
  return gas === undefined ? transaction : { ...transaction, gasLimit: gas };
}

/** The same for what ethers makes objects of. */
const objects: Record<string, (provider: Provider, ...params: never[]) => Promise<unknown>> = {
  eth_getLogs: async (provider, filter: Filter) => (await provider.getLogs(filter)).map(toRpcLog),
  eth_getBlockByNumber: async (provider, blockTag: string) => toRpcBlock(await provider.getBlock(blockTag)),
  eth_getBlockByHash: async (provider, blockHash: string) => toRpcBlock(await provider.getBlock(blockHash)),
  eth_getTransactionByHash: async (provider, hash: string) => toRpcTransaction(await provider.getTransaction(hash)),
  eth_getTransactionReceipt: async (provider, hash: string) => toRpcReceipt(await provider.getTransactionReceipt(hash)),
  eth_sendRawTransaction: async (provider, signed: string) => (await provider.broadcastTransaction(signed)).hash,
};

/**
 * The newest block that the quorum has reached, each node asked anew. The FallbackProvider's own answer is a block higher
 * where all agree, since it allows for nodes ahead of others, and lower where it has kept an older one.
 */
async function newestBlock({ providerConfigs, quorum }: FallbackProvider): Promise<string> {
  const heads = await Promise.all(
    providerConfigs.map(async ({ provider, weight }) => {
      const head = await readWith(provider, "eth_blockNumber", []).catch(() => -1);
      return { head: Number(head), weight };
    }),
  );
  let agreed = 0;
  for (const { head, weight } of heads.toSorted((a, b) => b.head - a.head)) {
    agreed += weight;
    if (agreed >= quorum && head >= 0) return `0x${head.toString(16)}`;
  }
  throw new Error("Too few of the provider's nodes tell a block number.");
}

/**
 * Asks an ethers provider what a node is asked by JSON-RPC.
 *
 * @returns The answer as a node gives it.
 * @throws {UnsupportedByEthersError} when the provider has no way to ask this. Otherwise what ethers throws.
 * @internal
 */
export async function readWith(provider: Provider, method: string, params: readonly unknown[]): Promise<unknown> {
  const { send, _perform } = provider as { send?: unknown } & Partial<Pick<AbstractProvider, "_perform">>;
  if (typeof send === "function") return send.call(provider, method, params);
  // No method of ethers takes the overrides of state and block that may follow.
  if (params.length > 2) throw new UnsupportedByEthersError(method);
  if (method === "eth_blockNumber" && "providerConfigs" in provider) return newestBlock(provider as FallbackProvider);
  const ofObject = Object.hasOwn(objects, method) ? objects[method] : undefined;
  if (ofObject) return ofObject(provider, ...(params as never[]));
  const ofValue = Object.hasOwn(values, method) ? values[method] : undefined;
  if (!ofValue || !_perform) throw new UnsupportedByEthersError(method);
  const value: unknown = await _perform.call(provider, ofValue(...(params as never[])));
  return typeof value === "number" || typeof value === "bigint" ? `0x${value.toString(16)}` : value;
}
