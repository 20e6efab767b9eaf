import type { Account, Address, Hex } from "viem";

import { paymentChannelsAbi } from "./abis/paymentChannelsAbi.ts";
import { type ChainClient, simulateAndWrite } from "./write.ts";

/** Parameters of an action on a contract. */
export type OnContract<parameters = unknown> = parameters & {
  /** PaymentChannels; TaskEscrow where it is about tasks. */
  contract: Address;
};

/** Parameters of an action that sends a transaction; `account` replaces the client's own. */
export type Sending<parameters> = OnContract<parameters> & { account?: Account | undefined };

/** The same for one that lets a contract have money: its code must be known. */
export type Funding<parameters> = Sending<parameters> & {
  /** Contracts to use although their code is not known to this package. */
  trustedContracts?: readonly Address[] | undefined;
};

/** Sends a call to the channel contract. @internal */
export function callChannels(
  client: ChainClient,
  { contract, account }: Sending<unknown>,
  functionName: string,
  args: readonly unknown[],
): Promise<Hex> {
  return simulateAndWrite(client, { address: contract, abi: paymentChannelsAbi, functionName, args, account });
}
