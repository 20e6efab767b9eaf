import type { Address, Hex } from "viem";

import { paymentChannelsAbi } from "./abis/paymentChannelsAbi.ts";
import { readContract } from "./actions.ts";
import { callChannels, type OnContract, type Sending } from "./callChannels.ts";
import type { ChainClient } from "./write.ts";

/**
 * Reads what could not be paid out to an account and waits for `claimCredit`.
 *
 * @param client - A viem client.
 * @param parameters - The contract (PaymentChannels or TaskEscrow: each keeps its own), the token and the account.
 * @returns Base units.
 * @example
 * const waiting = await getCredit(client, { contract, token, account: payee });
 */
export async function getCredit(
  client: ChainClient,
  parameters: OnContract<{ token: Address; account: Address }>,
): Promise<bigint> {
  return readContract(client, {
    address: parameters.contract,
    abi: paymentChannelsAbi,
    functionName: "credit",
    args: [parameters.token, parameters.account],
  });
}

/**
 * Delivers what could not be paid out to an account before. Anybody may send it; the account is paid.
 *
 * @param client - A viem client with any account.
 * @param parameters - The contract (PaymentChannels or TaskEscrow: each keeps its own), the token and the account.
 * @returns The hash of the transaction.
 * @throws {ContractRefusedError} when the contract refuses.
 * @throws {NoGasError} when the account cannot pay the gas.
 * @example
 * const hash = await claimCredit(client, { contract, token, creditor: payee });
 */
export async function claimCredit(
  client: ChainClient,
  parameters: Sending<{ token: Address; creditor: Address }>,
): Promise<Hex> {
  return callChannels(client, parameters, "claimCredit", [parameters.token, parameters.creditor]);
}
