import type { Address, Hex } from "viem";
import { formatEther, keccak256, parseAbiItem } from "viem/utils";

import type { Built } from "./build.ts";
import type { Opened } from "./openNetwork.ts";
import { factory } from "./plan.ts";
import type { Deployment } from "./record.ts";
import { Refusal } from "./refusal.ts";

const created = parseAbiItem("event ContractCreation(address indexed newContract, bytes32 indexed salt)");

/** A contract of the plan, and its code on chain if it is there. */
export type Surveyed = Built & { onChain: Hex | undefined };

/**
 * Looks what stands at the addresses of the plan.
 *
 * @returns The contracts with their code on chain.
 * @throws {Refusal} when something else stands at an address.
 */
export async function survey({ client }: Opened, built: readonly Built[]): Promise<Surveyed[]> {
  const surveyed = await Promise.all(
    built.map(async (one) => ({ ...one, onChain: await client.getCode({ address: one.address }) })),
  );
  for (const { name, address, onChain, code, mask } of surveyed) {
    if (onChain === undefined || mask(onChain) === code) continue;
    throw new Refusal(
      `At ${address}, where ${name} belongs, stands a foreign contract. Only our own code can be created there, so ` +
        "this is a fork, or a chain whose state somebody has edited. Start that chain anew, or reach another node.",
    );
  }
  return surveyed;
}

/**
 * Compares what was recorded with the chain.
 *
 * @returns `same` when every recorded contract is there as recorded, `gone` when one is not there.
 * @throws {Refusal} when another contract stands in the place of one.
 */
export async function compareRecord({ client }: Opened, record: Deployment): Promise<"same" | "gone"> {
  const entries = Object.entries(record.contracts);
  const codes = await Promise.all(entries.map(([, { address }]) => client.getCode({ address })));
  for (const [index, [name, { address, codeHash }]] of entries.entries()) {
    const code = codes[index];
    if (code === undefined) return "gone";
    if (keccak256(code) === codeHash) continue;
    throw new Refusal(
      `At ${address}, where ${name} was recorded, stands a foreign contract. The node is on a fork, or on a chain whose ` +
        "state somebody has edited. Start that chain anew, or reach another node.",
    );
  }
  return "same";
}

/** @returns Gas that suffices to create contracts by the factory, and not twice as much. */
export function gasFor(contracts: readonly Built[]): bigint {
  // A byte of code costs 200, and up to 16 on its way in; the rest is what constructors store.
  const gas = contracts.map(({ initCode, code }) => 600_000 + 110 * code.length + 12 * initCode.length);
  return BigInt(gas.reduce((sum, one) => sum + one, 0));
}

/**
 * Makes sure that the account can pay for what is missing.
 *
 * @param opened - The chain.
 * @param missing - The contracts to create.
 * @param besides - What else is to be paid, in wei.
 * @returns What it has and what it needs at most, in wei.
 * @throws {Refusal} when it has too little.
 */
export async function requireBalance(
  { client, deployer, known, name }: Opened,
  missing: readonly Surveyed[],
  besides: bigint,
): Promise<{ balance: bigint; needed: bigint }> {
  const [balance, { maxFeePerGas }] = await Promise.all([
    client.getBalance({ address: deployer }),
    client.estimateFeesPerGas(),
  ]);
  const needed = gasFor(missing) * maxFeePerGas + besides;
  if (balance >= needed) return { balance, needed };
  throw new Refusal(
    `${deployer} has ${formatEther(balance)} ETH on ${name}, and needs ${formatEther(needed)} ETH to deploy ` +
      `${missing.length} contracts at the present price of gas. Send it some` +
      (known.faucet ? `, for example from ${known.faucet}` : "") +
      ", and run this again.",
  );
}

/**
 * Finds where a contract was created.
 *
 * @returns The number of the block and the transaction in it; neither where the node knows no older state.
 */
export async function findCreation(
  { client }: Opened,
  address: Address,
): Promise<{ blockNumber?: number; transactionHash?: Hex }> {
  const newest = await client.getBlockNumber({ cacheTime: 0 });
  let [absent, present] = [-1n, newest];
  try {
    while (present - absent > 1n) {
      const middle = (absent + present) / 2n;
      const code = await client.getCode({ address, blockNumber: middle });
      if (code === undefined) absent = middle;
      else present = middle;
    }
    const range = { fromBlock: present, toBlock: present };
    const [log] = await client.getLogs({ address: factory, event: created, args: { newContract: address }, ...range });
    return { blockNumber: Number(present), ...(log ? { transactionHash: log.transactionHash } : {}) };
  } catch {
    // A later block would hide the channels that were opened before it.
    return {};
  }
}
