import type { Account, Address, Hex, Log } from "viem";
import { hexToNumber, isAddressEqual, parseEventLogs, slice } from "viem/utils";

import type { TransferWithAuthorization } from "../protocol/transferWithAuthorization.ts";
import { mockDigitalYuanAbi } from "./abis/mockDigitalYuanAbi.ts";
import { getContractEvents, getTransactionReceipt } from "./actions.ts";
import { logsInRanges } from "./logsInRanges.ts";
import { isAuthorizationUsed } from "./token.ts";
import { type ChainClient, simulateAndWrite, withSend } from "./write.ts";

/** A signed EIP-3009 authorization for one token. */
type Parameters = {
  token: Address;
  authorization: TransferWithAuthorization;
  /** 65 bytes. */
  signature: Hex;
  /** Who sends it, at its own gas; the client's account by default. */
  account?: Account | undefined;
};

/**
 * Carries out a transfer that the owner of the tokens has authorised by EIP-3009; anybody may send it.
 *
 * @param client - A viem client with the sender's account.
 * @param parameters - The token, the authorization (`value` in base units, times in seconds) and its signature.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the token refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 */
export async function transferByAuthorization(client: ChainClient, parameters: Parameters): Promise<Hex> {
  const { token, authorization, signature, account } = parameters;
  const { from, to, value, validAfter, validBefore, nonce } = authorization;
  return simulateAndWrite(client, {
    address: token,
    abi: mockDigitalYuanAbi,
    functionName: "transferWithAuthorization",
    // The older form with v, r and s, which every token of EIP-3009 has.
    args: [
      from,
      to,
      value,
      validAfter,
      validBefore,
      nonce,
      hexToNumber(slice(signature, 64)),
      slice(signature, 0, 32),
      slice(signature, 32, 64),
    ],
    account,
  });
}

/**
 * Tries {@link transferByAuthorization} at the newest block and sends nothing.
 *
 * @throws {ContractRefusedError} when the token would refuse.
 * @internal
 */
export async function simulateTransferByAuthorization(client: ChainClient, parameters: Parameters): Promise<void> {
  await transferByAuthorization(
    withSend(client, async () => "0x"),
    parameters,
  );
}

/**
 * Finds the transaction by which an authorization was carried out, whoever sent it. That its nonce is used proves
 * nothing: the payer may have used it for another transfer. The token's two events must stand one behind the other, so
 * that one transfer is not found for two nonces.
 *
 * @param client - A viem client.
 * @param parameters - The token, the authorization, and the block to look from.
 * @returns The transaction, or `undefined` where there is none at the newest block.
 * @internal
 */
export async function findTransferByAuthorization(
  client: ChainClient,
  parameters: { token: Address; authorization: TransferWithAuthorization; fromBlock: bigint },
): Promise<Hex | undefined> {
  const { token, authorization, fromBlock } = parameters;
  const { from, to, value, nonce } = authorization;
  const contract = { address: token, abi: mockDigitalYuanAbi } as const;
  if (!(await isAuthorizationUsed(client, { token, authorizer: from, nonce }))) return undefined;
  const args = { authorizer: from, nonce };
  const uses = logsInRanges(client, { fromBlock }, (range) =>
    getContractEvents(client, { ...contract, ...range, eventName: "AuthorizationUsed", args }),
  );
  for await (const { transactionHash: hash, logIndex } of uses) {
    const { logs } = await getTransactionReceipt(client, { hash });
    const behind = logs.filter((log) => log.logIndex === logIndex + 1);
    if (hasTransfer(behind, { token, from, to, value })) return hash;
  }
  return undefined;
}

/** Whether the token says in one of these logs that it has moved the amount. @internal */
export function hasTransfer(
  logs: readonly Log[],
  { token, from, to, value }: { token: Address; from: Address; to: Address; value: bigint },
): boolean {
  const own = logs.filter(({ address }) => isAddressEqual(address, token));
  return parseEventLogs({ abi: mockDigitalYuanAbi, eventName: "Transfer", logs: own }).some(
    ({ args }) => isAddressEqual(args.from, from) && isAddressEqual(args.to, to) && args.value === value,
  );
}
