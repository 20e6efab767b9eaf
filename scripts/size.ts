// `npm run size`: how large the parts of the SDK are in a browser's bundle, and how long Node takes to import them. Exits
// with 1 above a limit. The sizes are tested too (test/package/bundle.test.ts), the times are not: machines differ.
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

import { limits, measure } from "./size/bundle.ts";
import { coldImport } from "./size/coldImport.ts";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} KB`;
const milliseconds = (ms: number) => `${ms.toFixed(0)} ms`;

/** Milliseconds from nothing to an imported module. */
const maxColdImport = 300;
const entries = ["subfen", "subfen/protocol", "subfen/wire", "subfen/server", "subfen/ethers"];

let isTooMuch = false;
function print(cells: readonly string[], isAbove?: boolean): void {
  const [first = "", ...rest] = cells;
  console.log([first.padEnd(36), ...rest.map((cell) => cell.padStart(12))].join(""), isAbove ? " ABOVE THE LIMIT" : "");
  isTooMuch ||= isAbove ?? false;
}

print(["bundled for browsers", "min", "min + gzip", "limit"]);
for (const part of limits) {
  const { min, gzip } = await measure(part);
  print([part.name, kilobytes(min), kilobytes(gzip), `${part.limit} KB`], gzip > part.limit * 1000);
}

execFileSync(process.execPath, ["scripts/build.ts"], { stdio: "inherit" });
console.log();
print([`cold import, Node ${process.version}`, "alone", "after viem", "limit"]);
for (const entry of entries) {
  const alone = coldImport(entry);
  const cells = [milliseconds(alone), milliseconds(coldImport(entry, { after: "viem" })), milliseconds(maxColdImport)];
  print([entry, ...cells], alone > maxColdImport);
}
print(["viem itself", milliseconds(coldImport("viem")), "", ""]);
process.exit(isTooMuch ? 1 : 0);
