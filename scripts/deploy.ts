// `npm run deploy -- --network <name>`: deploys the contracts to the same addresses on every chain, or says why not.
import { networks } from "./deploy/networks.ts";
import { readOptions, requireNetwork } from "./deploy/readOptions.ts";
import { Refusal } from "./deploy/refusal.ts";
import { runScript } from "./deploy/runScript.ts";
import { redact } from "./deploy/secrets.ts";

const help = `Deploys the contracts to the same addresses on every chain. What is there already stays; a run that was ended goes on.

  npm run deploy -- --network sepolia

  --network <name>        ${Object.keys(networks).join(", ")}
  --token <address>       the token that is paid with; without it, a mock is deployed, on test chains only
  --grace-period <s>      seconds from a request to close a channel until it pays out, 600 to 2592000 (900)
  --folder <path>         where the networks' folders are (deployments; cache/deployments for a node of one's own)
  --dry-run               sends nothing: prints addresses and costs

Variables, from the environment or from Hardhat's keystore (npm run hardhat -- keystore set <name>):

  SUBFEN_DEPLOYER_KEY            the private key of the account that deploys; local and anvil do without
${Object.entries(networks)
  .map(([name, { urlVariable }]) => `  ${urlVariable.padEnd(30)} the URL of the node of ${name}\n`)
  .join("")}  SUBFEN_CHAIN_ID                the chain of custom, from the environment
  SUBFEN_TOKEN                   the same as --token, from the environment
  SUBFEN_EXPLORER_URL            an explorer of custom with Etherscan's interface, from the environment
  ETHERSCAN_API_KEY              shows the sources to the chain's explorer
`;

function toSeconds(text: string): number {
  const seconds = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= 600 && seconds <= 30 * 24 * 3600) return seconds;
  throw new Refusal(`--grace-period takes 600 to 2592000 seconds, not ${text}.`);
}

async function main(): Promise<void> {
  const values = readOptions("deploy", {
    network: { type: "string" },
    token: { type: "string" },
    "grace-period": { type: "string" },
    folder: { type: "string" },
    "dry-run": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  });
  if (values.help) return console.log(help);
  const { network = "", folder } = values;
  requireNetwork(network);
  const gracePeriod = values["grace-period"] === undefined ? undefined : toSeconds(values["grace-period"]);
  const token = values.token ?? process.env.SUBFEN_TOKEN;
  if (token?.trim() === "") throw new Refusal("SUBFEN_TOKEN is blank: give it the token's address, or unset it.");
  // Hardhat takes its time to load: not before the arguments are known to be good.
  const { run } = await import("./deploy/run.ts");
  await run({ network, token, gracePeriod, folder, isDryRun: values["dry-run"] }, (line) => console.log(redact(line)));
}

await runScript(main);
