// `npm run demo`: an agent pays a model seller call by call; then work is paid only where it succeeded.
import { parseArgs } from "node:util";

import { formatYuan } from "subfen";

import { openChain } from "./demo/chain.ts";
import { type EscrowResult, payByEscrow, type TaskOutcome } from "./demo/escrow.ts";
import { openMarket } from "./demo/market.ts";
import { buyCalls, type CallsResult } from "./demo/calls.ts";
import { type LongAnswerResult, readLongAnswer } from "./demo/longAnswer.ts";
import { payForTasks, pricePerTask, type TasksResult } from "./demo/tasks.ts";

const help = `First act: an AI agent buys model calls, pays each from a payment channel while it streams, and one transaction settles
them all; then a long answer is paid token by token.
Second act: tasks are paid only if they succeeded, those below a fen in a channel, those above by escrow.

  npm run demo                     1,000 calls, 200 tasks
  npm run demo -- --calls 100      fewer calls (at most 1,740)
  npm run demo -- --tasks 50       fewer tasks (at most 348)
  npm run demo -- --json           the results as JSON, for programs
`;

const { values } = parseArgs({
  options: {
    calls: { type: "string", default: "1000" },
    tasks: { type: "string", default: "200" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function numberOf(option: "calls" | "tasks", most: number): number {
  const number = Number(values[option]);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  return fail(`--${option} takes 1 to ${most}, not ${values[option]}.`);
}

if (values.help) {
  console.log(help);
  process.exit(0);
}
const [calls, tasks] = [numberOf("calls", 1740), numberOf("tasks", 348)];

/** Tokens of the long answer. */
const longAnswer = 500;

const say = values.json ? () => undefined : (line: string) => console.log(line);
const yuan = (amount: bigint): string => `${formatYuan(amount)} yuan`;
const count = (value: number | bigint): string => value.toLocaleString("en-US");
const shareOfFen = (amount: number): string => `${((amount / 10_000) * 100).toFixed(1)} %`;

function showProgress(what: string, all: number): (done: number, paid: bigint) => void {
  return (done, paid) => {
    if (values.json) return;
    const text = `${count(done)} of ${count(all)} ${what}, ${yuan(paid)} paid`;
    if (process.stdout.isTTY) {
      const filled = Math.round((30 * done) / all);
      process.stdout.write(`\r  [${"=".repeat(filled)}${" ".repeat(30 - filled)}] ${text}  `);
      if (done === all) process.stdout.write("\n");
    } else if (done % Math.max(1, Math.floor(all / 10)) === 0) {
      console.log(`  ${text}`);
    }
  };
}

function table(rows: readonly (readonly [string, string])[]): void {
  say("");
  for (const [name, value] of rows) say(`  ${name.padEnd(24)} ${value}`);
  say("");
}

function reportCalls(result: CallsResult): void {
  const { paid, sellerGain, agentLoss } = result;
  if (paid !== sellerGain || paid !== agentLoss) {
    fail(`The sums differ: paid ${paid}, seller gained ${sellerGain}, agent lost ${agentLoss}.`);
  }
  const each = (total: bigint): string => count(total / BigInt(result.calls));
  table([
    ["calls", `${count(result.calls)} in ${result.seconds.toFixed(1)} s, 16 in flight`],
    ["tokens", `${count(result.tokensIn)} in, ${count(result.tokensOut)} out`],
    ["paid by the agent", yuan(paid)],
    ["gained by the seller", `${yuan(sellerGain)} on chain, equal to the last base unit`],
    ["a call, on average", `${yuan(paid / BigInt(result.calls))}: ${shareOfFen(Number(paid) / result.calls)} of a fen`],
    ["change brought back", `${yuan(result.refunded)} of ${yuan(result.deposit)}`],
    [
      "payment overhead a call",
      `${result.overhead.median.toFixed(1)} ms median, ${result.overhead.p99.toFixed(1)} ms p99`,
    ],
    ["gas, all of it", `${count(result.gas)} in ${result.transactions} transactions: ${each(result.gas)} a call`],
    ["gas, a transfer a call", `${count(result.gasOfTransfer)} a call (EIP-3009, measured here)`],
    ["settled by", result.settlement],
  ]);
}

function reportLongAnswer({ whole, half }: LongAnswerResult): void {
  const share = `${Math.round((Number(half.paid) / Number(whole.paid)) * 100)} %`;
  table([
    ["a long answer", `${count(whole.tokens)} tokens, each paid by a tick as it came: ${yuan(whole.paid)} on chain`],
    ["signed for it", `${whole.signatures} times, from the opening of the channel to its close`],
    ["left half-way", `after ${count(half.tokens)} tokens: ${yuan(half.paid)} on chain, ${share}`],
  ]);
  // Either side risks at most a window of 16 tokens and the one after it.
  const [most, least] = [half.tokens + 17, half.tokens].map(
    (tokens) => (whole.paid * BigInt(tokens)) / BigInt(whole.tokens),
  );
  if (most === undefined || least === undefined || half.paid > most || half.paid + 100n < least) {
    fail(`Half an answer cost ${half.paid}, where ${least} to ${most} were right.`);
  }
}

function reportTasks(result: TasksResult): void {
  const { due, workerGain, clientLoss, succeeded } = result;
  if (due !== workerGain || due !== clientLoss || due !== BigInt(succeeded) * pricePerTask) {
    fail(`The sums differ: due ${due}, worker gained ${workerGain}, client lost ${clientLoss}.`);
  }
  table([
    ["tasks", `${count(result.tasks)} in ${result.seconds.toFixed(1)} s, each checked against its JSON schema`],
    ["succeeded", `${count(succeeded)}, paid ${yuan(pricePerTask)} each: ${shareOfFen(Number(pricePerTask))} of a fen`],
    ["failed", `${count(result.failed)}, paid nothing`],
    ["gained by the worker", `${yuan(workerGain)} on chain, equal to the last base unit`],
    ["brought back", `${yuan(result.refunded)} to the client`],
    ["proven on chain", `${result.provenOnChain} payments, which the client had not acknowledged`],
    ["gas, all of it", `${count(result.gas)} in ${result.transactions} transactions`],
    ["closed by", result.settlement],
  ]);
}

function showOutcome({ name, why, paid, refunded }: TaskOutcome): void {
  say(`  ${name.padEnd(12)} ${yuan(paid).padStart(10)} to the provider, ${yuan(refunded).padStart(8)} back: ${why}`);
}

function reportEscrow({ outcomes, providerGain, clientLoss, held, ...result }: EscrowResult): void {
  const paid = outcomes.reduce((sum, outcome) => sum + outcome.paid, 0n);
  const refunded = outcomes.reduce((sum, outcome) => sum + outcome.refunded, 0n);
  if (paid !== providerGain || paid !== clientLoss || held !== 0n) {
    fail(`The sums differ: paid ${paid}, provider gained ${providerGain}, client lost ${clientLoss}, held ${held}.`);
  }
  table([
    ["locked by the client", yuan(paid + refunded)],
    ["gained by the provider", `${yuan(providerGain)} on chain, equal to the last base unit`],
    ["brought back", yuan(refunded)],
    ["gas, all of it", `${count(result.gas)} in ${result.transactions} transactions`],
  ]);
}

/** For `JSON.stringify`, which knows no bigint. */
function toText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

say("Setting up");
const chain = await openChain();
say(
  `  chain ${chain.chainId} in this process: token ${chain.token}, channels ${chain.channels}, escrow ${chain.escrow}`,
);
const market = await openMarket(chain, (step) => say(`  ${step}`));
try {
  say("First act: an agent buys model calls");
  const bought = await buyCalls(market, calls, showProgress("calls", calls));
  reportCalls(bought);
  say("First act: a long answer, paid token by token while it flows");
  const read = await readLongAnswer(market, longAnswer, showProgress("tokens", longAnswer));
  reportLongAnswer(read);
  say("Second act: tasks below a fen in a channel, paid only if they succeeded");
  const worked = await payForTasks(chain, tasks, showProgress("tasks", tasks));
  reportTasks(worked);
  say("Second act: tasks in escrow");
  const escrowed = await payByEscrow(chain, showOutcome);
  reportEscrow(escrowed);
  if (values.json) {
    console.log(JSON.stringify({ calls: bought, longAnswer: read, tasks: worked, escrow: escrowed }, toText, 2));
  }
} finally {
  await market.close();
}
