// `npm run test:coverage`: runs the contracts' tests on an instrumented build of its own, and fails unless every line and
// every statement, so both sides of every condition that can revert, of what is deployed ran.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";

import { hardhat } from "./hardhat.ts";

const folder = "test/contracts";
/** They try every amount of gas and every order: no line more, in more time than all others take. */
const exhaustive = ["payoutGas.test.ts", "orders.test.ts"];
const tests = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".test.ts") && !exhaustive.some((file) => name.endsWith(file)))
  .map((name) => `${folder}/${name}`);
const { status, stdout } = spawnSync(process.execPath, [...hardhat, "test", "mocha", "--coverage", ...tests], {
  env: { ...process.env, SUBFEN_BUILD: "coverage" },
  encoding: "utf8",
  stdio: ["ignore", "pipe", "inherit"],
  maxBuffer: 2 ** 26,
});
rmSync("coverage", { recursive: true, force: true });
if (status !== 0) {
  console.log(stdout);
  process.exit(status ?? 1);
}

// The report is a table: file, line %, statement %, uncovered lines.
const rows = [...stdout.matchAll(/^║ (contracts\/(?!test\/)\S+\.sol) +│ ([\d.]+) +│ ([\d.]+) +│ (.*?) +║$/gm)];
let isComplete = rows.length > 0;
for (const [, file, lines, statements, uncovered] of rows) {
  console.log(`${file}: ${lines} % of the lines, ${statements} % of the statements, uncovered lines: ${uncovered}`);
  if (lines !== "100.00" || statements !== "100.00") isComplete = false;
}
console.log(isComplete ? "Everything that is deployed is covered." : "Not everything that is deployed is covered.");
process.exit(isComplete ? 0 : 1);
