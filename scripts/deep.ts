// `npm run test:deep`: the long runs, with fixed seeds: more fuzzing and invariants in Solidity, 100,000 steps against the model.
import { spawnSync } from "node:child_process";

const hardhat = ["--conditions=subfen-source", "node_modules/hardhat/dist/src/cli.js"];
const runs = [
  ["test", "solidity", "--test-profile", "deep"],
  ["test", "mocha", "test/model/paymentChannels.test.ts"],
];

let status = 0;
for (const args of runs) {
  console.log(`\n> hardhat ${args.join(" ")}`);
  const env = { ...process.env, SUBFEN_DEEP: "1" };
  const result = spawnSync(process.execPath, [...hardhat, ...args], { env, stdio: "inherit" });
  if (result.status !== 0) status = 1;
}
process.exit(status);
