import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const root = fileURLToPath(new URL("../..", import.meta.url));

const execute = promisify(execFile);

/**
 * Runs a command to its end.
 *
 * @returns All that it printed.
 * @throws An error with that output when it fails.
 */
export async function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  // What npm tells its scripts is about this repository.
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("npm_") && name !== "NODE_OPTIONS");
  const options = { cwd, env: { ...Object.fromEntries(own), ...env }, shell: process.platform === "win32" };
  try {
    const { stdout, stderr } = await execute(command, args, options);
    return stdout + stderr;
  } catch (cause) {
    const { stdout, stderr } = cause as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause });
  }
}

/** A folder that is gone after the tests of a `describe`. */
export function temporaryFolder(): { path: string } {
  const folder = { path: "" };
  before(async () => {
    folder.path = await mkdtemp(join(tmpdir(), "subfen-"));
  });
  after(() => rm(folder.path, { recursive: true, force: true }));
  return folder;
}

let tarball: Promise<Buffer> | undefined;

/** The package as `npm pack` makes it from the sources as they are now. */
export function packed(): Promise<Buffer> {
  tarball ??= (async () => {
    const destination = await mkdtemp(join(tmpdir(), "subfen-pack-"));
    try {
      await run("npm", ["pack", "--silent", "--pack-destination", destination], join(root, "sdk"));
      const [name = ""] = await readdir(destination);
      return await readFile(join(destination, name));
    } finally {
      await rm(destination, { recursive: true, force: true });
    }
  })();
  return tarball;
}
