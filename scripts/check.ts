// `npm run check`: everything about the repository that needs no test run. Prints each step, stops at none, fails if any did.
import { spawnSync } from "node:child_process";

import { hardhat } from "./hardhat.ts";

type Step = { name: string; command: string; args: string[]; isFaulty?: (output: string) => boolean };

/** The compiler warns once about any use of transient storage; OpenZeppelin's guard is the use it calls safe. */
function hasWarning(output: string): boolean {
  return output
    .split(/^(?=Warning|Error)/m)
    .some((part) => part.startsWith("Warning") && !part.includes("@openzeppelin/contracts/utils/TransientSlot.sol"));
}

const steps: Step[] = [
  {
    name: "contracts compile without warnings",
    command: "node",
    args: [...hardhat, "build", "--force"],
    isFaulty: hasWarning,
  },
  { name: "generated files are fresh", command: "node", args: ["scripts/generate.ts", "--check"] },
  {
    name: "generated files of the production build are fresh",
    command: "node",
    args: ["scripts/production.ts", "scripts/generate.ts", "--check"],
  },
  { name: "gas is as in the snapshot", command: "node", args: ["scripts/production.ts", "scripts/gas.ts", "--check"] },
  { name: "format", command: "prettier", args: ["--check", "--log-level", "warn", "."] },
  { name: "lint TypeScript", command: "oxlint", args: ["--deny-warnings"] },
  { name: "lint Solidity", command: "solhint", args: ["--max-warnings", "0", "--noPoster", "contracts/**/*.sol"] },
  { name: "types", command: "tsc", args: ["-p", "tsconfig.json"] },
  { name: "types of the package", command: "tsc", args: ["-p", "sdk/tsconfig.json", "--noEmit"] },
];

let failed = 0;
for (const { name, command, args, isFaulty } of steps) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  const output = stdout + stderr;
  const isGood = status === 0 && !isFaulty?.(output);
  console.log(`${isGood ? "ok    " : "FAILED"} ${name}`);
  if (isGood) continue;
  failed++;
  console.log(output.trimEnd());
}
console.log(failed === 0 ? "All checks passed." : `${failed} of ${steps.length} checks failed.`);
process.exit(failed === 0 ? 0 : 1);
