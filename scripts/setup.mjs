// Installs the locked dependencies when they are missing or stale. Runs before `npm run demo` and `npm test` under
// whatever Node the machine has, so it is plain JavaScript without dependencies. Everything else runs under the Node
// that the lock file brings (`node_modules/.bin/node`), because Hardhat needs a newer one than 20.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const NODE_VERSION = "22.23.2";
process.chdir(fileURLToPath(new URL("..", import.meta.url)));

function lockedPackages(file) {
  const { packages } = JSON.parse(readFileSync(file, "utf8"));
  return new Map(Object.entries(packages).filter(([path]) => path !== ""));
}

function isInstalled() {
  const hidden = "node_modules/.package-lock.json";
  if (!existsSync(hidden) || !existsSync("node_modules/.bin/node")) return false;
  const installed = lockedPackages(hidden);
  for (const [path, wanted] of lockedPackages("package-lock.json")) {
    if (wanted.link || !path.includes("node_modules/")) continue;
    const found = installed.get(path);
    if (found ? found.version !== wanted.version : !wanted.optional && !wanted.peer) return false;
  }
  const nomic = readdirSync("node_modules/@nomicfoundation");
  return nomic.some((name) => name.startsWith("edr-"));
}

if (!isInstalled()) {
  console.error("Installing the locked dependencies (once, about a minute) ...");
  // npx would otherwise pick up a half-installed node from here.
  rmSync("node_modules", { recursive: true, force: true });
  const [major, minor] = process.versions.node.split(".").map(Number);
  const isNewEnough = major > 22 || (major === 22 && minor >= 13);
  const command = isNewEnough ? "npm ci" : `npx -y -p node@${NODE_VERSION} -c "npm ci"`;
  execFileSync(command, { stdio: ["ignore", "inherit", "inherit"], shell: true });
  if (!isInstalled()) {
    console.error("The installation is incomplete. Remove node_modules and package caches, then try again.");
    process.exit(1);
  }
}
