import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";

import { type Address, createWalletClient, type Hex, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { createGateway, type Gateway, toNodeListener, type Work } from "../../sdk/src/server/index.ts";
import { ceiling, price } from "./price.ts";
import { pause } from "./processes.ts";

export type GatewayOptions = {
  rpc: string;
  contract: Address;
  token: Address;
  /** The seller's. */
  key: Hex;
  ledgerPath: string;
  port: number;
  /** Seconds after which a channel is read from the chain again. */
  recheckAfter: number;
  /** Seconds between two looks for what can be settled. */
  settleEvery: number;
  /** Milliseconds by which each commit is late; then the first one tells how its file is written, and the work that it began. */
  commitDelay?: number;
};

const say = (line: string) => void process.stdout.write(`${line}\n`);

let isTelling = false;

/** Takes some milliseconds, costs something else each time, and fails now and then. */
const work: Work = async (request) => {
  const key = await request.text();
  if (isTelling) say(`works on ${key}`);
  await pause(5 + Math.random() * 40);
  if (Math.random() < 0.05) return new Response("no", { status: 500 });
  return Response.json({ key, cost: Math.floor(Math.random() * (Number(ceiling) + 1)) });
};

/** Makes every commit of this process late, and tells of the first how its file is written. */
function delayCommits(milliseconds: number): void {
  const { exec } = DatabaseSync.prototype;
  const names = ["journal_mode", "synchronous", "fullfsync", "checkpoint_fullfsync"];
  let isTold = false;
  DatabaseSync.prototype.exec = function (sql) {
    if (sql === "COMMIT") {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
      const pragmas = names.map((name) => Object.values(this.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
      if (!isTold) say(`pragmas ${pragmas.join(" ")}`);
      isTold = true;
    }
    return exec.call(this, sql);
  };
}

/** Opens a seller. Resolves when it answers. */
export async function openGateway(options: GatewayOptions): Promise<Gateway & { server: Server }> {
  const { rpc, contract, token, key, ledgerPath, port, recheckAfter, settleEvery } = options;
  const gateway = await createGateway({
    client: createWalletClient({
      account: privateKeyToAccount(key),
      transport: http(rpc, { retryCount: 0 }),
      pollingInterval: 20,
    }),
    contract,
    token,
    ledgerPath,
    realm: "crash",
    secret: "0123456789abcdef",
    suggestedDeposit: 500n * ceiling,
    maxRelaysPerHour: 1_000,
    recheckAfter,
    settler: { interval: settleEvery, maxAge: settleEvery / 2 },
    replaceAfter: 500,
    onError: (error) => process.stderr.write(`${String(error).slice(0, 300)}\n`),
  });
  const server = createServer(toNodeListener(gateway.protect({ price }, work)));
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(gateway, { server });
}

/** A seller, as a process of its own: loads, opens when it is told to, and settles by itself and when told to. */
export async function runGateway(options: GatewayOptions): Promise<void> {
  isTelling = true;
  if (options.commitDelay) delayCommits(options.commitDelay);
  const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
  say("loaded");
  await lines.next();
  const gateway = await openGateway(options);
  say("ready");
  for await (const line of { [Symbol.asyncIterator]: () => lines }) {
    if (line !== "settle") continue;
    const { failed } = await gateway.settleAll();
    say(`settled, ${failed.length} failed: ${failed.map(({ error }) => error.message).join(" ")}`);
  }
}
