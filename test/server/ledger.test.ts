import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";
import type { Address, Hex } from "viem";

import { openChannelWithAuthorization } from "../../sdk/src/index.ts";
import { createMemoryLedger, createSqliteLedger, type Ledger } from "../../sdk/src/ledger/index.ts";
import { createGateway, resynchronize } from "../../sdk/src/server/index.ts";
import { createWorld, type World } from "./helpers.ts";
import { nextSalt, openStall, price, realm, secret, type Stall, watchedClient } from "./stall.ts";

describe("the gateway's ledger", () => {
  let world: World;
  let folder: string;
  let stall: Stall | undefined;
  let files = 0;
  const ledgers: Ledger[] = [];

  before(async () => {
    world = await createWorld();
    folder = mkdtempSync(join(tmpdir(), "subfen-gateway-"));
  });
  afterEach(async () => {
    await stall?.close();
    stall = undefined;
    await Promise.all(ledgers.splice(0).map((ledger) => ledger.close()));
  });
  after(() => rmSync(folder, { recursive: true }));

  const path = () => join(folder, `${++files}.db`);
  const owner = () => ({
    chainId: world.chainId,
    contract: world.channels.address,
    token: world.token.address,
    payee: world.seller.address,
  });
  async function sqlite(file = path(), options: Partial<createSqliteLedger.Parameters> = {}): Promise<Ledger> {
    const ledger = await createSqliteLedger({ path: file, owner: owner(), ...options });
    ledgers.push(ledger);
    return ledger;
  }
  const create = (changes: Partial<createGateway.Parameters>) =>
    createGateway({
      client: world.sellerClient,
      contract: world.channels.address,
      token: world.token.address,
      realm,
      secret,
      ...changes,
    });
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => "resolved",
      (error: unknown) => (error as { code?: unknown }).code,
    );

  describe("by default", () => {
    it("is a file, and remembers after a restart what was sold", async () => {
      const ledgerPath = path();
      const first = await create({ ledgerPath });
      stall = await openStall(world, { gateway: { ledger: first.ledger } });
      const channel = await stall.open();
      expect((await stall.buy(channel, price)).status).to.equal(200);
      await stall.close();
      await first.close();
      expect(existsSync(ledgerPath)).to.equal(true);

      const second = await create({ ledgerPath });
      stall = await openStall(world, { gateway: { ledger: second.ledger } });
      const again = await stall.buy(channel, price);
      expect(again).to.include({ status: 200, text: "did x" });
      expect(stall.worked, "the answer was kept").to.deep.equal([]);
      expect(await stall.record(channel)).to.include({ spent: price, held: 0n });
      await second.close();
    });

    it("lies in the working folder", async () => {
      const before = process.cwd();
      process.chdir(folder);
      try {
        const gateway = await create({});
        expect(existsSync(join(folder, "subfen-ledger.db"))).to.equal(true);
        expect(gateway.ledger.owner).to.deep.equal(owner());
        await gateway.close();
      } finally {
        process.chdir(before);
      }
    });

    it("F112: is of one seller and one token alone, whether named or passed in", async () => {
      const ledgerPath = path();
      await (await create({ ledgerPath })).close();
      const payee: Address = world.payer.address;
      expect(await codeOf(create({ ledgerPath, payee }))).to.equal("foreign-ledger");
      const ledger = await sqlite(ledgerPath);
      expect(await codeOf(create({ ledger, payee }))).to.equal("foreign-ledger");
      expect(await codeOf(create({ ledger }))).to.equal("resolved");
    });

    it("is not opened for a gateway that cannot be made", async () => {
      for (const [wrong, code] of [
        [{ secret: "short" }, "weak-secret"],
        [{ realm: "" }, "invalid-realm"],
      ] as const) {
        const ledgerPath = path();
        expect(await codeOf(create({ ...wrong, ledgerPath }))).to.equal(code);
        expect(existsSync(ledgerPath)).to.equal(false);
      }
    });

    it("is left open when it was passed in", async () => {
      const ledger = createMemoryLedger();
      await (await create({ ledger })).close();
      expect(await ledger.getChannel(nextSalt())).to.equal(undefined);
    });
  });

  describe("durable before each answer", () => {
    /** Keeps the ledger from being written until it is called. */
    function block(file: string): () => void {
      const blocker = new DatabaseSync(file);
      blocker.exec("BEGIN IMMEDIATE");
      return () => blocker.close();
    }

    it("starts no work that is not held in the file", async () => {
      const file = path();
      stall = await openStall(world, { gateway: { ledger: await sqlite(file, { busyTimeout: 10 }) } });
      const channel = await stall.open();
      const unblock = block(file);
      const refused = await stall.buy(channel, price);
      expect(refused.problem?.code).to.equal("seller-failed");
      expect(stall.worked).to.deep.equal([]);
      unblock();
      expect((await stall.buy(channel, price)).status).to.equal(200);
    });

    it("has the hold in the file while the work runs, and the capture before the answer", async () => {
      const file = path();
      stall = await openStall(world, { gateway: { ledger: await sqlite(file) } });
      const channel = await stall.open();
      const reader = new DatabaseSync(file, { readOnly: true });
      const statuses = () =>
        reader
          .prepare("SELECT status FROM purchases")
          .all()
          .map((row) => row["status"]);
      let during: unknown;
      stall.work = () => {
        during = statuses();
        return new Response("done");
      };
      expect((await stall.buy(channel, price)).status).to.equal(200);
      expect([during, statuses()]).to.deep.equal([[0], [1]]);
      reader.close();
    });

    it("gives no content whose capture is not in the file, and lets the same request come again", async () => {
      const file = path();
      stall = await openStall(world, { gateway: { ledger: await sqlite(file, { busyTimeout: 10 }) } });
      const channel = await stall.open();
      let unblock: (() => void) | undefined;
      stall.work = () => {
        unblock = block(file);
        return new Response("content");
      };
      const refused = await stall.buy(channel, price);
      expect(refused.problem?.code).to.equal("seller-failed");
      expect(refused.text).not.to.include("content");
      expect(refused.receipt).to.equal(undefined);
      unblock?.();
      expect(await stall.record(channel)).to.include({ spent: 0n });
    });

    it("gives back a hold whose capture failed, so that the request can be sent again", async () => {
      const ledger = createMemoryLedger();
      let failures = 1;
      const flaky: Ledger = {
        ...ledger,
        capture: (capture) => (failures-- > 0 ? Promise.reject(new Error("no")) : ledger.capture(capture)),
      };
      stall = await openStall(world, { gateway: { ledger: flaky } });
      const channel = await stall.open();
      expect((await stall.buy(channel, price)).problem?.code).to.equal("seller-failed");
      expect(await stall.record(channel)).to.include({ held: 0n, spent: 0n });
      expect((await stall.buy(channel, price)).status).to.equal(200);
      expect(await stall.record(channel)).to.include({ spent: price });
    });
  });

  describe("older than the chain", () => {
    /** Sells twice and settles; the ledger of `before` knows the first sale alone. */
    async function loseASale() {
      const ledger = createMemoryLedger();
      stall = await openStall(world, { gateway: { ledger } });
      const channel = await stall.open();
      await stall.buy(channel, price);
      const backup = createMemoryLedger();
      const known = await stall.record(channel);
      await backup.addChannel({ ...known, chain: known, cumulativeAmount: known.accepted });
      await backup.hold({
        ...(await lastHold(stall, channel)),
        channelId: channel.channelId,
        signature: known.signature,
      });
      await backup.capture({
        channelId: channel.channelId,
        cumulativeAmount: price,
        amount: price,
        answer: undefined,
      });
      await stall.buy(channel, 2n * price);
      return { channel, backup, fromBlock: known.blockNumber };
    }

    async function lastHold(shop: Stall, { channelId }: { channelId: Hex }) {
      for await (const { requestHash, idempotencyKey, amount, cumulativeAmount } of shop.gateway.ledger.holds(
        channelId,
      )) {
        return { requestHash, idempotencyKey, amount, cumulativeAmount, minVoucherDelta: 0n };
      }
      throw new Error("nothing was sold");
    }

    it("is not served from: the start is refused and names the channels", async () => {
      const { channel, backup } = await loseASale();
      expect(await codeOf(create({ ledger: backup })), "nothing proves it before the settlement").to.equal("resolved");
      await stall!.gateway.settleAll();
      const error = await create({ ledger: backup }).then(
        () => expect.fail("started"),
        (caught: unknown) => caught as { code: string; message: string; channelIds: Hex[] },
      );
      expect(error.code).to.equal("ledger-behind-chain");
      expect(error.channelIds).to.deep.equal([channel.channelId]);
      expect(error.message).to.include(channel.channelId).and.to.include("resynchronize");
      expect(await codeOf(create({ ledger: stall!.gateway.ledger }))).to.equal("resolved");
    });

    it("is not served from when it has never seen a channel that was settled", async () => {
      const { channel, fromBlock } = await loseASale();
      const empty = createMemoryLedger();
      expect(await codeOf(create({ ledger: empty, fromBlock }))).to.equal("resolved");
      await stall!.gateway.settleAll();
      const attempt = create({ ledger: empty, fromBlock });
      expect(await codeOf(attempt)).to.equal("ledger-behind-chain");
      expect(await attempt.catch((error: { channelIds: Hex[] }) => error.channelIds)).to.include(channel.channelId);
    });

    it("is served from again once it was synchronized, and no old statement buys again", async () => {
      const { channel, backup, fromBlock } = await loseASale();
      await stall!.gateway.settleAll();
      const unseen = await stall!.open();
      await stall!.buy(unseen, price);
      const ledger = backup;
      const retired = await resynchronize({ client: world.sellerClient, ledger, ...owner(), fromBlock });
      expect(retired.map(({ channelId }) => channelId)).to.include.members([channel.channelId, unseen.channelId]);
      const again = await resynchronize({ client: world.sellerClient, ledger, ...owner(), fromBlock });
      expect(again).to.deep.equal([]);
      await stall!.close();

      stall = await openStall(world, { gateway: { ledger } });
      expect(await stall.record(channel)).to.include({ spent: 2n * price, settled: 2n * price, retired: true });
      for (const [old, amount] of [
        [channel, 2n * price],
        [channel, 3n * price],
        [unseen, price],
        [unseen, 2n * price],
      ] as const) {
        expect((await stall.buy(old, amount)).problem?.code).to.equal("channel-closing");
      }
      expect(stall.worked).to.deep.equal([]);
      const fresh = await stall.open();
      expect((await stall.buy(fresh, price)).status).to.equal(200);
      // The payer gets its rest back from the old one, by whatever statement it has.
      const before = await world.balanceOf(world.payer.address);
      expect((await stall.shut(channel, 2n * price)).status).to.equal(204);
      expect(await stall.record(channel)).to.include({ finalized: true, settled: 2n * price });
      expect(await world.balanceOf(world.payer.address)).to.be.greaterThan(before);
    });
  });

  describe("what the chain says", () => {
    it("F107: serves no channel whose opening is not confirmed, and serves it when it is", async () => {
      stall = await openStall(world, { gateway: { confirmations: 3 } });
      const { payload, channel } = await stall.opening({ cumulativeAmount: price });
      const { authorization, signature } = payload.funding;
      const deposit = authorization.value;
      const contract = world.channels.address;
      const hash = await openChannelWithAuthorization(world.payerClient, {
        contract,
        terms: channel.terms,
        deposit,
        authorization,
        signature,
      });
      await world.payerClient.waitForTransactionReceipt({ hash });
      // The authorization cannot open it again: what is there is looked at.
      const early = await stall.pay(payload);
      expect(early.problem?.code).to.equal("transaction-pending");
      expect(await stall.gateway.ledger.getChannel(channel.channelId)).to.equal(undefined);
      await world.networkHelpers.mine(2);
      expect((await stall.pay(payload)).status).to.equal(200);
    });

    it("F107: serves no more when a reorganisation took the opening back", async () => {
      const snapshot = await world.networkHelpers.takeSnapshot();
      const ledger = createMemoryLedger();
      stall = await openStall(world, { gateway: { ledger, recheckAfter: 0 } });
      const channel = await stall.open();
      expect((await stall.buy(channel, price)).status).to.equal(200);
      await snapshot.restore();
      await world.networkHelpers.mine(5);
      const refused = await stall.buy(channel, 2n * price);
      expect(refused.problem?.code).to.equal("transaction-pending");
      expect(await stall.record(channel)).to.include({ deposit: 0n, spent: price, accepted: price });
      expect(stall.worked).to.have.lengthOf(1);
    });

    it("reads the block's number first and the channel at that block, again where the node has not got it", async () => {
      const node = watchedClient(world);
      stall = await openStall(world, { gateway: { client: node.client, recheckAfter: 0 } });
      const channel = await stall.open();
      let failures = 2;
      const asked: unknown[] = [];
      node.before = (method, params) => {
        if (method !== "eth_call") return;
        asked.push((params as unknown[])[1]);
        if (failures-- > 0) throw new Error("header not found");
      };
      expect((await stall.buy(channel, price)).status).to.equal(200);
      expect(asked).to.have.lengthOf(3);
      for (const block of asked) expect(block).to.match(/^0x[0-9a-f]+$/);
      failures = 3;
      expect((await stall.buy(channel, 2n * price)).problem?.code).to.equal("chain-unreachable");
    });
  });
});
