// `npm run test:deep`: the long runs, with fixed seeds: more fuzzing and invariants in Solidity, 100,000 steps against the
// model of the contracts and 120,000 against that of the rules for statements, proofs of the arithmetic, conditions compared
// with their contracts, coverage of the contracts, 24,000 hostile requests, a hundred kills of a gateway, a hundred of a
// buyer, some of a chain, deployments killed at every transaction, deployments to Hardhat's node and to a chain that looks
// real, the types of the package, and the sums of the bench.
// Two at a time, since each leaves a core idle; what one prints is shown when it ends.
import { spawnSync } from "node:child_process";

import { capture, hardhat } from "./hardhat.ts";

type Run = { name: string; args: string[]; env?: Record<string, string> };

const model = (seeds: string): Run => ({
  name: `model, seeds ${seeds}`,
  args: [...hardhat, "test", "mocha", "--no-compile", "test/model/contracts.test.ts"],
  env: { SUBFEN_SEEDS: seeds },
});
const rules: Run = {
  name: "rules for statements",
  args: [...hardhat, "test", "mocha", "--no-compile", "test/model/statementRules.test.ts"],
  env: { SUBFEN_SEEDS: "1,2,3,4,5,6" },
};
const conditions: Run = {
  name: "conditions in TypeScript and on chain",
  args: [...hardhat, "test", "mocha", "--no-compile", "test/sdk/protocol/conditions/contracts.test.ts"],
  env: { SUBFEN_CONDITION_CASES: "5000" },
};
const crash = (what: string): Run => ({
  name: `a ${what} that is killed`,
  args: [...hardhat, "test", "mocha", "--no-compile", `test/crash/${what}.test.ts`],
  env: { SUBFEN_CRASHES: "100" },
});
const strangers: Run = {
  name: "24,000 requests of strangers",
  args: [...hardhat, "test", "mocha", "--no-compile", "test/server/fuzz/fuzz.test.ts"],
  env: { SUBFEN_FUZZ: "24000" },
};
const packed: Run = {
  name: "types of the package, all declarations included",
  args: [...hardhat, "test", "mocha", "--no-compile", "--grep", "nodenext", "test/package/tarball.test.ts"],
  env: { SUBFEN_TYPES: "all" },
};
const deployed: Run = {
  name: "the commands of docs/deploy.md",
  args: [...hardhat, "test", "mocha", "--no-compile", "test/docs/deploy.test.ts"],
  env: { SUBFEN_DOCS: "all" },
};
const killed: Run = {
  name: "a buyer killed at chosen requests",
  args: [...hardhat, "test", "mocha", "--no-compile", "test/sdk/client/killed.test.ts"],
  env: { SUBFEN_KILLS: "all" },
};
// The longest first, so that both ends come together.
const runs: Run[] = [
  { name: "Solidity", args: [...hardhat, "test", "solidity", "--no-compile", "--test-profile", "deep"] },
  model("1,2,3,4,5"),
  model("6,7,8,9,10"),
  rules,
  conditions,
  strangers,
  crash("gateway"),
  crash("buyer"),
  crash("chain"),
  killed,
  packed,
  deployed,
  {
    name: "deployments that are killed",
    args: [...hardhat, "test", "mocha", "--no-compile", "test/deploy/resume.test.ts"],
    env: { SUBFEN_CRASHES: "1" },
  },
  {
    name: "deployments to Hardhat's node",
    args: [
      ...hardhat,
      "test",
      "mocha",
      "--no-compile",
      ...["deploy", "refusals", "resume"].map((file) => `test/deploy/${file}.test.ts`),
    ],
    env: { SUBFEN_NODE: "hardhat" },
  },
  {
    name: "deployment to a real chain",
    args: ["scripts/production.ts", hardhat[1] ?? "", "test", "mocha", "--no-compile", "test/deploy/real.test.ts"],
  },
  {
    name: "all orders of a task under review",
    args: [...hardhat, "test", "mocha", "--no-compile", "test/contracts/TaskEscrow/orders.test.ts"],
    env: { SUBFEN_ORDERS: "all" },
  },
  // For its checks alone: other runs go on beside it.
  { name: "sums of the bench", args: ["--conditions=subfen-source", "bench/main.ts", "--quick"] },
  { name: "arithmetic", args: ["scripts/prove.ts"] },
  { name: "coverage", args: ["scripts/coverage.ts"] },
];

const isBuilt = spawnSync(process.execPath, [...hardhat, "build", "--quiet"], { stdio: "inherit" }).status === 0;
if (!isBuilt) process.exit(1);
const started = Date.now();
const queue = runs.values();
let failed = 0;

async function work(): Promise<void> {
  for (const { name, args, env = {} } of queue) {
    console.log(`started: ${name}`);
    const { ok, output } = await capture(process.execPath, args, { env });
    if (!ok) failed++;
    const seconds = Math.round((Date.now() - started) / 1000);
    console.log(`\n${ok ? "passed" : "FAILED"} after ${seconds} s: ${name}\n${output.trimEnd()}\n`);
  }
}

await Promise.all([work(), work()]);
process.exit(failed === 0 ? 0 : 1);
