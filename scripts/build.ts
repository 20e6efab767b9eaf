// `npm run build`, and what `npm pack` runs first: the package's dist/ from nothing, so that nothing of a source that is
// gone stays in it. npm packs only what lies in sdk/, so the licence is put there too.
import { execFileSync } from "node:child_process";
import { copyFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
rmSync("sdk/dist", { recursive: true, force: true });
const tsc = ["node_modules/typescript/bin/tsc", "-p", "sdk/tsconfig.json"];
execFileSync(process.execPath, tsc, { stdio: ["ignore", "inherit", "inherit"] });
copyFileSync("LICENSE", "sdk/LICENSE");
