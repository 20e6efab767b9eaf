import { readFileSync } from "node:fs";

import { type Address, createWalletClient, custom, decodeFunctionData, encodeFunctionResult, numberToHex } from "viem";

import { channelsDomain, hashDomain, paymentChannelsAbi } from "subfen";
import { createFastAccount } from "subfen/server";

import { chainId, deposit } from "./contender.ts";
import { sellerKey } from "./keys.ts";

export const contract: Address = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
export const token: Address = "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512";
export const tickCondition: Address = "0x9fe46736679d2d9a65f0992f2272de9f3c7fa6e0";

const sources: Readonly<Record<string, string>> = {
  [contract]: "PaymentChannels.sol/PaymentChannels",
  [token]: "token/MockDigitalYuan.sol/MockDigitalYuan",
  [tickCondition]: "conditions/TickCondition.sol/TickCondition",
};

/** A gateway takes money by contracts whose code it knows. */
function codeAt(address: string): string {
  const artifact = new URL(`../artifacts/contracts/${sources[address.toLowerCase()]}.json`, import.meta.url);
  return (JSON.parse(readFileSync(artifact, "utf8")) as { deployedBytecode: string }).deployedBytecode;
}

async function request({ method, params }: { method: string; params?: unknown }): Promise<unknown> {
  switch (method) {
    case "eth_chainId":
      return numberToHex(chainId);
    case "eth_blockNumber":
      return numberToHex(100);
    case "eth_getLogs":
      return [];
    case "eth_getBlockByNumber":
      return { number: numberToHex(100), timestamp: numberToHex(Math.floor(Date.now() / 1000)), transactions: [] };
    case "eth_getCode": {
      const [address] = params as [string];
      return codeAt(address);
    }
    case "eth_getTransactionCount":
      return "0x0";
    case "eth_call": {
      const [{ data }] = params as [{ data: `0x${string}` }];
      return call(data);
    }
    default:
      throw new Error(`the bench's node does not know ${method}`);
  }
}

function call(data: `0x${string}`): `0x${string}` {
  const { functionName, args } = decodeFunctionData({ abi: paymentChannelsAbi, data });
  if (functionName === "CLOSE_GRACE_PERIOD") {
    return encodeFunctionResult({ abi: paymentChannelsAbi, functionName, result: 30 * 24 * 3600 });
  }
  if (functionName === "domainSeparator") {
    return encodeFunctionResult({
      abi: paymentChannelsAbi,
      functionName,
      result: hashDomain(channelsDomain({ contract, chainId })),
    });
  }
  if (functionName !== "getChannels") throw new Error(`the bench's node does not know ${functionName}`);
  const channel = { deposit, settled: 0n, closeRequestedAt: 0, finalized: false };
  return encodeFunctionResult({ abi: paymentChannelsAbi, functionName, result: args[0].map(() => channel) });
}

/**
 * A client of a node that knows every channel, with the same deposit in each, and on which nothing happens. A month of
 * grace keeps the settler from settling while it is measured.
 */
export async function createClient() {
  const account = await createFastAccount({ privateKey: sellerKey });
  return createWalletClient({ account, transport: custom({ request }, { retryCount: 0 }) });
}
