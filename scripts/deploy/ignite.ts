import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import {
  HardhatArtifactResolver,
  errorDeploymentResultToExceptionMessage,
} from "@nomicfoundation/hardhat-ignition/helpers";
import { buildModule } from "@nomicfoundation/hardhat-ignition/modules";
import { deploy, type DeployConfig, DeploymentResultType, status, wipe } from "@nomicfoundation/ignition-core";
import { artifacts } from "hardhat";
import type { Hex } from "viem";
import { isAddressEqual } from "viem/utils";

import { moduleOf } from "./moduleOf.ts";
import type { Opened } from "./openNetwork.ts";
import { type Choices, salt } from "./plan.ts";
import { Refusal } from "./refusal.ts";
import type { Surveyed } from "./survey.ts";

const resolver = new HardhatArtifactResolver(artifacts);

/** The name of a contract in Ignition's journal. */
const stepOf = ({ module, name }: Surveyed) => `${module}#${name}`;

/**
 * Lets Ignition deploy what is missing, and take what somebody else has deployed. A run that was ended goes on where it was.
 *
 * @param opened - The chain.
 * @param folder - Where Ignition keeps its journal.
 * @param contracts - What is to stand there.
 * @param choices - What constructors are given.
 * @throws {Refusal} when a transaction failed or is not mined.
 */
export async function ignite(
  opened: Opened,
  folder: string,
  contracts: readonly Surveyed[],
  choices: Choices,
): Promise<void> {
  const finished = await forgetUnusable(opened, folder, contracts);
  const open = contracts.filter((contract) => !finished.has(stepOf(contract)));
  if (open.length === 0) return;
  const begun = readSent(folder);
  const steps = open.map((contract) => {
    // What is under way is Ignition's to finish, though its transaction may be mined by now.
    const isFound = contract.onChain !== undefined && !begun.has(stepOf(contract));
    return { name: contract.name, ...(isFound ? { adopt: contract.address } : {}) };
  });
  const modules = [...new Set(open.map(({ module }) => module))].map((id) => moduleOf(id, steps));
  const everything = buildModule("subfen", (m) => {
    for (const module of modules) m.useModule(module);
    return {};
  });

  const { provider, isThrowAway } = opened;
  const config: Partial<DeployConfig> = isThrowAway ? { requiredConfirmations: 1, blockPollingInterval: 50 } : {};
  const accounts = (await provider.request({ method: "eth_accounts" })) as string[];
  const deploymentParameters = Object.fromEntries(modules.map(({ id }) => [id, { ...choices }]));
  const result = await deploy({
    config,
    provider,
    deploymentDir: folder,
    artifactResolver: resolver,
    ignitionModule: everything,
    deploymentParameters,
    accounts,
    strategy: "create2",
    strategyConfig: { salt },
  });
  if (result.type === DeploymentResultType.SUCCESSFUL_DEPLOYMENT) return;
  throw new Refusal(
    `Not everything was deployed. What was is kept: run this again to go on.\n${errorDeploymentResultToExceptionMessage(result)}`,
  );
}

/**
 * Drops from the journal what cannot be gone on with: other versions of a contract, failures, and transactions of which
 * nobody knows whether they were sent. Doing such a step again is safe, since the factory creates nothing twice.
 *
 * @returns The steps that are finished.
 */
async function forgetUnusable(opened: Opened, folder: string, contracts: readonly Surveyed[]): Promise<Set<string>> {
  if (!existsSync(join(folder, "journal.jsonl"))) return new Set();
  const { contracts: deployed, started, failed, timedOut, held } = await status(folder);
  const planned = new Map(contracts.map((contract) => [stepOf(contract), contract]));
  const finished = new Set<string>();
  const forgotten = [...failed, ...timedOut, ...held].map(({ futureId }) => futureId);
  for (const [step, { address }] of Object.entries(deployed)) {
    const contract = planned.get(step);
    // Without code the chain was begun anew, or lost the block.
    const isGood = contract?.onChain !== undefined && isAddressEqual(address as Hex, contract.address);
    if (contract === undefined || isGood) finished.add(step);
    else forgotten.push(step);
  }
  // Ignition counts nonces from what is under way: with one unknown transaction among them it would miscount.
  if (!(await areUnderWay(opened, folder, started, planned))) forgotten.push(...started);
  for (const step of forgotten) await wipe(folder, resolver, step);
  return finished;
}

/** Whether the node knows a transaction of each step, and it creates the contract as it is now. */
async function areUnderWay({ client }: Opened, folder: string, steps: string[], planned: Map<string, Surveyed>) {
  const sent = readSent(folder);
  for (const step of steps) {
    const [contract, hash] = [planned.get(step), sent.get(step)];
    const transaction = hash && (await client.getTransaction({ hash }).catch(() => undefined));
    if (!contract || !transaction?.input.includes(contract.initCode.slice(2))) return false;
  }
  return true;
}

/**
 * Reads Ignition's journal.
 *
 * @param folder - The folder of the deployment.
 * @returns The last transaction of each step that was sent and not forgotten.
 */
export function readSent(folder: string): Map<string, Hex> {
  const sent = new Map<string, Hex>();
  const path = join(folder, "journal.jsonl");
  if (!existsSync(path)) return sent;
  for (const line of readFileSync(path, "utf8").split("\n")) {
    if (line.trim() === "") continue;
    const message = JSON.parse(line) as { type: string; futureId: string; transaction?: { hash: Hex } };
    if (message.type === "WIPE_APPLY") sent.delete(message.futureId);
    else if (message.type === "TRANSACTION_SEND" && message.transaction) {
      sent.set(message.futureId, message.transaction.hash);
    }
  }
  return sent;
}
