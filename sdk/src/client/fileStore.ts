import type { DatabaseSync } from "node:sqlite";

import { SubfenError } from "../errors.ts";
import { type BuyerStore, StoreInUseError } from "./store.ts";

/** There are no files here: this is not Node. */
export class NoFilesError extends SubfenError {
  override readonly name = "NoFilesError";

  constructor() {
    super("createFileStore needs Node 22.13 or newer.", {
      code: "no-files",
      metaMessages: ["Elsewhere leave the store out, or keep the text of a BuyerStore in what the platform has."],
    });
  }
}

/** The file's lock cannot be used: it is another program's file, or not to be written. */
export class StoreLockError extends SubfenError {
  override readonly name = "StoreLockError";

  constructor(cause: unknown) {
    super("The store's lock file cannot be used.", {
      code: "store-lock",
      metaMessages: ["It stands beside the store and ends in .lock. If no process uses the store, it may be deleted."],
      cause,
    });
  }
}

/**
 * Keeps a paying client's state in a file that only its owner may read. It is replaced as a whole, so that a crash
 * leaves the old text or the new one. As long as the store is open, the operating system locks the file beside it whose
 * name ends in `.lock`; a process that dies, however it dies, leaves no lock.
 *
 * @param parameters.path - The file. It and its folder are made where they are missing.
 * @returns The store, for the `store` of `payingFetch`.
 * @throws {StoreInUseError} when another process has it open, or another store of this one.
 * @throws {StoreLockError} when the lock file is not a lock file or cannot be written.
 * @throws {NoFilesError} outside Node.
 * @example
 * const store = await createFileStore({ path: "agent/channels.json" });
 * const fetch = payingFetch({ account, client, maxDeposit, maxPrice, store });
 */
export async function createFileStore(parameters: createFileStore.Parameters): Promise<BuyerStore> {
  // Asked for here and not imported, so that a bundle for browsers can hold this module.
  const modules = globalThis.process?.getBuiltinModule;
  if (!modules) throw new NoFilesError();
  const fs = modules("node:fs/promises");
  const { basename, dirname, join, resolve } = modules("node:path");

  const asked = resolve(parameters.path);
  await fs.mkdir(dirname(asked), { recursive: true, mode: 0o700 });
  // One file has one lock, by whatever links it is reached.
  const path = await fs.realpath(asked).catch(async () => join(await fs.realpath(dirname(asked)), basename(asked)));
  const lock = takeLock(modules("node:sqlite"), path);
  let text: string | undefined;
  try {
    await fs.chmod(`${path}.lock`, 0o600);
    text = await fs.readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      return undefined;
    });
  } catch (error) {
    lock.close();
    throw error;
  }
  let isTaken = false;
  let saving: Promise<void> = Promise.resolve();

  async function replace(content: string): Promise<void> {
    const draft = `${path}.new`;
    await fs.rm(draft, { force: true });
    const file = await fs.open(draft, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(draft, path);
    // The new name must be durable too. Windows has no way to ask for it, and no need.
    if (process.platform === "win32") return;
    const folder = await fs.open(dirname(path), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  return {
    take() {
      if (isTaken) throw new StoreInUseError("This store", process.pid);
      isTaken = true;
      return text;
    },
    async save(content) {
      if (!lock.isOpen) throw new TypeError("the store is closed");
      saving = replace(content);
      await saving;
    },
    async close() {
      await saving.catch(() => undefined);
      if (lock.isOpen) lock.close();
    },
  };
}

export declare namespace createFileStore {
  type Parameters = {
    /** The file, such as `"agent/channels.json"`. */
    path: string;
  };
}

/**
 * A lock of the operating system, by way of SQLite: it ends with its process, so no pid has to be judged dead or alive,
 * not even across containers. The pid in it is only for people.
 */
function takeLock(sqlite: typeof import("node:sqlite"), path: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new sqlite.DatabaseSync(`${path}.lock`, { timeout: 0 });
    lock.exec("BEGIN IMMEDIATE");
    lock.exec("CREATE TABLE IF NOT EXISTS holder (pid INTEGER); DELETE FROM holder");
    lock.prepare("INSERT INTO holder VALUES (?)").run(process.pid);
    // Others can read the pid once it is committed; the lock is what is begun after it.
    lock.exec("COMMIT; BEGIN IMMEDIATE");
    return lock;
  } catch (cause) {
    const isBusy = (((cause as { errcode?: number }).errcode ?? 0) & 0xff) === 5;
    const pid = isBusy && lock ? readHolder(lock) : undefined;
    lock?.close();
    throw isBusy ? new StoreInUseError("The store's file", pid, cause) : new StoreLockError(cause);
  }
}

function readHolder(lock: DatabaseSync): number | undefined {
  try {
    const pid = lock.prepare("SELECT pid FROM holder").get()?.["pid"];
    return typeof pid === "number" ? pid : undefined;
  } catch {
    // It is being written at this very moment.
    return undefined;
  }
}
