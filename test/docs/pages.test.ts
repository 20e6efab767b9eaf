import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

import { expect } from "chai";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folders = ["contracts", "sdk", "test", "scripts", "docs", "bench", "examples", "modules", "deployments"];
const pages = ["README.md", "sdk/README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)];
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };

/** The anchors of a page's headings, as they are made where such pages are shown. */
function anchorsOf(page: string): string[] {
  const headings = [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

describe("pages", () => {
  for (const page of pages) {
    it(`${page} names what exists`, () => {
      const missing: string[] = [];
      const text = read(page);
      const prose = text.replace(/^```[^]*?^```/gm, "");
      for (const [, target = ""] of prose.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
        const [path = "", anchor] = target.split("#");
        const file = path === "" ? page : posix.normalize(posix.join(dirname(page), path));
        if (!existsSync(join(root, file))) missing.push(target);
        else if (anchor !== undefined && !anchorsOf(file).includes(anchor)) missing.push(target);
      }
      for (const [, script = ""] of text.matchAll(/\bnpm run ([\w:-]+)/g)) {
        if (!(script in scripts)) missing.push(`npm run ${script}`);
      }
      for (const [, path = ""] of text.matchAll(/`([\w.-]+\/[\w./-]*)`/g)) {
        if (folders.includes(path.split("/")[0] ?? "") && !existsSync(join(root, path))) missing.push(path);
      }
      expect(missing).to.deep.equal([]);
    });
  }
});
