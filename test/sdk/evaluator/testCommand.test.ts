import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { type TestCommand, testCommand } from "../../../sdk/src/evaluator/index.ts";
import { rejection } from "../client/helpers.ts";
import { bytes, full, none, signal, useFolder } from "./helpers.ts";

type Report = { code: number | null; signal: string | null; exceeded: string | null; tail: string; fault?: string };

const run = async (test: TestCommand, deliverable: string, abort = signal) => {
  const check = testCommand({ it: test });
  const outcome = await check.evaluate({ deliverable: bytes(deliverable), options: { test: "it" }, signal: abort });
  return { score: outcome.score, report: outcome.report as Report };
};
const sh = (script: string, more: Partial<TestCommand> = {}): TestCommand => ({
  command: ["sh", "-c", script],
  file: "answer.txt",
  ...more,
});
/** Folders of tests that were not removed. */
const leftOvers = () => readdirSync(tmpdir()).filter((name) => name.startsWith("subfen-test-"));
/** Waits until a process is dead; one that nobody has asked about its end is. */
async function end(pid: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    try {
      process.kill(Number(pid), 0);
      if (process.platform === "linux" && readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ")) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`process ${pid} lives`);
}

describe("testCommand", () => {
  const folder = useFolder();
  let before: string[];
  beforeEach(() => {
    before = leftOvers();
  });
  afterEach(() => expect(leftOvers().filter((name) => !before.includes(name))).to.deep.equal([]));

  it("passes what its command exits with 0 for, with the evaluator's files beside it", async () => {
    mkdirSync(join(folder(), "cases"));
    writeFileSync(join(folder(), "cases/expected"), "42");
    const test = sh("echo looking; cmp cases/expected deliverable/answer.txt", { files: folder() });
    expect(await run(test, "42")).to.deep.equal({
      score: full,
      report: {
        code: 0,
        signal: null,
        exceeded: null,
        tail: "looking\n",
        isMemoryLimited: process.platform === "linux",
      },
    });
    const failed = await run(test, "41");
    expect(failed.score).to.deep.equal(none);
    expect(failed.report).to.include({ code: 1, exceeded: null });
    expect(failed.report.tail).to.include("differ");
  });

  it("gives the command none of the evaluator's environment and input, and a home of its own", async () => {
    process.env["EVALUATOR_KEY"] = "0x5ec2e7";
    try {
      const { report } = await run(sh("env; cat; pwd; echo $HOME", { env: { MODE: "strict" } }), "");
      const names = report.tail.match(/^\w+(?==)/gm)?.sort();
      // A shell adds what it says about itself.
      expect(names?.filter((name) => !["PWD", "SHLVL", "OLDPWD", "_"].includes(name))).to.deep.equal([
        "HOME",
        "MODE",
        "PATH",
        "TMPDIR",
      ]);
      expect(report.tail).not.to.include("5ec2e7");
      expect(report.tail).to.match(/subfen-test-\w+\/work\n.*subfen-test-\w+\/home\n$/);
    } finally {
      delete process.env["EVALUATOR_KEY"];
    }
  });

  it("F126: loads neither commands nor configuration from a deliverable", async () => {
    const files = { "package.json": '{"type":"module"}', "node_modules/x/index.js": "process.exit(3)", sh: "exit 3" };
    const path = process.env["PATH"];
    process.env["PATH"] = `.:deliverable:${path}`;
    try {
      const { report } = await run({ command: ["sh", "-c", "ls; ls deliverable; echo $PATH"] }, JSON.stringify(files));
      expect(report).to.include({ code: 0 });
      expect(report.tail).to.match(/^deliverable\nnode_modules\npackage.json\nsh\n\/[^.]/);
      expect(report.tail.trim().split("\n").at(-1)).not.to.match(/(^|:)(\.|deliverable)(:|$)/);
    } finally {
      process.env["PATH"] = path;
    }
  });

  it("kills all of a command that takes too long, and fails the deliverable", async () => {
    const pids = join(folder(), "pids");
    const script = `sleep 60 & echo $! > ${pids}; echo $$ >> ${pids}; trap '' TERM; sleep 60`;
    const { score, report } = await run(sh(script, { timeout: 1_500 }), "");
    expect(score).to.deep.equal(none);
    expect(report).to.include({ code: null, signal: "SIGKILL", exceeded: "timeout" });
    for (const pid of readFileSync(pids, "utf8").trim().split("\n")) await end(pid);
  });

  it("kills what a command leaves behind, and does not wait for it", async () => {
    const pids = join(folder(), "pids");
    const { score } = await run(sh(`sleep 60 & echo $! > ${pids}`), "");
    expect(score).to.deep.equal(full);
    await end(readFileSync(pids, "utf8").trim());
  });

  it("kills a command that writes too much, and keeps the end of what it wrote", async () => {
    const { score, report } = await run(sh("yes abcdefg", { output: 100_000 }), "");
    expect(score).to.deep.equal(none);
    expect(report).to.include({ exceeded: "output", signal: "SIGKILL" });
    expect(report.tail)
      .to.match(/abcdefg\n/)
      .and.to.have.lengthOf(4096);
  });

  it("limits memory where the system does", async function () {
    if (process.platform !== "linux") this.skip();
    const node = (bytesOfMemory: number): TestCommand => ({
      command: [process.execPath, "-e", `Buffer.alloc(${bytesOfMemory}, 1)`],
      file: "answer.txt",
      memory: 256 * 2 ** 20,
    });
    expect((await run(node(10 * 2 ** 20), "")).score).to.deep.equal(full);
    const { score, report } = await run(node(400 * 2 ** 20), "");
    expect(score).to.deep.equal(none);
    expect(report.tail).to.include("allocation failed");
  });

  it("limits processor time, for what leaves its group", async () => {
    const { report } = await run(sh("ulimit -S -t; ulimit -H -t", { timeout: 2_000 }), "");
    const soft = 3 * availableParallelism();
    expect(report.tail).to.equal(`${soft}\n${soft + 5}\n`);
  });

  it("takes the share that the last line says, of a command that succeeds", async () => {
    const share = async (script: string) => (await run(sh(script, { score: "last-line" }), "")).score;
    expect(await share("echo 1/2; echo 7/10")).to.deep.equal({ numerator: 7n, denominator: 10n });
    for (const script of ["echo 7/10; exit 1", "echo 11/10", "echo 0/0", "echo good", "echo 7/10 >&2", ":"])
      expect(await share(script), script).to.deep.equal(none);
  });

  it("lays several files out as their paths say", async () => {
    const files = { "src/a.txt": "one", "b.txt": "two" };
    const { report } = await run(
      { command: ["sh", "-c", "cat deliverable/src/a.txt deliverable/b.txt"] },
      JSON.stringify(files),
    );
    expect(report).to.include({ code: 0, tail: "onetwo" });
  });

  const escapes = [
    "../a",
    "/etc/a",
    "a/../../b",
    "a//b",
    "a/./b",
    "",
    ".env",
    "src/.npmrc",
    "a\\..\\b",
    "a\0b",
    "b.",
    "a/",
  ];
  for (const path of escapes)
    it(`fails a deliverable with the path ${JSON.stringify(path)}, and runs nothing`, async () => {
      const trace = join(folder(), "trace");
      const { score, report } = await run({ command: ["touch", trace] }, JSON.stringify({ [path]: "x" }));
      expect(score).to.deep.equal(none);
      expect(report.fault).to.include("plain names");
      expect(existsSync(trace)).to.equal(false);
    });

  const odd: [string, unknown][] = [
    ["that are none", {}],
    ["that are a list", ["a"]],
    ["that are no texts", { a: 1 }],
    ["whose names differ in case alone", { "a.js": "", "A.js": "" }],
    ["one of which is a folder as well", { a: "", "a/b": "" }],
    ["too many of them", Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`f${i}`, ""]))],
  ];
  for (const [what, value] of odd)
    it(`fails files ${what}`, async () => {
      const { score, report } = await run({ command: ["true"] }, JSON.stringify(value));
      expect(score).to.deep.equal(none);
      expect(report.fault).to.be.a("string");
    });

  it("leaves undone what cannot be run, what another hand kills, and what nobody waits for", async () => {
    const missing = await rejection(run({ command: ["no-such-command"], file: "a" }, ""));
    expect(missing)
      .to.include({ code: "check-unavailable" })
      .and.have.property("message")
      .that.includes("not installed");
    const noFiles = await rejection(run(sh("true", { files: join(folder(), "none") }), ""));
    expect(noFiles).to.include({ code: "check-unavailable" });
    expect(await rejection(run(sh("kill -KILL $$"), ""))).to.include({ code: "check-unavailable" });
    const abort = new AbortController();
    const waiting = rejection(run(sh("sleep 60"), "", abort.signal));
    setTimeout(() => abort.abort(), 100);
    expect(await waiting).to.include({ code: "check-unavailable" });
  });

  it("refuses a test that it does not have, and any other option", async () => {
    const check = testCommand({ it: sh("true") });
    for (const options of [{}, { test: "other" }, { test: "toString" }, { test: "it", command: ["id"] }]) {
      const error = await rejection(check.evaluate({ deliverable: bytes(""), options: options as never, signal }));
      expect(error, JSON.stringify(options)).to.include({ code: "invalid-spec" });
    }
  });

  const impossible: TestCommand[] = [
    { command: [] },
    { command: ["./run.sh"] },
    { command: ["sh"], files: "tests" },
    { command: ["sh"], file: "../a" },
    { command: ["sh"], timeout: 0 },
    { command: ["sh"], memory: 1.5 },
  ];
  for (const test of impossible)
    it(`cannot be made with ${JSON.stringify(test)}`, () => {
      expect(() => testCommand({ it: test }))
        .to.throw()
        .with.property("code", "invalid-check");
    });
});
