import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { expect } from "chai";

import { createFileStore } from "../../../sdk/src/index.ts";
import { rejection } from "./helpers.ts";
import { type BuyerProcess, killAll, startBuyer } from "./processes.ts";

describe("createFileStore", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "subfen-"));
    path = join(folder, "agent", "channels.json");
  });
  afterEach(() => {
    killAll();
    rmSync(folder, { recursive: true });
  });
  const modeOf = (file: string): number => statSync(file).mode & 0o777;
  /** A process that opens the store, and keeps it open if it can. */
  const hold = (file: string): BuyerProcess =>
    startBuyer({ path: file, rpc: "http://127.0.0.1:9", seller: "http://127.0.0.1:9", bodies: [], isKeyed: false });

  it("hands out what was saved last, after it was closed", async () => {
    const first = await createFileStore({ path });
    expect(first.take()).to.equal(undefined);
    await first.save("one");
    await first.save("two, 二");
    await first.close();
    const second = await createFileStore({ path });
    expect(second.take()).to.equal("two, 二");
    await second.close();
  });

  it("keeps file, lock and a folder that it makes from other users' eyes", async function () {
    if (process.platform === "win32") return this.skip();
    const store = await createFileStore({ path });
    await store.save("secret");
    expect([path, `${path}.lock`].map(modeOf)).to.deep.equal([0o600, 0o600]);
    expect(modeOf(join(folder, "agent"))).to.equal(0o700);
    chmodSync(path, 0o644);
    await store.save("secret again");
    expect(modeOf(path)).to.equal(0o600);
    await store.close();
  });

  it("replaces the file as a whole: a save that was cut off leaves the text before it", async () => {
    const first = await createFileStore({ path });
    await first.save("whole");
    // Who reads the old file goes on reading the old text: nothing is written into it.
    const before = statSync(path).ino;
    await first.save("whole, too");
    expect(statSync(path).ino).not.to.equal(before);
    await first.close();
    writeFileSync(`${path}.new`, "cut o");
    const second = await createFileStore({ path });
    expect(second.take()).to.equal("whole, too");
    await second.save("next");
    expect(readFileSync(path, "utf8")).to.equal("next");
    expect(existsSync(`${path}.new`)).to.equal(false);
    await second.close();
  });

  it("is for one fetch, and not for use after it was closed", async () => {
    const store = await createFileStore({ path });
    store.take();
    expect(() => store.take())
      .to.throw()
      .with.property("code", "store-in-use");
    await store.close();
    await store.close();
    expect((await rejection(store.save("late"))).message).to.include("closed");
    expect(existsSync(path)).to.equal(false);
  });

  it("refuses a second store on one file, by whatever name, and names the holder", async function () {
    const store = await createFileStore({ path });
    await store.save("x");
    const error = await rejection(createFileStore({ path }));
    expect(error).to.include({ code: "store-in-use", pid: process.pid });
    expect(error.message).to.include(`process ${process.pid}`);
    const link = join(folder, "link.json");
    symlinkSync(path, link);
    expect(await rejection(createFileStore({ path: link }))).to.include({ code: "store-in-use" });
    const [refused] = await hold(path).hear("refused");
    expect(refused).to.include({ code: "store-in-use", pid: process.pid });
    await store.save("still ours");
    expect(readFileSync(path, "utf8")).to.equal("still ours");
    await store.close();
  });

  it("of a process that was killed can be opened at once", async () => {
    const holder = hold(path);
    await holder.hear("opened");
    expect(await rejection(createFileStore({ path }))).to.include({ code: "store-in-use", pid: holder.pid });
    await holder.kill();
    const store = await createFileStore({ path });
    await store.close();
  });

  it("is won by one of several that open it at once after its holder was killed", async () => {
    const holder = hold(path);
    await holder.hear("opened");
    await holder.kill();
    const rivals = [1, 2, 3].map(() => hold(path));
    const told = await Promise.all(rivals.map((rival) => Promise.any([rival.hear("opened"), rival.hear("refused")])));
    expect(told.map(([message]) => message!.kind).toSorted()).to.deep.equal(["opened", "refused", "refused"]);
  });

  it("says what is wrong with a lock file that is none, and leaves both files as they are", async () => {
    const other = join(folder, "other.json");
    writeFileSync(`${other}.lock`, "not a lock file, but somebody's notes".repeat(40));
    writeFileSync(other, "kept");
    expect((await rejection(createFileStore({ path: other }))).code).to.equal("store-lock");
    expect(readFileSync(`${other}.lock`, "utf8")).to.match(/^not a lock file/);
    expect(readFileSync(other, "utf8")).to.equal("kept");
  });
});
