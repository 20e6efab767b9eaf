// Builds the contracts under the production profile, in folders of their own, and runs scripts against that build:
// `node scripts/production.ts scripts/gas.ts --check`.
import { spawnSync } from "node:child_process";

const env = { ...process.env, SUBFEN_BUILD: "production" };
const conditions = "--conditions=subfen-source";

function run(args: string[]): void {
  const { status } = spawnSync(process.execPath, [conditions, ...args], { env, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

/** What is deployed, and the token that gas is measured with. */
const contracts = [
  "contracts/PaymentChannels.sol",
  "contracts/token/MockDigitalYuan.sol",
  "contracts/test/GasToken.sol",
];
const build = ["build", "--build-profile", "production", "--no-tests", "--quiet", ...contracts];
run(["node_modules/hardhat/dist/src/cli.js", ...build]);
const [script, ...args] = process.argv.slice(2);
if (script !== undefined) run([script, ...args]);
