// What does not show in a round: `scale.ts client | channels | rows <folder>`, in a process of its own, which tells its figure.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { computeChannelId, signVoucher, type Terms } from "subfen";
import { createFastAccount, type Ledger, pricePerRequest, toNodeListener } from "subfen/server";
import { formatCredential, formatSessionPayload, parseChallenges } from "subfen/wire";
import { type Hex, numberToHex, zeroHash } from "viem";

import { contract, token } from "./chain.ts";
import { answer, chainId, path, price } from "./contender.ts";
import { buyerKey, seller } from "./keys.ts";
import { startWorker } from "./process.ts";
import { openGateway, openLedger, untouched } from "./subfen.ts";

const url = `http://localhost${path}`;
/** Megabytes of the heap of the process whose memory is measured. */
const heapLimit = 160;
const account = await createFastAccount({ privateKey: buyerKey(0) });

function channelOf(index: number): { terms: Terms; channelId: Hex } {
  const salt = numberToHex(index, { size: 32 });
  const terms = { payer: account.address, payee: seller.address, token, salt, authorizedSigner: account.address };
  return { terms, channelId: computeChannelId({ contract, chainId, terms }) };
}

async function openChannels(name: string, folder: string, channels: number): Promise<Ledger> {
  const ledger = await openLedger(join(folder, name));
  for (let index = 0; index < channels;) {
    const end = Math.min(channels, index + 1_000);
    const group = Array.from({ length: end - index }, (_, i) => channelOf(index + i));
    await Promise.all(group.map((one) => ledger.addChannel({ ...one, ...untouched })));
    index = end;
  }
  return ledger;
}

async function openHandler(ledger: Ledger): Promise<(request: Request) => Promise<Response>> {
  const gateway = await openGateway(ledger);
  return gateway.protect({ price: pricePerRequest(price) }, () => new Response(answer));
}

/** Makes credentials as `payingFetch` does: payload, signature, encoding. */
async function credentialsFor(challenged: Response): Promise<(channelId: Hex, amount: bigint) => Promise<string>> {
  const [challenge] = parseChallenges(challenged.headers.get("www-authenticate"));
  if (!challenge) throw new Error("no challenge came");
  return async (channelId, cumulativeAmount) => {
    const signature = await signVoucher({ account, contract, chainId, channelId, cumulativeAmount });
    const payload = formatSessionPayload({ action: "voucher", channelId, cumulativeAmount, signature });
    return formatCredential({ challenge, payload });
  };
}

function cpuSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/** Microseconds of CPU a credential: the least of some rounds, since what else runs only adds to it. */
async function measureClient(folder: string): Promise<number> {
  const serve = await openHandler(await openChannels("client.db", folder, 1));
  const makeCredential = await credentialsFor(await serve(new Request(url)));
  const { channelId } = channelOf(0);
  const rounds: number[] = [];
  for (let round = 0; round < 10; round++) {
    const start = process.cpuUsage();
    for (let i = 1n; i <= 2_000n; i++) await makeCredential(channelId, i * price);
    rounds.push(cpuSince(start) / 2_000);
  }
  return Math.min(...rounds);
}

/**
 * Megabytes by which a gateway's process grows, from its first answer on, when each of its channels pays for a request:
 * those of a quarter of 100,000, times four. Its heap has a limit: without one it holds whatever garbage the machine
 * has room for.
 */
async function measureChannels(folder: string): Promise<number> {
  const channels = 25_000;
  const name = "channels.db";
  await (await openChannels(name, folder, channels)).close();
  const gateway = startWorker("scale.ts", ["gateway", folder], ["--expose-gc", `--max-old-space-size=${heapLimit}`]);
  const { port } = await gateway.hear<{ port: number }>();
  const address = `http://127.0.0.1:${port}${path}`;
  const makeCredential = await credentialsFor(await fetch(address));
  async function buy(index: number): Promise<void> {
    const authorization = await makeCredential(channelOf(index).channelId, price);
    const response = await fetch(address, { headers: { authorization } });
    if ((await response.text()) !== answer) throw new Error(`a channel was answered with ${response.status}`);
  }
  await buy(0);
  const first = await gateway.ask<{ megabytes: number }>("memory");
  for (let index = 1; index < channels; index += 64) {
    await Promise.all(Array.from({ length: Math.min(64, channels - index) }, (_, i) => buy(index + i)));
  }
  const last = await gateway.ask<{ megabytes: number }>("memory");
  await gateway.end();
  return 4 * (last.megabytes - first.megabytes);
}

/** The gateway of {@link measureChannels}, in its process. */
async function serveChannels(folder: string): Promise<void> {
  const ledger = await openLedger(join(folder, "channels.db"));
  const server = createServer(toNodeListener(await openHandler(ledger)));
  server.listen({ port: 0, host: "127.0.0.1" }, () => {
    process.send?.({ port: (server.address() as AddressInfo).port });
  });
  process.on("message", async () => process.send?.({ megabytes: await memory() }));
  process.on("disconnect", () => process.exit(0));
}

/** Megabytes that the process holds. */
async function memory(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return process.memoryUsage.rss() / 1e6;
}

/** Percent by which a request costs the ledger more CPU when a million purchases stand in it. */
async function measureRows(folder: string): Promise<number> {
  const channels = 64;
  const spent = 10n ** 12n;
  const ledgers: Ledger[] = [];
  for (const rows of [0, 1_000_000]) {
    const name = `rows-${rows}.db`;
    const ledger = await openChannels(name, folder, channels);
    await buyOnAll(ledger, channels, [1n]);
    await ledger.close();
    fill(join(folder, name), Math.floor(rows / channels));
    ledgers.push(await openLedger(join(folder, name)));
  }
  const costs: number[][] = ledgers.map(() => []);
  for (let round = 0; round < 12; round++) {
    const statements = Array.from({ length: 40 }, (_, i) => spent + BigInt(round * 40 + i) * price);
    for (const [i, ledger] of ledgers.entries()) {
      const start = process.cpuUsage();
      await buyOnAll(ledger, channels, statements);
      costs[i]?.push(cpuSince(start));
    }
  }
  for (const ledger of ledgers) await ledger.close();
  const [few = Number.NaN, many = Number.NaN] = costs.map((rounds) => median(rounds.slice(2)));
  return (many / few - 1) * 100;
}

async function buyOnAll(ledger: Ledger, channels: number, statements: readonly bigint[]): Promise<void> {
  const kept = { status: 200, headers: [], body: Buffer.from(answer) };
  await Promise.all(
    Array.from({ length: channels }, async (_, index) => {
      const { channelId } = channelOf(index);
      for (const cumulativeAmount of statements) {
        const held = await ledger.hold({
          channelId,
          cumulativeAmount,
          signature: `0x${"00".repeat(65)}`,
          requestHash: zeroHash,
          idempotencyKey: undefined,
          amount: 1n,
          minVoucherDelta: 0n,
        });
        if (held.kind !== "held") throw new Error(`the ledger answered ${held.kind}`);
        await ledger.capture({ channelId, cumulativeAmount, amount: 1n, answer: kept });
      }
    }),
  );
}

/** Copies each channel's purchase to so many other statements: bought one by one they would take minutes. */
function fill(file: string, rows: number): void {
  const database = new DatabaseSync(file);
  const columns = database
    .prepare("PRAGMA table_info(purchases)")
    .all()
    .map(({ name }) => String(name));
  const copied = columns.map((name) =>
    name === "statement" || name === "spentAfter" ? "unhex(printf('%032x', n))" : name,
  );
  database.exec(`WITH RECURSIVE numbers(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n <= ${rows})
    INSERT INTO purchases (${columns.join(", ")}) SELECT ${copied.join(", ")} FROM purchases, numbers WHERE n <= ${rows}`);
  database.close();
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

const measures = { client: measureClient, channels: measureChannels, rows: measureRows };

/** What can be measured so. */
export type Measure = keyof typeof measures;

const [measure, folder = ""] = process.argv.slice(2);
if (measure === "gateway") {
  await serveChannels(folder);
} else {
  const figure = await measures[measure as Measure](folder);
  process.send?.({ figure });
  process.exit(0);
}
