import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { expect } from "chai";
import { encodeEventTopics, erc20Abi, type Hex, toFunctionSelector } from "viem";

import {
  approveToken,
  closeChannel,
  openChannel,
  paymentChannelsAbi,
  requestCloseChannel,
  withdrawChannel,
} from "../../sdk/src/index.ts";
import { createSqliteLedger, type Ledger, openLedgerReader } from "../../sdk/src/ledger/index.ts";
import { blob, failure, hex, useBooks } from "./auditBench.ts";
import { createWorld } from "./helpers.ts";
import { openStall, price, type Stall } from "./stall.ts";

describe("audit", () => {
  const books = useBooks();
  const { path, ownerIn, copy, clientThrough, honest, auditFile, shortly, is, of } = books;

  describe("of a clean ledger", () => {
    it("finds that what was captured is settled and unsettled, to the last base unit", async () => {
      const report = await auditFile(books.clean);
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
      expect(await books.world.balanceOf(books.world.seller.address)).to.equal(report.settled);
    });

    it("is the same while the gateway runs and holds, and changes no byte of the files", async () => {
      const { started, finish } = books.stall.pauseWork("late");
      const call = books.stall.buy(books.busy, 7n * price, { body: "7" });
      await started;
      const names = () => readdirSync(books.folder).filter((name) => name.startsWith("1.db") && !name.endsWith("-shm"));
      const bytes = () => names().map((name) => [name, readFileSync(join(books.folder, name)).toString("base64")]);
      const before = bytes();
      const report = await auditFile(join(books.folder, "1.db"));
      expect(bytes()).to.deep.equal(before);
      expect(shortly(report)).to.deep.equal([]);
      expect(report).to.include({ captured: 6n * price, held: price });
      finish();
      expect((await call).status).to.equal(200);
    });

    it("leaves the log that a killed gateway has left as it is", async () => {
      const left = path();
      for (const suffix of ["", "-wal"]) copyFileSync(join(books.folder, `1.db${suffix}`), left + suffix);
      const bytes = () => ["", "-wal"].map((suffix) => readFileSync(left + suffix).toString("base64"));
      const before = bytes();
      expect(before[1]).not.to.equal("");
      expect(shortly(await auditFile(left))).to.deep.equal([]);
      expect(bytes()).to.deep.equal(before);
    });

    it("takes calls that cost nothing for what they are", async () => {
      const free = (statement: bigint, spentAfter: bigint) =>
        `INSERT INTO purchases SELECT channel, ${blob(statement)}, requestHash, 'free ${statement}', amount, 1, ${blob(0n)},
          ${blob(spentAfter)}, heldAt, capturedAt, instance, ref FROM purchases WHERE ${of(books.busy, 2400n)};`;
      const report = await auditFile(
        copy(free(1n, 0n) + free(2n, 2400n) + free(2500n, 2400n) + free(6500n, 6000n), books.clean),
      );
      expect(shortly(report)).to.deep.equal([]);
      expect(report).to.include({ captured: 6n * price, statements: 10 });
    });

    it("says how much was earned by statements that are forgotten", async () => {
      const file = copy(
        `DELETE FROM purchases WHERE channel = (SELECT id FROM channels WHERE channelId = ${hex(books.closed.channelId)});
         UPDATE channels SET retired = 1, finalizedAt = NULL WHERE channelId = ${hex(books.closed.channelId)}`,
        books.clean,
      );
      const report = await auditFile(file);
      expect(shortly(report)).to.deep.equal([]);
      expect(report).to.include({ captured: 6n * price, carried: price, statements: 5 });
    });

    it("lists channels that were never shown to the seller, which anybody can open", async () => {
      const file = copy(`DELETE FROM channels WHERE channelId = ${hex(books.idle.channelId)}`, books.clean);
      const report = await auditFile(file);
      expect(shortly(report)).to.deep.equal([]);
      expect(report.unknownChannels).to.include(books.idle.channelId);
    });
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
      const report = await auditFile(books.clean, { client: hiding(topic as Hex) });
      expect(shortly(report)).to.deep.equal(["settlement-events busy: 3600, 0", "income all: 1200, 4800"]);
    });

    it("that did not pay what was settled, names the income", async () => {
      const [topic] = encodeEventTopics({ abi: erc20Abi, eventName: "Transfer" });
      const report = await auditFile(books.clean, { client: hiding(topic as Hex) });
      expect(shortly(report)).to.deep.equal(["income all: 4800, 3600"]);
    });

    it("that is read from too late a block, says that no opening was found", async () => {
      const report = await auditFile(books.clean, { fromBlock: (await honest().getBlockNumber()) + 1n });
      expect(shortly(report)).to.deep.equal(
        ["busy", "closed", "idle"].map((name) => `opening-not-found ${name}: an opening, none`),
      );
    });

    it("that the ledger is ahead of, gives up after some tries; and goes on once it has caught up", async () => {
      const file = copy(`UPDATE channels SET blockNumber = ${blob(10n ** 6n)} WHERE ${is(books.idle)}`, books.clean);
      const error = await failure(auditFile(file));
      expect(error.code).to.equal("node-behind-ledger");
      expect(error.message).to.include("1000000");
      const head = await honest().getBlockNumber();
      let asked = 0;
      const lagging = clientThrough((call, next) =>
        call.method === "eth_blockNumber" && ++asked < 5 ? Promise.resolve("0x1") : next(call),
      );
      const report = await auditFile(books.clean, { client: lagging });
      expect(shortly(report)).to.deep.equal([]);
      expect(report.blockNumber).to.equal(head);
    });

    it("F112: of another id is refused", async () => {
      const other = clientThrough((call, next) =>
        call.method === "eth_chainId" ? Promise.resolve("0x1") : next(call),
      );
      expect((await failure(auditFile(books.clean, { client: other }))).code).to.equal("wrong-chain");
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
      const none = await failure(openLedgerReader(join(books.folder, "none.db")));
      expect(none.code).to.equal("unreadable-ledger");
      const other = copy("DROP TABLE kysely_migration", books.clean);
      expect((await failure(openLedgerReader(other))).message).to.include("no ledger");
      const newer = copy("INSERT INTO kysely_migration VALUES ('9999-future', '2030-01-01')", books.clean);
      expect((await failure(openLedgerReader(newer))).code).to.equal("ledger-too-new");
      const older = copy("DELETE FROM kysely_migration", books.clean);
      expect((await failure(openLedgerReader(older))).message).to.include("older version");
      const nobodys = copy("DELETE FROM owner WHERE field = 'payee'", books.clean);
      expect((await failure(openLedgerReader(nobodys))).message).to.include("payee");
    });
  });
});
