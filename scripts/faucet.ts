// `npm run faucet -- --network <name> --to <address>`: gives an account of a test chain mock digital yuan.
import { encodeFunctionData, isAddress } from "viem";

import { formatYuan, mockDigitalYuanAbi as abi, parseYuan } from "subfen";

import { networks } from "./deploy/networks.ts";
import { readOptions, requireNetwork } from "./deploy/readOptions.ts";
import { Refusal } from "./deploy/refusal.ts";
import { runScript } from "./deploy/runScript.ts";

const help = `Gives an account of a test chain mock digital yuan, which is worth nothing.

  npm run faucet -- --network sepolia --to 0x...

  --network <name>   ${Object.keys(networks).join(", ")}; its token must have been deployed from here
  --to <address>     who is given
  --yuan <amount>    how much, 10 by default

SUBFEN_DEPLOYER_KEY pays the gas; this and the other variables are those of \`npm run deploy -- --help\`.
`;

/** The most that one call gives: FAUCET_LIMIT of the token. */
const most = parseYuan("500000");

function readAmount(yuan: string): bigint {
  const amount = isYuan(yuan) ? parseYuan(yuan) : 0n;
  if (amount > 0n && amount <= most) return amount;
  throw new Refusal(`--yuan takes an amount such as 10 or 0.5, at most ${formatYuan(most)}, not "${yuan}".`);
}

function isYuan(text: string): boolean {
  return /^[0-9]{1,9}(\.[0-9]{1,6})?$/.test(text);
}

async function main(): Promise<void> {
  const string = { type: "string" } as const;
  const options = { network: string, to: string, yuan: string, folder: string, help: { type: "boolean" } } as const;
  const { help: isHelp, network = "", to = "", yuan = "10", folder } = readOptions("faucet", options);
  if (isHelp) return console.log(help);
  requireNetwork(network);
  if (!isAddress(to)) throw new Refusal(`--to takes an address of 20 bytes, not "${to}".`);
  const amount = readAmount(yuan);

  const { folderOf } = await import("./deploy/folderOf.ts");
  const { openNetwork } = await import("./deploy/openNetwork.ts");
  const { transact } = await import("./deploy/transact.ts");
  const { readRecord } = await import("./deploy/record.ts");
  const opened = await openNetwork(network);
  const record = readRecord(folderOf(opened, folder));
  const token = record?.contracts.MockDigitalYuan?.address;
  if (token === undefined) {
    throw new Refusal(
      `No mock token is recorded for ${network}. Deploy it first: \`npm run deploy -- --network ${network}\`.`,
    );
  }
  if ((await opened.client.getCode({ address: token })) === undefined) {
    throw new Refusal(
      `The mock token ${token} is not on the chain. Deploy it again: \`npm run deploy -- --network ${network}\`.`,
    );
  }
  const data = encodeFunctionData({ abi, functionName: "faucet", args: [to, amount] });
  const hash = await transact(opened, "eth_sendTransaction", { to: token, data });
  console.log(`${to} was given ${formatYuan(amount)} yuan of the mock token ${token} by transaction ${hash}.`);
}

await runScript(main);
