// Builds the contracts under the production profile, in folders of their own, and runs scripts against that build:
// `node scripts/production.ts scripts/gas.ts --check`.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

import { hardhat } from "./hardhat.ts";

const env = { ...process.env, SUBFEN_BUILD: "production" };

function run(args: string[]): void {
  const { status } = spawnSync(process.execPath, args, { env, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

/** What is deployed, and the token that gas is measured with. */
const contracts = [
  "contracts/PaymentChannels.sol",
  "contracts/TaskEscrow.sol",
  ...readdirSync("contracts/conditions").map((file) => `contracts/conditions/${file}`),
  "contracts/token/MockDigitalYuan.sol",
  "contracts/test/GasToken.sol",
];
const build = ["build", "--build-profile", "production", "--no-tests", "--quiet", ...contracts];
const [script, ...args] = process.argv.slice(2);
// Help needs no build, which takes a minute the first time.
if (!args.includes("--help")) run([...hardhat, ...build]);
if (script !== undefined) run(["--conditions=subfen-source", script, ...args]);
