import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { expect } from "chai";
import { type Hex, keccak256, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { freePort, type Process, startProcess } from "../crash/processes.ts";

const key: Hex = keccak256(stringToHex("a throw-away evaluator of the example"));
const expected = `fields that fit: 0.0008 of 0.0008 yuan
fields that do not: 0 of 0.0008 yuan
the name: 0.0008 of 0.0008 yuan
another name: 0 of 0.0008 yuan
code that is half right: 0.0004 of 0.0008 yuan
code that does not run: 0 of 0.0008 yuan`.split("\n");

describe("the evaluator's example", () => {
  let folder: string;
  let service: Process;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "subfen-example-"));
  });
  after(async () => {
    await service.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it("pays for good work and not for bad", async () => {
    const port = String(await freePort());
    const env = {
      EVALUATOR_KEY: key,
      EVALUATOR: privateKeyToAccount(key).address,
      EVALUATOR_URL: `http://127.0.0.1:${port}`,
      CONDITION: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0",
      CHAIN_ID: "31337",
      TOKEN: "a-token-of-the-example",
      PORT: port,
    };
    const script = (name: string) => fileURLToPath(new URL(`../../examples/evaluator/${name}`, import.meta.url));
    // Its record lies where it runs.
    const inFolder = [
      "-e",
      `process.chdir(${JSON.stringify(folder)}); await import(${JSON.stringify(script("serve.ts"))})`,
    ];
    const flags = ["--conditions=subfen-source", "--no-warnings"];
    service = startProcess(process.execPath, [...flags, "--input-type=module", ...inFolder], env);
    await service.line(/evaluates at/);
    const asking = startProcess(process.execPath, [...flags, script("ask.ts")], env);
    for (const line of expected) expect((await asking.line(/.+/))[0]).to.equal(line);
  });
});
