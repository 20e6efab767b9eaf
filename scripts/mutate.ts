// `npm run test:mutation`: breaks the contracts in one place at a time, in a copy of the repository, and counts the breaks
// that no test notices. Takes long, so it is not in CI. `-- --list` only lists the mutants, `-- --only 3,14,TaskEscrow` runs
// those with these numbers or in these files, `-- --jobs 2` runs copies side by side. Exits 1 when a mutant survives that is not in docs/security.md.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { capture, hardhat } from "./hardhat.ts";

type Artifact = {
  contractName: string;
  bytecode: string;
  deployedBytecode: string;
  immutableReferences: object;
  inputSourceName: string;
  buildInfoId: string;
};
type BuildInfo = {
  input: { sources: Record<string, { content: string }>; settings: { outputSelection: object } };
};
type Output = {
  contracts?: Record<
    string,
    Record<
      string,
      { evm: { bytecode: { object: string }; deployedBytecode: { object: string; immutableReferences: object } } }
    >
  >;
};
type Target = { file: string; artifact: string; tests: string[][] };
type Mutant = { id: number; file: string; line: number; before: string; after: string };

const channels = "test/contracts/PaymentChannels";
const channelTests = [
  // The quickest first: most mutants die in them.
  ["settling", "closing", "funding", "paying", "batch", "signatures", "vectors"].map((n) => `${channels}/${n}.test.ts`),
  ["conditional", "conditionalHostile", "reentrancy", "payoutGas"].map((name) => `${channels}/${name}.test.ts`),
  ["test/model/contracts.test.ts"],
];

const escrow = "test/contracts/TaskEscrow";
const escrowTests = [
  ["releasing", "refunding", "funding", "claiming"].map((name) => `${escrow}/${name}.test.ts`),
  ["batch", "paying", "signatures", "reentrancy", "orders"].map((name) => `${escrow}/${name}.test.ts`),
];

const conditionTests = (...names: string[]): string[][] => [
  names.map((name) => `test/contracts/conditions/${name}.test.ts`),
];

const artifactOf = (path: string, name = path.split("/").at(-1)): string =>
  `artifacts/contracts/${path}.sol/${name}.json`;
const channelsArtifact = artifactOf("PaymentChannels");
const escrowArtifact = artifactOf("TaskEscrow");
const attestationArtifact = artifactOf("conditions/AttestationCondition");

/** What is broken, the artifact with the code that is deployed of it, and the tests in the order in which they run. */
const targets: Target[] = [
  { file: "contracts/PaymentChannels.sol", artifact: channelsArtifact, tests: channelTests },
  { file: "contracts/libraries/Signatures.sol", artifact: channelsArtifact, tests: channelTests },
  {
    file: "contracts/token/MockDigitalYuan.sol",
    artifact: artifactOf("token/MockDigitalYuan"),
    tests: [["test/contracts/MockDigitalYuan.test.ts"]],
  },
  { file: "contracts/TaskEscrow.sol", artifact: escrowArtifact, tests: escrowTests },
  { file: "contracts/libraries/TokenCustody.sol", artifact: escrowArtifact, tests: escrowTests },
  { file: "contracts/libraries/Conditions.sol", artifact: escrowArtifact, tests: [[`${escrow}/claiming.test.ts`]] },
  {
    file: "contracts/conditions/AttestationCondition.sol",
    artifact: attestationArtifact,
    tests: conditionTests("attestation", "vectors"),
  },
  {
    file: "contracts/libraries/KthLargest.sol",
    artifact: attestationArtifact,
    tests: conditionTests("attestation"),
  },
  {
    file: "contracts/conditions/HashlockCondition.sol",
    artifact: artifactOf("conditions/HashlockCondition"),
    tests: conditionTests("hashlockAndTick"),
  },
  {
    file: "contracts/conditions/TickCondition.sol",
    artifact: artifactOf("conditions/TickCondition"),
    tests: conditionTests("hashlockAndTick", "vectors"),
  },
  {
    file: "contracts/conditions/KthCondition.sol",
    artifact: artifactOf("conditions/KthCondition"),
    tests: conditionTests("kth"),
  },
  {
    file: "contracts/conditions/ReviewCondition.sol",
    artifact: artifactOf("conditions/ReviewCondition"),
    tests: conditionTests("review"),
  },
];

/** Each rule makes at most one mutant for each place it matches. */
const rules: [RegExp, string | ((found: string) => string)][] = [
  [/ < /g, " <= "],
  [/ <= /g, " < "],
  [/ > /g, " >= "],
  [/ >= /g, " > "],
  [/ == /g, " != "],
  [/ != /g, " == "],
  [/ && /g, " || "],
  [/ \|\| /g, " && "],
  [/ \+ /g, " - "],
  [/ - /g, " + "],
  [/ \+= /g, " -= "],
  [/ = true;/g, " = false;"],
  [/ = 0;/g, " = 1;"],
  [/(?<![\w.])(0x[0-9a-fA-F]{2}|\d[\d_]*)\b/g, (literal) => String(Number(literal.replaceAll("_", "")) + 1)],
  [/\breturn (?=[^;]*;)/g, "return !"],
];

/** Statements whose loss a test must notice. */
const droppable =
  /^\s+(if \(.*\) (revert|return) .*;|emit .*;|_[a-z]\w*\(.*\);|_channels\[.*\] = .*;|_tasks\[.*\] = .*;|review\.\w+ = .*;|state\.\w+ = .*;|\(review\..*;|IERC20\(token\)\..*;|amounts\[.*\] = .*;|mstore\(.*\)|channel\.\w+ = .*;|credit\[.*;|account\.\w+ = .*;|_accounts\[.*;|authorizationState\[.*;|pendingOperator = .*;|operator = .*;)$/;

function mutantsOf(file: string): Omit<Mutant, "id">[] {
  const found: Omit<Mutant, "id">[] = [];
  let isCode = false;
  for (const [index, before] of readFileSync(file, "utf8").split("\n").entries()) {
    if (/^(abstract contract|contract|library) /.test(before)) isCode = true;
    if (!isCode || /^\s*(\/\/|\*|\/\*)/.test(before)) continue;
    const add = (after: string): void => void found.push({ file, line: index + 1, before, after });
    for (const [pattern, replacement] of rules) {
      for (const match of before.matchAll(pattern)) {
        const after = typeof replacement === "string" ? replacement : replacement(match[0]);
        add(before.slice(0, match.index) + after + before.slice(match.index + match[0].length));
      }
    }
    if (droppable.test(before)) add(before.replace(/\S.*$/, ""));
    if (before.includes(" nonReentrant")) add(before.replace(" nonReentrant", ""));
  }
  return found;
}

const { values } = parseArgs({
  options: {
    list: { type: "boolean", default: false },
    only: { type: "string" },
    jobs: { type: "string", default: "1" },
  },
});

const all: Mutant[] = targets.flatMap(({ file }) => mutantsOf(file)).map((mutant, id) => ({ id, ...mutant }));
const only = values.only?.split(",");
const isChosen = ({ id, file }: Mutant): boolean =>
  !only || only.some((wanted) => (/^\d+$/.test(wanted) ? id === Number(wanted) : file.includes(wanted)));
const chosen = all.filter(isChosen);
const queue = chosen.values();
const describe = ({ id, file, line, before, after }: Mutant): string =>
  `#${id} ${file}:${line}\n    - ${before.trim()}\n    + ${after.trim() || "(nothing)"}`;

if (values.list) {
  for (const mutant of chosen) console.log(describe(mutant));
  console.log(`${chosen.length} of ${all.length} mutants`);
  process.exit(0);
}

if (spawnSync(process.execPath, [...hardhat, "build", "--quiet"], { stdio: "inherit" }).status !== 0) process.exit(1);

/** Whether all mocha tests of a target pass in a copy of the repository, on the code that its artifact has. */
async function passes(folder: string, { tests }: Target): Promise<boolean> {
  for (const files of tests) {
    const args = [...hardhat, "test", "mocha", "--no-compile", "--bail", ...files];
    if (!(await capture(process.execPath, args, { cwd: folder })).ok) return false;
  }
  return true;
}

type Outcome = "killed" | "survived" | "does not compile";

const require = createRequire(import.meta.url);
const solc = require("solc") as { compile(input: string): string };

/** Compiles one contract alone and puts its code into the artifact that the tests deploy: a full build takes far longer. */
function replaceCode(folder: string, { file, artifact: path }: Target, source: string): boolean {
  const artifact = JSON.parse(readFileSync(path, "utf8")) as Artifact;
  const { contractName, inputSourceName } = artifact;
  const { input } = JSON.parse(readFileSync(`artifacts/build-info/${artifact.buildInfoId}.json`, "utf8")) as BuildInfo;
  input.sources[`project/${file}`] = { content: source };
  const code = ["evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"];
  input.settings.outputSelection = { [inputSourceName]: { [contractName]: code } };
  const output = JSON.parse(solc.compile(JSON.stringify(input))) as Output;
  const evm = output.contracts?.[inputSourceName]?.[contractName]?.evm;
  if (!evm?.bytecode.object) return false;
  artifact.bytecode = `0x${evm.bytecode.object}`;
  artifact.deployedBytecode = `0x${evm.deployedBytecode.object}`;
  artifact.immutableReferences = evm.deployedBytecode.immutableReferences;
  writeFileSync(join(folder, path), JSON.stringify(artifact));
  return true;
}

async function judge(folder: string, mutant: Mutant): Promise<Outcome> {
  const target = targets.find(({ file }) => file === mutant.file);
  if (!target) throw new Error(`no target has ${mutant.file}`);
  const lines = readFileSync(mutant.file, "utf8").split("\n");
  lines[mutant.line - 1] = mutant.after;
  const source = lines.join("\n");
  if (!replaceCode(folder, target, source)) return "does not compile";
  try {
    if (!(await passes(folder, target))) return "killed";
    writeFileSync(join(folder, mutant.file), source);
    const { ok } = await capture(process.execPath, [...hardhat, "test", "solidity"], { cwd: folder });
    return ok ? "survived" : "killed";
  } finally {
    for (const file of [mutant.file, target.artifact]) cpSync(file, join(folder, file));
  }
}

function copyRepository(): string {
  const folder = mkdtempSync(join(tmpdir(), "subfen-mutation-"));
  const folders = ["contracts", "test", "scripts", "sdk", "examples", "artifacts", "cache", "types"];
  for (const part of [...folders, "package.json", "hardhat.config.ts", "tsconfig.json"]) {
    cpSync(part, join(folder, part), { recursive: true });
  }
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"), "junction");
  return folder;
}

const survivors: Mutant[] = [];
const counts: Record<Outcome, number> = { killed: 0, survived: 0, "does not compile": 0 };
const started = Date.now();

/** A test that fails anyway would count every mutant as killed. */
async function requireGreen(folder: string): Promise<void> {
  const needed = targets.filter(({ file }) => chosen.some((mutant) => mutant.file === file));
  // Targets of one contract have the same tests, or some of them.
  for (const target of new Map(needed.map((one) => [one.artifact, one])).values()) {
    if (await passes(folder, target)) continue;
    throw new Error(`The tests of ${target.file} fail although nothing is broken.`);
  }
}

async function work(folder: string): Promise<void> {
  for (const mutant of queue) {
    const outcome = await judge(folder, mutant);
    counts[outcome]++;
    if (outcome === "survived") survivors.push(mutant);
    const done = counts.killed + counts.survived + counts["does not compile"];
    console.log(`${done}/${chosen.length} ${outcome.padEnd(16)} ${describe(mutant).split("\n")[0]}`);
    if (outcome === "survived") console.log(describe(mutant));
  }
}

const folders = Array.from({ length: Number(values.jobs) }, copyRepository);
try {
  await Promise.all(folders.slice(0, 1).map(requireGreen));
  await Promise.all(folders.map(work));
} finally {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

const known = readFileSync("docs/security.md", "utf8");
const unknown = survivors.filter(
  ({ before, after }) => !known.includes(before.trim()) || !known.includes(after.trim()),
);
const judged = counts.killed + counts.survived;
console.log(
  `\n${judged} mutants in ${Math.round((Date.now() - started) / 60_000)} minutes: ${counts.killed} killed, ${counts.survived} survived`,
);
console.log(`${counts["does not compile"]} more do not compile.`);
for (const mutant of unknown) console.log(`survives and is not in docs/security.md: ${describe(mutant)}`);
process.exit(unknown.length === 0 ? 0 : 1);
