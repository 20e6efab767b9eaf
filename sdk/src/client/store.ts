import { SubfenError } from "../errors.ts";

/**
 * Where a paying client keeps what must outlive its process: one text, replaced as a whole. `createFileStore` keeps it
 * in a file; anything that can replace a text durably will do.
 */
export type BuyerStore = {
  /**
   * Hands out what was saved last. Once: two fetches must never sign from one store.
   *
   * @returns The text, or `undefined` when nothing was saved yet.
   * @throws {StoreInUseError} when it was taken before.
   */
  take(): string | undefined;
  /**
   * Replaces the text. Never called while an earlier call runs.
   *
   * @param text - What to keep.
   * @returns Once it is durable: whatever dies afterwards, this or a later text is found again.
   */
  save(text: string): Promise<void>;
  /** Lets another process take over. Nothing is saved afterwards. */
  close(): Promise<void>;
};

/** Another process, or another fetch of this one, signs from this store. */
export class StoreInUseError extends SubfenError {
  override readonly name = "StoreInUseError";
  /** The process that holds it, where that is known. */
  readonly pid: number | undefined;

  constructor(what: string, pid: number | undefined, cause?: unknown) {
    super(`${what} is in use by ${pid === undefined ? "another fetch or process" : `process ${pid}`}.`, {
      code: "store-in-use",
      metaMessages: ["Two that sign on one channel would pay twice: close the other one, or give this one its own."],
      ...(cause === undefined ? {} : { cause }),
    });
    this.pid = pid;
  }
}

/** What a store holds is not what a paying client has saved there, or not for this account and chain. Left untouched. */
export class StoreUnreadableError extends SubfenError {
  override readonly name = "StoreUnreadableError";

  constructor(reason: string, cause?: unknown) {
    super(`The store cannot be used: ${reason}.`, {
      code: "store-unreadable",
      metaMessages: [
        "Nothing was changed. Give the right one, or a copy of it. If it is lost, move it away and start with",
        "recoverFrom: the channels are found again on the chain, and their sellers tell what was spent.",
      ],
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** The store could not be written: what would have been sent was not. */
export class StoreWriteError extends SubfenError {
  override readonly name = "StoreWriteError";

  constructor(cause: unknown) {
    super("The store cannot be written, so nothing was sent.", {
      code: "store-write",
      metaMessages: ["Make room or mend its folder's permissions, then make the same call again."],
      cause,
    });
  }
}

/** Makes changes durable, many with one write. */
export type Journal = {
  /** @returns Once everything changed so far is durable. */
  commit(): Promise<void>;
  /** Starts making everything durable. What fails is told to the next who commits. */
  note(): void;
};

/**
 * Makes the journal of a store, or one that keeps nothing.
 *
 * @param store - The store, or `undefined`.
 * @param write - Writes down everything as it is now.
 * @returns The journal. While one write runs, all that commit meanwhile share the next.
 */
export function createJournal(store: BuyerStore | undefined, write: () => string): Journal {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  async function commit(): Promise<void> {
    if (!store) return;
    next ??= running.then(async () => {
      running = (next as Promise<void>).catch(() => undefined);
      next = undefined;
      try {
        await store.save(write());
      } catch (cause) {
        throw new StoreWriteError(cause);
      }
    });
    await next;
  }

  return { commit, note: () => void commit().catch(() => undefined) };
}
