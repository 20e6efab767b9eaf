import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { isObject } from "../../wire/encoding.ts";
import { deliverableText } from "../deliverable.ts";

const most = 256;

/** A name that means the same file on every system, stays in its folder and is not hidden. */
const segment = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,98}[A-Za-z0-9_-])?$/;

/**
 * Reads a deliverable of several files: JSON such as `{"src/sum.js": "export ..."}`, each path with its text.
 *
 * @returns The files, or what is wrong with them.
 */
export function readFiles(deliverable: Uint8Array): Map<string, string> | { fault: string } {
  const text = deliverableText(deliverable);
  let value: unknown;
  try {
    value = JSON.parse(text ?? "");
  } catch {
    return { fault: "it is not JSON in UTF-8" };
  }
  if (!isObject(value)) return { fault: "it is not a JSON object of paths and texts" };
  const entries = Object.entries(value);
  if (entries.length === 0 || entries.length > most)
    return { fault: `it has ${entries.length} files, not 1 to ${most}` };
  const files = new Map<string, string>();
  const taken = new Set<string>();
  for (const [path, content] of entries) {
    const parts = path.split("/");
    if (parts.length > 16 || !parts.every((part) => segment.test(part)))
      return { fault: "it has a path that is not of plain names such as src/sum.js" };
    if (typeof content !== "string") return { fault: "it has a file that is not a text" };
    files.set(path, content);
    taken.add(path.toLowerCase());
  }
  if (taken.size < files.size) return { fault: "it has two files whose names differ only in case" };
  for (const path of taken) {
    for (let folder = dirname(path); folder !== "."; folder = dirname(folder))
      if (taken.has(folder)) return { fault: "it has a file that is a folder as well" };
  }
  return files;
}

/** Writes files into a folder that is there. None of them may exist. */
export async function writeFiles(folder: string, files: ReadonlyMap<string, string | Uint8Array>): Promise<void> {
  for (const [path, content] of files) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content, { flag: "wx" });
  }
}
