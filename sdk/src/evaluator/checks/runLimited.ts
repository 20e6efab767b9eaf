import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";

/** How much a process may use. */
export type Limits = {
  /** Milliseconds. */
  readonly timeout: number;
  /** Bytes of memory of each of its processes; on Linux alone. */
  readonly memory: number;
  /** Bytes that it may write to its output and its error output together. */
  readonly output: number;
};

/** How a process ended. */
export type Run = {
  /** Its exit code, unless a signal ended it. */
  readonly code: number | undefined;
  readonly signal: string | undefined;
  /** The limit that it exceeded, for which it was killed. */
  readonly exceeded: "timeout" | "output" | undefined;
  /** The end of what it wrote, both outputs in the order in which they came. */
  readonly tail: string;
  /** The last line of its output. */
  readonly lastLine: string;
};

/** Whether the system limits a process's memory as it is asked to. */
export const limitsMemory = process.platform === "linux";

/** Bytes of output that are kept. */
const keptTail = 4_096;

// A shell sets the limits and becomes the command. The first word on descriptor 3 says that they stand; the command
// does not inherit it. Processor time is limited for what escapes from its group, where nobody looks at the clock.
const wrapper = `
ulimit -c 0
{ ulimit -S -t "$1" && ulimit -H -t "$(($1 + 5))"; } 2>/dev/null
[ "$2" = 0 ] || ulimit -d "$2" || exit 125
shift 2
printf ready >&3
exec 3>&-
exec "$@"`;

/**
 * Runs a command without a shell's reading of it, in a group of its own that is killed as a whole when it ends or uses
 * more than it may.
 *
 * @param command - The executable's full path and its arguments.
 * @param options - Where, with what environment (nothing is added), within which limits.
 * @returns How it ended.
 * @throws What the system throws when it cannot be started.
 */
export async function runLimited(
  command: readonly string[],
  options: { cwd: string; env: Record<string, string>; limits: Limits; signal: AbortSignal },
): Promise<Run> {
  const { cwd, env, limits, signal } = options;
  // Threads use processor time side by side.
  const seconds = (Math.ceil(limits.timeout / 1000) + 1) * availableParallelism();
  const kibibytes = limitsMemory ? Math.floor(limits.memory / 1024) : 0;
  const child = spawn("/bin/sh", ["-c", wrapper, "sh", String(seconds), String(kibibytes), ...command], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    detached: true,
  });
  let isReady = false;
  let exceeded: Run["exceeded"];
  let written = 0;
  let tail = Buffer.alloc(0);
  let last = Buffer.alloc(0);

  function kill(why?: Run["exceeded"]): void {
    exceeded ??= why;
    // The group is the child's own: a negative id names all of it.
    if (child.pid !== undefined) {
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // Nothing is left of it.
      }
    }
  }
  const [, stdout, stderr, ready] = child.stdio;
  for (const stream of [stdout, stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      written += chunk.length;
      tail = Buffer.concat([tail, chunk]).subarray(-keptTail);
      if (stream === stdout) last = Buffer.concat([last, chunk]).subarray(-keptTail);
      if (written > limits.output) kill("output");
    });
  }
  ready?.on("data", () => (isReady = true));
  const timer = setTimeout(() => kill("timeout"), limits.timeout);
  const abort = () => kill();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const end = await new Promise<Pick<Run, "code" | "signal">>((resolve, reject) => {
      child.on("error", reject);
      let ending: ReturnType<typeof setTimeout> | undefined;
      let how: Pick<Run, "code" | "signal"> = { code: undefined, signal: undefined };
      child.on("exit", (code, by) => {
        how = { code: code ?? undefined, signal: by ?? undefined };
        clearTimeout(timer);
        kill();
        // Who left the group may hold the outputs open for ever.
        ending = setTimeout(() => {
          for (const stream of child.stdio) stream?.destroy();
        }, 1_000);
      });
      child.on("close", () => {
        clearTimeout(ending);
        resolve(how);
      });
    });
    signal.throwIfAborted();
    if (!isReady) throw new Error("the limits could not be set");
    const lastLine = last.toString().trimEnd().split("\n").at(-1) ?? "";
    return { ...end, exceeded, tail: tail.toString(), lastLine };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}
