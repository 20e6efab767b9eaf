import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { LLMock } from "@copilotkit/aimock";
import { expect } from "chai";
import { type Address, type Hex, parseEther } from "viem";
import { privateKeyToAddress } from "viem/accounts";

import { createFactory } from "../../scripts/deploy/factory.ts";
import type { Opened } from "../../scripts/deploy/openNetwork.ts";
import type { Deployment } from "../../scripts/deploy/record.ts";
import { freePort } from "../crash/processes.ts";
import { type Node, startAnvil } from "../deploy/deployment.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const page = readFileSync(join(root, "docs/deploy.md"), "utf8");
const commands = [...page.matchAll(/^```sh\n([^]*?)^```/gm)].flatMap(([, block = ""]) => block.trim().split("\n"));
const password = "only for this test";

/** All that is committed or could be, with what was compiled before, in a folder that can be spoilt. */
function copyRepository(): string {
  const folder = mkdtempSync(join(tmpdir(), "subfen-clone-"));
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  for (const file of listed.trim().split("\n")) {
    if (!existsSync(join(root, file))) continue;
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(root, file), join(folder, file));
  }
  for (const built of ["artifacts", "cache", "types"]) {
    const isKept = (path: string) => !/deploy-test-|cache\/(deployments|node)/.test(path);
    if (existsSync(join(root, built)))
      cpSync(join(root, built), join(folder, built), { recursive: true, filter: isKept });
  }
  // Hardhat names what it has compiled by whole paths; without them all would be compiled again, for minutes.
  for (const file of ["cache/compile-cache.json", "cache/production/compile-cache.json"].map((name) =>
    join(folder, name),
  )) {
    if (existsSync(file)) writeFileSync(file, readFileSync(file, "utf8").replaceAll(root, `${folder}/`));
  }
  // As installed, but for the package itself: that is the clone's.
  mkdirSync(join(folder, "node_modules"));
  for (const name of readdirSync(join(root, "node_modules"))) {
    const target = name === "subfen" ? join(folder, "sdk") : join(root, "node_modules", name);
    symlinkSync(target, join(folder, "node_modules", name));
  }
  const git = (...args: string[]) => execFileSync("git", args, { cwd: folder });
  git("init", "--quiet");
  git("config", "user.name", "Integrator");
  git("config", "user.email", "integrator@example.com");
  git("add", "--all");
  git("commit", "--quiet", "--message", "A clone");
  return folder;
}

describe("docs/deploy.md", function () {
  this.timeout(600_000);
  it("needs nothing installed: each script that it runs sets itself up", () => {
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<
      string,
      Record<string, string>
    >;
    const named = commands.flatMap((command) => /npm run ([\w:]+)/.exec(command)?.[1] ?? []);
    expect(named).to.include.members(["hardhat", "deploy", "generate", "faucet", "example"]);
    // `generate` begins with `hardhat`.
    for (const name of named)
      expect(scripts?.[`pre${name}`] ?? scripts?.[name], name).to.match(/setup\.mjs|^npm run hardhat/);
  });

  if (process.env["SUBFEN_DOCS"] !== "all") {
    it("has commands, which `npm run test:deep` runs", () => expect(commands).to.have.length.greaterThan(10));
    return;
  }

  let folder: string;
  let house: string;
  let sepolia: Node;
  let model: LLMock;
  let sellerPort: number;
  const env: Record<string, string> = {};
  const keys: Hex[] = [];
  const running: ReturnType<typeof start>[] = [];

  before(async () => {
    folder = copyRepository();
    house = mkdtempSync(join(tmpdir(), "subfen-home-"));
    // Sellers wait for confirmations, so blocks must go on.
    sepolia = await startAnvil(11155111, "--block-time", "1");
    // As on the real one, CreateX is there.
    const [account] = (await sepolia.client.getAddresses()) as [Address];
    await createFactory({
      provider: sepolia.client,
      client: sepolia.client,
      deployer: account,
      isThrowAway: true,
    } as unknown as Opened);
    sellerPort = await freePort();
    model = new LLMock({ host: "127.0.0.1", port: 0 });
    const usage = { prompt_tokens: 8, completion_tokens: 3, total_tokens: 11 };
    model.on({ endpoint: "chat" }, { content: "Good morning.", usage });
    await model.start();
    // A home without a keystore; and as a person works, not a test or CI.
    const home = { HOME: house, XDG_CONFIG_HOME: house, XDG_DATA_HOME: house };
    const isForeign = (name: string) => /^(SUBFEN|HARDHAT|ETHERSCAN|HH|npm)_|^CI$|^NODE_ENV$|_ACTIONS$/.test(name);
    for (const [name, value = ""] of Object.entries(process.env)) if (!isForeign(name)) env[name] = value;
    const path = `${resolve(root, "node_modules/.bin")}${delimiter}${process.env["PATH"]}`;
    Object.assign(env, home, { PATH: path, SUBFEN_SEPOLIA_RPC_URL: sepolia.rpc, PORT: `${sellerPort}` });
  });
  after(async () => {
    for (const { child } of running) if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid);
    await model?.stop();
    await sepolia?.process.kill();
    for (const made of [folder, house]) rmSync(made, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Starts a command as a shell does, and answers what it asks for. */
  function start(command: string, input: { secret?: string } = {}) {
    const child = spawn("sh", ["-c", command], { cwd: folder, env, detached: true });
    let output = "";
    const read = (chunk: Buffer) => {
      const text = chunk.toString();
      output += text;
      if (/password: ?$/i.test(text)) child.stdin.write(`${password}\n`);
      else if (/Enter secret[^:]*: ?$/.test(text)) child.stdin.write(`${input.secret}\n`);
      else return;
      // It waits for more as long as more could come: the keystore asks twice for a password, and then for the key.
      if (!/keystore set/.test(command) || /Enter secret/.test(text)) child.stdin.end();
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    const ended = new Promise<number | null>((done) => child.on("close", done));
    return { child, ended, output: () => output };
  }

  async function run(command: string, input: { secret?: string } = {}): Promise<string> {
    const { child, ended, output } = start(command, input);
    if (!/deploy|faucet|keystore/.test(command)) child.stdin.end();
    expect(await ended, `${command}\n${output()}`).to.equal(0);
    for (const key of keys) expect(output().includes(key.slice(2)), `${command} shows a key`).to.equal(false);
    return output();
  }

  const record = () =>
    JSON.parse(readFileSync(join(folder, "cache/deployments/sepolia/deployment.json"), "utf8")) as Deployment;

  it("leads from a fresh clone to a paid call", async () => {
    let spent = "";
    for (const command of commands) {
      if (command.startsWith("node -p")) {
        // Three keys, as the page says; faucets give the first two their coin.
        for (let i = 0; i < 3; i++)
          keys.push(execFileSync("sh", ["-c", command], { env, encoding: "utf8" }).trim() as Hex);
        for (const key of keys) expect(key).to.match(/^0x[0-9a-f]{64}$/);
        for (const key of keys.slice(0, 2)) {
          await sepolia.client.setBalance({ address: privateKeyToAddress(key), value: parseEther("5") });
        }
        continue;
      }
      const [deployerKey, sellerKey, agentKey] = keys as [Hex, Hex, Hex];
      if (command.startsWith("export ")) {
        const values: Record<string, string> = { SELLER_KEY: sellerKey, AGENT_KEY: agentKey, RPC_URL: sepolia.rpc };
        values["UPSTREAM"] = model.url;
        for (const [, name = "", value = ""] of command.matchAll(/(\w+)=(\S+)/g)) {
          env[name] = name === "TOKEN" ? record().token : (values[name] ?? value);
        }
        continue;
      }
      if (command.endsWith("&")) {
        const seller = start(command.slice(0, -1));
        running.push(seller);
        for (let tries = 0; !(await fetch(`http://127.0.0.1:${sellerPort}/`).catch(() => undefined)); tries++) {
          if (tries > 300) throw new Error(`the seller does not start: ${seller.output()}`);
          await new Promise((next) => setTimeout(next, 100));
        }
        continue;
      }
      if (command === "npm run generate") {
        // A node of one's own is not recorded there; the network in whose place it stands would be.
        expect(existsSync(join(folder, "deployments/sepolia"))).to.equal(false);
        cpSync(join(folder, "cache/deployments/sepolia"), join(folder, "deployments/sepolia"), { recursive: true });
      }
      const here = command
        .replace(":8402", `:${sellerPort}`)
        .replace("--to 0x…", `--to ${privateKeyToAddress(agentKey)}`);
      const output = await run(here, { secret: deployerKey });
      if (command.includes("pay.ts")) spent = output;
      if (command.includes("--dry-run")) expect(existsSync(join(folder, "cache/deployments"))).to.equal(false);
    }
    expect(spent).to.contain("Good morning.").and.to.contain("by: 'seller'").and.to.contain("paid: 40n");
  });
});
