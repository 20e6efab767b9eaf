import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { type Process, startProcess } from "./processes.ts";

/**
 * Makes one file of a script and all that it imports: it loads several times faster than the hundreds that it is made of,
 * and it is loaded again after every kill.
 *
 * @returns Starts a process that calls a function of the script.
 */
export async function bundle(script: string): Promise<(name: string, options: unknown) => Process> {
  const outfile = fileURLToPath(new URL(`../../cache/crash/${script.replace(/ts$/, "mjs")}`, import.meta.url));
  await build({
    entryPoints: [fileURLToPath(new URL(script, import.meta.url))],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    conditions: ["subfen-source"],
    external: ["secp256k1"],
    logLevel: "error",
  });
  return (name, options) => {
    const code = `const script = await import(${JSON.stringify(outfile)});
      await script[${JSON.stringify(name)}](${JSON.stringify(options)});`;
    return startProcess(process.execPath, ["--no-warnings", "--input-type=module", "-e", code]);
  };
}
