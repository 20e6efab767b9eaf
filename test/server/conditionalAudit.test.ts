import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

import { expect } from "chai";
import { keccak256, stringToHex } from "viem";

import { hashlock, hashPreimage } from "../../sdk/src/index.ts";
import { createSqliteLedger, openLedgerReader } from "../../sdk/src/ledger/index.ts";
import { audit, pricePerRequest } from "../../sdk/src/server/index.ts";
import {
  type Conditions,
  conditionalVoucher,
  createConditionalWorld,
  deposit,
  nextRef,
  openTickStall,
  startTicks,
} from "./conditionalStall.ts";
import type { World } from "./helpers.ts";
import { price, type Stall } from "./stall.ts";

describe("a ledger's file with conditional statements", () => {
  let world: World;
  let conditions: Conditions;
  let folder: string;
  let path: string;
  before(async () => {
    ({ world, conditions } = await createConditionalWorld());
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "subfen-conditional-"));
    path = join(folder, "ledger.db");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const openStall = async (): Promise<Stall> => {
    const { chainId, channels, token, seller } = world;
    const owner = { chainId, contract: channels.address, token: token.address, payee: seller.address };
    const ledger = await createSqliteLedger({ path, owner });
    const conditional = { contracts: { hashlock: conditions.hashlock }, creditLimit: deposit };
    const offer = { price: pricePerRequest(price), conditional: true };
    return openTickStall(world, conditions.ticks, { offer, gateway: { ledger, conditional } });
  };

  const differences = async () => {
    const reader = await openLedgerReader(path);
    try {
      return (await audit({ client: world.sellerClient, ledger: reader })).differences;
    } finally {
      reader.close();
    }
  };

  it("is audited without a difference at every step, goes on after a restart, and shows what was changed in it", async () => {
    let stall = await openStall();
    const preimage = keccak256(stringToHex("a secret"));
    const lock = hashlock({ condition: conditions.hashlock, sha256Hash: hashPreimage(preimage) });
    const paid = await stall.open({ deposit });
    const { channelId } = paid;
    const [one, two] = [nextRef(), nextRef()];
    const payments = [one, two].map((ref) => {
      const { address: condition, parameters } = lock;
      return { ref, condition, parameters, amount: 3n * price };
    });
    await stall.pay(await conditionalVoucher(stall, paid, price, payments));
    await stall.pay(await conditionalVoucher(stall, paid, price + 1n, payments, { ref: one }));
    await stall.pay(await conditionalVoucher(stall, paid, price + 2n, payments, { ref: two }), { body: "y" });
    expect(await differences()).to.deep.equal([]);
    await stall.gateway.prove({ channelId, ref: one, evidence: lock.encodeEvidence({ preimage }) });
    const { channel, ticks } = await startTicks(stall, conditions.ticks);
    for (const n of [2, 4, 6, 8]) await stall.pay(ticks.tick(n));
    expect((await stall.gateway.settleAll()).failed).to.deep.equal([]);
    expect(await differences()).to.deep.equal([]);
    await stall.close();
    await stall.gateway.ledger.close();

    stall = await openStall();
    expect((await stall.pay(ticks.tick(8), { body: "y" })).problem?.code).to.equal("tick-used");
    expect((await stall.pay(ticks.tick(10))).receipt).to.include({ spent: 5n * price });
    expect((await stall.record(paid)).payments.map(({ due }) => due).toSorted()).to.have.members([3n * price, 0n]);
    await stall.buy(channel, 10n * (price / 2n) + 1n, { method: "HEAD" });
    expect((await stall.shut(paid, 5n * price)).status).to.equal(204);
    expect(await differences()).to.deep.equal([]);
    await stall.close();
    await stall.gateway.ledger.close();

    const file = new DatabaseSync(path);
    file.exec("DELETE FROM purchases WHERE ref IS NOT NULL AND status = 1");
    file.close();
    expect((await differences()).map(({ kind }) => kind)).to.include("spent");
  });
});
