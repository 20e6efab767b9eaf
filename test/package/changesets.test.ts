import { cp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { expect } from "chai";

import { root, run, temporaryFolder } from "./pack.ts";

describe("changesets", () => {
  const folder = temporaryFolder();

  it("become the package's changelog and its next version, each with its sentence", async () => {
    for (const path of [".changeset", "package.json", "package-lock.json", "sdk/package.json"])
      await cp(join(root, path), join(folder.path, path), { recursive: true });
    const git = (...args: string[]) => run("git", args, folder.path);
    await git("init", "--quiet");
    await git("add", ".");
    await git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--quiet", "--message", "all");
    const changesets = (await readdir(join(root, ".changeset"))).filter((name) => /(?<!README)\.md$/.test(name));
    const changeset = join(root, "node_modules/@changesets/cli/bin.js");
    await run(process.execPath, [changeset, "version"], folder.path);

    const read = (path: string) => readFile(join(folder.path, path), "utf8");
    const { version } = JSON.parse(await read("sdk/package.json")) as { version: string };
    const { version: before } = JSON.parse(await readFile(join(root, "sdk/package.json"), "utf8")) as {
      version: string;
    };
    if (changesets.length === 0) return expect(version).to.equal(before);
    expect(version).to.not.equal(before);
    const changelog = await read("sdk/CHANGELOG.md");
    expect(changelog).to.include(`## ${version}`);
    for (const name of changesets) {
      const text = await readFile(join(root, ".changeset", name), "utf8");
      const [, sentence = ""] = /^---\n"subfen": (?:major|minor|patch)\n---\n\n(.+)\n$/.exec(text) ?? [];
      expect(sentence, `${name} is one sentence for subfen`).to.match(/\.$/);
      expect(changelog, name).to.include(sentence);
    }
  });
});
