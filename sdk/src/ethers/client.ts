import type { Provider, Signer } from "ethers";
import { type Address, type Client, createClient, custom, type CustomTransport, type JsonRpcAccount } from "viem";

import { SubfenError } from "../errors.ts";
import { readWith } from "./readWith.ts";
import { toRpcError } from "./rpcError.ts";
import { createSender } from "./sendWith.ts";

/** An ethers signer is connected to no provider. */
export class NoProviderError extends SubfenError {
  override readonly name = "NoProviderError";

  constructor() {
    super("The ethers signer has no provider, so nothing can be read from a chain or sent to it.", {
      code: "no-provider",
      metaMessages: ["Connect it: signer.connect(provider). To sign only, accountFromEthers(signer) is enough."],
    });
  }
}

/**
 * Makes a viem client from an ethers v6 signer or provider, wherever this package takes a `client`. From a signer it has
 * that signer's account and sends through it, one transaction after the other; from a provider it only reads.
 *
 * @param signerOrProvider - A signer with a provider, or a provider: one with JSON-RPC, or a `FallbackProvider`.
 * @returns The client. It looks for new blocks as often as the provider does.
 * @throws {NoProviderError} when the signer has no provider. What the client is asked later rejects with the errors of
 * viem and of this package, what ethers threw among their causes; with {UnsupportedByEthersError} as a cause where
 * ethers cannot answer.
 * @example
 * import { JsonRpcProvider, Wallet } from "ethers";
 * import { parseYuan, payingFetch } from "subfen";
 * import { accountFromEthers, clientFromEthers } from "subfen/ethers";
 *
 * const wallet = new Wallet(key, new JsonRpcProvider(url));
 * const [account, client] = await Promise.all([accountFromEthers(wallet), clientFromEthers(wallet)]);
 * const fetch = payingFetch({ account, client, maxDeposit: parseYuan("1"), maxPrice: parseYuan("0.05") });
 */
export async function clientFromEthers(signer: Signer): Promise<Client<CustomTransport, undefined, JsonRpcAccount>>;
export async function clientFromEthers(provider: Provider): Promise<Client<CustomTransport, undefined, undefined>>;
export async function clientFromEthers(
  signerOrProvider: Signer | Provider,
): Promise<Client<CustomTransport, undefined, JsonRpcAccount | undefined>> {
  const signer = "signTypedData" in signerOrProvider ? signerOrProvider : undefined;
  const { provider } = signerOrProvider;
  if (!provider) throw new NoProviderError();
  const account = signer && ({ address: (await signer.getAddress()) as Address, type: "json-rpc" } as const);
  const sender = signer && account ? createSender(signer, account.address, provider) : {};
  const { pollingInterval } = provider as { pollingInterval?: number };

  async function request({ method, params = [] }: { method: string; params?: readonly unknown[] }): Promise<unknown> {
    const handler = sender[method];
    try {
      return await (handler ? handler(...params) : readWith(signerOrProvider.provider as Provider, method, params));
    } catch (error) {
      throw toRpcError(method, error);
    }
  }

  const transport = custom({ request });
  return createClient({ account, transport, ...(pollingInterval === undefined ? {} : { pollingInterval }) });
}
