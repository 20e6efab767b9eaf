import type { Provider, Signer, TransactionRequest } from "ethers";
import { type Address, type Hex, hexToBytes, type RpcTransactionRequest } from "viem";

import type { TypedData } from "../protocol/typedMessage.ts";
import { signWith } from "./account.ts";
import { readWith } from "./readWith.ts";
import { UnsupportedByEthersError } from "./rpcError.ts";

type Handler = (...params: readonly unknown[]) => Promise<unknown>;

/** Milliseconds for which a node may not know yet what it was sent itself. */
const nodeLag = 60_000;

/**
 * Answers by an ethers signer what a wallet is asked by JSON-RPC.
 *
 * @returns A function for each method.
 * @internal
 */
export function createSender(signer: Signer, address: Address, provider: Provider): Record<string, Handler> {
  let previous: Promise<unknown> = Promise.resolve();
  let next = 0;
  let sentAt = 0;

  /** ethers answers with a cached nonce for a while: two sends in a row would get the same. */
  async function nextNonce(): Promise<number> {
    const counted = Number(await readWith(provider, "eth_getTransactionCount", [address, "pending"]));
    return Date.now() - sentAt < nodeLag && next > counted ? next : counted;
  }

  async function sendNow(request: RpcTransactionRequest): Promise<string> {
    // A wallet behind JSON-RPC counts by itself.
    const isCounting = request.nonce === undefined && !("sendUncheckedTransaction" in signer);
    const nonce = isCounting ? await nextNonce() : undefined;
    const { hash } = await signer.sendTransaction(toTransactionRequest(request, nonce));
    if (nonce !== undefined) {
      next = nonce + 1;
      sentAt = Date.now();
    }
    return hash;
  }

  const unsupported = (method: string) => async () => {
    throw new UnsupportedByEthersError(method);
  };

  return {
    eth_accounts: async () => [address],
    eth_requestAccounts: async () => [address],
    eth_sendTransaction(request) {
      const sending = previous.then(() => sendNow(request as RpcTransactionRequest));
      previous = sending.catch(() => undefined);
      return sending;
    },
    wallet_sendTransaction: unsupported("wallet_sendTransaction"),
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
  const {
    gas,
    type,
    nonce: given,
    ...rest
  } = request as Record<string, unknown> & { gas?: Hex; type?: Hex; nonce?: Hex };
  return {
    ...rest,
    ...(gas === undefined ? {} : { gasLimit: gas }),
    ...(type === undefined ? {} : { type: Number(type) }),
    ...(given === undefined ? {} : { nonce: Number(given) }),
    ...(nonce === undefined ? {} : { nonce }),
  };
}
