import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";

import { expect } from "chai";

import { run } from "../../sdk/src/cli/run.ts";
import { createSqliteLedger, type Ledger } from "../../sdk/src/ledger/index.ts";
import { createWorld, serve, type World } from "../server/helpers.ts";
import { openStall, price, type Stall } from "../server/stall.ts";

const main = fileURLToPath(new URL("../../sdk/src/cli/main.ts", import.meta.url));
/** Stands in every place where a key may stand, and must never be printed. */
const canary = "canary-7f3a";

type Told = { code: number | null; out: string; err: string };

describe("subfen audit", () => {
  let world: World;
  let folder: string;
  let ledger: Ledger;
  let stall: Stall;
  let node: Awaited<ReturnType<typeof serve>>;
  let file: string;
  let url: string;

  before(async () => {
    world = await createWorld();
    folder = mkdtempSync(join(tmpdir(), "subfen-cli-"));
    file = join(folder, "ledger.db");
    const { chainId, channels, token, seller } = world;
    const owner = { chainId, contract: channels.address, token: token.address, payee: seller.address };
    ledger = await createSqliteLedger({ path: file, owner });
    stall = await openStall(world, { gateway: { ledger } });
    const channel = await stall.open();
    for (const count of [1n, 2n]) {
      expect((await stall.buy(channel, count * price, { body: `${count}` })).status).to.equal(200);
    }
    await stall.gateway.settleAll();
    expect((await stall.buy(channel, 3n * price, { body: "3" })).status).to.equal(200);
    node = await serve(async (request) => {
      const { id, method, params } = (await request.json()) as { id: number; method: string; params: unknown };
      const result = await world.sellerClient.request({ method, params } as never);
      return Response.json({ jsonrpc: "2.0", id, result });
    });
    url = `${node.url}/${canary}`;
  });
  after(async () => {
    await node.close();
    await stall.close();
    await ledger.close();
    rmSync(folder, { recursive: true });
  });

  /** Runs the command as a process of its own. */
  async function start(args: string[], options: { env?: Record<string, string>; cwd?: string } = {}): Promise<Told> {
    const { PATH = "" } = process.env;
    const nodeArgs = ["--no-warnings", "--conditions=subfen-source", main, ...args];
    const child = spawn(process.execPath, nodeArgs, { cwd: options.cwd, env: { PATH, ...options.env } });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    return { code, out, err };
  }

  /** Runs it here. */
  async function call(args: string[], env: Record<string, string> = {}): Promise<Told> {
    const [out, err]: [string[], string[]] = [[], []];
    const code = await run(args, { env, out: (line) => out.push(line), err: (line) => err.push(line) });
    return { code, out: out.join("\n"), err: err.join("\n") };
  }

  function tampered(): string {
    const copy = join(folder, "tampered.db");
    rmSync(copy, { force: true });
    const live = new DatabaseSync(file, { readOnly: true });
    live.exec(`VACUUM INTO '${copy}'`);
    live.close();
    const changed = new DatabaseSync(copy);
    changed.exec("DELETE FROM purchases WHERE spentAfter = (SELECT max(spentAfter) FROM purchases)");
    changed.close();
    return copy;
  }

  it("exits with 0 and tells the sums when all is right, its node named by the environment", async () => {
    const { code, out, err } = await start(["audit", "--ledger", file], { env: { SUBFEN_RPC_URL: url } });
    expect(err).to.equal("");
    expect(code).to.equal(0);
    expect(out).to.match(/captured +3600 base units \(0\.0036 yuan\)\n +settled +2400 .*\n +unsettled +1200 /);
    expect(out).to.match(/No difference: captured = settled \+ unsettled\.\n$/);
    expect(out).not.to.include(canary);
  });

  it("exits with 1 and names each difference, for people and for programs", async () => {
    const copy = tampered();
    const people = await start(["audit", "--ledger", copy, "--rpc-url", url]);
    expect(people.code).to.equal(1);
    expect(people.out)
      .to.include("1 difference.\n")
      .and.to.match(/expected \d+, found \d+/);
    const programs = await start(["audit", "--json", "--ledger", copy, "--rpc-url", url, "--from-block", "1"]);
    expect(programs.code).to.equal(1);
    const report = JSON.parse(programs.out) as { settled: string; differences: { kind: string; found: string }[] };
    expect(report.settled).to.equal("2400");
    expect(report.differences).to.have.lengthOf(1);
    expect(people.out).to.include(report.differences[0]!.kind);
  });

  describe("exits with 2", () => {
    const refusals: [name: string, args: () => string[], env: Record<string, string>, told: RegExp][] = [
      ["without a ledger", () => ["--rpc-url", url], {}, /^--ledger is missing/],
      ["without a node", () => ["--ledger", file], {}, /--rpc-url is missing, and SUBFEN_RPC_URL is not set/],
      ["F112: with an empty node", () => ["--ledger", file, "--rpc-url", ""], { SUBFEN_RPC_URL: " " }, /is not set/],
      ["with a node that is no address", () => ["--ledger", file, "--rpc-url", canary], {}, /not one of http or https/],
      ["with a file as node", () => ["--ledger", file, "--rpc-url", `file:///${canary}`], {}, /not one of http/],
      ["with an option that is not known", () => [`--${canary}`], {}, /An option is not known/],
      ["with an argument too many", () => [canary, "--ledger", file, "--rpc-url", url], {}, /An option is not known/],
      ["with a block that is none", () => ["--ledger", file, "--rpc-url", url, "--from-block", "-1"], {}, /option/],
      [
        "with words for a block",
        () => ["--ledger", file, "--rpc-url", url, "--from-block", canary],
        {},
        /block number/,
      ],
      ["without the file", () => ["--ledger", join(folder, "none.db"), "--rpc-url", url], {}, /could not be read: /],
      ["without the node", () => ["--ledger", file, "--rpc-url", `http://127.0.0.1:1/${canary}`], {}, /did not answer/],
    ];
    for (const [name, args, env, told] of refusals) {
      it(name, async () => {
        const { code, out, err } = await call(["audit", ...args()], env);
        expect(code).to.equal(2);
        expect(out).to.equal("");
        expect(err).to.match(told);
        expect(err, "F113: no key and no stack").not.to.match(new RegExp(`${canary}|\\n +at `));
      });
    }

    it("F113: with a node that repeats its key in what it answers", async () => {
      const rude = await serve(async () => new Response(`no such key: ${canary}`, { status: 401 }));
      const told = await call(["audit", "--ledger", file, "--rpc-url", `${rude.url}/${canary}`]);
      expect(told).to.include({ code: 2, out: "" });
      expect(told.err).to.include("did not answer").and.not.to.include(canary);
      await rude.close();
    });

    it("F112: with a node of another chain", async () => {
      const other = await serve(async (request) => {
        const { id } = (await request.json()) as { id: number };
        return Response.json({ jsonrpc: "2.0", id, result: "0x1" });
      });
      const { code, err } = await call(["audit", "--ledger", file, "--rpc-url", other.url]);
      expect(code).to.equal(2);
      expect(err).to.include("chain 1,").and.to.include("31337");
      await other.close();
    });

    it("F126: without a node although the working folder offers one", async () => {
      const cwd = join(folder, "work");
      mkdirSync(cwd);
      writeFileSync(join(cwd, ".env"), `SUBFEN_RPC_URL=${url}\n`);
      writeFileSync(join(cwd, "subfen.config.mjs"), `throw new Error("${canary}");\n`);
      const { code, err } = await start(["audit", "--ledger", file], { cwd });
      expect(code).to.equal(2);
      expect(err).to.include("SUBFEN_RPC_URL is not set");
    });

    it("when the command is not known, or none is named", async () => {
      for (const args of [["adit"], ["toString"], []]) expect((await call(args)).code).to.equal(2);
    });
  });

  it("tells what it does and exits with 0 when asked", async () => {
    expect(await call(["--help"])).to.deep.include({ code: 0, err: "" });
    const { code, out } = await call(["audit", "--help"]);
    expect(code).to.equal(0);
    for (const option of ["--ledger", "--rpc-url", "--from-block", "--json"]) expect(out).to.include(option);
  });
});
