// What the evaluator runs for a milestone: `node test.mjs slug` exits with 0 if the delivered module does what was asked for.
import { deepStrictEqual } from "node:assert";

const delivered = await import("./deliverable/module.mjs");

const tests = {
  slug() {
    deepStrictEqual(
      delivered.slug("It is a truth, universally acknowledged!"),
      "it-is-a-truth-universally-acknowledged",
    );
    deepStrictEqual(delivered.slug("  Chapter   1 "), "chapter-1");
    deepStrictEqual(delivered.slug("Café au lait"), "cafe-au-lait");
  },
  countWords() {
    deepStrictEqual(delivered.countWords("a b a"), { a: 2, b: 1 });
    deepStrictEqual(delivered.countWords(""), {});
    deepStrictEqual(delivered.countWords("constructor constructor"), { constructor: 2 });
  },
  toFen() {
    deepStrictEqual(delivered.toFen("1.20"), 120n);
    deepStrictEqual(delivered.toFen("0.29"), 29n);
    deepStrictEqual(delivered.toFen("90071992547409.93"), 9_007_199_254_740_993n);
  },
};

const test = tests[process.argv[2]];
if (!test) throw new Error(`There is no test ${process.argv[2]}.`);
test();
