import { execFileSync } from "node:child_process";

/**
 * Measures how long a fresh process takes to import a built module: the median of some runs.
 *
 * @param module - What is imported.
 * @param options.after - What the app has imported before, whose time is not counted.
 * @param options.runs - How many processes; 9 by default.
 * @returns Milliseconds.
 */
export function coldImport(module: string, options: { after?: string | undefined; runs?: number } = {}): number {
  const { after, runs = 9 } = options;
  const code = `${after === undefined ? "" : `await import("${after}");`}
const start = performance.now();
await import("${module}");
console.log(performance.now() - start);`;
  // In the package's own folder its name means its build.
  const run = () => Number(execFileSync(process.execPath, ["--input-type=module", "-e", code], { cwd: "sdk" }));
  const times = Array.from({ length: runs }, run).sort((a, b) => a - b);
  return times[runs >> 1] ?? Number.NaN;
}
