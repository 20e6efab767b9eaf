import { fileURLToPath } from "node:url";

import type { Spec, TestCommand } from "subfen/evaluator";

/** One piece of a larger task, paid by itself. */
export type Milestone = { readonly name: string; readonly spec: Spec; readonly deliverable: string };

const files = fileURLToPath(new URL("milestones", import.meta.url));
const command = (name: string): TestCommand => ({
  command: [process.execPath, "test.mjs", name],
  files,
  file: "module.mjs",
  timeout: 10_000,
});

/** The evaluator's own tests: a specification names one, it cannot bring one. */
export const milestoneTests = { slug: command("slug"), countWords: command("countWords"), toFen: command("toFen") };

const milestone = (test: keyof typeof milestoneTests, description: string, deliverable: string): Milestone => ({
  name: test,
  spec: { check: "test-command", description, options: { test } },
  deliverable,
});

/** Three functions that a provider delivers. The last one is money by floating point, and its test knows. */
export const milestones: readonly Milestone[] = [
  milestone(
    "slug",
    "slug(title): lower case, without accents, words joined by hyphens.",
    `export const slug = (title) =>
  title.normalize("NFD").replace(/\\p{M}/gu, "").toLowerCase().match(/[a-z0-9]+/g).join("-");`,
  ),
  milestone(
    "countWords",
    "countWords(text): how often each word occurs, as an object.",
    `export function countWords(text) {
  const counts = new Map();
  for (const word of text.match(/\\S+/g) ?? []) counts.set(word, (counts.get(word) ?? 0) + 1);
  return Object.fromEntries(counts);
}`,
  ),
  milestone(
    "toFen",
    "toFen(yuan): an amount of yuan in decimal digits as a bigint of fen.",
    `export const toFen = (yuan) => BigInt(Math.trunc(Number(yuan) * 100));`,
  ),
];
