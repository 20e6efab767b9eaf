// `npm run check`: everything about the repository that needs no test run. Prints each step, stops at none, fails if any did.
import { capture, hardhat } from "./hardhat.ts";

type Step = { name: string; command: string; args: string[]; isFaulty?: (output: string) => boolean };

/** The compiler warns once about any use of transient storage; OpenZeppelin's guard is the use it calls safe. */
function hasWarning(output: string): boolean {
  return output
    .split(/^(?=Warning|Error)/m)
    .some((part) => part.startsWith("Warning") && !part.includes("@openzeppelin/contracts/utils/TransientSlot.sol"));
}

const build: Step = {
  name: "contracts compile without warnings",
  command: "node",
  args: [...hardhat, "build", "--force"],
  isFaulty: hasWarning,
};
/** These build contracts themselves, so one after the other; the others read only, beside them. */
const builds: Step[] = [
  { name: "generated files are fresh", command: "node", args: ["scripts/generate.ts", "--check"] },
  {
    name: "generated files of the production build are fresh",
    command: "node",
    args: ["scripts/production.ts", "scripts/generate.ts", "--check"],
  },
  { name: "gas is as in the snapshot", command: "node", args: ["scripts/production.ts", "scripts/gas.ts", "--check"] },
];
const reads: Step[] = [
  { name: "format", command: "prettier", args: ["--check", "--log-level", "warn", "."] },
  { name: "lint TypeScript", command: "oxlint", args: ["--deny-warnings"] },
  { name: "lint Solidity", command: "solhint", args: ["--max-warnings", "0", "--noPoster", "contracts/**/*.sol"] },
  { name: "types", command: "tsc", args: ["-p", "tsconfig.json"] },
  { name: "types of the package", command: "tsc", args: ["-p", "sdk/tsconfig.json", "--noEmit"] },
];

let failed = 0;
async function run(steps: Step[]): Promise<void> {
  for (const { name, command, args, isFaulty } of steps) {
    const { ok, output } = await capture(command, args);
    const isGood = ok && !isFaulty?.(output);
    console.log(`${isGood ? "ok    " : "FAILED"} ${name}`);
    if (isGood) continue;
    failed++;
    console.log(output.trimEnd());
  }
}
await run([build]);
await Promise.all([run(builds), run(reads)]);
console.log(failed === 0 ? "All checks passed." : `${failed} of ${1 + builds.length + reads.length} checks failed.`);
process.exit(failed === 0 ? 0 : 1);
