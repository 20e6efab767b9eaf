import { parseArgs } from "node:util";

import { createPublicClient, http } from "viem";

import { stringify } from "../bigints.ts";
import { openLedgerReader } from "../ledger/sqlite/ledgerReader.ts";
import { formatYuan } from "../protocol/amounts.ts";
import { audit, type AuditReport } from "../server/audit/audit.ts";
import type { Difference } from "../server/audit/difference.ts";
import { type Command, UsageError } from "./command.ts";

const help = `subfen audit --ledger FILE --rpc-url URL [--from-block N] [--json]

Compares a seller's ledger with itself and with the chain, statement by statement: what was charged is what is settled
and what can still be settled. Names every difference. Only reads: a gateway may be running on the ledger.

  --ledger FILE     the ledger of a gateway, such as subfen-ledger.db
  --rpc-url URL     a node of the ledger's chain; SUBFEN_RPC_URL by default
  --from-block N    the block of the contract's deployment, to spare reading the blocks before it; 0 by default
  --json            the report as JSON, amounts as decimal strings in base units

Exit code: 0 no difference, 1 differences, 2 the audit could not be done.`;

const options = {
  ledger: { type: "string" },
  "rpc-url": { type: "string" },
  "from-block": { type: "string" },
  json: { type: "boolean" },
} as const;

/** The command `subfen audit`. */
export const auditCommand: Command = {
  help,
  async run(args, { env, out, err }) {
    const { path, url, fromBlock, json } = parse(args, env);
    const client = createPublicClient({ transport: http(url) });
    const ledger = await openLedgerReader(path);
    try {
      const report = await audit({ client, ledger, fromBlock, onProgress: sparsely(err) });
      if (json) out(stringify(report));
      else for (const line of describe(report)) out(line);
      return report.differences.length === 0 ? 0 : 1;
    } finally {
      ledger.close();
    }
  },
};

function fail(fault: string): never {
  throw new UsageError(fault, "subfen audit");
}

function parse(args: string[], env: Readonly<Record<string, string | undefined>>) {
  const { values } = (() => {
    try {
      return parseArgs({ args, options });
    } catch {
      return fail("An option is not known, or has no value.");
    }
  })();
  // What is set but empty counts as not set.
  const path = values.ledger || fail("--ledger is missing.");
  const url =
    values["rpc-url"]?.trim() ||
    env["SUBFEN_RPC_URL"]?.trim() ||
    fail("--rpc-url is missing, and SUBFEN_RPC_URL is not set.");
  if (!/^https?:$/.test(URL.parse(url)?.protocol ?? "")) fail("The node's URL is not one of http or https.");
  const block = values["from-block"] ?? "0";
  if (!/^\d{1,15}$/.test(block)) fail("--from-block is not a block number.");
  return { path, url, fromBlock: BigInt(block), json: values.json ?? false };
}

/** Progress at most once a second. */
function sparsely(tell: (line: string) => void): (line: string) => void {
  let last = performance.now();
  return (line) => {
    const time = performance.now();
    if (time - last < 1_000) return;
    last = time;
    tell(line);
  };
}

function describe(report: AuditReport): string[] {
  const { owner, blockNumber, channels, statements, differences, unknownChannels } = report;
  return [
    `Payee ${owner.payee}, token ${owner.token}, contract ${owner.contract}`,
    `on chain ${owner.chainId}, compared at block ${blockNumber}: ${channels} channels, ${statements} charged statements`,
    "",
    sum("captured", report.captured, report.carried === 0n ? "" : `, ${report.carried} of it without a kept statement`),
    sum("settled", report.settled),
    sum("unsettled", report.unsettled),
    ...(report.lost === 0n ? [] : [sum("lost", report.lost)]),
    sum("held", report.held),
    "",
    ...differences.flatMap(describeDifference),
    ...(unknownChannels.length === 0
      ? []
      : [
          `${unknownChannels.length} channels were opened for this payee and never shown to it; nothing was settled on them:`,
        ]),
    ...unknownChannels.map((channelId) => `  ${channelId}`),
    verdict(differences.length),
  ];
}

function sum(label: string, amount: bigint, note = ""): string {
  return `  ${label.padEnd(12)}${amount} base units (${formatYuan(amount)} yuan)${note}`;
}

function verdict(count: number): string {
  if (count === 0) return "No difference: captured = settled + unsettled.";
  return count === 1 ? "1 difference." : `${count} differences.`;
}

function describeDifference({ kind, channelId, statement, expected, found, meaning }: Difference): string[] {
  const statementPart = statement === undefined ? "" : `, statement over ${statement}`;
  const where = channelId === undefined ? "" : `channel ${channelId}${statementPart}: `;
  return [`${kind}: ${where}${meaning}`, `  expected ${expected}, found ${found}`, ""];
}
