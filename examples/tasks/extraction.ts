import type { Spec } from "subfen/evaluator";

import { passages } from "../model-calls/passages.ts";

/** Reading one passage of the novel and giving some fields of it as JSON. */
export type ExtractionTask = { readonly passage: string; readonly spec: Spec };

const words = (text: string): string[] => text.match(/\p{L}+(?:['-]\p{L}+)*/gu) ?? [];
const capitalised = (text: string): string[] => [...new Set(words(text).filter((word) => /^\p{Lu}/u.test(word)))];

/**
 * Tasks over the passages in order, two kinds in turn. What is asked for can be checked without knowing the answer: only words
 * of the passage count, so nothing can be made up.
 *
 * @param count - How many, at most 348.
 * @returns The tasks, the same in every run.
 * @throws {RangeError} when the novel has fewer passages.
 */
export function extractionTasks(count: number): ExtractionTask[] {
  if (count > 2 * passages().length) throw new RangeError(`At most ${2 * passages().length} tasks, not ${count}.`);
  return Array.from({ length: count }, (_, index) => {
    const passage = passages()[Math.floor(index / 2)] ?? "";
    return { passage, spec: index % 2 === 0 ? namesIn(passage) : figuresOf(passage) };
  });
}

function namesIn(passage: string): Spec {
  return {
    check: "json-schema",
    description: "List the words of the passage that begin with a capital letter, each once, and its first word.",
    options: {
      schema: {
        type: "object",
        properties: {
          names: { type: "array", items: { enum: capitalised(passage) }, minItems: 1, uniqueItems: true },
          firstWord: { enum: [...new Set(words(passage))] },
        },
        required: ["names", "firstWord"],
        additionalProperties: false,
      },
    },
  };
}

function figuresOf(passage: string): Spec {
  const most = passage.length;
  return {
    check: "json-schema",
    description: "Count the words and the characters of the passage, and give its longest word.",
    options: {
      schema: {
        type: "object",
        properties: {
          words: { type: "integer", minimum: 1, maximum: most },
          characters: { const: most },
          longestWord: { enum: [...new Set(words(passage))] },
        },
        required: ["words", "characters", "longestWord"],
        additionalProperties: false,
      },
    },
  };
}

/** What a careless worker delivers instead, in turn. */
const failures: readonly ((passage: string, good: object) => string)[] = [
  () => "I am sorry, but as a reader of novels I would rather tell you about it.",
  (_passage, good) => JSON.stringify(Object.fromEntries(Object.entries(good).slice(1))),
  (_passage, good) => JSON.stringify({ ...good, names: ["Heathcliff"], longestWord: "Wuthering" }),
  (_passage, good) => JSON.stringify(good).slice(0, -1),
];

/**
 * A worker that reads, and fails every fifth task on purpose: prose, a field left out, a name from another book, broken JSON.
 *
 * @param task - The task.
 * @param index - Its number, which decides whether this one fails.
 * @returns What it delivers.
 */
export function extract({ passage }: ExtractionTask, index: number): string {
  const all = words(passage);
  const good =
    index % 2 === 0
      ? { names: capitalised(passage), firstWord: all[0] }
      : {
          words: all.length,
          characters: passage.length,
          longestWord: all.reduce((longest, word) => (word.length > longest.length ? word : longest), ""),
        };
  if (index % 5 !== 4) return JSON.stringify(good);
  return failures[Math.floor(index / 5) % failures.length]?.(passage, good) ?? "";
}
