import { rmSync } from "node:fs";
import { join } from "node:path";

import { type Address, zeroAddress } from "viem";
import { formatEther, keccak256 } from "viem/utils";

import { type Built, describeCompiler, profile, readBuild, unknownToSdk } from "./build.ts";
import { createFactory, hasFactory } from "./factory.ts";
import { exempt } from "./exempt.ts";
import { ignite, readSent } from "./ignite.ts";
import { type Opened, openNetwork } from "./openNetwork.ts";
import { factory, salt } from "./plan.ts";
import { requireToken } from "./realToken.ts";
import { type Deployment, readRecord, type RecordedContract, writeRecord } from "./record.ts";
import { Refusal } from "./refusal.ts";
import { settleAccount } from "./settleAccount.ts";
import { compareRecord, findCreation, requireBalance, type Surveyed, survey } from "./survey.ts";
import { verify } from "./verify.ts";

/** What the user asked for. */
export type Request = {
  network: string;
  /** The address of a real token. */
  token?: string;
  /** In seconds. */
  gracePeriod?: number;
  isDryRun: boolean;
  /** Where the networks' folders are. */
  folder?: string;
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
  // What stands on a chain that will be thrown away is nobody's business but this machine's.
  const folder = join(request.folder ?? (isThrowAway ? "cache/deployments" : "deployments"), name);
  say(`Network ${name}: chain ${chainId}${isThrowAway ? ", thrown away some day" : ""}. Account ${deployer}.`);

  const record = await readCurrent(opened, folder);
  const real = await chooseToken(request, opened, record, say);
  const choices = {
    gracePeriod: request.gracePeriod ?? recorded<number>(record, "PaymentChannels") ?? 900,
    operator: recorded<Address>(record, "MockDigitalYuan") ?? deployer,
  };
  const built = await readBuild(choices, { withToken: real === undefined });
  requireOwnCode(unknownToSdk(built), isThrowAway, say);
  let surveyed = await survey(opened, built);
  const missing = surveyed.filter(({ onChain }) => onChain === undefined);
  const isFactoryThere = await hasFactory(opened);
  show(surveyed, say);
  if (missing.length > 0) {
    const { balance, needed } = await requireBalance(opened, missing);
    say(`The account has ${formatEther(balance)} ETH; this takes at most ${formatEther(needed)} ETH.`);
  }
  if (request.isDryRun) return say("Nothing was sent: this was a dry run.");

  if (missing.length > 0) {
    await settleAccount(opened, say);
    if (!isFactoryThere) await createFactory(opened);
    surveyed = await survey(opened, built);
    say(`Deploying ${count(missing.length)}.`);
  }
  await ignite(opened, folder, surveyed, choices);
  const contracts = await describe(opened, folder, built, record);
  const addressAt = (contract: string) => contracts[contract]?.address ?? zeroAddress;
  const token = real ?? addressAt("MockDigitalYuan");
  const compiler = describeCompiler();
  const isNew = writeRecord(folder, { network: name, chainId, factory, salt, compiler, token, contracts });
  say(isNew ? `Written to ${folder}.` : `Nothing to do: ${folder} says it all.`);
  if (real === undefined) await exempt(opened, token, [addressAt("PaymentChannels"), addressAt("TaskEscrow")], say);
  if (!isThrowAway) await verify(opened, built, say);
  sayWhatNext({ chainId, token, channels: addressAt("PaymentChannels") }, say);
}

/** Reads what is recorded of the chain as it is now: that of a chain begun anew is thrown away, or refused. */
async function readCurrent(opened: Opened, folder: string): Promise<Deployment | undefined> {
  const record = readRecord(folder);
  if (record === undefined || (await compareRecord(opened, record)) === "same") return record;
  if (!opened.isThrowAway) {
    throw new Refusal(
      `${folder} records contracts of which the chain knows nothing. Reach a node that is up to date. If the chain ` +
        `itself was begun anew, delete ${folder} and run this again.`,
    );
  }
  rmSync(folder, { recursive: true });
  return undefined;
}

/** @returns The real token to use, or nothing where the mock is deployed. */
async function chooseToken(request: Request, opened: Opened, record: Deployment | undefined, say: Say) {
  const { known, isThrowAway, name } = opened;
  const { token: asked = record?.contracts.MockDigitalYuan ? undefined : record?.token } = request;
  if (asked !== undefined) {
    const { token, decimals } = await requireToken(opened, asked);
    say(`Token ${token}, ${decimals} decimals. No mock is deployed.`);
    return token;
  }
  if (known.isTest || isThrowAway) return undefined;
  throw new Refusal(
    `${name} is not known to be a test chain, and the mock token is worthless. Name the token that is paid with: ` +
      "`--token 0x...`, or the variable SUBFEN_TOKEN.",
  );
}

/** @returns What a constructor was given first, on this network. */
function recorded<value>(record: Deployment | undefined, name: string): value | undefined {
  return record?.contracts[name]?.arguments[0] as value | undefined;
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

/** What is recorded of each contract. */
async function describe(opened: Opened, folder: string, built: readonly Built[], record: Deployment | undefined) {
  const sent = readSent(folder);
  const entries = await Promise.all(
    (await survey(opened, built)).map(async (contract): Promise<[string, RecordedContract]> => {
      const { name, module, address, onChain } = contract;
      if (onChain === undefined) throw new Error(`${name} was deployed and is not there`);
      const before = record?.contracts[name];
      if (before?.address === address) return [name, before];
      const hash = sent.get(`${module}#${name}`);
      const receipt = hash && (await opened.client.getTransactionReceipt({ hash }));
      const creation = receipt
        ? { blockNumber: Number(receipt.blockNumber), transactionHash: receipt.transactionHash }
        : await findCreation(opened, address);
      return [
        name,
        {
          address,
          ...creation,
          codeHash: keccak256(onChain),
          arguments: contract.arguments,
        },
      ];
    }),
  );
  return Object.fromEntries(entries);
}

const count = (contracts: number): string => (contracts === 1 ? "1 contract" : `${contracts} contracts`);

function sayWhatNext(at: { chainId: number; token: Address; channels: Address }, say: Say) {
  say("");
  say(`Next, on chain ${at.chainId}:`);
  say(`  seller  createGateway({ token: "${at.token}", contract: "${at.channels}", ... })`);
  say("  buyer   payingFetch(account, { ... }), with some of the token");
  say("  more    docs/deploy.md");
}
