import { constants } from "node:fs";
import { access, cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";

import {
  type Check,
  CheckUnavailableError,
  full,
  InvalidCheckError,
  none,
  type Outcome,
  type Score,
} from "../check.ts";
import { InvalidSpecError } from "../spec.ts";
import { readFiles, writeFiles } from "./deliverableFiles.ts";
import { readOptions } from "./readOptions.ts";
import { limitsMemory, type Run, runLimited } from "./runLimited.ts";

/** A test that an evaluator offers by a name. */
export type TestCommand = {
  /** The executable, by its full path or a name that is looked up in `PATH`, and its arguments. No shell reads them. */
  readonly command: readonly string[];
  /** A folder whose content is copied to where the command runs, such as the tests; by its full path. */
  readonly files?: string | undefined;
  /**
   * Where the deliverable comes to lie, in the folder `deliverable` of where the command runs: as the one file of this
   * name, or (`undefined`) as the files of a JSON object of paths and texts.
   */
  readonly file?: string | undefined;
  /** Environment of the command, beside `PATH`, `HOME` and `TMPDIR`; nothing else of the evaluator's is passed on. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Milliseconds; 30,000 by default. */
  readonly timeout?: number | undefined;
  /** Bytes of memory for each process, on Linux alone; 1 GiB by default. */
  readonly memory?: number | undefined;
  /** Bytes of output; 1 MiB by default. */
  readonly output?: number | undefined;
  /**
   * What the score is: `exit-code`, full for 0; or `last-line`, what the last line of the output of a command that exits
   * with 0 says, such as `7/10`. `exit-code` by default.
   */
  readonly score?: "exit-code" | "last-line" | undefined;
};

/**
 * A check by a command of the evaluator's. Option: `test`, the name of one of them: a specification chooses a test and can
 * say nothing else about what runs. The command runs in a fresh folder that is removed afterwards, without a shell, with an
 * emptied environment and no input, within limits of time, memory and output. A deliverable for which it uses more than
 * it may fails.
 *
 * That is no sandbox: the deliverable's code, if the command runs it, has the rights of the evaluator's user, reads what
 * that reads and reaches the network. Run the evaluator in a container that holds nothing else, and its key elsewhere.
 *
 * @param tests - The tests by their names.
 * @returns The check `test-command`.
 * @throws {InvalidCheckError} when a test cannot work as it is described, or on Windows, which lacks the means.
 * @example
 * import { testCommand } from "subfen/evaluator";
 *
 * const check = testCommand({
 *   sum: { command: ["node", "--test", "sum.test.js"], files: "/srv/tests/sum", file: "sum.js", timeout: 10_000 },
 * });
 * const spec = { check: "test-command", options: { test: "sum" } };
 */
export function testCommand(tests: testCommand.Parameters): testCommand.ReturnType {
  if (process.platform === "win32") throw new InvalidCheckError(name, "it needs process groups and ulimit");
  for (const [test, description] of Object.entries(tests)) assertTest(test, description);
  return {
    name,
    async evaluate({ deliverable, options, signal }) {
      const { test } = readOptions(options, ["test"]);
      const known = typeof test === "string" && Object.hasOwn(tests, test) ? tests[test] : undefined;
      if (!known) throw new InvalidSpecError(`its option test is none of ${Object.keys(tests).join(", ")}`);
      const files = known.file === undefined ? readFiles(deliverable) : new Map([[known.file, deliverable]]);
      if ("fault" in files) return { score: none, report: { fault: files.fault } };
      return inFolder(known, files, signal);
    },
  };
}

export declare namespace testCommand {
  type Parameters = Readonly<Record<string, TestCommand>>;
  type ReturnType = Check;
  type ErrorType = InvalidCheckError;
}

const name = "test-command";

function assertTest(test: string, { command, files, file, timeout, memory, output }: TestCommand): void {
  const refuse = (reason: string) => {
    throw new InvalidCheckError(`${name} ${test}`, reason);
  };
  const [executable = ""] = command;
  if (executable === "" || (executable.includes("/") && !isAbsolute(executable)))
    refuse("the executable is neither a full path nor a name");
  if (files !== undefined && !isAbsolute(files)) refuse("files is not a full path");
  if (file !== undefined && !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,98}$/.test(file)) refuse("file is not a plain name");
  for (const limit of [timeout, memory, output])
    if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) refuse("a limit is not a positive integer");
}

async function inFolder(
  test: TestCommand,
  files: ReadonlyMap<string, string | Uint8Array>,
  signal: AbortSignal,
): Promise<Outcome> {
  const { timeout = 30_000, memory = 2 ** 30, output = 2 ** 20 } = test;
  const path = (process.env["PATH"] ?? "").split(delimiter).filter(isAbsolute).join(delimiter);
  let folder: string | undefined;
  try {
    const command = [await findExecutable(test.command[0] ?? "", path), ...test.command.slice(1)];
    folder = await mkdtemp(join(tmpdir(), "subfen-test-"));
    const [cwd, home] = [join(folder, "work"), join(folder, "home")];
    await mkdir(cwd);
    await mkdir(home);
    if (test.files !== undefined) await cp(test.files, cwd, { recursive: true });
    await mkdir(join(cwd, "deliverable"));
    await writeFiles(join(cwd, "deliverable"), files);
    const env = { PATH: path, HOME: home, TMPDIR: home, ...test.env };
    return judge(test, await runLimited(command, { cwd, env, limits: { timeout, memory, output }, signal }));
  } catch (cause) {
    if (cause instanceof CheckUnavailableError) throw cause;
    throw new CheckUnavailableError("the test command could not be run", cause);
  } finally {
    // What it leaves behind may resist, such as a folder without rights: no reason to lose the outcome.
    if (folder !== undefined) await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
  }
}

/** Looks the executable up as a shell would, but in no folder that depends on where it runs. */
async function findExecutable(executable: string, path: string): Promise<string> {
  const candidates = isAbsolute(executable) ? [executable] : path.split(delimiter).map((at) => join(at, executable));
  for (const candidate of candidates) {
    const isThere = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return candidate;
  }
  throw new CheckUnavailableError("the test command is not installed");
}

function judge(test: TestCommand, run: Run): Outcome {
  const { code, signal, exceeded, tail } = run;
  // Nobody here has sent it: the machine ran out of memory, or somebody ended it. That is not the deliverable's doing.
  if (signal === "SIGKILL" && exceeded === undefined)
    throw new CheckUnavailableError("the test command was killed by another hand");
  const isGood = code === 0 && exceeded === undefined;
  const score = isGood ? (test.score === "last-line" ? readScore(run.lastLine) : full) : none;
  const limits = { isMemoryLimited: limitsMemory };
  return { score, report: { code: code ?? null, signal: signal ?? null, exceeded: exceeded ?? null, tail, ...limits } };
}

function readScore(line: string): Score {
  const [, passed = "", total = ""] = /^(\d{1,9})\/(\d{1,9})$/.exec(line.trim()) ?? [];
  const [numerator, denominator] = [BigInt(passed), BigInt(total)];
  return denominator > 0n && numerator <= denominator ? { numerator, denominator } : none;
}
