import { expect } from "chai";
import type { BaseContract, ContractTransactionResponse } from "ethers";

import type { PlainToken } from "../../../types/index.ts";

type Balances = Pick<PlainToken, "balanceOf">;

/** All that a transaction does to a contract and to the parties around it. */
export type Effects<party extends string> = {
  /** The contract's events, all of them, in order. */
  events: [name: string, ...values: unknown[]][];
  /** By how much balances changed; who is not named, or with 0, must keep its balance. */
  balances?: Partial<Record<party, bigint>>;
  /** The token of the balances, if it is not the usual one. */
  token?: Balances;
};

/** Where effects are looked for: a contract, and everybody whose balance is watched. */
type Surroundings<party extends string> = {
  contract: BaseContract;
  parties: Record<party, string>;
  token: Balances;
};

/** The contract's events in a transaction, all of them, in order. */
export async function emittedBy(
  contract: BaseContract,
  transaction: Promise<ContractTransactionResponse>,
): Promise<unknown[][]> {
  const { logs } = (await (await transaction).wait())!;
  const emitter = await contract.getAddress();
  return logs
    .filter(({ address }) => address === emitter)
    .map((log) => contract.interface.parseLog(log)!)
    .map(({ name, args }) => [name, ...args]);
}

/** Asserts all that a transaction did: the contract's events and everybody's balance. */
export async function expectEffectsOn<party extends string>(
  { contract, parties, token: usualToken }: Surroundings<party>,
  transaction: Promise<ContractTransactionResponse>,
  { events, balances = {}, token = usualToken }: Effects<party>,
): Promise<void> {
  const receipt = (await (await transaction).wait())!;
  expect(await emittedBy(contract, transaction)).to.deep.equal(events);

  const changes: Partial<Record<party, bigint>> = {};
  for (const party of Object.keys(parties) as party[]) {
    const [before, after] = await Promise.all(
      [receipt.blockNumber - 1, receipt.blockNumber].map((blockTag) => token.balanceOf(parties[party], { blockTag })),
    );
    if (after !== before) changes[party] = after! - before!;
  }
  const expected = Object.entries(balances).filter(([, change]) => change !== 0n);
  expect(changes).to.deep.equal(Object.fromEntries(expected));
}
