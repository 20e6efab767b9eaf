import { rmSync } from "node:fs";

import { type Address, zeroAddress } from "viem";
import { formatEther } from "viem/utils";

import { describeCompiler, profile, readBuild, unknownToSdk } from "./build.ts";
import { chooseToken } from "./chooseToken.ts";
import { describe } from "./describe.ts";
import { createFactory, factoryCosts, hasFactory } from "./factory.ts";
import { exempt } from "./exempt.ts";
import { ignite } from "./ignite.ts";
import { folderOf } from "./folderOf.ts";
import { type Opened, openNetwork } from "./openNetwork.ts";
import { factory, salt, usualGracePeriod } from "./plan.ts";
import { type Deployment, readRecord, writeRecord } from "./record.ts";
import { Refusal } from "./refusal.ts";
import { settleAccount } from "./settleAccount.ts";
import { compareRecord, requireBalance, type Surveyed, survey } from "./survey.ts";
import { verify } from "./verify.ts";

/** What the user asked for. */
export type Request = {
  network: string;
  /** The address of a real token. */
  token?: string | undefined;
  /** In seconds. */
  gracePeriod?: number | undefined;
  isDryRun: boolean;
  /** Where the networks' folders are. */
  folder?: string | undefined;
};

type Say = (line: string) => void;

/**
 * Deploys, or tells what there would be to deploy.
 *
 * @param request - What the user asked for.
 * @param say - Prints a line.
 * @throws {Refusal} when something is in the way that was foreseen.
 */
export async function run(request: Request, say: Say): Promise<void> {
  const opened = await openNetwork(request.network);
  const { name, chainId, deployer, isThrowAway } = opened;
  const folder = folderOf(opened, request.folder);
  say(`Network ${name}: chain ${chainId}${isThrowAway ? ", a throw-away" : ""}. Account ${deployer}.`);

  const record = await readCurrent(opened, folder, request.isDryRun);
  const realToken = await chooseToken(opened, request.token, record, say);
  // What was chosen once holds until something else is asked for.
  const given = (contract: string) => record?.contracts[contract]?.arguments[0];
  const choices = {
    gracePeriod: request.gracePeriod ?? Number(given("PaymentChannels") ?? usualGracePeriod),
    operator: (given("MockDigitalYuan") ?? deployer) as Address,
  };
  const built = await readBuild(choices, { withToken: realToken === undefined });
  requireOwnCode(unknownToSdk(built), isThrowAway, say);
  const isFactoryThere = await hasFactory(opened);
  let surveyed = await survey(opened, built);
  const missing = surveyed.filter(({ onChain }) => onChain === undefined);
  show(surveyed, say);
  if (missing.length > 0) {
    const { balance, needed } = await requireBalance(opened, missing, isFactoryThere ? 0n : factoryCosts);
    say(
      `The account has ${formatEther(balance)} ETH, and needs ${formatEther(needed)} ETH at the present price of gas.`,
    );
  }
  if (request.isDryRun) return say("Nothing was sent: this was a dry run.");

  if (missing.length > 0) {
    await settleAccount(opened, say);
    if (!isFactoryThere) await createFactory(opened);
    surveyed = await survey(opened, built);
    say("Deploying ...");
  }
  await ignite(opened, folder, surveyed, choices);
  const contracts = await describe(opened, folder, built, record);
  const addressAt = (contract: string) => contracts[contract]?.address ?? zeroAddress;
  const token = realToken ?? addressAt("MockDigitalYuan");
  const compiler = describeCompiler();
  const isNew = writeRecord(folder, { network: name, chainId, factory, salt, compiler, token, contracts });
  say(isNew ? `Everything is there. Written to ${folder}.` : `Nothing to do: everything is there, and in ${folder}.`);
  if (realToken === undefined)
    await exempt(opened, token, [addressAt("PaymentChannels"), addressAt("TaskEscrow")], say);
  if (!isThrowAway) await verify(opened, built, say);
  sayWhatNext(
    { token, isMock: realToken === undefined, channels: addressAt("PaymentChannels"), isThrowAway, folder },
    say,
  );
}

/** Reads what is recorded of the chain as it is now: that of a chain begun anew is thrown away, or refused. */
async function readCurrent(opened: Opened, folder: string, isDryRun: boolean): Promise<Deployment | undefined> {
  const record = readRecord(folder);
  if (record === undefined || (await compareRecord(opened, record)) === "same") return record;
  if (!opened.isThrowAway) {
    throw new Refusal(
      `${folder} records contracts of which the chain knows nothing. Reach a node that is up to date. If the chain ` +
        `itself was begun anew, delete ${folder} and run this again.`,
    );
  }
  if (!isDryRun) rmSync(folder, { recursive: true });
  return undefined;
}

/** Clients and gateways refuse code that they do not know; on a throw-away chain a developer may want just that. */
function requireOwnCode(unknown: readonly string[], isThrowAway: boolean, say: Say): void {
  if (profile !== "production" && !isThrowAway) {
    throw new Refusal("Only the production build is deployed here: use `npm run deploy`.");
  }
  if (unknown.length === 0) return;
  const message = `The SDK does not know this code of ${unknown.join(", ")}: run \`npm run generate\` and commit what it writes.`;
  if (!isThrowAway) throw new Refusal(message);
  say(message);
}

function show(surveyed: readonly Surveyed[], say: Say): void {
  say("");
  for (const { name, address, onChain } of surveyed) {
    say(`  ${name.padEnd(20)} ${address}  ${onChain === undefined ? "to be deployed" : "is there"}`);
  }
  say("");
}

type Result = { token: Address; isMock: boolean; channels: Address; isThrowAway: boolean; folder: string };

function sayWhatNext({ token, isMock, channels, isThrowAway, folder }: Result, say: Say): void {
  say("");
  say("Next:");
  if (!isThrowAway) say(`  commit ${folder}, and run \`npm run generate\`: then the SDK finds the contracts by itself`);
  say(`  sell: createGateway({ client, contract: "${channels}", token: "${token}", ... })`);
  say(`  buy: any account with some of the token${isMock ? ", which its faucet(to, amount) gives to anybody" : ""}`);
  say("  docs/deploy.md goes on from here to a paid call");
}
