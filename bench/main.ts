// `npm run bench`: how fast we are beside the peers' published packages. `--quick` takes a minute and is run for its checks:
// that everyone answers, and that the sums are exact. `--only a,b` measures some, `--profile FOLDER`
// writes a CPU profile of each server. See bench/contender.ts.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import { type ContenderName, contenders } from "./contenders/index.ts";
import { measureDisk } from "./disk.ts";
import { startWorker } from "./process.ts";
import { formatResults } from "./results.ts";
import { type Length, runRounds } from "./rounds.ts";
import type { Measure } from "./scale.ts";

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, only: { type: "string" }, profile: { type: "string" } },
});
const flags = values.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${values.profile}`];
const length: Length = values.quick
  ? { rounds: 1, seconds: 0.5, buyers: 16, warmUp: [0.2], flags }
  : { rounds: 3, seconds: 3, buyers: 64, warmUp: [1, 4], flags };
const all = Object.keys(contenders) as ContenderName[];
const names = values.only === undefined ? all : all.filter((name) => values.only?.split(",").includes(name));

const inHere = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
// On the disk of the checkout: a temporary folder may be in memory, where nothing is durable.
const folder = mkdtempSync(inHere(".data-"));

async function measure(what: Measure): Promise<number> {
  const { figure } = await startWorker("scale.ts", [what, folder], ["--expose-gc"]).hear<{ figure: number }>();
  console.log(`${what}: ${figure.toFixed(1)}`);
  return figure;
}

try {
  const disk = measureDisk(folder);
  console.log(`${disk.fileSystem}, ${disk.fsyncs} fsyncs a second`);
  const results = await runRounds(names, length, folder);
  const faults = [...results].flatMap(([name, rounds]) =>
    rounds.flatMap((round) => (round.void === undefined ? [] : [`${contenders[name].name}: ${round.void}`])),
  );
  for (const fault of faults) console.error(`VOID: ${fault}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
  if (!values.quick && values.only === undefined) {
    const scale = { client: await measure("client"), rows: await measure("rows"), channels: await measure("channels") };
    writeFileSync(inHere("RESULTS.md"), formatResults(results, scale, length, disk));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
