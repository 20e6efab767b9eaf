import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";
import { createPublicClient, custom, encodeEventTopics, erc20Abi, type Hex, toFunctionSelector } from "viem";

import {
  approveToken,
  closeChannel,
  openChannel,
  paymentChannelsAbi,
  requestCloseChannel,
  signVoucher,
  withdrawChannel,
} from "../../sdk/src/index.ts";
import { createSqliteLedger, type Ledger, openLedgerReader } from "../../sdk/src/ledger/index.ts";
import { encodeAmount } from "../../sdk/src/ledger/sqlite/columns.ts";
import { audit, type AuditReport } from "../../sdk/src/server/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { type Channel, openStall, price, type Stall } from "./stall.ts";

const blob = (amount: bigint): string => `x'${Buffer.from(encodeAmount(amount)).toString("hex")}'`;
const hex = (value: Hex): string => `x'${value.slice(2)}'`;

type Request = (call: { method: string; params?: unknown }) => Promise<unknown>;

describe("audit", () => {
  let world: World;
  let folder: string;
  let files = 0;
  let ledger: Ledger;
  let stall: Stall;
  /** Five calls, three of them settled; one call and closed; none. */
  let [busy, closed, idle]: Channel[] = [];
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
    [busy, closed, idle] = [await stall.open(), await stall.open(), await stall.open()];
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
      const names = new Map(
        [busy, closed, idle].map((channel, i) => [channel?.channelId, ["busy", "closed", "idle"][i]]),
      );
      const at = statement === undefined ? "" : ` ${statement}`;
      return `${kind} ${names.get(channelId) ?? "all"}${at}: ${expected}, ${found}`;
    });

  describe("of a clean ledger", () => {
    it("finds that what was captured is settled and unsettled, to the last base unit", async () => {
      const report = await auditFile(clean);
      expect(shortly(report)).to.deep.equal([]);
      expect(report).to.deep.include({
        channels: 3,
        statements: 6,
        carried: 0n,
        held: 0n,
        lost: 0n,
        unknownChannels: [],
      });
      expect(report).to.include({ captured: 6n * price, settled: 4n * price, unsettled: 2n * price });
      expect(await world.balanceOf(world.seller.address)).to.equal(report.settled);
    });

    it("is the same while the gateway runs and holds, and changes no byte of the files", async () => {
      const { started, finish } = stall.pauseWork("late");
      const call = stall.buy(busy!, 7n * price, { body: "7" });
      await started;
      const names = () => readdirSync(folder).filter((name) => name.startsWith("1.db") && !name.endsWith("-shm"));
      const bytes = () => names().map((name) => [name, readFileSync(join(folder, name)).toString("base64")]);
      const before = bytes();
      const report = await auditFile(join(folder, "1.db"));
      expect(bytes()).to.deep.equal(before);
      expect(shortly(report)).to.deep.equal([]);
      expect(report).to.include({ captured: 6n * price, held: price });
      finish();
      expect((await call).status).to.equal(200);
    });

    it("leaves the log that a killed gateway has left as it is", async () => {
      const left = path();
      for (const suffix of ["", "-wal"]) copyFileSync(join(folder, `1.db${suffix}`), left + suffix);
      const bytes = () => ["", "-wal"].map((suffix) => readFileSync(left + suffix).toString("base64"));
      const before = bytes();
      expect(before[1]).not.to.equal("");
      expect(shortly(await auditFile(left))).to.deep.equal([]);
      expect(bytes()).to.deep.equal(before);
    });

    it("takes calls that cost nothing for what they are", async () => {
      const free = (statement: bigint, spentAfter: bigint) =>
        `INSERT INTO purchases SELECT channel, ${blob(statement)}, requestHash, 'free ${statement}', amount, 1, ${blob(0n)},
          ${blob(spentAfter)}, heldAt, capturedAt, instance FROM purchases WHERE ${of(busy, 2400n)};`;
      const report = await auditFile(
        copy(free(1n, 0n) + free(2n, 2400n) + free(2500n, 2400n) + free(6500n, 6000n), clean),
      );
      expect(shortly(report)).to.deep.equal([]);
      expect(report).to.include({ captured: 6n * price, statements: 10 });
    });

    it("says how much was earned by statements that are forgotten", async () => {
      const file = copy(
        `DELETE FROM purchases WHERE channel = (SELECT id FROM channels WHERE channelId = ${hex(closed!.channelId)});
         UPDATE channels SET retired = 1, finalizedAt = NULL WHERE channelId = ${hex(closed!.channelId)}`,
        clean,
      );
      const report = await auditFile(file);
      expect(shortly(report)).to.deep.equal([]);
      expect(report).to.include({ captured: 6n * price, carried: price, statements: 5 });
    });

    it("lists channels that were never shown to the seller, which anybody can open", async () => {
      const file = copy(`DELETE FROM channels WHERE channelId = ${hex(idle!.channelId)}`, clean);
      const report = await auditFile(file);
      expect(shortly(report)).to.deep.equal([]);
      expect(report.unknownChannels).to.include(idle!.channelId);
    });
  });

  /** Changes by SQL, and what is named for them. */
  const tampered: [name: string, sql: () => string | Promise<string>, named: string[]][] = [
    [
      "other terms",
      () => `UPDATE channels SET terms = json_set(terms, '$.payee', '0x${"11".repeat(20)}') WHERE ${is(idle)}`,
      ["channel-id idle: ID, SAME", `foreign-terms idle: PAYEE, 0x${"11".repeat(20)}`],
    ],
    [
      "a signature of something else",
      () => `UPDATE channels SET signature = (SELECT signature FROM channels WHERE ${is(closed)}) WHERE ${is(busy)}`,
      ["signature busy 7200: a signature of PAYER, another one"],
    ],
    [
      "a statement that was never accepted",
      () => `UPDATE purchases SET statement = ${blob(7201n)} WHERE ${of(busy, 6000n)}`,
      ["statement-above-accepted busy 7201: at most 7200, 7201"],
    ],
    [
      "a hold below its charge",
      () => `UPDATE purchases SET amount = ${blob(1199n)} WHERE ${of(busy, 2400n)}`,
      ["charge-above-hold busy 2400: at most 1199, 1200"],
    ],
    [
      "a charge for what failed",
      () => `UPDATE purchases SET captured = ${blob(5n)} WHERE ${of(busy, 7200n)}`,
      ["charge-without-work busy 7200: 0, 5"],
    ],
    [
      "a key that was charged twice",
      () => `UPDATE purchases SET idempotencyKey = 'key 2' WHERE ${of(busy, 4800n)}`,
      ["charged-twice busy 4800: only the statement over 2400, also the one over 4800"],
    ],
    [
      "a smaller charge",
      () => `UPDATE purchases SET captured = ${blob(1199n)} WHERE ${of(busy, 2400n)}`,
      ["charge-order busy 2400: 1200, 1201"],
    ],
    [
      "a charge that is gone",
      () => `DELETE FROM purchases WHERE ${of(busy, 2400n)}`,
      ["charge-order busy 3600: 1200, 2400"],
    ],
    [
      "a charge that is there twice",
      () => `INSERT INTO purchases SELECT channel, ${blob(2401n)}, requestHash, 'other', amount, status, captured,
        spentAfter, heldAt, capturedAt, instance FROM purchases WHERE ${of(busy, 2400n)}`,
      ["charge-order busy 2401: 2400, 1200"],
    ],
    [
      "a first charge that is gone",
      () => `DELETE FROM purchases WHERE ${of(busy, 1200n)}`,
      ["first-charge busy 2400: 0, 1200"],
    ],
    ["a last charge that is gone", () => `DELETE FROM purchases WHERE ${of(busy, 6000n)}`, ["spent busy: 4800, 6000"]],
    [
      "a smaller total",
      () => `UPDATE channels SET spent = ${blob(5999n)} WHERE ${is(busy)}`,
      ["spent busy: 6000, 5999"],
    ],
    ["a hold of nobody", () => `UPDATE channels SET held = ${blob(1n)} WHERE ${is(idle)}`, ["held idle: 0, 1"]],
    [
      "a hold that is not booked",
      () => `UPDATE purchases SET status = 0 WHERE ${of(busy, 7200n)}`,
      ["held busy: 1200, 0"],
    ],
    [
      "less that was accepted",
      async () => `UPDATE purchases SET statement = ${blob(5999n)} WHERE ${of(busy, 6000n)};
        DELETE FROM purchases WHERE ${of(busy, 7200n)};
        UPDATE channels SET accepted = ${blob(5999n)}, signature = ${await signed(busy, 5999n)} WHERE ${is(busy)}`,
      ["overdrawn busy: at most 5999, 6000"],
    ],
    [
      "a deposit that the chain has not",
      () => `UPDATE channels SET deposit = ${blob(1_000_001n)} WHERE ${is(idle)}`,
      ["deposit-above-chain idle: 1000001, 1000000"],
    ],
    [
      "more sold than was deposited",
      async () => `INSERT INTO purchases SELECT (SELECT id FROM channels WHERE ${is(idle)}), ${blob(1_000_001n)}, requestHash,
          'other', ${blob(1_000_001n)}, 1, ${blob(1_000_001n)}, ${blob(1_000_001n)}, heldAt, capturedAt, instance
          FROM purchases WHERE ${of(busy, 2400n)};
        UPDATE channels SET spent = ${blob(1_000_001n)}, accepted = ${blob(1_000_001n)},
          signature = ${await signed(idle, 1_000_001n)} WHERE ${is(idle)}`,
      ["deposit-too-small idle: at least 1000001, 1000000"],
    ],
    [
      "an older copy",
      () => `DELETE FROM purchases WHERE ${of(busy)} AND statement > ${blob(2400n)};
        UPDATE channels SET spent = ${blob(2400n)}, settled = ${blob(0n)} WHERE ${is(busy)}`,
      ["settled-above-spent busy: at most 2400, 3600"],
    ],
    [
      "more that is settled",
      () => `UPDATE channels SET settled = ${blob(3601n)} WHERE ${is(busy)}`,
      ["settlement-missing busy: 3601, 3600"],
    ],
    [
      "a closing that was not",
      () => `UPDATE channels SET finalized = 1 WHERE ${is(idle)}`,
      ["closing-missing idle: closed, open"],
    ],
    [
      "earnings without a proof",
      () => `UPDATE channels SET retired = 1, spent = ${blob(5n)} WHERE ${is(idle)}`,
      ["unproven-earnings idle: at most 0, 5"],
    ],
    [
      "charges of a retired channel that overlap",
      () => `UPDATE channels SET retired = 1 WHERE ${is(busy)};
        UPDATE purchases SET captured = ${blob(1201n)}, amount = ${blob(1201n)} WHERE ${of(busy, 2400n)}`,
      ["charge-order busy 2400: at least 1200, 1199"],
    ],
    [
      "a retired channel's total below its charges",
      () => `UPDATE channels SET retired = 1, spent = ${blob(5999n)} WHERE ${is(busy)}`,
      ["spent busy: at least 6000, 5999"],
    ],
    [
      "a channel that is gone with what it earned",
      () => `DELETE FROM purchases WHERE ${of(busy)}; DELETE FROM channels WHERE ${is(busy)}`,
      ["unknown-channel busy: 0, 3600"],
    ],
  ];
  const is = (channel: Channel | undefined) => `channelId = ${hex(channel!.channelId)}`;
  const of = (channel: Channel | undefined, statement?: bigint) =>
    `channel = (SELECT id FROM channels WHERE ${is(channel)})${statement ? ` AND statement = ${blob(statement)}` : ""}`;
  async function signed(channel: Channel | undefined, cumulativeAmount: bigint): Promise<string> {
    const { contract, chainId } = ownerIn(world);
    const { channelId } = channel!;
    return hex(await signVoucher({ account: world.payer, contract, chainId, channelId, cumulativeAmount }));
  }

  describe("of a ledger with", () => {
    for (const [name, sql, named] of tampered) {
      it(`${name}, names that and nothing else`, async () => {
        const report = await auditFile(copy(await sql(), clean));
        const { payee } = ownerIn(world);
        const lines = shortly(report).map((line) =>
          line
            .replace(payee.toLowerCase(), "PAYEE")
            .replace(world.payer.address, "PAYER")
            .replace(world.payer.address.toLowerCase(), "PAYER")
            .replace(/0x[0-9a-f]{64}, 0x[0-9a-f]{64}/, "ID, SAME"),
        );
        expect(lines).to.deep.equal(named);
        for (const { meaning } of report.differences) expect(meaning).to.match(/^[A-Z].*\.$/);
      });
    }
  });

  describe("of a chain", () => {
    /** A node that hides the newest log with this topic. */
    const hiding = (topic: Hex) =>
      clientThrough(async (call, next) => {
        const answer = await next(call);
        if (call.method !== "eth_getLogs") return answer;
        const logs = answer as { topics: Hex[] }[];
        const hidden = logs.findLast(({ topics }) => topics[0] === topic);
        return logs.filter((log) => log !== hidden);
      });

    it("whose events do not come to what is stored, names the channel and the income", async () => {
      const [topic] = encodeEventTopics({ abi: paymentChannelsAbi, eventName: "ChannelSettled" });
      const report = await auditFile(clean, { client: hiding(topic as Hex) });
      expect(shortly(report)).to.deep.equal(["settlement-events busy: 3600, 0", "income all: 1200, 4800"]);
    });

    it("that did not pay what was settled, names the income", async () => {
      const [topic] = encodeEventTopics({ abi: erc20Abi, eventName: "Transfer" });
      const report = await auditFile(clean, { client: hiding(topic as Hex) });
      expect(shortly(report)).to.deep.equal(["income all: 4800, 3600"]);
    });

    it("that is read from too late a block, says that no opening was found", async () => {
      const report = await auditFile(clean, { fromBlock: (await honest().getBlockNumber()) + 1n });
      expect(shortly(report)).to.deep.equal(
        ["busy", "closed", "idle"].map((name) => `opening-not-found ${name}: an opening, none`),
      );
    });

    it("that the ledger is ahead of, gives up after some tries; and goes on once it has caught up", async () => {
      const file = copy(`UPDATE channels SET blockNumber = ${blob(10n ** 6n)} WHERE ${is(idle)}`, clean);
      const error = await failure(auditFile(file));
      expect(error.code).to.equal("node-behind-ledger");
      expect(error.message).to.include("1000000");
      const head = await honest().getBlockNumber();
      let asked = 0;
      const lagging = clientThrough((call, next) =>
        call.method === "eth_blockNumber" && ++asked < 5 ? Promise.resolve("0x1") : next(call),
      );
      const report = await auditFile(clean, { client: lagging });
      expect(shortly(report)).to.deep.equal([]);
      expect(report.blockNumber).to.equal(head);
    });

    it("F112: of another id is refused", async () => {
      const other = clientThrough((call, next) =>
        call.method === "eth_chainId" ? Promise.resolve("0x1") : next(call),
      );
      expect((await failure(auditFile(clean, { client: other }))).code).to.equal("wrong-chain");
    });
  });

  describe("on a chain of its own", () => {
    const stalls: Stall[] = [];
    const ledgers: Ledger[] = [];
    afterEach(async () => {
      for (const one of stalls.splice(0)) await one.close();
      for (const one of ledgers.splice(0)) await one.close();
    });

    /** A gateway on a ledger and a chain where nothing else was sold. */
    async function openShop() {
      const own = await createWorld();
      const file = path();
      const live = await createSqliteLedger({ path: file, owner: ownerIn(own) });
      const shop = await openStall(own, { gateway: { ledger: live } });
      stalls.push(shop);
      ledgers.push(live);
      return { own, shop, file };
    }

    it("takes a sale, settlement, opening and closing in the middle of it for no difference", async () => {
      const { own, shop, file } = await openShop();
      const [first, second] = [await shop.open(), await shop.open()];
      for (const channel of [first, second]) expect((await shop.buy(channel, price)).status).to.equal(200);
      const read = paymentChannelsAbi.find((item) => "name" in item && item.name === "getChannels");
      const selector = toFunctionSelector(read as never);
      let reads = 0;
      let isSoldAfter = false;
      async function sellAndSettle(count: bigint): Promise<void> {
        expect((await shop.buy(first, count * price, { body: `${count}` })).status).to.equal(200);
        expect((await shop.gateway.settleAll()).failed).to.deep.equal([]);
      }
      const client = clientThrough(async (call, next) => {
        // Once between the ledger and the second reading of the chain, and once between the first and the ledger.
        if (call.method === "eth_blockNumber" && reads === 1 && !isSoldAfter) {
          isSoldAfter = true;
          await sellAndSettle(3n);
        }
        const answer = await next(call);
        const [{ data = "" } = {}] = (call.params ?? []) as [{ data?: string }?];
        if (!data.startsWith(selector) || ++reads > 1) return answer;
        await sellAndSettle(2n);
        expect((await shop.shut(second, price + 1n)).status).to.equal(204);
        await shop.open();
        return answer;
      }, own);
      const report = await auditFile(file, { client });
      expect(isSoldAfter).to.equal(true);
      expect(report.differences).to.deep.equal([]);
      expect(report).to.include({ captured: 3n * price, settled: 0n, unsettled: 3n * price });
      const done = await auditFile(file, { client });
      expect(done.differences).to.deep.equal([]);
      expect(done).to.include({ channels: 3, captured: 4n * price, settled: 4n * price, unsettled: 0n });
    });

    it("names what was lost because the payer left before it was settled", async () => {
      const { own, shop, file } = await openShop();
      const channel = await shop.open();
      expect((await shop.buy(channel, price)).status).to.equal(200);
      const { terms } = channel;
      await requestCloseChannel(own.payerClient, { contract: own.channels.address, terms });
      await own.networkHelpers.time.increase(901);
      await withdrawChannel(own.payerClient, { contract: own.channels.address, terms });
      const report = await auditFile(file, { client: clientThrough((call, next) => next(call), own) });
      expect(report.differences.map(({ kind, expected, found }) => [kind, expected, found])).to.deep.equal([
        ["earnings-lost", String(price), "0"],
      ]);
      expect(report).to.include({ captured: price, settled: 0n, unsettled: 0n, lost: price });
    });

    it("counts what waits as credit, what was claimed of it, and the change of the payee's own channels", async () => {
      const { own, shop, file } = await openShop();
      const channel = await shop.open();
      expect((await shop.buy(channel, price)).status).to.equal(200);
      await own.token.contract.setFrozen(own.seller.address, true);
      expect((await shop.gateway.settleAll()).failed).to.deep.equal([]);
      expect(await own.balanceOf(own.seller.address)).to.equal(0n);
      const client = clientThrough((call, next) => next(call), own);
      expect((await auditFile(file, { client })).differences).to.deep.equal([]);
      await own.token.contract.setFrozen(own.seller.address, false);
      await own.channels.contract.claimCredit(own.token.address, own.seller.address);
      expect(await own.balanceOf(own.seller.address)).to.equal(price);
      expect((await auditFile(file, { client })).differences).to.deep.equal([]);

      const contract = own.channels.address;
      const terms = { ...channel.terms, payer: own.seller.address, payee: own.payer.address };
      await approveToken(own.sellerClient, { token: own.token.address, spender: contract, amount: price });
      await openChannel(own.sellerClient, { contract, terms, deposit: price });
      const claim = { terms, amount: 0n, cumulativeAmount: 0n, signature: "0x" } as const;
      await closeChannel(own.payerClient, { contract, claim });
      expect(await own.balanceOf(own.seller.address)).to.equal(price);
      expect((await auditFile(file, { client })).differences).to.deep.equal([]);
    });
  });

  describe("of a file", () => {
    it("that is none, no ledger, or of another version, says so", async () => {
      const none = await failure(openLedgerReader(join(folder, "none.db")));
      expect(none.code).to.equal("unreadable-ledger");
      const other = copy("DROP TABLE kysely_migration", clean);
      expect((await failure(openLedgerReader(other))).message).to.include("no ledger");
      const newer = copy("INSERT INTO kysely_migration VALUES ('9999-future', '2030-01-01')", clean);
      expect((await failure(openLedgerReader(newer))).code).to.equal("ledger-too-new");
      const older = copy("DELETE FROM kysely_migration", clean);
      expect((await failure(openLedgerReader(older))).message).to.include("older version");
      const nobodys = copy("DELETE FROM owner WHERE field = 'payee'", clean);
      expect((await failure(openLedgerReader(nobodys))).message).to.include("payee");
    });
  });
});

async function failure(promise: Promise<unknown>): Promise<{ code?: string; message: string }> {
  return promise.then(
    () => expect.fail("resolved, where a rejection was expected"),
    (error: unknown) => error as { code?: string; message: string },
  );
}
