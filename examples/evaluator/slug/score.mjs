// Runs what was delivered on cases that its author has not seen, and says in the last line how many are right.
import { spawnSync } from "node:child_process";

const cases = [
  ["Pride and Prejudice", "pride-and-prejudice"],
  ["  Chapter   1 ", "chapter-1"],
  ["It is a truth, universally acknowledged!", "it-is-a-truth-universally-acknowledged"],
  ["Café au lait", "cafe-au-lait"],
];

// In processes of its own: a module that is loaded into this one could print the last line itself, and end it.
const call = `
  const { slug } = await import("./deliverable/slug.mjs");
  console.log(JSON.stringify(slug(process.argv[1])));`;

let right = 0;
for (const [title, expected] of cases) {
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", call, "--", title]);
  const found = String(stdout).trim();
  if (found === JSON.stringify(expected)) right++;
  else console.log(`slug(${JSON.stringify(title)}) is ${found || stderr}, not ${JSON.stringify(expected)}`);
}
console.log(`${right}/${cases.length}`);
