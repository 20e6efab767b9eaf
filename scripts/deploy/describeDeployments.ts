import { existsSync, readdirSync, readFileSync } from "node:fs";

import { type Abi, type Address, type Hex, zeroAddress } from "viem";
import { encodeDeployData, getAddress } from "viem/utils";

import { addressOf, contracts, usualGracePeriod } from "./plan.ts";
import { type Deployment, readRecord } from "./record.ts";

const header = "// Made by `npm run generate` from the production build and `deployments/`. Do not edit.\n";

/**
 * Writes down where the contracts are.
 *
 * @param options.artifacts - The folder of the production build.
 * @param options.folder - The folder of the deployments; it may be missing.
 * @returns The text of a module.
 */
export function describeDeployments({ artifacts, folder }: { artifacts: string; folder: string }): string {
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  const recorded = names.flatMap((name) => readRecord(`${folder}/${name}`) ?? []).sort((a, b) => a.chainId - b.chainId);
  const twice = recorded.find(({ chainId }, i) => chainId === recorded[i - 1]?.chainId);
  if (twice) throw new Error(`Two folders of ${folder} record chain ${twice.chainId}: keep the one that is in use.`);
  return `${header}
type Recorded = {
  readonly token: \`0x\${string}\`;
  readonly fromBlock: bigint | undefined;
  readonly contracts: Readonly<Record<string, { readonly address: \`0x\${string}\`; readonly codeHash: \`0x\${string}\` }>>;
};

/** Where \`npm run deploy\` puts a contract on any chain: its code and the values it is deployed with decide about it. */
export const usualAddresses = {
${usualAddresses(artifacts)
  .map(([name, address]) => `  ${name}: ${JSON.stringify(address)},\n`)
  .join("")}} as const;

/** What was deployed, by chain id: addresses, hashes of the whole code, and the first block of all, where it is known. */
export const recordedDeployments: Readonly<Record<number, Recorded>> = {${recorded.map(describe).join("")}${recorded.length > 0 ? "\n" : ""}};
`;
}

/** The token's address depends on who operates it. */
function usualAddresses(artifacts: string): [name: string, address: Address][] {
  return contracts
    .filter(({ name }) => name !== "MockDigitalYuan")
    .map(({ name, source, arguments: argumentsOf }) => {
      const { abi, bytecode } = JSON.parse(readFileSync(`${artifacts}/${source}/${name}.json`, "utf8")) as {
        abi: Abi;
        bytecode: Hex;
      };
      const args = argumentsOf({ gracePeriod: usualGracePeriod, operator: zeroAddress });
      return [name, addressOf(encodeDeployData({ abi, bytecode, args }))];
    });
}

function describe({ chainId, token, contracts: deployed }: Deployment): string {
  const entries = Object.entries(deployed).sort(([a], [b]) => (a < b ? -1 : 1));
  const blocks = entries.flatMap(([, { blockNumber }]) => blockNumber ?? []);
  const fromBlock = blocks.length === entries.length ? `${Math.min(...blocks)}n` : undefined;
  const lines = entries.map(
    ([name, { address, codeHash }]) =>
      `      ${name}: {\n        address: "${getAddress(address)}",\n        codeHash: "${codeHash}",\n      },\n`,
  );
  const members = `    token: "${getAddress(token)}",\n    fromBlock: ${fromBlock},\n`;
  return `\n  ${chainId}: {\n${members}    contracts: {\n${lines.join("")}    },\n  },`;
}
