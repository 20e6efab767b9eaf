import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";
import { createPublicClient, custom, type Hex } from "viem";

import { createSqliteLedger, type Ledger, openLedgerReader } from "../../sdk/src/ledger/index.ts";
import { encodeAmount } from "../../sdk/src/ledger/sqlite/columns.ts";
import { audit, type AuditReport } from "../../sdk/src/server/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Channel, openStall, price, type Stall } from "./stall.ts";

/** An amount and a hexadecimal string as SQL has them. */
export const blob = (amount: bigint): string => `x'${Buffer.from(encodeAmount(amount)).toString("hex")}'`;
export const hex = (value: Hex): string => `x'${value.slice(2)}'`;

type Request = (call: { method: string; params?: unknown }) => Promise<unknown>;

/** The books of a seller with three channels, made before the suite, and what audits copies of them. */
export function useBooks() {
  let world: World;
  let folder: string;
  let files = 0;
  let ledger: Ledger;
  let stall: Stall;
  /** Five calls, three of them settled; one call and closed; none. */
  let busy: Channel;
  let closed: Channel;
  let idle: Channel;
  /** A closed copy of the ledger. */
  let clean: string;

  const path = () => join(folder, `${++files}.db`);
  const ownerIn = ({ chainId, channels, token, seller }: World) => ({
    chainId,
    contract: channels.address,
    token: token.address,
    payee: seller.address,
  });

  before(async () => {
    world = await createWorld();
    folder = mkdtempSync(join(tmpdir(), "subfen-audit-"));
    ledger = await createSqliteLedger({ path: path(), owner: ownerIn(world) });
    stall = await openStall(world, { gateway: { ledger } });
    busy = await stall.open();
    closed = await stall.open();
    idle = await stall.open();
    const sell = (channel: Channel, count: bigint) =>
      stall.buy(channel, count * price, { body: `${count}`, headers: { "idempotency-key": `key ${count}` } });
    for (const count of [1n, 2n, 3n]) expect((await sell(busy, count)).status).to.equal(200);
    expect((await stall.gateway.settleAll()).failed).to.deep.equal([]);
    for (const count of [4n, 5n]) expect((await sell(busy, count)).status).to.equal(200);
    stall.work = () => new Response("no", { status: 500 });
    expect((await sell(busy, 6n)).status).to.equal(500);
    stall.work = () => new Response("yes");
    expect((await sell(closed, 1n)).status).to.equal(200);
    expect((await stall.shut(closed, price + 1n)).status).to.equal(204);
    clean = copy();
  });
  after(async () => {
    await stall.close();
    await ledger.close();
    rmSync(folder, { recursive: true });
  });

  /** A copy of the ledger as it is now, changed by SQL. */
  function copy(sql = "", from?: string): string {
    const to = path();
    if (from) copyFileSync(from, to);
    else {
      const live = new DatabaseSync(join(folder, "1.db"), { readOnly: true });
      live.exec(`VACUUM INTO '${to}'`);
      live.close();
    }
    const file = new DatabaseSync(to);
    file.exec(`PRAGMA journal_mode = WAL; ${sql}`);
    file.close();
    return to;
  }

  /** A client of the chain through somebody who may change what the node says. */
  function clientThrough(between: (call: Parameters<Request>[0], next: Request) => Promise<unknown>, on = world) {
    const next = on.sellerClient.request as Request;
    const transport = custom({ request: (call) => between(call as never, next) }, { retryCount: 0 });
    return createPublicClient({ transport, pollingInterval: 1 });
  }
  const honest = () => clientThrough((call, next) => next(call));

  async function auditFile(file: string, options: Partial<audit.Parameters> = {}): Promise<AuditReport> {
    const reader = await openLedgerReader(file);
    try {
      return await audit({ client: honest(), ledger: reader, ...options });
    } finally {
      reader.close();
    }
  }

  /** The differences in short. */
  const shortly = ({ differences }: AuditReport) =>
    differences.map(({ kind, channelId, statement, expected, found }) => {
      const names = new Map<Hex | undefined, string | undefined>(
        [busy, closed, idle].map((channel, i) => [channel.channelId, ["busy", "closed", "idle"][i]]),
      );
      const at = statement === undefined ? "" : ` ${statement}`;
      return `${kind} ${names.get(channelId) ?? "all"}${at}: ${expected}, ${found}`;
    });
  const is = (channel: Channel) => `channelId = ${hex(channel.channelId)}`;
  const of = (channel: Channel, statement?: bigint) =>
    `channel = (SELECT id FROM channels WHERE ${is(channel)})${statement ? ` AND statement = ${blob(statement)}` : ""}`;

  return {
    get world() {
      return world;
    },
    get stall() {
      return stall;
    },
    get folder() {
      return folder;
    },
    get busy() {
      return busy;
    },
    get closed() {
      return closed;
    },
    get idle() {
      return idle;
    },
    get clean() {
      return clean;
    },
    path,
    ownerIn,
    copy,
    clientThrough,
    honest,
    auditFile,
    shortly,
    is,
    of,
  };
}

/** What a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<{ code?: string; message: string }> {
  return promise.then(
    () => expect.fail("resolved, where a rejection was expected"),
    (error: unknown) => error as { code?: string; message: string },
  );
}
