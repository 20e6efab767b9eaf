import { readdirSync, readFileSync } from "node:fs";

import { expect } from "chai";

import { isSubfenError } from "../../../sdk/src/errors.ts";
import * as protocol from "../../../sdk/src/protocol/index.ts";

const folder = new URL("../../../sdk/src/protocol/", import.meta.url);
const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => ({ name, text: readFileSync(new URL(name, folder), "utf8") }));

describe("the protocol's sources", () => {
  it("import viem, the errors, arithmetic and each other, and nothing else: browsers load them", () => {
    const others = new Set<string>();
    for (const { name, text } of files)
      for (const [, path = ""] of text.matchAll(/^(?:import|export|\}).* from "([^"]+)"/gm)) {
        const imported = path.startsWith(".") ? new URL(path, new URL(name, folder)).href : path;
        if (!imported.startsWith(folder.href)) others.add(imported.replace(new URL("..", folder).href, ""));
      }
    expect([...others].sort()).to.deep.equal(["bigints.ts", "errors.ts", "viem", "viem/utils"]);
  });

  it("spell each signed type once", () => {
    const text = files.map((file) => file.text).join("\n");
    const types = Object.entries(protocol).filter(([name]) => name.endsWith("Type"));
    expect(types).to.have.length(13);
    for (const [, type] of types) {
      const primary = String(type).slice(0, String(type).indexOf("(") + 1);
      expect(text.match(new RegExp(`["\`]${primary.replace("(", "\\(")}`, "g")), primary).to.have.length(1);
    }
  });

  it("have examples that run", async () => {
    const modules: Record<string, () => Promise<unknown>> = {
      subfen: async () => ({ ...protocol, isSubfenError }),
      viem: () => import("viem"),
      "viem/accounts": () => import("viem/accounts"),
    };
    const load = (name: string) => (modules[name] ?? (() => Promise.reject(new Error(`example imports ${name}`))))();
    const errors = { name: "errors.ts", text: readFileSync(new URL("../errors.ts", folder), "utf8") };
    let count = 0;
    for (const { name, text } of [...files, errors])
      for (const [, comment = ""] of text.matchAll(/@example\n((?: \*.*\n)*?) \*\//g)) {
        const code = comment
          .replaceAll(/^ \* ?/gm, "")
          .replaceAll(/^import (\{.*\}) from "(.*)";$/gm, 'const $1 = await load("$2");');
        // What an example says a line gives is what it gives.
        const checked = code.replaceAll(/^(.*); \/\/ (.*)$/gm, "check($1, $2);");
        const check = (actual: unknown, expected: unknown) => expect(actual, name).to.deep.equal(expected);
        const run = new Function("load", "check", `return (async () => {\n${checked}\n})();`) as (
          ...parameters: [typeof load, typeof check]
        ) => Promise<void>;
        await run(load, check);
        count++;
      }
    const publicFunctions = Object.values(protocol).filter((value) => /^(async )?function/.test(String(value)));
    expect(count).to.equal(publicFunctions.length + 1);
  });
});
