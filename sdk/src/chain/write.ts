import type { Abi, Account, Address, Chain, Client, Hex, TransactionReceipt, Transport } from "viem";
import { encodeFunctionData, parseAbi } from "viem/utils";

import { SubfenError } from "../errors.ts";
import { mockDigitalYuanAbi } from "./abis/mockDigitalYuanAbi.ts";
import { getTransactionCount, simulateContract, waitForTransactionReceipt, writeContract } from "./actions.ts";
import { createSendQueue, type SendQueue } from "./createSendQueue.ts";
import { toChainError, TransactionRevertedError } from "./errors.ts";

/** A viem client of any kind. Its chain may be left out: the node's is used. */
export type ChainClient = Client<Transport, Chain | undefined, Account | undefined>;

/** A call needs an account, and neither the client nor the call has one. */
export class MissingAccountError extends SubfenError {
  override readonly name = "MissingAccountError";

  constructor(functionName: string) {
    super(`${functionName} sends a transaction, but there is no account to send it.`, {
      code: "missing-account",
      metaMessages: ["Give the client an account: createWalletClient({ account, ... })."],
    });
  }
}

/** Sends a call that has passed its simulation, and resolves to the hash of the transaction. @internal */
export type Send = (call: { to: Address; data: Hex }) => Promise<Hex>;

const sends = new WeakMap<ChainClient, Send>();

/**
 * Makes a client whose transactions another function sends, so that every action can be used with an outbox.
 *
 * @internal
 */
export function withSend(client: ChainClient, send: Send): ChainClient {
  const copy = { ...client };
  sends.set(copy, send);
  return copy;
}

/** Errors a token throws through a call of ours are decoded too. */
const tokenErrors = [
  ...mockDigitalYuanAbi.filter((item) => item.type === "error"),
  // Of the library by which the contract moves tokens, so in no ABI.
  ...parseAbi(["error SafeERC20FailedOperation(address token)"]),
];

/**
 * Simulates a call and sends it, so that a refusal is a typed error before any gas is spent.
 *
 * @returns The hash of the transaction, sent but not yet mined.
 * @throws {ContractRefusedError} when the contract refuses the call.
 * @throws {NoGasError} when the account cannot pay.
 * @throws {MissingAccountError} when there is no account.
 * @internal
 */
export async function simulateAndWrite(
  client: ChainClient,
  call: { address: Address; abi: Abi; functionName: string; args: readonly unknown[]; account?: Account | undefined },
): Promise<Hex> {
  const account = call.account ?? client.account;
  if (!account) throw new MissingAccountError(call.functionName);
  const abi: Abi = [...call.abi, ...tokenErrors];
  try {
    const { request } = await simulateContract(client, { ...call, abi, account, chain: client.chain });
    const send = sends.get(client);
    if (send) return await send({ to: call.address, data: encodeFunctionData({ ...call, abi }) });
    return await inOrder(client, account, (nonce) =>
      // Without a chain of its own, the client signs for the one its node is on.
      writeContract(client, { ...request, chain: client.chain ?? null, ...nonce } as never),
    );
  } catch (cause) {
    throw toChainError(cause, { ...call, abi, account: account.address });
  }
}

/** By client and address. */
const queues = new WeakMap<ChainClient, Map<Address, SendQueue>>();

/** Sends in the order of nonces. A wallet or node that holds the key counts by itself. */
async function inOrder(
  client: ChainClient,
  account: Account,
  send: (nonce: { nonce?: number }) => Promise<Hex>,
): Promise<Hex> {
  if (account.type !== "local" || account.nonceManager) return send({});
  const { address } = account;
  const ofClient = queues.get(client) ?? new Map<Address, SendQueue>();
  queues.set(client, ofClient);
  const queue =
    ofClient.get(address) ?? createSendQueue(() => getTransactionCount(client, { address, blockTag: "pending" }));
  ofClient.set(address, queue);
  return queue((nonce) => send({ nonce }));
}

/**
 * Waits until a transaction is mined and looks at its outcome.
 *
 * @param client - A viem client.
 * @param parameters.hash - The transaction.
 * @param parameters.confirmations - Blocks to wait for, its own included; 1 by default.
 * @param parameters.timeout - Milliseconds; 180,000 by default.
 * @returns Its receipt.
 * @throws {TransactionRevertedError} when it was mined but failed.
 */
export async function confirmTransaction(
  client: ChainClient,
  parameters: { hash: Hex; confirmations?: number | undefined; timeout?: number | undefined },
): Promise<TransactionReceipt> {
  const receipt = await waitForTransactionReceipt(client, {
    hash: parameters.hash,
    confirmations: parameters.confirmations ?? 1,
    ...(parameters.timeout === undefined ? {} : { timeout: parameters.timeout }),
  });
  if (receipt.status !== "success") throw new TransactionRevertedError(parameters.hash);
  return receipt;
}
