// How scripts run Hardhat: in a process of its own, on the SDK's sources.
import { spawn } from "node:child_process";

/** Node's arguments before those of Hardhat. */
export const hardhat = ["--conditions=subfen-source", "node_modules/hardhat/dist/src/cli.js"];

/**
 * Runs Node and keeps what it prints, for runs that go on side by side.
 *
 * @param args - Node's arguments.
 * @param options - The folder and what the environment has besides this process's.
 * @returns Whether it exited with 0, and all output.
 */
export function capture(
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<{ ok: boolean; output: string }> {
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { ...options, env: { ...process.env, ...options.env } });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("close", (code) => done({ ok: code === 0, output }));
  });
}
