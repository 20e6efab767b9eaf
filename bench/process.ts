import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A process of the bench that answers one message at a time. */
export type Worker = {
  /** @returns What it says next of itself. */
  hear<message>(): Promise<message>;
  ask<message>(question: unknown): Promise<message>;
  end(): Promise<void>;
};

/**
 * Starts a file of this folder in a process of its own, on the SDK's sources.
 *
 * @param file - Its name.
 * @param args - Its arguments.
 * @param flags - More of Node's.
 */
export function startWorker(file: string, args: readonly string[] = [], flags: readonly string[] = []): Worker {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, {
    execArgv: ["--disable-warning=ExperimentalWarning", "--conditions=subfen-source", ...flags],
  });
  const said: unknown[] = [];
  let listener: { resolve: (message: never) => void; reject: (error: Error) => void } | undefined;
  const ended = (): Error => new Error(`${file} ended with ${child.exitCode ?? child.signalCode}`);
  child.on("message", (message) => {
    if (listener) listener.resolve(message as never);
    else said.push(message);
    listener = undefined;
  });
  child.on("exit", () => listener?.reject(ended()));

  const hear = <message>(): Promise<message> =>
    new Promise((resolve, reject) => {
      if (said.length > 0) resolve(said.shift() as message);
      else if (child.exitCode === null && child.signalCode === null) listener = { resolve, reject };
      else reject(ended());
    });
  return {
    hear,
    ask(question) {
      child.send(question as object);
      return hear();
    },
    async end() {
      if (!child.connected) return;
      const exit = once(child, "exit");
      child.disconnect();
      await exit;
    },
  };
}
