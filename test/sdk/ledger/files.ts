import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createSqliteLedger, type Ledger } from "../../../sdk/src/ledger/index.ts";
import { channelId, open, owner, request, signatureOf, terms } from "./bench.ts";

/** Ledgers in a folder that is gone after the suite. */
export function useFiles() {
  let folder = "";
  let files = 0;
  const opened: Ledger[] = [];
  const children: ChildProcess[] = [];

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "subfen-ledger-"));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await Promise.all(opened.splice(0).map((ledger) => ledger.close()));
  });
  after(() => rmSync(folder, { recursive: true }));

  return {
    get folder() {
      return folder;
    },
    /** A path where nothing is yet. */
    path: () => join(folder, `${++files}.db`),
    /** Opens a ledger and closes it after the test. */
    async open(path: string, options: Partial<createSqliteLedger.Parameters> = {}): Promise<Ledger> {
      const ledger = await createSqliteLedger({ path, owner, ...options });
      opened.push(ledger);
      return ledger;
    },
    /** Runs one of the functions below in a process of its own; it is killed after the test. */
    run(name: keyof typeof processes, args: readonly unknown[], shell?: string) {
      const code = `const { processes } = await import(${JSON.stringify(import.meta.url)});
        await processes[${JSON.stringify(name)}](...${JSON.stringify(args)});`;
      // Mocha's words are not known there: this module only names them inside functions.
      const nodeArgs = ["--no-warnings", "--input-type=module", "-e", code];
      const child = shell
        ? spawn("sh", ["-c", `${shell}; exec "$0" "$@"`, process.execPath, ...nodeArgs])
        : spawn(process.execPath, nodeArgs);
      children.push(child);
      let output = "";
      let errors = "";
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
      return {
        child,
        /** Waits for a line of its output. */
        async line(word: string): Promise<void> {
          while (!output.includes(`${word}\n`)) {
            if (child.exitCode !== null) throw new Error(`ended before "${word}": ${output}${errors}`);
            await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
          }
        },
        /** Waits for its end and returns the last line as JSON. */
        async result<value>(): Promise<value> {
          if (child.exitCode === null) await once(child, "close");
          if (child.exitCode !== 0) throw new Error(`exit ${child.exitCode} ${child.signalCode}: ${errors}`);
          return JSON.parse(output.trim().split("\n").at(-1) ?? "") as value;
        },
        async kill(): Promise<void> {
          child.kill("SIGKILL");
          await once(child, "exit");
        },
      };
    },
  };
}

/** Adds a channel of 1,000, wholly accepted, of which this much is settled. */
export async function addChannel(ledger: Ledger, settled = 0n): Promise<void> {
  const chain = { ...open, settled };
  const { deposit } = chain;
  await ledger.addChannel({
    channelId,
    terms,
    chain,
    cumulativeAmount: deposit,
    signature: signatureOf(deposit),
  });
}

const say = (word: string) => process.stdout.write(`${word}\n`);
const forever = () => new Promise<never>(() => void setInterval(() => undefined, 1_000));

/** What other processes do in tests. */
export const processes = {
  /** Holds on this statement, tells it, and never ends it. */
  async hold(path: string, statement: number) {
    const ledger = await createSqliteLedger({ path, owner });
    const { kind } = await ledger.hold(request(BigInt(statement)));
    await ledger.acquireLease({ name: "settler", holder: "child", ttl: 10 ** 9 });
    say(kind);
    await forever();
  },

  /** Streams on this statement up to a mark of 4, tells it, and never ends it. */
  async stream(path: string, statement: number) {
    const ledger = await createSqliteLedger({ path, owner });
    const hold = request(BigInt(statement));
    await ledger.hold(hold);
    await ledger.advance({ channelId, cumulativeAmount: hold.cumulativeAmount, delivered: 4n, amount: 30n });
    say("marked");
    await forever();
  },

  /** Buys with this statement, tells it, and goes on holding the file. */
  async buy(path: string, statement: number) {
    const ledger = await createSqliteLedger({ path, owner });
    await ledger.hold(request(BigInt(statement)));
    await ledger.capture({
      channelId,
      cumulativeAmount: BigInt(statement),
      amount: 7n,
      answer: { status: 200, headers: [], body: new Uint8Array([1]) },
    });
    say("captured");
    await forever();
  },

  /** Charges 1 on each of these statements, many at once, and counts the successes. */
  async charge(path: string, first: number, count: number) {
    const ledger = await createSqliteLedger({ path, owner, busyTimeout: 30_000 });
    let charged = 0;
    const chargeOne = async (statement: bigint) => {
      const { kind } = await ledger.hold(request(statement, { amount: 1n }));
      if (kind !== "held") return;
      await ledger.capture({ channelId, cumulativeAmount: statement, amount: 1n, answer: undefined });
      charged++;
    };
    for (let i = 0; i < count; i += 5) {
      const batch = Array.from({ length: Math.min(5, count - i) }, (_, j) => BigInt(first + i + j));
      await Promise.all(batch.map(chargeOne));
    }
    await ledger.close();
    say(JSON.stringify(charged));
  },

  /** Buys with large answers until the ledger refuses, and tells how that ended. */
  async fill(path: string) {
    const ledger = await createSqliteLedger({ path, owner, keep: 10 ** 6, keepBytes: 10 ** 9 });
    let acknowledged = 0;
    for (let statement = 1n; statement < 500n; statement++) {
      try {
        await ledger.hold(request(statement, { amount: 1n }));
        const body = new Uint8Array(20_000).fill(7);
        await ledger.capture({
          channelId,
          cumulativeAmount: statement,
          amount: 1n,
          answer: { status: 200, headers: [], body },
        });
        acknowledged++;
      } catch (error) {
        const { code } = error as { code?: string };
        say(JSON.stringify({ acknowledged, code }));
        return process.exit(0);
      }
    }
    say(JSON.stringify({ acknowledged, code: "never full" }));
  },
};
