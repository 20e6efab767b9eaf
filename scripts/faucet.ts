// `npm run faucet -- --network <name> --to <address>`: gives an account of a test chain mock digital yuan.
import { parseArgs } from "node:util";

import { type Address, encodeFunctionData, type Hex, isAddress } from "viem";

import { formatYuan, mockDigitalYuanAbi as abi, parseYuan } from "subfen";

import { networks } from "./deploy/networks.ts";
import { Refusal } from "./deploy/refusal.ts";
import { redact } from "./deploy/secrets.ts";

const help = `Gives an account of a test chain mock digital yuan, which is worth nothing.

  npm run faucet -- --network sepolia --to 0x...

  --network <name>   ${Object.keys(networks).join(", ")}; its token must have been deployed from here
  --to <address>     who is given
  --yuan <amount>    how much, 10 by default

SUBFEN_DEPLOYER_KEY pays the gas; this and the other variables are those of \`npm run deploy -- --help\`.
`;

function readArguments() {
  try {
    const string = { type: "string" } as const;
    const options = { network: string, to: string, yuan: string, folder: string, help: { type: "boolean" } } as const;
    return parseArgs({ options }).values;
  } catch (error) {
    throw new Refusal(`${(error as Error).message}. See \`npm run faucet -- --help\`.`);
  }
}

function readAmount(yuan: string): bigint {
  try {
    return parseYuan(yuan);
  } catch {
    throw new Refusal(`--yuan takes an amount such as 10 or 0.5, not "${yuan}".`);
  }
}

async function main(): Promise<void> {
  const { help: isHelp, network = "", to = "", yuan = "10", folder } = readArguments();
  if (isHelp) return console.log(help);
  if (!Object.hasOwn(networks, network)) {
    throw new Refusal(`--network takes one of ${Object.keys(networks).join(", ")}, not "${network}".`);
  }
  if (!isAddress(to)) throw new Refusal(`--to takes an address of 20 bytes, not "${to}".`);
  const amount = readAmount(yuan);

  // Hardhat reads it when it is loaded.
  process.env.HARDHAT_NETWORK = network;
  const { folderOf, openNetwork } = await import("./deploy/openNetwork.ts");
  const { readRecord } = await import("./deploy/record.ts");
  const opened = await openNetwork(network);
  const record = readRecord(folderOf(opened, folder));
  const token = record?.contracts.MockDigitalYuan?.address;
  if (token === undefined) {
    throw new Refusal(
      `No mock token is recorded for ${network}. Deploy it first: \`npm run deploy -- --network ${network}\`.`,
    );
  }
  const hash = await give(opened, token, { to, amount });
  console.log(`${to} was given ${formatYuan(amount)} yuan of the mock token ${token} by transaction ${hash}.`);
}

type Opened = Awaited<ReturnType<typeof import("./deploy/openNetwork.ts").openNetwork>>;

async function give(
  { provider, client, deployer }: Opened,
  token: Address,
  { to, amount }: { to: Address; amount: bigint },
): Promise<Hex> {
  const data = encodeFunctionData({ abi, functionName: "faucet", args: [to, amount] });
  // What the token refuses is told by its own error.
  await client.simulateContract({ address: token, abi, functionName: "faucet", args: [to, amount], account: deployer });
  const hash = (await provider.request({
    method: "eth_sendTransaction",
    params: [{ from: deployer, to: token, data }],
  })) as Hex;
  const { status } = await client.waitForTransactionReceipt({ hash });
  if (status !== "success") throw new Refusal(`Transaction ${hash} was mined but reverted.`);
  return hash;
}

try {
  await main();
} catch (error) {
  const isForeseen = error instanceof Refusal;
  const { shortMessage, stack } = Object(error) as { shortMessage?: string; stack?: string };
  console.error(redact(isForeseen ? (error as Error).message : (shortMessage ?? stack ?? String(error))));
  process.exitCode = 1;
}
