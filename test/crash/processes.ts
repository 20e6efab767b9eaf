import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A child process that is listened to line by line. */
export type Process = ReturnType<typeof startProcess>;

const started = new Set<ChildProcess>();

/** Kills what is left of the processes that were started here. */
async function endProcesses(): Promise<void> {
  const running = [...started].filter(isRunning);
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(running.map((child) => once(child, "close")));
}

const isRunning = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode === null && signalCode === null;

/** Starts a process. Its output is kept up to its last 64 kB, for when something goes wrong. */
export function startProcess(command: string, args: readonly string[], env: Record<string, string> = {}) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
  started.add(child);
  let output = "";
  const lines: string[] = [];
  let rest = "";
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  child.stdout.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
    if (lines.length > 1_000) lines.splice(0, lines.length - 1_000);
    output = (output + chunk.toString()).slice(-65_536);
    wake();
  });
  child.stderr.on("data", (chunk: Buffer) => (output = (output + chunk.toString()).slice(-65_536)));
  // A process that is killed while it is written to.
  child.stdin.on("error", () => undefined);
  child.on("close", wake);

  return {
    /** Writes a line to it. */
    tell: (line: string) => void child.stdin.write(`${line}\n`),
    /** Waits for a line that matches, and takes it away. */
    line(pattern: RegExp): Promise<RegExpExecArray> {
      return new Promise((resolve, reject) => {
        const look = () => {
          const at = lines.findIndex((line) => pattern.test(line));
          if (at < 0 && isRunning(child)) return;
          waiting.delete(look);
          const [found] = at < 0 ? [] : lines.splice(at, 1);
          const match = found === undefined ? null : pattern.exec(found);
          if (match) resolve(match);
          else reject(new Error(`ended before ${pattern}: ${output}`));
        };
        waiting.add(look);
        look();
      });
    },
    /** The lines that were not taken, the newest thousand. */
    lines,
    /** Ends it as a power cut would: nothing of its own runs any more. */
    async kill(): Promise<void> {
      if (!isRunning(child)) throw new Error(`ended by itself: ${output}`);
      // Not its exit: what it has said before may still be on its way.
      const end = once(child, "close");
      child.kill("SIGKILL");
      await end;
    },
    output: () => output,
  };
}

/** A port of this machine where nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Gives a suite a folder of its own, and ends what it has started after each test. @returns Tells the folder's path. */
export function useFolder(): () => string {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "subfen-crash-"));
  });
  afterEach(endProcesses);
  after(() => rmSync(folder, { recursive: true }));
  return () => folder;
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
