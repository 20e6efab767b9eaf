import { readFileSync } from "node:fs";

import type { ChatMessage } from "./tokens.ts";

/** A chat request as the `openai` client sends it to `/v1/chat/completions`. */
export interface ChatRequest {
  readonly model: string;
  readonly messages: { role: "system" | "user"; content: string }[];
  /** Most tokens that the answer may have. */
  readonly max_completion_tokens: number;
}

interface Task {
  readonly instruction: string;
  /** Most tokens that are asked for. */
  readonly limit: number;
  readonly answer: (passage: string) => string;
}

/** The name of the model; it chooses nothing, since there is one. */
export const MODEL = "passage-reader-1";

// Shorter paragraphs, most of them lines of dialogue, are joined with the next ones.
const WORDS_IN_PASSAGE = 40;

const words = (text: string) => text.match(/\p{L}+(?:['-]\p{L}+)*/gu) ?? [];

// A title before a name is no end of a sentence. The platform's own segmenter differs between versions of Node.
const sentences = (text: string) =>
  text.split(/(?<!\b(?:Mr|Mrs|Dr|St)\.)(?<=[.!?]["_)]*)\s+/).filter((sentence) => sentence !== "");

const longestFirst = (texts: readonly string[]) => [...texts].sort((a, b) => b.length - a.length);

const list = (texts: readonly string[]) => [...new Set(texts)].join(", ");

const tasks: readonly Task[] = [
  { instruction: "Copy the first sentence.", limit: 64, answer: (passage) => sentences(passage).at(0) ?? "" },
  { instruction: "Copy the last sentence.", limit: 64, answer: (passage) => sentences(passage).at(-1) ?? "" },
  {
    instruction: "Copy the longest sentence.",
    limit: 96,
    answer: (passage) => longestFirst(sentences(passage))[0] ?? "",
  },
  {
    instruction: "Give it a title: its first eight words.",
    limit: 16,
    answer: (passage) => words(passage).slice(0, 8).join(" "),
  },
  {
    instruction: "List the words that begin with a capital letter, each once, separated by commas.",
    limit: 48,
    answer: (passage) => list(words(passage).filter((word) => /^\p{Lu}/u.test(word))),
  },
  {
    instruction: "List the five longest words, the longest first, separated by commas.",
    limit: 32,
    answer: (passage) =>
      longestFirst([...new Set(words(passage))])
        .slice(0, 5)
        .join(", "),
  },
  {
    instruction: "Copy what stands in quotation marks, or answer: nothing.",
    limit: 96,
    answer: (passage) => passage.match(/"[^"]+"/g)?.join(" ") ?? "nothing",
  },
  {
    instruction: "How many words are there? Answer with the number.",
    limit: 8,
    answer: (passage) => String(words(passage).length),
  },
  {
    instruction: "How many sentences are there? Answer with the number.",
    limit: 8,
    answer: (passage) => String(sentences(passage).length),
  },
  { instruction: "Copy the whole passage.", limit: 128, answer: (passage) => passage },
];

const tasksByInstruction = new Map(tasks.map((task) => [task.instruction, task]));

let cachedPassages: readonly string[] | undefined;

/** The text's passages in order: one or more whole paragraphs of one chapter, a line each, 40 words or more. */
export function passages(): readonly string[] {
  cachedPassages ??= splitPassages(readFileSync(new URL("pride-and-prejudice.txt", import.meta.url), "utf8"));
  return cachedPassages;
}

function splitPassages(text: string): readonly string[] {
  const [, ...chapters] = text.split(/^Chapter \d+\r?\n/m);
  return chapters.flatMap((chapter) => {
    const found: string[] = [];
    let open = "";
    for (const paragraph of chapter.trim().split(/(?:\r?\n){2,}/)) {
      open += (open && "\n") + paragraph.replace(/\s+/g, " ");
      if (words(open).length < WORDS_IN_PASSAGE) continue;
      found.push(open);
      open = "";
    }
    // What is left at a chapter's end is too short to stand alone.
    const last = found.pop();
    return [...found, [last, open].filter(Boolean).join("\n")];
  });
}

/**
 * The first `count` requests of an agent that reads the text passage by passage and does every task on each: the same
 * at every run, no two alike.
 *
 * @throws RangeError if the text has fewer passages and tasks than that (there are more than 1,000).
 */
export function* prompts(count: number): Generator<ChatRequest, void, undefined> {
  if (!(count <= passages().length * tasks.length)) {
    throw new RangeError(`At most ${passages().length * tasks.length} different prompts, not ${count}`);
  }
  let made = 0;
  for (const passage of passages()) {
    for (const { instruction, limit } of tasks) {
      if (made++ >= count) return;
      yield {
        model: MODEL,
        messages: [
          { role: "system", content: "Answer from the passage alone and add nothing." },
          { role: "user", content: `${instruction}\n\n${passage}` },
        ],
        max_completion_tokens: limit,
      };
    }
  }
}

/**
 * The whole answer to a prompt, a function of the last user message's text alone; `undefined` if that is none of the
 * tasks above. The model sends as much of it as `max_completion_tokens` allows.
 */
export function answer(prompt: { readonly messages: readonly ChatMessage[] }): string | undefined {
  const question = prompt.messages.findLast((message) => message.role === "user")?.content ?? "";
  const end = question.indexOf("\n\n");
  const passage = question.slice(end).trim();
  if (end < 0 || passage === "") return undefined;
  return tasksByInstruction.get(question.slice(0, end))?.answer(passage) || undefined;
}
