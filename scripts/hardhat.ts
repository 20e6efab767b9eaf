// How scripts run Hardhat: in a process of its own, on the SDK's sources.
import { spawn } from "node:child_process";

/** Node's arguments before those of Hardhat. */
export const hardhat = ["--conditions=subfen-source", "node_modules/hardhat/dist/src/cli.js"];

/**
 * Runs a command and keeps what it prints, for runs that go on side by side.
 *
 * @param command - The program.
 * @param args - Its arguments.
 * @param options - The folder and what the environment has besides this process's.
 * @returns Whether it exited with 0, and all output.
 */
export function capture(
  command: string,
  args: string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<{ ok: boolean; output: string }> {
  return new Promise((done) => {
    const shell = process.platform === "win32" && command !== process.execPath;
    const child = spawn(command, args, { ...options, shell, env: { ...process.env, ...options.env } });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", (error) => (output += error.message));
    child.on("close", (code) => done({ ok: code === 0, output }));
  });
}
