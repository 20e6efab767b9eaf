import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { expect } from "chai";

import { jsonSchema } from "../../../sdk/src/evaluator/index.ts";
import { rejection } from "../client/helpers.ts";
import { bytes, full, none, signal } from "./helpers.ts";

describe("jsonSchema", () => {
  const check = jsonSchema({ timeout: 1_000 });
  after(() => check.close?.());

  const evaluate = (schema: object, deliverable: string | Uint8Array) =>
    check.evaluate({
      deliverable: typeof deliverable === "string" ? bytes(deliverable) : deliverable,
      options: { schema: schema as never },
      signal,
    });

  const receipt = {
    type: "object",
    properties: { total: { type: "integer", minimum: 0 }, buyer: { type: "string" } },
    required: ["total", "buyer"],
    additionalProperties: false,
  };

  it("passes what fits, and tells the first thing that does not", async () => {
    expect(await evaluate(receipt, '{"total":12,"buyer":"Elizabeth"}')).to.deep.equal({
      score: full,
      report: { isValid: true },
    });
    const { score, report } = await evaluate(receipt, '{"total":-1,"buyer":"Elizabeth"}');
    expect(score).to.deep.equal(none);
    expect(report).to.deep.equal({
      isValid: false,
      error: {
        instancePath: "/total",
        schemaPath: "#/properties/total/minimum",
        keyword: "minimum",
        message: "must be >= 0",
      },
    });
  });

  it("takes schemas that are unusual and yet are checked", async () => {
    for (const [schema, good, bad] of [
      [{ type: "object", required: ["total"] }, '{"total":null}', "{}"],
      [{ type: ["string", "null"] }, "null", "1"],
      [{ minimum: 3 }, '"a"', "2"],
      [{ prefixItems: [{ type: "string" }] }, '["a",1]', "[1]"],
    ] as const) {
      expect((await evaluate(schema, good)).score, good).to.deep.equal(full);
      expect((await evaluate(schema, bad)).score, bad).to.deep.equal(none);
    }
  });

  it("fails what is no JSON in UTF-8", async () => {
    for (const deliverable of ["{", "", "{} {}", new Uint8Array([0x22, 0xff, 0x22])])
      expect((await evaluate({}, deliverable)).score).to.deep.equal(none);
  });

  it("reads draft-07 as draft-07 and everything else as 2020-12", async () => {
    // `items` as a list means a tuple in draft-07 and nothing in 2020-12, whose word is `prefixItems`.
    const tuple = [{ type: "string" }, { type: "number" }];
    const size = { minItems: 2, maxItems: 2 };
    const draft07 = { $schema: "http://json-schema.org/draft-07/schema#", type: "array", items: tuple, ...size };
    const draft2020 = { $schema: "https://json-schema.org/draft/2020-12/schema", type: "array", prefixItems: tuple };
    for (const schema of [
      draft07,
      { ...draft2020, ...size, items: false },
      { ...size, type: "array", prefixItems: tuple, items: false },
    ]) {
      expect((await evaluate(schema, '["a",1]')).score).to.deep.equal(full);
      expect((await evaluate(schema, "[1,1]")).score).to.deep.equal(none);
    }
    expect(await rejection(evaluate({ ...draft2020, items: tuple }, "[]"))).to.include({ code: "invalid-spec" });
  });

  const bad: [string, unknown, string][] = [
    ["that is missing", undefined, "not an object"],
    ["that is no object", true, "not an object"],
    ["with an unknown keyword", { requird: ["a"] }, "unknown keyword"],
    ["with a format, which would not be checked", { type: "string", format: "date" }, "unknown format"],
    ["that is none", { type: "text" }, "schema is invalid"],
    ["that refers elsewhere", { $ref: "http://127.0.0.1:9/x" }, "can't resolve reference"],
    ["of another draft", { $schema: "http://json-schema.org/draft-04/schema#" }, "neither draft"],
    ["that promises its answer", { $async: true, type: "object" }, "$async"],
    ["with a pattern that is none", { type: "string", pattern: "(" }, "schema"],
  ];
  for (const [what, schema, reason] of bad)
    it(`refuses a schema ${what}`, async () => {
      const error = await rejection(evaluate(schema as never, "{}"));
      expect(error).to.include({ code: "invalid-spec" });
      expect(error.message).to.include(reason);
    });

  it("fails a deliverable on which a pattern goes on for ever, and is not held up by it", async () => {
    const { score, report } = await evaluate({ type: "string", pattern: "^(a+)+$" }, `"${"a".repeat(40)}b"`);
    expect(score).to.deep.equal(none);
    expect(report).to.deep.equal({ isValid: false, error: { message: "takes too long to validate" } });
    expect((await evaluate(receipt, '{"total":0,"buyer":""}')).score).to.deep.equal(full);
  });

  it("fails a deliverable that is nested more deeply than can be followed", async () => {
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    expect((await evaluate({ type: "array", items: { $ref: "#" } }, deep)).score).to.deep.equal(none);
  });

  it("works again after its process has ended", async () => {
    await check.close?.();
    expect((await evaluate({ type: "null" }, "null")).score).to.deep.equal(full);
  });

  it("runs in a process that has none of the environment, may read ajv alone, and lets the program end", async () => {
    const start = new URL("../../../sdk/src/evaluator/checks/startSchemaProcess.ts", import.meta.url);
    const code = `import { readFileSync } from "node:fs";
      import { startSchemaProcess } from ${JSON.stringify(start.href)};
      const child = await startSchemaProcess();
      const environment = process.platform === "linux" ? readFileSync("/proc/" + child.pid + "/environ", "utf8") : "";
      console.log(JSON.stringify({ environment, flags: child.spawnargs.filter((word) => word.startsWith("--")) }));
      child.unref();
      child.channel.unref();`;
    const args = ["--conditions=subfen-source", "--no-warnings", "--input-type=module", "-e", code];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { EVALUATOR_KEY: "0x11" } });
    const { environment, flags } = JSON.parse(stdout) as { environment: string; flags: string[] };
    expect(environment.replaceAll(/NODE_CHANNEL_\w+=\w+\0/g, "")).to.equal("");
    expect(flags).to.include("--permission");
    const allowed = flags.filter((flag) => flag.startsWith("--allow-"));
    const readable =
      /^--allow-fs-read=.*(?:schemaProcess\.ts|package\.json|node_modules\/(?:ajv|fast-|json-|require-)[\w-]+)$/;
    expect(allowed.filter((flag) => !readable.test(flag) && !flag.endsWith("node_modules/ajv"))).to.deep.equal([]);
  });
});
