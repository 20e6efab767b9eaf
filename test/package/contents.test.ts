import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";

import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { expect } from "chai";
import { publint } from "publint";
import ts from "typescript";

import { packed, root, run, temporaryFolder } from "./pack.ts";

describe("the tarball", function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  let tarball: Buffer;
  let files: string[];
  const read = (file: string) => readFile(join(folder.path, "package", file), "utf8");

  before(async () => {
    tarball = await packed();
    await writeFile(join(folder.path, "subfen.tgz"), tarball);
    await run("tar", ["-xzf", "subfen.tgz"], folder.path);
    const listed = await run("tar", ["-tzf", "subfen.tgz"], folder.path);
    files = listed
      .trim()
      .split("\n")
      .map((path) => path.trim().replace("package/", ""))
      .sort();
  });

  it("holds each source with what is made of it, and nothing else", async () => {
    const all = await readdir(join(root, "sdk/src"), { recursive: true });
    const sources = all.filter((path) => path.endsWith(".ts")).map((path) => `src/${path.replaceAll("\\", "/")}`);
    const built = sources.flatMap((source) => {
      const stem = source.replace("src/", "dist/").replace(/\.ts$/, "");
      return [`${stem}.js`, `${stem}.js.map`, `${stem}.d.ts`];
    });
    const others = files.filter((file) => !file.startsWith("src/") && !file.startsWith("dist/"));
    expect(files.filter((file) => file.startsWith("src/"))).to.deep.equal(sources.sort());
    expect(files.filter((file) => file.startsWith("dist/"))).to.deep.equal(built.sort());
    expect(others).to.include.members(["LICENSE", "README.md", "package.json"]);
    expect(["CHANGELOG.md", "LICENSE", "README.md", "package.json"]).to.include.members(others);
  });

  it("has the licence of the repository", async () => {
    expect(await read("LICENSE")).to.equal(await readFile(join(root, "LICENSE"), "utf8"));
  });

  it("has maps that lead to sources in it", async () => {
    const maps = files.filter((file) => file.endsWith(".map"));
    expect(maps.length).to.be.greaterThan(50);
    for (const map of maps) {
      const { sources } = JSON.parse(await read(map)) as { sources: string[] };
      for (const source of sources) expect(files, map).to.include(posix.join(posix.dirname(map), source));
    }
  });

  it("needs no package that it does not name, and pins those it installs", async () => {
    const manifest = JSON.parse(await read("package.json")) as Record<string, Record<string, string>>;
    const named = new Set(Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }));
    for (const version of Object.values(manifest.dependencies ?? {})) expect(version).to.match(/^\d+\.\d+\.\d+$/);
    const used = new Set<string>();
    for (const file of files.filter((name) => name.startsWith("dist/") && !name.endsWith(".map"))) {
      const code = await read(file);
      const imported = ts.preProcessFile(code).importedFiles.map(({ fileName }) => fileName);
      const required = [...code.matchAll(/createRequire\(.*?\)\("([^"]+)"\)/g)].map(([, name = ""]) => name);
      for (const name of [...imported, ...required]) used.add(/^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? "");
    }
    const packages = [...used].filter((name) => !/^\.|^node:/.test(name));
    expect(packages.sort()).to.deep.equal([...named].sort());
  });

  it("loads viem's index and its actions late or not at all: they take most of a cold import", async () => {
    // The command is a program: nobody imports it.
    const code = files.filter((name) => name.endsWith(".js") && !/^dist\/(cli|ethers)\//.test(name));
    const slow: string[] = [];
    for (const file of code) {
      const imported = ts.preProcessFile(await read(file)).importedFiles.map(({ fileName }) => fileName);
      if (imported.includes("viem") || imported.includes("viem/actions")) slow.push(file);
    }
    expect(slow).to.deep.equal(["dist/chain/viemActions.js"]);
  });

  it("loads pino and prom-client in subfen/service alone, and that nowhere: they are slow to load too", async () => {
    const loading: string[] = [];
    for (const file of files.filter((name) => name.endsWith(".js") && !name.startsWith("dist/service/"))) {
      const imported = ts.preProcessFile(await read(file)).importedFiles.map(({ fileName }) => fileName);
      if (imported.some((name) => /^(?:pino|prom-client)$|\/service\//.test(name))) loading.push(file);
    }
    expect(loading).to.deep.equal([]);
  });

  it("has nothing that publint finds, suggestions included", async () => {
    const data = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength) as ArrayBuffer;
    const { messages } = await publint({ pack: { tarball: data }, strict: true });
    expect(messages).to.deep.equal([]);
  });

  it("gives types to every entry point for Node's and for bundlers' resolution", async () => {
    const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)));
    expect(analysis.types).to.not.equal(false);
    const { problems, entrypoints } = analysis as Extract<typeof analysis, { types: object }>;
    // The resolution of Node 10 knows no `exports`; what is asked by `require` is ESM here, which Node 22 loads.
    const real = problems.filter(
      (problem) =>
        !("resolutionKind" in problem && problem.resolutionKind === "node10") && problem.kind !== "CJSResolvesToESM",
    );
    expect(real).to.deep.equal([]);
    const { exports } = JSON.parse(await read("package.json")) as { exports: Record<string, unknown> };
    expect(Object.keys(entrypoints).sort()).to.deep.equal(Object.keys(exports).sort());
  });
});
