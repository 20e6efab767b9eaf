// What the evaluator runs for a milestone: `node test.mjs slug` exits with 0 if the delivered module does what was asked for.
import { deepStrictEqual } from "node:assert";
import { execFileSync } from "node:child_process";

/** What a function is given, and what it must return. */
const cases = {
  slug: [
    ["It is a truth, universally acknowledged!", "it-is-a-truth-universally-acknowledged"],
    ["  Chapter   1 ", "chapter-1"],
    ["Café au lait", "cafe-au-lait"],
  ],
  countWords: [
    ["a b a", { a: 2, b: 1 }],
    ["", {}],
    ["constructor constructor", { constructor: 2 }],
  ],
  toFen: [
    ["1.20", "120n"],
    ["0.29", "29n"],
    ["90071992547409.93", "9007199254740993n"],
  ],
};

const name = process.argv[2];
if (!Object.hasOwn(cases, name)) throw new Error(`There is no test ${name}.`);
const inputs = cases[name].map(([input]) => input);
const expected = cases[name].map(([, output]) => output);

// In a process of its own: a module that is loaded into this one could end it with 0 before anything is compared.
const call = `
  const delivered = await import("./deliverable/module.mjs");
  const [name, ...inputs] = process.argv.slice(1);
  const outputs = inputs.map((input) => delivered[name](input));
  console.log(JSON.stringify(outputs, (_key, value) => (typeof value === "bigint" ? value + "n" : value)));`;
const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", call, "--", name, ...inputs]);
deepStrictEqual(JSON.parse(printed), expected);
