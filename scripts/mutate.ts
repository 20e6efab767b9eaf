// `npm run test:mutation`: breaks the contracts in one place at a time, in a copy of the repository, and counts the breaks
// that no test notices. Takes long, so it is not in CI. `-- --list` only lists the mutants, `-- --only 3,14` runs some,
// `-- --jobs 2` runs copies side by side. Exits 1 when a mutant survives that is not in docs/security.md.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

type Mutant = { id: number; file: string; line: number; before: string; after: string };

const targets = [
  { file: "contracts/PaymentChannels.sol", tests: ["test/contracts/PaymentChannels", "test/model"], solidity: true },
  {
    file: "contracts/libraries/Signatures.sol",
    tests: ["test/contracts/PaymentChannels", "test/model"],
    solidity: true,
  },
  { file: "contracts/token/MockDigitalYuan.sol", tests: ["test/contracts/MockDigitalYuan.test.ts"], solidity: false },
];

/** Each rule makes at most one mutant for each place it matches. */
const rules: [RegExp, string][] = [
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
  [/\b(600|30|200_000|900)\b/g, "1"],
  [/\breturn (?=[^;]*;)/g, "return !"],
];

/** Statements whose loss a test must notice. */
const droppable =
  /^\s+(if \(.*\) (revert|return) .*;|emit .*;|_[a-z]\w*\(.*\);|_channels\[.*\] = .*;|channel\.\w+ = .*;|credit\[.*;|account\.\w+ = .*;|_accounts\[.*;|authorizationState\[.*;|pendingOperator = .*;|operator = .*;)$/;

function mutantsOf(file: string): Omit<Mutant, "id">[] {
  const found: Omit<Mutant, "id">[] = [];
  let isCode = false;
  for (const [index, before] of readFileSync(file, "utf8").split("\n").entries()) {
    if (/^(contract|library) /.test(before)) isCode = true;
    if (!isCode || /^\s*(\/\/|\*|\/\*)/.test(before)) continue;
    const add = (after: string): void => void found.push({ file, line: index + 1, before, after });
    for (const [pattern, replacement] of rules) {
      for (const match of before.matchAll(pattern)) {
        add(before.slice(0, match.index) + replacement + before.slice(match.index + match[0].length));
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
const only = values.only?.split(",").map(Number);
const queue = all.filter(({ id }) => !only || only.includes(id)).values();
const describe = ({ id, file, line, before, after }: Mutant): string =>
  `#${id} ${file}:${line}\n    - ${before.trim()}\n    + ${after.trim() || "(nothing)"}`;

if (values.list) {
  for (const mutant of all) console.log(describe(mutant));
  process.exit(0);
}

function run(folder: string, args: string[]): Promise<{ ok: boolean; output: string }> {
  return new Promise((done) => {
    const hardhat = ["--conditions=subfen-source", "node_modules/hardhat/dist/src/cli.js"];
    const child = spawn(process.execPath, [...hardhat, ...args], { cwd: folder });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("close", (code) => done({ ok: code === 0, output }));
  });
}

type Outcome = "killed" | "survived" | "does not compile";

async function judge(folder: string, mutant: Mutant): Promise<Outcome> {
  const path = join(folder, mutant.file);
  const original = readFileSync(path, "utf8");
  const lines = original.split("\n");
  lines[mutant.line - 1] = mutant.after;
  writeFileSync(path, lines.join("\n"));
  try {
    if (!(await run(folder, ["build", "--quiet"])).ok) return "does not compile";
    const target = targets.find(({ file }) => file === mutant.file);
    for (const tests of target?.tests ?? []) {
      const files = tests.endsWith(".ts") ? [tests] : testsIn(join(folder, tests)).map((name) => `${tests}/${name}`);
      if (!(await run(folder, ["test", "mocha", "--bail", ...files])).ok) return "killed";
    }
    if (target?.solidity && !(await run(folder, ["test", "solidity"])).ok) return "killed";
    return "survived";
  } finally {
    writeFileSync(path, original);
  }
}

function testsIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".test.ts"));
}

function copyRepository(): string {
  const folder = mkdtempSync(join(tmpdir(), "subfen-mutation-"));
  for (const part of ["contracts", "test", "scripts", "sdk", "package.json", "hardhat.config.ts", "tsconfig.json"]) {
    cpSync(part, join(folder, part), { recursive: true });
  }
  symlinkSync(resolve("node_modules"), join(folder, "node_modules"), "junction");
  return folder;
}

const survivors: Mutant[] = [];
const counts: Record<Outcome, number> = { killed: 0, survived: 0, "does not compile": 0 };
const started = Date.now();

async function work(): Promise<void> {
  const folder = copyRepository();
  try {
    for (const mutant of queue) {
      const outcome = await judge(folder, mutant);
      counts[outcome]++;
      if (outcome === "survived") survivors.push(mutant);
      const done = counts.killed + counts.survived + counts["does not compile"];
      console.log(`${done}/${only?.length ?? all.length} ${outcome.padEnd(16)} ${describe(mutant).split("\n")[0]}`);
      if (outcome === "survived") console.log(describe(mutant));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await Promise.all(Array.from({ length: Number(values.jobs) }, work));

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
