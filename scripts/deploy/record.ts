import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import type { Address, Hex } from "viem";

import { sortKeys } from "./build.ts";

/** What `deployment.json` says of one contract. */
export type RecordedContract = {
  address: Address;
  /** The block of its creation, where it is known. */
  blockNumber?: number;
  /** The transaction that created it, whoever sent it, where it is known. */
  transactionHash?: Hex;
  /** keccak256 of the code on chain. */
  codeHash: Hex;
  /** What its constructor was given. */
  arguments: (string | number)[];
};

/** What stands where on one network: `deployments/<network>/deployment.json`. */
export type Deployment = {
  network: string;
  chainId: number;
  factory: Address;
  salt: Hex;
  compiler: { version: string; profile: string; settings: Hex };
  /** The token that is paid with: the mock, or the one that was given. */
  token: Address;
  contracts: Record<string, RecordedContract>;
};

const fileIn = (folder: string) => join(folder, "deployment.json");

/** @returns What a folder records, or nothing where it records nothing. */
export function readRecord(folder: string): Deployment | undefined {
  return existsSync(fileIn(folder)) ? (JSON.parse(readFileSync(fileIn(folder), "utf8")) as Deployment) : undefined;
}

/** Writes it whole or not at all. @returns Whether it says anything new. */
export function writeRecord(folder: string, deployment: Deployment): boolean {
  const text = `${JSON.stringify(deployment, sortKeys, 2)}\n`;
  if (existsSync(fileIn(folder)) && readFileSync(fileIn(folder), "utf8") === text) return false;
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${fileIn(folder)}.new`, text);
  renameSync(`${fileIn(folder)}.new`, fileIn(folder));
  return true;
}
