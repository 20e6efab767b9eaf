// Runs what was delivered on cases that its author has not seen, and says in the last line how many are right.
import { slug } from "./deliverable/slug.mjs";

const cases = [
  ["Pride and Prejudice", "pride-and-prejudice"],
  ["  Chapter   1 ", "chapter-1"],
  ["It is a truth, universally acknowledged!", "it-is-a-truth-universally-acknowledged"],
  ["Café au lait", "cafe-au-lait"],
];

let right = 0;
for (const [title, expected] of cases) {
  const found = slug(title);
  if (found === expected) right++;
  else console.log(`slug(${JSON.stringify(title)}) is ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`);
}
console.log(`${right}/${cases.length}`);
