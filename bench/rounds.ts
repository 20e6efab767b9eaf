import { type ContenderName, contenders } from "./contenders/index.ts";
import { price } from "./contender.ts";
import type { Order, Round } from "./generator.ts";
import { startWorker, type Worker } from "./process.ts";
import type { Usage } from "./server.ts";

/** One round of one contender: its figures, and what its books say of it. */
export type Measured = Round & {
  /** Requests a second. */
  readonly rate: number;
  /** Microseconds of CPU that the server used for each answer. */
  readonly cpu: number;
  /** Why the round does not count. */
  readonly void: string | undefined;
};

/** How long a run is. */
export type Length = {
  readonly rounds: number;
  readonly seconds: number;
  readonly buyers: number;
  /** Seconds of each round before those that count. */
  readonly warmUp: readonly number[];
  /** Node's flags for the servers, such as those of its profiler. */
  readonly flags: readonly string[];
};

/**
 * Measures the contenders in turn, so that whatever else the machine does falls on all of them: each round is a number
 * of requests that takes about so many seconds, and all servers stay up.
 *
 * @param names - Who takes part.
 * @param length - How much.
 * @param folder - For the servers' files.
 * @returns The rounds of each.
 */
export async function runRounds(
  names: readonly ContenderName[],
  length: Length,
  folder: string,
): Promise<Map<ContenderName, Measured[]>> {
  const generator = startWorker("generator.ts");
  const servers = new Map<ContenderName, Worker>();
  const rates = new Map<ContenderName, number>();
  const results = new Map<ContenderName, Measured[]>(names.map((name) => [name, []]));
  try {
    for (const name of names) {
      const server = startWorker("server.ts", [name, String(length.buyers), folder], length.flags);
      servers.set(name, server);
      const { port } = await server.hear<{ port: number }>();
      await order(generator, { do: "prepare", name, port, buyers: length.buyers });
      // The first finds out how fast it is about; then it needs thousands of requests until its code is compiled.
      for (const seconds of [0, ...length.warmUp]) {
        const { rate } = await measure(name, server, generator, requestsOf(rates.get(name), seconds, length.buyers));
        rates.set(name, rate);
      }
    }
    for (let round = 0; round < length.rounds; round++) {
      for (const name of names) {
        const each = requestsOf(rates.get(name), length.seconds, length.buyers);
        const measured = await measure(name, servers.get(name) as Worker, generator, each);
        rates.set(name, measured.rate);
        results.get(name)?.push(measured);
        console.log(describe(name, measured));
      }
    }
    return results;
  } finally {
    for (const worker of [generator, ...servers.values()]) await worker.end();
  }
}

/** How many requests each buyer sends, so that all take so long: at least two, at most 2,000. */
function requestsOf(rate: number | undefined, seconds: number, buyers: number): number {
  return Math.min(2_000, Math.max(2, Math.round(((rate ?? 0) * seconds) / buyers)));
}

async function measure(name: ContenderName, server: Worker, generator: Worker, each: number): Promise<Measured> {
  await order(generator, { do: "sign", name, each });
  const before = await server.ask<Usage>("usage");
  const round = await order(generator, { do: "send", name });
  const after = await server.ask<Usage>("usage");
  if (!round) throw new Error("the generator did not tell of its round");
  return {
    ...round,
    rate: round.answers / round.seconds,
    cpu: (after.cpu - before.cpu) / round.answers,
    void: faultOf(round, before, after),
  };
}

/** A round counts only if every request was answered and the books hold the price of each, to the last unit. */
function faultOf(round: Round, before: Usage, after: Usage): string | undefined {
  if (round.failures > 0) return `${round.failures} requests failed, one with ${round.failure}`;
  if (before.earned === undefined || after.earned === undefined) return undefined;
  const earned = BigInt(after.earned) - BigInt(before.earned);
  const owed = BigInt(round.answers) * price;
  return earned === owed ? undefined : `the books hold ${earned} base units for answers worth ${owed}`;
}

async function order(generator: Worker, question: Order): Promise<Round | undefined> {
  const { round, error } = await generator.ask<{ round?: Round; error?: string }>(question);
  if (error !== undefined) throw new Error(`the load generator failed: ${error}`);
  return round;
}

function describe(name: ContenderName, measured: Measured): string {
  const { rate, cpu, p50, p99 } = measured;
  const figures = `${rate.toFixed(0)} req/s, ${cpu.toFixed(0)} us CPU, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
  return `${contenders[name].name}: ${figures}${measured.void === undefined ? "" : `, VOID: ${measured.void}`}`;
}
