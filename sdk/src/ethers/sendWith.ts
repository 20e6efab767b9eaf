import type { Provider, Signer, TransactionRequest } from "ethers";
import { type Address, type Hex, hexToBytes, type RpcTransactionRequest } from "viem";

import { createSendQueue } from "../chain/createSendQueue.ts";
import type { TypedData } from "../protocol/typedMessage.ts";
import { signWith } from "./account.ts";
import { readWith } from "./readWith.ts";
import { UnsupportedByEthersError } from "./rpcError.ts";

type Handler = (...params: readonly unknown[]) => Promise<unknown>;

/**
 * Answers by an ethers signer what a wallet is asked by JSON-RPC.
 *
 * @returns A function for each method.
 * @internal
 */
export function createSender(signer: Signer, address: Address, provider: Provider): Record<string, Handler> {
  // By the node's word: ethers answers with a cached nonce for a while, so that two sends in a row get the same.
  const queue = createSendQueue(async () =>
    Number(await readWith(provider, "eth_getTransactionCount", [address, "pending"])),
  );
  // A wallet behind JSON-RPC counts by itself.
  const isCounting = !("sendUncheckedTransaction" in signer);

  async function send(request: RpcTransactionRequest, nonce?: number): Promise<Hex> {
    return (await signer.sendTransaction(toTransactionRequest(request, nonce))).hash as Hex;
  }

  return {
    eth_accounts: async () => [address],
    eth_requestAccounts: async () => [address],
    async eth_sendTransaction(parameters) {
      const request = parameters as RpcTransactionRequest;
      return isCounting && request.nonce === undefined ? queue((nonce) => send(request, nonce)) : send(request);
    },
    // What viem asks next where a signer cannot send; no node has the key.
    async wallet_sendTransaction() {
      throw new UnsupportedByEthersError("wallet_sendTransaction");
    },
    personal_sign: async (message) => signer.signMessage(hexToBytes(message as Hex)),
    async eth_signTypedData_v4(_address, json) {
      const typedData = JSON.parse(json as string) as TypedData;
      // ethers derives it from the domain.
      const { EIP712Domain: _, ...types } = typedData.types;
      return signWith(signer, address, { ...typedData, types });
    },
  };
}

function toTransactionRequest(request: RpcTransactionRequest, nonce: number | undefined): TransactionRequest {
  const { gas, type, nonce: given, ...rest } = request as Record<"gas" | "type" | "nonce", Hex | undefined>;
  return {
    ...rest,
    ...(gas === undefined ? {} : { gasLimit: gas }),
    ...(type === undefined ? {} : { type: Number(type) }),
    ...(given === undefined ? {} : { nonce: Number(given) }),
    ...(nonce === undefined ? {} : { nonce }),
  };
}
