// The process in which JSON schemas are compiled and used, started by `startSchemaProcess.ts`. It may read this file and
// ajv, and nothing else: what a schema says is made into code.
import { Script } from "node:vm";

import { Ajv, type Options, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";

import type { SchemaAnswer, SchemaQuestion } from "./startSchemaProcess.ts";

// What would not be checked is refused; what is only unusual, such as a required member that is described nowhere, is not.
const strict: Options = {
  strictSchema: true,
  strictNumbers: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
};
const options: Options = { ...strict, validateFormats: true, allErrors: false, logger: false };
const compiled = new Map<string, ValidateFunction>();
const kept = 32;

process.on("message", (question: SchemaQuestion) => {
  const answer = validate(question);
  process.send?.(answer);
});
process.on("disconnect", () => process.exit());

function validate({ schema, deliverable, timeout }: SchemaQuestion): SchemaAnswer {
  let check: ValidateFunction;
  try {
    check = within(timeout, () => compile(schema));
  } catch (error) {
    return { kind: "schema", reason: isTimeout(error) ? "it takes too long to compile" : messageOf(error) };
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(deliverable));
  } catch {
    return { kind: "done", isValid: false, error: { message: "is not JSON in UTF-8" } };
  }
  try {
    // Anything but `true` is a failure, whatever kind of validator ajv has made.
    const isValid = within(timeout, () => check(value)) === true;
    const [first] = check.errors ?? [];
    if (isValid || !first) return { kind: "done", isValid };
    const { keyword, message = "", instancePath, schemaPath } = first;
    const error = { instancePath: cut(instancePath), schemaPath: cut(schemaPath), keyword, message: cut(message) };
    return { kind: "done", isValid, error };
  } catch (error) {
    const message = isTimeout(error) ? "takes too long to validate" : "is nested too deeply";
    return { kind: "done", isValid: false, error: { message } };
  }
}

function compile(text: string): ValidateFunction {
  const known = compiled.get(text);
  if (known) return known;
  const schema = JSON.parse(text) as Record<string, unknown>;
  const draft = String(schema["$schema"] ?? "https://json-schema.org/draft/2020-12/schema").replace(/#$/, "");
  if (draft !== "https://json-schema.org/draft/2020-12/schema" && draft !== "http://json-schema.org/draft-07/schema")
    throw new Error("its $schema is neither draft 2020-12 nor draft-07");
  const ajv = draft.includes("2020-12") ? new Ajv2020(options) : new Ajv(options);
  const made = ajv.compile(schema);
  // It would answer with a promise, and a promise is not false.
  if ("$async" in made) throw new Error("it is $async");
  if (compiled.size >= kept) compiled.delete(compiled.keys().next().value ?? "");
  compiled.set(text, made);
  return made;
}

const runner = globalThis as { work?: (() => unknown) | undefined };
const run = new Script("work()");

/** Stops a regular expression that backtracks for ever too, and does so when the parent is gone. */
function within<result>(timeout: number, work: () => result): result {
  runner.work = work;
  return run.runInThisContext({ timeout }) as result;
}

function isTimeout(error: unknown): boolean {
  return (error as { code?: unknown }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
}

function messageOf(error: unknown): string {
  return cut(error instanceof Error ? error.message : String(error));
}

function cut(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

process.send?.("ready");
