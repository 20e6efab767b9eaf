import { cpus } from "node:os";

import { type ContenderName, contenders } from "./contenders/index.ts";
import type { Disk } from "./disk.ts";
import type { Length, Measured } from "./rounds.ts";
import type { Measure } from "./scale.ts";

/** A contender's rounds in one line. */
type Row = { readonly name: ContenderName; readonly rate: number; readonly cpu: number; p50: number; p99: number };

/** A sentence of the goals, with what was measured for it. */
type Goal = { readonly what: string; readonly measured: number; readonly wanted: number; readonly unit: string };

/** Its figures, in the units of its file. */
export type Scale = Readonly<Record<Measure, number>>;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] = [sorted[sorted.length % 2 === 0 ? middle - 1 : middle], sorted[middle]];
  return (low + high) / 2;
}

const times = (rate: number, other: number): string => (rate / other).toPrecision(3);

/** The rounds that count, each figure its median. */
function toRows(results: ReadonlyMap<ContenderName, readonly Measured[]>): Row[] {
  return [...results].map(([name, rounds]) => {
    const counted = rounds.filter((round) => round.void === undefined);
    const of = (pick: (round: Measured) => number): number => median(counted.map(pick));
    return {
      name,
      rate: of(({ rate }) => rate),
      cpu: of(({ cpu }) => cpu),
      p50: of(({ p50 }) => p50),
      p99: of(({ p99 }) => p99),
    };
  });
}

/**
 * Tells the results as a page.
 *
 * @param results - The rounds of each contender.
 * @param scale - What does not show in a round.
 * @param length - How much was measured.
 * @param disk - What the books are written to.
 * @returns Markdown.
 */
export function formatResults(
  results: ReadonlyMap<ContenderName, readonly Measured[]>,
  scale: Scale,
  length: Length,
  disk: Disk,
): string {
  const rows = toRows(results);
  const rateOf = (name: ContenderName): number => rows.find((row) => row.name === name)?.rate ?? Number.NaN;
  const [cpu] = cpus();
  const line = ({ name, rate, cpu: used, p50, p99 }: Row): string => {
    const { name: title, books } = contenders[name];
    const shares = [((100 * rate) / rateOf("hello")).toPrecision(3), times(rate, rateOf("mppxSession"))];
    const cells = [title, books, rate.toFixed(0), used.toFixed(0), ...shares, times(rate, rateOf("x402Batch"))];
    return `| ${[...cells, p50.toFixed(1), p99.toFixed(1)].join(" | ")} |`;
  };
  const p99 = rows.find(({ name }) => name === "vouchers")?.p99 ?? Number.NaN;
  const goals: Goal[] = [
    { what: "vouchers / mppx", measured: rateOf("vouchers") / rateOf("mppxSession"), wanted: 40, unit: "x" },
    { what: "vouchers / x402 batch", measured: rateOf("vouchers") / rateOf("x402Batch"), wanted: 15, unit: "x" },
    { what: "vouchers / hello", measured: (100 * rateOf("vouchers")) / rateOf("hello"), wanted: 18, unit: "%" },
    { what: "ticks / mppx", measured: rateOf("ticks") / rateOf("mppxSession"), wanted: 120, unit: "x" },
    { what: "ticks / hello", measured: (100 * rateOf("ticks")) / rateOf("hello"), wanted: 55, unit: "%" },
  ];
  return `# Speed

Written by \`npm run bench\`. Requests a second over real HTTP on one machine: the server is one process, the load generator
another, and they share its cores. Every server answers the same. Rounds are taken in turn, and the figures are medians.
Credentials are made before the clock starts, since signing is the buyer's work. A round counts only if every request was
answered with the answer and the server's books grew by exactly the price of each. The peers' packages are those of npm,
unmodified; channels are open from the start, and where a server asks a chain, the chain is a stub, theirs and ours.

${new Date().toISOString().slice(0, 10)}; ${cpus().length} cores of ${cpu?.model ?? "an unknown kind"}; Node ${process.version};
${process.platform}, ${disk.fileSystem}, ${disk.fsyncs} fsyncs a second; ${length.buyers} buyers, each on one connection with one request at a time;
${length.rounds} rounds of about ${length.seconds} s.

| server | books | req/s | CPU us a request | % of hello | x mppx | x x402 batch | p50 ms | p99 ms |
|---|---|--:|--:|--:|--:|--:|--:|--:|
${rows.map(line).join("\n")}

| goal | wanted | measured |
|---|--:|--:|
${goals.map(({ what, wanted, measured, unit }) => `| ${what} | >= ${wanted} ${unit} | ${measured.toPrecision(3)} ${unit} |`).join("\n")}
| p99 of vouchers at saturation | <= 20 ms | ${p99.toFixed(1)} ms |
| CPU of the client for a credential | <= 60 us | ${scale.client.toFixed(1)} us |
| memory that 100,000 open channels add to a gateway: four times that of 25,000, its heap at most 160 MB | <= 200 MB | ${scale.channels.toFixed(0)} MB |
| what a million purchases in the ledger add to a request's CPU there | <= 10 % | ${scale.rows.toFixed(1)} % |
`;
}
