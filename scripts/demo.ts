// `npm run demo`: an agent pays a model seller call by call, one transaction settles them all.
import { parseArgs } from "node:util";

import { formatYuan } from "subfen";

import { openMarket } from "./demo/market.ts";
import { buyCalls, type Result } from "./demo/run.ts";

const help = `An AI agent buys model calls, pays each from a payment channel, and one transaction settles them all.

  npm run demo                     1,000 calls
  npm run demo -- --calls 100      fewer (at most 1,740)
  npm run demo -- --json           the result as JSON, for programs
`;

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "1000" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

if (values.help) {
  console.log(help);
  process.exit(0);
}
const calls = Number(values.calls);
if (!Number.isInteger(calls) || calls < 1 || calls > 1740) fail(`--calls takes 1 to 1740, not ${values.calls}.`);

const say = values.json ? () => undefined : (line: string) => console.log(line);
const yuan = (amount: bigint): string => `${formatYuan(amount)} yuan`;
const count = (value: number | bigint): string => value.toLocaleString("en-US");

function showProgress(done: number, paid: bigint): void {
  if (values.json) return;
  const text = `${count(done)} of ${count(calls)} calls, ${yuan(paid)} paid`;
  if (process.stdout.isTTY) {
    const filled = Math.round((30 * done) / calls);
    process.stdout.write(`\r  [${"=".repeat(filled)}${" ".repeat(30 - filled)}] ${text}  `);
    if (done === calls) process.stdout.write("\n");
  } else if (done % Math.max(1, Math.floor(calls / 10)) === 0) {
    console.log(`  ${text}`);
  }
}

function report(result: Result): void {
  const each = (total: bigint): string => count(total / BigInt(result.calls));
  const rows = [
    ["calls", `${count(result.calls)} in ${result.seconds.toFixed(1)} s, 16 in flight`],
    ["tokens", `${count(result.tokensIn)} in, ${count(result.tokensOut)} out`],
    ["paid by the agent", yuan(result.paid)],
    ["gained by the seller", `${yuan(result.sellerGain)} on chain, equal to the last base unit`],
    ["a call, on average", `${formatYuan(result.paid / BigInt(result.calls))} yuan: ${fen(result)} of a fen`],
    ["change brought back", `${yuan(result.refunded)} of ${yuan(result.deposit)}`],
    [
      "payment overhead a call",
      `${result.overhead.median.toFixed(1)} ms median, ${result.overhead.p99.toFixed(1)} ms p99`,
    ],
    ["gas, all of it", `${count(result.gas)} in ${result.transactions} transactions: ${each(result.gas)} a call`],
    ["gas, a transfer a call", `${count(result.gasOfTransfer)} a call (EIP-3009, measured here)`],
    ["settled by", result.settlement],
  ];
  say("");
  for (const [name, value] of rows) say(`  ${name?.padEnd(24)} ${value}`);
}

function fen({ paid, calls: made }: Result): string {
  return `${((Number(paid) / made / 10_000) * 100).toFixed(1)} %`;
}

say("Setting up");
const market = await openMarket((step) => say(`  ${step}`));
try {
  say("Buying");
  const result = await buyCalls(market, calls, showProgress);
  if (result.paid !== result.sellerGain || result.paid !== result.agentLoss) {
    fail(`The sums differ: paid ${result.paid}, seller gained ${result.sellerGain}, agent lost ${result.agentLoss}.`);
  }
  report(result);
  if (values.json) {
    console.log(
      JSON.stringify(result, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value), 2),
    );
  }
} finally {
  await market.close();
}
