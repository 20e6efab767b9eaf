import { expect } from "chai";

import type { Ledger } from "../../../sdk/src/ledger/index.ts";
import { channelId, request } from "./bench.ts";
import { addChannel, useFiles } from "./files.ts";

const code = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "resolved",
    (error: unknown) => (error as { code?: unknown }).code,
  );

describe("the SQLite ledger and processes", () => {
  const files = useFiles();
  const channel = async (ledger: Ledger) => (await ledger.getChannel(channelId))!;

  /** A ledger's file with one channel, closed. */
  async function prepare(settled?: bigint): Promise<string> {
    const path = files.path();
    const ledger = await files.open(path);
    await addChannel(ledger, settled);
    await ledger.close();
    return path;
  }

  it("has what was told to be captured, after the process was killed", async () => {
    const path = await prepare();
    const seller = files.run("buy", [path, 10]);
    await seller.line("captured");
    await seller.kill();
    const ledger = await files.open(path);
    expect(await channel(ledger)).to.include({ spent: 7n, held: 0n });
    const again = await ledger.hold(request(10n));
    expect(again).to.include({ kind: "repeated" });
    expect(again).to.have.nested.property("hold.answer.status", 200);
  });

  it("has what was told to be held, and gives it back once the process is gone", async () => {
    const path = await prepare();
    const watcher = await files.open(path);
    const seller = files.run("hold", [path, 10]);
    await seller.line("held");
    expect(await channel(watcher), "a hold is durable before the work").to.include({ held: 10n });
    await seller.kill();
    expect(await channel(watcher)).to.include({ held: 10n });
    const next = await files.open(path);
    expect(await channel(next)).to.include({ held: 0n, spent: 0n });
    expect((await next.hold(request(10n))).kind, "the same request may use it again").to.equal("held");
  });

  it("charges a stream up to its last mark once its process is gone", async () => {
    const path = await prepare();
    const seller = files.run("stream", [path, 10]);
    await seller.line("marked");
    await seller.kill();
    const next = await files.open(path);
    expect(await channel(next)).to.include({ held: 0n, spent: 4n });
    expect(await next.hold(request(10n)), "it was charged: it is not served again").to.include({ kind: "repeated" });
    for await (const { captured, amount, status } of next.holds(channelId)) {
      expect({ captured, amount, status }).to.deep.equal({ captured: 4n, amount: 30n, status: "captured" });
    }
  });

  it("respects what a living process holds, and lets nobody else end it", async () => {
    const path = await prepare();
    const seller = files.run("hold", [path, 10]);
    await seller.line("held");
    const other = await files.open(path);
    expect(await other.maintain()).to.deep.equal({ released: 0, pruned: 0 });
    expect(await channel(other)).to.include({ held: 10n });
    const statement = { channelId, cumulativeAmount: 10n };
    expect(await code(other.capture({ ...statement, amount: 1n, answer: undefined }))).to.equal("unknown-hold");
    expect(await code(other.release(statement))).to.equal("unknown-hold");
    const lease = { name: "settler", holder: "other", ttl: 1 };
    expect(await other.acquireLease(lease)).to.equal(false);
    await seller.kill();
    // No restart is needed: those that live find out.
    expect(await other.maintain()).to.deep.equal({ released: 1, pruned: 0 });
    expect(await channel(other)).to.include({ held: 0n });
    expect(await other.acquireLease(lease), "a lease ends with its process").to.equal(true);
  });

  it("F103: refuses the capture of a hold that was given back and made anew by another", async () => {
    const path = await prepare();
    const first = await files.open(path);
    const second = await files.open(path);
    await first.hold(request(10n));
    expect(await second.maintain()).to.deep.equal({ released: 0, pruned: 0 });
    await first.release({ channelId, cumulativeAmount: 10n });
    await second.hold(request(10n));
    const capture = { channelId, cumulativeAmount: 10n, amount: 10n, answer: undefined };
    expect(await code(first.capture(capture))).to.equal("unknown-hold");
    expect((await second.capture(capture)).channel).to.include({ spent: 10n, held: 0n });
  });

  it("gives its own holds back when it is closed", async () => {
    const path = await prepare();
    const ledger = await files.open(path);
    const watcher = await files.open(path);
    await ledger.hold(request(10n));
    await ledger.close();
    expect(await channel(watcher)).to.include({ held: 0n });
  });

  it("F094: of 1,000 charges by four processes on room for 500, 500 succeed", async () => {
    const path = await prepare(500n);
    const sellers = [0, 1, 2, 3].map((i) => files.run("charge", [path, i * 250, 250]));
    const charged = await Promise.all(sellers.map((seller) => seller.result<number>()));
    const ledger = await files.open(path);
    expect(await channel(ledger)).to.include({ spent: 1000n, held: 0n });
    expect(charged.reduce((sum, count) => sum + count, 0)).to.equal(500);
    let bought = 0n;
    for await (const { captured } of ledger.holds(channelId)) bought += captured;
    expect(bought).to.equal(500n);
  }).timeout(60_000);

  it("F099: on a full disk acknowledges nothing more, and has all that it acknowledged", async function () {
    if (process.platform === "win32") this.skip();
    const path = await prepare();
    // No file may grow beyond 2 MiB (the unit is 512 bytes in some shells, 1,024 in others).
    const seller = files.run("fill", [path], "ulimit -f 2048");
    const { acknowledged, code: refusal } = await seller.result<{ acknowledged: number; code: string }>();
    expect(refusal).to.equal("ledger-unavailable");
    expect(acknowledged).to.be.greaterThan(10);
    const ledger = await files.open(path);
    expect(await channel(ledger)).to.include({ spent: BigInt(acknowledged), held: 0n });
  }).timeout(30_000);
});
