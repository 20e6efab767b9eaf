import type { Hex } from "viem";

import { taskEscrowAbi } from "./abis/taskEscrowAbi.ts";
import type { Sending } from "./callChannels.ts";
import { type ChainClient, simulateAndWrite } from "./write.ts";

/** Sends a call to the escrow. @internal */
export function callEscrow(
  client: ChainClient,
  { contract, account }: Sending<unknown>,
  functionName: string,
  args: readonly unknown[],
): Promise<Hex> {
  return simulateAndWrite(client, { address: contract, abi: taskEscrowAbi, functionName, args, account });
}
