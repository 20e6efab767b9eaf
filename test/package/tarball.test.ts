import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "chai";
import { network } from "hardhat";
import { type Hex, keccak256, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { parseYuan } from "../../sdk/src/index.ts";
import { setUpChain } from "../fixtures/setUpChain.ts";
import { packed, root, run, temporaryFolder } from "./pack.ts";

const keyOf = (name: string): Hex => keccak256(stringToHex(`a throw-away ${name}`));
const readJson = async (file: string) => JSON.parse(await readFile(file, "utf8"));

/** Every module of the package, as a user names it. */
async function entryPoints(): Promise<string[]> {
  const { exports } = await readJson(join(root, "sdk/package.json"));
  return Object.keys(exports)
    .filter((name) => !name.endsWith(".json"))
    .map((name) => `subfen${name.slice(1)}`);
}

describe("the tarball in an empty project", function () {
  this.timeout(240_000);
  const project = temporaryFolder();
  const inProject = (name: string) => join(project.path, name);
  const node = async (...args: string[]) => (await run(process.execPath, args, project.path)).trim();

  before(async () => {
    const { devDependencies: pins } = await readJson(join(root, "package.json"));
    await writeFile(inProject("subfen.tgz"), await packed());
    const pinned = Object.fromEntries(["@types/node", "ethers", "viem"].map((name) => [name, pins[name]]));
    const dependencies = { ...pinned, subfen: "file:subfen.tgz", "subfen-again": "file:subfen.tgz" };
    await writeFile(inProject("package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
    const options = ["--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"];
    await run("npm", ["install", ...options], project.path);
    const commonJs = `import subfen = require("subfen");\nexport = subfen.parseYuan("0.0012") satisfies bigint;`;
    await writeFile(inProject("required.cts"), commonJs);
    await cp(join(root, "test/package/consumer"), project.path, { recursive: true });
  });

  it("gives every entry point to import and the same modules to require", async () => {
    const entries = await entryPoints();
    expect(entries).to.include.members(["subfen", "subfen/server", "subfen/ethers", "subfen/mppx"]);
    await writeFile(
      inProject("every.mjs"),
      `import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
for (const entry of ${JSON.stringify(entries)}) {
  const module = await import(entry);
  if (Object.keys(module).length === 0) throw new Error(entry + " is empty");
  for (const name of Object.keys(module)) if (require(entry)[name] !== module[name]) throw new Error(entry + name);
}
console.log(require("subfen/package.json").name);`,
    );
    expect(await node("every.mjs")).to.equal("subfen");
    await writeFile(inProject("every.cjs"), `console.log(require("subfen").parseYuan("0.0012"))`);
    expect(await node("--no-warnings", "every.cjs")).to.equal("1200n");
    await writeFile(inProject("hidden.mjs"), `await import("subfen/dist/client/purse.js")`);
    const hidden = await node("hidden.mjs").catch(String);
    expect(hidden).to.include("ERR_PACKAGE_PATH_NOT_EXPORTED");
  });

  it("starts the process that knows JSON schemas, and finds ajv from there", async () => {
    await writeFile(
      inProject("schema.mjs"),
      `import { jsonSchema } from "subfen/evaluator";
const options = { schema: { type: "object", required: ["total"] } };
const { signal } = new AbortController();
for (const text of ['{"total":1}', "{}"]) {
  const deliverable = new TextEncoder().encode(text);
  console.log((await jsonSchema().evaluate({ deliverable, options, signal })).report.isValid);
}`,
    );
    expect(await node("schema.mjs")).to.equal("true\nfalse");
  });

  it("F114: knows the errors of a second copy of itself", async () => {
    await writeFile(
      inProject("copies.mjs"),
      `import { isSubfenError, parseYuan } from "subfen";
import { parseYuan as parseAgain, SubfenError } from "subfen-again";
const errors = [parseYuan, parseAgain].map((parse) => { try { parse("1e3"); } catch (error) { return error; } });
console.log(errors.map((error) => [error instanceof SubfenError, isSubfenError(error, "invalid-amount")].join()).join(" "));`,
    );
    expect(await node("copies.mjs")).to.equal("false,true true,true");
  });

  const isDeep = process.env["SUBFEN_TYPES"] === "all";
  for (const [moduleResolution, module, isThorough] of [
    ["nodenext", "nodenext", isDeep],
    ["bundler", "esnext", false],
  ] as const)
    it(`type-checks by the resolution of ${moduleResolution}${isThorough ? ", all declarations included" : ""}`, async () => {
      const code = { module, moduleResolution, target: "es2023", strict: true, types: ["node"] };
      const compilerOptions = { ...code, noEmit: true, skipLibCheck: !isThorough };
      const files = ["pay.ts", "refused.ts", ...(module === "nodenext" ? ["required.cts"] : [])];
      await writeFile(inProject("tsconfig.json"), JSON.stringify({ compilerOptions, files }));
      const tsc = join(root, "node_modules/typescript/bin/tsc");
      expect(await node(tsc, "-p", ".").catch(String)).to.equal("");
    });

  it("sells a call and pays it with an ethers wallet", async () => {
    const server = await network.createServer("default", "127.0.0.1", 0);
    try {
      const rpc = `http://127.0.0.1:${(await server.listen()).port}`;
      const [buyer, seller] = [keyOf("buyer"), keyOf("seller")];
      const { token, contract, balanceOf } = await setUpChain(rpc, {
        mode: "hardhat",
        payer: privateKeyToAccount(buyer).address,
        money: parseYuan("10"),
        seller: privateKeyToAccount(seller).address,
      });
      const env = { BUYER: buyer, SELLER: seller, RPC_URL: rpc, CHANNELS: contract, TOKEN: token };
      const script = `import("./pay.ts").then(({ sellAndPay }) => sellAndPay(process.env)).then(console.log)`;
      const flags = ["--experimental-strip-types", "--no-warnings", "-e", script];
      const output = await run(process.execPath, flags, project.path, env);
      expect(output).to.equal("1 challenge; hello from the seller; paid 1200, closed by the seller: true\n");
      expect(await balanceOf(privateKeyToAccount(seller).address)).to.equal(1200n);
    } finally {
      await server.close();
    }
  });
});
