import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";

/** The processes, or parts of one, that have a ledger's file open. */
export type Instances = {
  /** The number of this one. */
  readonly own: number;
  /** Gives up this one's lock: from now on it counts as ended. */
  leave(): void;
  /** Forgets those that have ended and returns their numbers. Must run in a writing transaction. */
  takeEnded(): number[];
};

type Sqlite = typeof import("node:sqlite");

/**
 * Registers an instance. It is alive while it has a lock on a small file of its own beside the ledger's: the operating
 * system lets go of that when the process ends, however it ends, so that neither clocks nor process ids are asked.
 *
 * @param sqlite - The module.
 * @param database - The ledger's file, open.
 * @param path - Its path.
 * @returns The instances.
 */
export function registerInstance({ DatabaseSync }: Sqlite, database: DatabaseSync, path: string): Instances {
  /** An empty database: what is wanted of it is SQLite's lock, which works alike everywhere. */
  function tryLock(name: string): DatabaseSync | undefined {
    let file: DatabaseSync | undefined;
    try {
      file = new DatabaseSync(lockPath(name));
      file.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
      return file;
    } catch {
      file?.close();
      return undefined;
    }
  }
  const lockPath = (name: string) => `${path}-instance-${name}`;

  function release(name: string, file: DatabaseSync | undefined): void {
    file?.close();
    rmSync(lockPath(name), { force: true });
  }

  const name = randomUUID();
  // Locked first and registered then: one that is registered and not locked has ended.
  let lock = tryLock(name);
  const { lastInsertRowid } = database.prepare("INSERT INTO instances (lock) VALUES (?)").run(name);
  const all = database.prepare("SELECT id, lock FROM instances ORDER BY id");
  const forget = database.prepare("DELETE FROM instances WHERE id = ?");

  return {
    own: Number(lastInsertRowid),
    leave() {
      if (lock) release(name, lock);
      lock = undefined;
    },
    takeEnded() {
      const ended: number[] = [];
      for (const { id, lock: other } of all.all() as { id: number; lock: string }[]) {
        if (existsSync(lockPath(other))) {
          const file = tryLock(other);
          if (!file) continue;
          release(other, file);
        }
        forget.run(id);
        ended.push(id);
      }
      return ended;
    },
  };
}
