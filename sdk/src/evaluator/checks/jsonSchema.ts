import type { ChildProcess } from "node:child_process";

import { createTurns } from "../../turns.ts";
import { canonicalize, isObject } from "../../wire/encoding.ts";
import { type Check, CheckUnavailableError, full, none } from "../check.ts";
import { InvalidSpecError } from "../spec.ts";
import { readOptions } from "./readOptions.ts";
import { type SchemaAnswer, type SchemaQuestion, startSchemaProcess } from "./startSchemaProcess.ts";

/**
 * A check that the deliverable is JSON (in UTF-8) that fits a JSON Schema. Option: `schema`, of draft 2020-12, or of
 * draft-07 if its `$schema` says so. Read strictly: unknown keywords and formats are refused, and nothing is loaded that a
 * `$ref` names outside the schema.
 *
 * Schemas are compiled and used in a process of their own, which may read ajv and nothing else and has 256 MB. A schema
 * that takes too long to compile is refused; a deliverable that takes too long to validate fails.
 *
 * @param parameters - See each.
 * @returns The check `json-schema`. It keeps one process, started when first needed; `close` ends it.
 * @example
 * import { jsonSchema } from "subfen/evaluator";
 *
 * const check = jsonSchema();
 * const spec = { check: "json-schema", options: { schema: { type: "object", required: ["total"] } } };
 */
export function jsonSchema(parameters: jsonSchema.Parameters = {}): jsonSchema.ReturnType {
  const { timeout = 5_000 } = parameters;
  const inTurn = createTurns();
  let running: ChildProcess | undefined;

  async function start(): Promise<ChildProcess> {
    const child = await startSchemaProcess();
    child.once("exit", () => {
      if (running === child) running = undefined;
    });
    return child;
  }

  async function ask(question: SchemaQuestion, signal: AbortSignal): Promise<SchemaAnswer> {
    signal.throwIfAborted();
    const child = (running ??= await start());
    // It stops by itself; this is for one that does not.
    const limit = AbortSignal.any([signal, AbortSignal.timeout(2 * timeout + 5_000)]);
    hold(child, true);
    try {
      return await answerOf(child, question, limit);
    } catch (cause) {
      child.kill("SIGKILL");
      running = undefined;
      throw new CheckUnavailableError("the process that knows JSON schemas gave no answer", cause);
    } finally {
      hold(child, false);
    }
  }

  return {
    name: "json-schema",
    async evaluate({ deliverable, options, signal }) {
      const { schema } = readOptions(options, ["schema"]);
      if (!isObject(schema)) throw new InvalidSpecError("its option schema is not an object");
      const text = canonicalize(schema as Parameters<typeof canonicalize>[0]);
      const answer = await inTurn(() => ask({ schema: text, deliverable, timeout }, signal));
      if (answer.kind === "schema") throw new InvalidSpecError(`its schema cannot be used: ${answer.reason}`);
      const { isValid, error } = answer;
      return { score: isValid ? full : none, report: { isValid, ...(error === undefined ? {} : { error }) } };
    },
    close: () =>
      inTurn(async () => {
        running?.kill("SIGKILL");
        running = undefined;
      }),
  };
}

export declare namespace jsonSchema {
  type Parameters = {
    /** Milliseconds for compiling a schema, and again for validating; 5,000 by default. */
    timeout?: number | undefined;
  };
  type ReturnType = Check;
}

function answerOf(child: ChildProcess, question: SchemaQuestion, signal: AbortSignal): Promise<SchemaAnswer> {
  return new Promise<SchemaAnswer>((resolve, reject) => {
    const onMessage = (message: unknown) => end(() => resolve(message as SchemaAnswer));
    const onExit = () => end(() => reject(new Error("it ended")));
    const onAbort = () => end(() => reject(signal.reason));
    function end(settle: () => void): void {
      child.off("message", onMessage);
      child.off("exit", onExit);
      signal.removeEventListener("abort", onAbort);
      settle();
    }
    child.once("message", onMessage);
    child.once("exit", onExit);
    signal.addEventListener("abort", onAbort);
    child.send(question, (error) => error && end(() => reject(error)));
  });
}

/** A process that has nothing to do keeps nobody's program from ending. */
function hold(child: ChildProcess, isHeld: boolean): void {
  child[isHeld ? "ref" : "unref"]();
  child.channel?.[isHeld ? "ref" : "unref"]();
}
