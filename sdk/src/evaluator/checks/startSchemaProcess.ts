import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** What the process is asked. */
export type SchemaQuestion = {
  /** The schema as JSON. */
  readonly schema: string;
  readonly deliverable: Uint8Array;
  /** Milliseconds for each of compiling and validating. */
  readonly timeout: number;
};

/** What it answers: that the schema cannot be used, or what became of the deliverable. */
export type SchemaAnswer =
  | { readonly kind: "schema"; readonly reason: string }
  | { readonly kind: "done"; readonly isValid: boolean; readonly error?: SchemaError };

/** The first thing that is wrong with a deliverable. */
export type SchemaError = {
  readonly message: string;
  readonly instancePath?: string;
  readonly schemaPath?: string;
  readonly keyword?: string;
};

const isSource = import.meta.url.endsWith(".ts");
const script = fileURLToPath(new URL(isSource ? "./schemaProcess.ts" : "./schemaProcess.js", import.meta.url));

/**
 * Starts the process that knows JSON schemas: without environment, network credentials or anything to read but ajv, with
 * a bounded heap.
 *
 * @returns Once it is ready.
 */
export async function startSchemaProcess(): Promise<ChildProcess> {
  const readable = [script, ...scopesOf(script), ...foldersOf("ajv", script)];
  const child = fork(script, [], {
    execArgv: [
      "--permission",
      ...readable.map((path) => `--allow-fs-read=${path}`),
      "--max-old-space-size=256",
      "--no-warnings",
    ],
    env: {},
    serialization: "advanced",
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  // Told by its exit as well.
  child.on("error", () => undefined);
  await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error("the process that knows JSON schemas does not start"))),
  ]);
  return child;
}

/** The `package.json` files that say whether a script is a module. */
function scopesOf(path: string): string[] {
  const folder = dirname(path);
  const scope = join(folder, "package.json");
  return existsSync(scope) ? [scope] : folder === path ? [] : scopesOf(folder);
}

/** Where a package and all that it needs lie, by the names they are found by and by their own. */
function foldersOf(name: string, from: string, known = new Set<string>()): string[] {
  const found = createRequire(from)
    .resolve.paths(name)
    ?.map((folder) => join(folder, name))
    .find((folder) => existsSync(join(folder, "package.json")));
  if (found === undefined || known.has(found)) return [];
  known.add(found);
  const own = join(realpathSync(found), "package.json");
  const { dependencies = {} } = JSON.parse(readFileSync(own, "utf8")) as { dependencies?: Record<string, string> };
  for (const dependency of Object.keys(dependencies)) foldersOf(dependency, own, known);
  return [...new Set([...known].flatMap((folder) => [folder, realpathSync(folder)]))];
}
