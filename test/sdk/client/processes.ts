import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import { serve, type World } from "../../server/helpers.ts";
import type { Message, Task } from "./buyerProcess.ts";

/** Lets other processes reach a world's chain. @returns The server; its `url` is that of the chain's node. */
export function serveChain({ provider }: World): ReturnType<typeof serve> {
  return serve(async (request) => {
    const { id, method, params } = (await request.json()) as { id: number; method: string; params?: unknown[] };
    try {
      return Response.json({ jsonrpc: "2.0", id, result: await provider.request({ method, params: params ?? [] }) });
    } catch (error) {
      const { code = -32000, message, data } = error as Error & { code?: number; data?: unknown };
      return Response.json({ jsonrpc: "2.0", id, error: { code, message, data } });
    }
  });
}

/** A running buyer. */
export type BuyerProcess = {
  readonly pid: number;
  readonly messages: readonly Message[];
  /** @returns The first messages of this kind, as many as asked for, now or later. */
  hear<kind extends Message["kind"]>(kind: kind, count?: number): Promise<Extract<Message, { kind: kind }>[]>;
  /** @returns Once the process is dead, by a signal that it cannot handle. */
  kill(): Promise<void>;
};

const children = new Set<ChildProcess>();

/** Kills what a failed test has left. */
export function killAll(): void {
  for (const child of children) child.kill("SIGKILL");
}

/** Starts a buyer, see `buyerProcess.ts`. What it writes to stderr fails the test that waits for it. */
export function startBuyer(task: Task): BuyerProcess {
  const script = fileURLToPath(new URL("buyerProcess.ts", import.meta.url));
  const child = fork(script, [JSON.stringify(task)], {
    execArgv: ["--conditions=subfen-source", "--disable-warning=ExperimentalWarning"],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  children.add(child);
  const messages: Message[] = [];
  const waiting = new Set<() => void>();
  let complaints = "";
  let isOver = false;
  child.stderr?.on("data", (chunk: Buffer) => (complaints += chunk.toString()));
  child.on("message", (message: Message) => {
    messages.push(message);
    for (const look of waiting) look();
    // Nothing more comes: the channel need not keep the process alive.
    if (message.kind === "done" || message.kind === "refused") child.disconnect();
  });
  child.on("close", () => {
    isOver = true;
    children.delete(child);
    for (const look of waiting) look();
  });
  return {
    pid: child.pid ?? 0,
    messages,
    hear: (kind, count = 1) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const heard = messages.filter((message) => message.kind === kind).slice(0, count);
          if (heard.length < count && !isOver) return;
          waiting.delete(look);
          if (heard.length === count) resolve(heard as never);
          else reject(new Error(`The buyer ended without saying ${kind}. ${complaints}`));
        };
        waiting.add(look);
        look();
      }),
    async kill() {
      if (isOver) return;
      const ended = once(child, "close");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
