#!/usr/bin/env node
// The compiler that foundry.toml names: the one from npm, behind the few options with which forge calls it. Sources come
// with the input, so no path is looked at.
import { readFileSync } from "node:fs";

import solc from "solc";

if (process.argv.includes("--version")) {
  // Forge knows the names of native platforms alone.
  console.log(`Version: ${solc.version().replace("Emscripten.clang", "Linux.g++")}`);
} else if (process.argv.includes("--standard-json")) {
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
} else {
  console.error("Only --version and --standard-json are understood.");
  process.exitCode = 1;
}
