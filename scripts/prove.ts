// `npm run prove`: proves by the compiler's SMTChecker (CHC, z3) that the arithmetic of the contracts holds for all numbers
// and any order of calls: the harnesses of test/smt, with the contracts' own functions put in. Exits 1 unless
// everything is proved.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const solc = require("solc") as { compile(input: string): string };

type Problem = { message: string; formattedMessage: string };

const harnesses = ["ChannelArithmetic", "TaskArithmetic"];

/** One function of a contract. The checker takes a typed error for no revert at all, so a plain one stands for each. */
function functionOf(file: string, name: string): string {
  const [text] = new RegExp(`^    function ${name}\\([^]*?^    \\}`, "m").exec(readFileSync(file, "utf8")) ?? [];
  if (text === undefined) throw new Error(`${file} has no function ${name}.`);
  return text.replaceAll(/revert \w+\([^;]*\);/g, "revert();");
}

function complete(harness: string): string {
  return harness.replace(/\/\/ functions of (\S+): (.*)/, (_line, file: string, names: string) =>
    names
      .split(", ")
      .map((name) => functionOf(file, name))
      .join("\n\n"),
  );
}

/** Without a time limit on purpose: with one, the compiler needs a solver outside of it. */
function prove(name: string): boolean {
  const path = `test/smt/${name}.sol`;
  const input = {
    language: "Solidity",
    sources: { [path]: { content: complete(readFileSync(path, "utf8")) } },
    settings: {
      modelChecker: {
        engine: "chc",
        solvers: ["z3"],
        contracts: { [path]: [name] },
        targets: ["assert", "underflow", "overflow"],
        showProvedSafe: true,
        showUnproved: true,
      },
      outputSelection: { "*": { "*": [] } },
    },
  };
  const { errors = [] } = JSON.parse(solc.compile(JSON.stringify(input))) as { errors?: Problem[] };
  const proved = errors.filter(({ message }) => message.includes("check is safe"));
  const others = errors.filter((problem) => !proved.includes(problem));
  for (const { formattedMessage } of others) console.error(formattedMessage);
  console.log(`${name}: ${proved.length} proved, ${others.length} not`);
  return proved.length > 0 && others.length === 0;
}

const results = harnesses.map(prove);
process.exit(results.every(Boolean) ? 0 : 1);
