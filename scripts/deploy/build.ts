import { artifacts, config } from "hardhat";
import type { Abi, Address, Hex } from "viem";
import { encodeDeployData, keccak256, stringToHex } from "viem/utils";

import { isKnownCode, type KnownContract } from "../../sdk/src/chain/knownContracts.ts";
import { maskImmutables } from "../../sdk/src/chain/maskImmutables.ts";
import { addressOf, type Choices, contracts } from "./plan.ts";
import { Refusal } from "./refusal.ts";

type Artifact = {
  abi: Abi;
  bytecode: Hex;
  deployedBytecode: Hex;
  immutableReferences?: Record<string, { start: number; length: number }[]>;
};

/** A contract as it was compiled: where it comes to stand, by which code. */
export type Built = {
  name: string;
  source: string;
  module: string;
  arguments: (string | number)[];
  address: Address;
  initCode: Hex;
  /** The arguments of its constructor, encoded. */
  constructorData: Hex;
  /** Runtime code, without the values of immutables. */
  code: Hex;
  /** Zeroes what is not in the artifact's code because it is known at deployment only. */
  mask(code: Hex): Hex;
};

/** The profile that the artifacts were built by (scripts/production.ts). */
export const profile = process.env.SUBFEN_BUILD === "production" ? "production" : "default";

/** @returns What deployment.json says of the compiler. */
export function describeCompiler() {
  const [compiler] = config.solidity.profiles[profile]?.compilers ?? [];
  if (compiler === undefined) throw new Error(`no compiler is configured for ${profile}`);
  const settings = keccak256(stringToHex(JSON.stringify(compiler.settings, sortKeys)));
  return { version: compiler.version, profile, settings };
}

/** For `JSON.stringify`: the same text for the same value. */
export function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Reads the artifacts.
 *
 * @param choices - What constructors are given.
 * @param options.withToken - Whether the mock token is among what is deployed.
 * @returns The contracts of the plan.
 * @throws {Refusal} when one was not compiled.
 */
export async function readBuild(choices: Choices, options: { withToken: boolean }): Promise<Built[]> {
  const planned = contracts.filter(({ module }) => options.withToken || module !== "Token");
  return Promise.all(
    planned.map(async ({ name, source, module, arguments: argumentsOf }) => {
      const artifact = (await artifacts.readArtifact(`${source}:${name}`).catch(() => {
        throw new Refusal(`${name} is not compiled. Deploy by \`npm run deploy\`, which compiles it first.`);
      })) as Artifact;
      const { abi, bytecode, deployedBytecode: code } = artifact;
      const args = argumentsOf(choices);
      const initCode = encodeDeployData({ abi, bytecode, args });
      const immutables = Object.values(artifact.immutableReferences ?? {}).flat();
      const mask = (seen: Hex) => (seen.length === code.length ? maskImmutables(seen, immutables) : seen);
      return {
        name,
        source,
        module,
        arguments: args,
        address: addressOf(initCode),
        initCode,
        constructorData: `0x${initCode.slice(bytecode.length)}` as const,
        code: mask(code),
        mask,
      };
    }),
  );
}

/**
 * Tells which contracts clients and gateways would refuse.
 *
 * @returns The names of those whose code is not in the SDK's list.
 */
export function unknownToSdk(built: readonly Built[]): string[] {
  return built.filter(({ name, code }) => !isKnownCode(code, name as KnownContract)).map(({ name }) => name);
}
