// Makes the generated files of the SDK from the compiler's artifacts: typed ABIs, and the code by which the SDK knows our
// contracts, of the default build and of the production build (through scripts/production.ts); with the latter also where
// the contracts are. `--check` writes nothing and fails when a committed file is stale.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { keccak256 } from "viem";

import { maskImmutables } from "../sdk/src/chain/maskImmutables.ts";
import { describeDeployments } from "./deploy/describeDeployments.ts";

type Contract = {
  name: string;
  source: string;
  /** The file of its ABI, for what is called directly; conditions are asked through the contracts. */
  file?: string;
};
type Artifact = {
  contractName: string;
  abi: { type: string; name?: string; stateMutability?: string }[];
  deployedBytecode: `0x${string}`;
  immutableReferences: Record<string, { start: number; length: number }[]>;
};

const contracts: Contract[] = [
  { name: "PaymentChannels", source: "contracts/PaymentChannels.sol", file: "paymentChannels" },
  { name: "TaskEscrow", source: "contracts/TaskEscrow.sol", file: "taskEscrow" },
  { name: "HashlockCondition", source: "contracts/conditions/HashlockCondition.sol", file: "condition" },
  { name: "AttestationCondition", source: "contracts/conditions/AttestationCondition.sol" },
  { name: "TickCondition", source: "contracts/conditions/TickCondition.sol" },
  { name: "KthCondition", source: "contracts/conditions/KthCondition.sol" },
  { name: "ReviewCondition", source: "contracts/conditions/ReviewCondition.sol", file: "reviewCondition" },
  { name: "MockDigitalYuan", source: "contracts/token/MockDigitalYuan.sol", file: "mockDigitalYuan" },
];

const isProduction = process.env.SUBFEN_BUILD === "production";
const artifacts = isProduction ? "cache/production/artifacts" : "artifacts";
const isCheck = process.argv.includes("--check");
const header = "// Made by `npm run generate` from the compiler's artifacts. Do not edit.\n";
const codesName = isProduction ? "productionCodes" : "defaultCodes";
let stale = 0;

function readArtifact({ name, source }: Contract): Artifact {
  return JSON.parse(readFileSync(`${artifacts}/${source}/${name}.json`, "utf8")) as Artifact;
}

function emit(path: string, content: string): void {
  if (existsSync(path) && readFileSync(path, "utf8") === content) return;
  if (isCheck) {
    stale++;
    console.error(`${path} is stale: run \`npm run generate\` and commit it.`);
  } else {
    writeFileSync(path, content);
    console.log(`wrote ${path}`);
  }
}

const codes: string[] = [];
for (const contract of contracts) {
  const artifact = readArtifact(contract);
  const abi = JSON.stringify(artifact.abi, undefined, 2);
  // The ABI does not depend on the profile.
  if (!isProduction && contract.file)
    emit(
      `sdk/src/chain/abis/${contract.file}Abi.ts`,
      `${header}\nexport const ${contract.file}Abi = ${abi} as const;\n`,
    );
  const immutables = Object.values(artifact.immutableReferences)
    .flat()
    .map(({ start, length }) => ({ start, length }))
    .sort((a, b) => a.start - b.start);
  const hash = keccak256(maskImmutables(artifact.deployedBytecode, immutables));
  const size = (artifact.deployedBytecode.length - 2) / 2;
  codes.push(
    `  {\n    contract: ${JSON.stringify(contract.name)},\n    size: ${size},\n    hash: ${JSON.stringify(hash)},\n` +
      `    immutables: ${JSON.stringify(immutables)},\n  },`,
  );
}
emit(
  `sdk/src/chain/abis/${codesName}.ts`,
  `${header}\n/** Code of our contracts on any chain: its hash with the immutable values zeroed. */\n` +
    `export const ${codesName} = [\n${codes.join("\n")}\n] as const;\n`,
);
// What is deployed is the production build.
if (isProduction) emit("sdk/src/chain/abis/deployments.ts", describeDeployments({ artifacts, folder: "deployments" }));
if (stale > 0) process.exit(1);
