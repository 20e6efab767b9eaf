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
const entries = ["subfen", "subfen/protocol", "subfen/wire", "subfen/server"];
/** For comparison: an app that has a client has these loaded anyway, and `subfen/ethers` makes clients of viem. */
const others = ["viem", "subfen/ethers"];

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
for (const entry of [...entries, ...others]) {
  const alone = coldImport(entry);
  const limit = others.includes(entry) ? undefined : maxColdImport;
  const cells = [milliseconds(alone), milliseconds(coldImport(entry, { after: "viem" }))];
  print([entry, ...cells, limit ? milliseconds(limit) : ""], limit !== undefined && alone > limit);
}
if (isTooMuch)
  console.log("Times are the median of fresh processes: on a machine that does other work, compare with viem's.");
process.exit(isTooMuch ? 1 : 0);
