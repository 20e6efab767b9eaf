import { setTimeout as pause } from "node:timers/promises";

import type { Address, Hex, LocalAccount, TransactionReceipt } from "viem";

import {
  getBlockNumber,
  getTransaction,
  getTransactionCount,
  getTransactionReceipt,
  sendRawTransaction,
  sendTransaction,
} from "../chain/actions.ts";
import { TransactionRevertedError } from "../chain/errors.ts";
import { type ChainClient, confirmTransaction, withSend } from "../chain/write.ts";
import { SubfenError } from "../errors.ts";
import type { Ledger, SavedTransaction } from "../ledger/ledger.ts";
import { createNonces } from "./nonces.ts";
import { createTransactionMaker } from "./transactionMaker.ts";

/** A transaction was sent and has no outcome yet. It stays in the outbox and is looked after until it has one. */
export class TransactionPendingError extends SubfenError {
  override readonly name = "TransactionPendingError";

  constructor(id: string, hash: Hex | undefined, cause?: unknown) {
    super(`The transaction for "${id}" has no outcome yet.`, {
      code: "transaction-pending",
      metaMessages: [
        ...(hash ? [`It was sent last as ${hash}.`] : []),
        "It stays in the outbox, and is sent again and replaced until it is mined.",
      ],
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** The account's nonce was used by a transaction that is not ours. */
export class TransactionReplacedError extends SubfenError {
  override readonly name = "TransactionReplacedError";

  constructor(id: string, account: Address, nonce: number) {
    super(`The transaction for "${id}" was replaced: another one used nonce ${nonce} of ${account}.`, {
      code: "transaction-replaced",
      metaMessages: ["Give this account to the gateways of one ledger alone. What it was for can be tried again."],
    });
  }
}

/** The part of a gateway that sends its transactions. */
export type Outbox = {
  /**
   * Sends a transaction and waits for its outcome. It is in the ledger before it leaves, so that a process that starts
   * anew still knows it. Where one with this id has no outcome yet, that one is waited for instead.
   *
   * @param id - What it is for.
   * @param send - Calls one action of this package with a client that hands the transaction to this outbox.
   * @param admit - Called once the action has passed its simulation and before anything is sent; throws to refuse it.
   * @returns The receipt once it, or what replaced it, has succeeded and is confirmed.
   * @throws {TransactionRevertedError} when it was mined but failed.
   * @throws {TransactionReplacedError} when something else used the nonce.
   * @throws {TransactionPendingError} when there is no outcome in time, or the node does not answer.
   */
  transact(id: string, send: (client: ChainClient) => Promise<Hex>, admit?: () => void): Promise<TransactionReceipt>;
  /**
   * Waits until no transaction with this id is without an outcome, whichever process sent it.
   *
   * @returns The receipts of those that have succeeded.
   * @throws {TransactionPendingError} when one still is after a while.
   */
  finish(id: string): Promise<TransactionReceipt[]>;
  /** Looks after everything that has no outcome: those who sent it may have ended. */
  adopt(): Promise<void>;
  /** Looks after nothing any more: what is waited for counts as pending. */
  stop(): void;
};

/** What an outbox needs. */
export type OutboxParameters = {
  client: ChainClient;
  chainId: number;
  ledger: Ledger;
  /** Blocks to wait for. */
  confirmations: number;
  /** Milliseconds after which a transaction that is not mined is sent with a higher fee. */
  replaceAfter: number;
  /** Wei for each unit of gas that is never exceeded. */
  maxFeePerGas: bigint | undefined;
  /** Milliseconds to wait for an outcome. */
  timeout: number;
  /** The clock, in milliseconds. */
  now: () => number;
  report: (error: unknown) => void;
};

/** `undefined` where something else used the nonce. */
type Outcome = TransactionReceipt | "stopped" | undefined;

/** A transaction that is looked after. */
type Watch = {
  readonly outcome: Promise<Outcome>;
  /** Who wants to know that the node does not answer. */
  readonly onSilence: Set<(cause: unknown) => void>;
};

/** How many looks in a row must find a nonce used and no receipt: of many nodes behind one name, one may lag. */
const looksBeforeLost = 3;
/** How many looks in a row must fail before those who wait are told. */
const looksBeforeSilence = 3;

/**
 * Makes the outbox of a client's account. A key that is here is looked after; a wallet or node that holds the key counts
 * and replaces by itself.
 */
export function createOutbox(parameters: OutboxParameters): Outbox {
  const { client, confirmations, timeout } = parameters;
  if (client.account?.type === "local") return createLocalOutbox(parameters, client.account);
  return {
    async transact(_id, send, admit) {
      const { account = null } = client;
      const admitted = withSend(client, async (call) => {
        admit?.();
        return sendTransaction(client, { ...call, account, chain: client.chain ?? null });
      });
      return confirmTransaction(client, { hash: await send(admitted), confirmations, timeout });
    },
    finish: async () => [],
    adopt: async () => {},
    stop() {},
  };
}

function createLocalOutbox(parameters: OutboxParameters, account: LocalAccount): Outbox {
  const { client, ledger, confirmations, replaceAfter, timeout, now, report } = parameters;
  const { address } = account;
  const nonces = createNonces({ client, ledger, account: address });
  const maker = createTransactionMaker({ ...parameters, account });
  /** What this process looks after, by nonce. */
  const watched = new Map<number, Watch>();
  const stopping = new AbortController();

  async function savedAt(nonce: number): Promise<SavedTransaction | undefined> {
    return (await ledger.transactions(address)).find((saved) => saved.nonce === nonce);
  }

  /** Saves a transaction, then sends it. */
  async function submit(transaction: Omit<SavedTransaction, "hashes">): Promise<SavedTransaction> {
    const { raw, hash } = await maker.sign(transaction);
    const saved = await ledger.saveTransaction({ ...transaction, hash });
    await sendRawTransaction(client, { serializedTransaction: raw }).catch((error: unknown) => {
      if (!isMessage(error, /already|known transaction/i)) throw error;
    });
    return saved;
  }

  async function post(
    id: string,
    call: Pick<SavedTransaction, "to" | "data">,
    admit: (() => void) | undefined,
  ): Promise<SavedTransaction> {
    return nonces.exclusive(async ({ renew }) => {
      const earlier = (await ledger.transactions(address)).find((saved) => saved.id === id);
      if (earlier) return earlier;
      admit?.();
      const priced = await maker.price(call);
      for (let attempt = 1; ; attempt++) {
        const nonce = await nonces.next();
        await renew();
        const transaction = { ...call, ...priced, id, account: address, nonce, sentAt: now() };
        try {
          return await submit(transaction);
        } catch (error) {
          // Who cannot tell whether it arrived looks after it as if it had.
          const saved = await savedAt(nonce);
          if (saved && !isRefusal(error)) return saved;
          await ledger.removeTransaction({ account: address, nonce });
          if (attempt === 3) throw error;
          if (isMessage(error, usedNonce)) nonces.used(nonce);
          else if (isMessage(error, unusedNonce)) nonces.forget();
          else throw error;
        }
      }
    });
  }

  /** Sends a transaction again: with a higher fee once it has waited for long, as it is where the node has forgotten it. */
  async function push({ nonce, hashes, sentAt }: SavedTransaction): Promise<void> {
    const isLate = now() - sentAt >= replaceAfter;
    const newest = hashes.at(-1) as Hex;
    const isKnown = await getTransaction(client, { hash: newest }).then(
      () => true,
      () => false,
    );
    if (isKnown && !isLate) return;
    await nonces.exclusive(async ({ renew }) => {
      const saved = await savedAt(nonce);
      // Another process was first.
      if (!saved || saved.hashes.at(-1) !== newest) return;
      const { hashes: _, ...transaction } = saved;
      const fees = isLate ? await maker.raise(saved) : undefined;
      if (isKnown && !fees) return;
      await renew();
      await submit(fees ? { ...transaction, ...fees, sentAt: now() } : transaction);
    });
  }

  /**
   * Gives a transaction a lower nonce where one is free: a chain that has lost blocks waits for it, and would for ever.
   *
   * @returns It under its new nonce, or `undefined` where none is free.
   */
  async function moveDown(nonce: number): Promise<SavedTransaction | undefined> {
    return nonces.exclusive(async ({ renew }) => {
      const saved = await savedAt(nonce);
      const lower = await nonces.next({ isLagging: false });
      if (!saved || lower >= nonce) return undefined;
      const { hashes: _, ...transaction } = saved;
      await renew();
      await ledger.removeTransaction({ account: address, nonce });
      await submit({ ...transaction, nonce: lower, sentAt: now() }).catch(report);
      return savedAt(lower);
    });
  }

  async function receiptOf(hashes: readonly Hex[]): Promise<TransactionReceipt | undefined> {
    for (const hash of hashes) {
      const receipt = await getTransactionReceipt(client, { hash }).catch((error: unknown) => {
        if (error instanceof Error && error.name === "TransactionReceiptNotFoundError") return undefined;
        throw error;
      });
      if (receipt) return receipt;
    }
    return undefined;
  }

  async function watch(first: SavedTransaction, onSilence: Watch["onSilence"]): Promise<Outcome> {
    const { nonce } = first;
    let { hashes } = first;
    let looksLost = 0;
    let looksFailed = 0;

    /** One look; `"waiting"` while there is no outcome. */
    async function look(): Promise<Outcome | "waiting"> {
      const saved = await savedAt(nonce);
      hashes = saved?.hashes ?? hashes;
      const head = await getBlockNumber(client, { cacheTime: 0 });
      const confirmedAt = head - BigInt(confirmations - 1);
      const receipt = await receiptOf(hashes);
      if (receipt) {
        looksLost = 0;
        return receipt.blockNumber <= confirmedAt ? receipt : "waiting";
      }
      const blockNumber = confirmedAt > 0n ? confirmedAt : 0n;
      const count = await getTransactionCount(client, { address, blockNumber });
      if (count > nonce || !saved) return ++looksLost < looksBeforeLost ? "waiting" : undefined;
      looksLost = 0;
      const isBehindGap = count < nonce && now() - saved.sentAt >= replaceAfter;
      const moved = isBehindGap ? await moveDown(nonce) : undefined;
      if (moved) return lookAfter(moved).outcome;
      await push(saved);
      return "waiting";
    }

    for (; !stopping.signal.aborted; await untilNextLook()) {
      try {
        const outcome = await look();
        looksFailed = 0;
        if (outcome === "waiting") continue;
        if (outcome !== "stopped") await ledger.removeTransaction({ account: address, nonce });
        nonces.used(nonce);
        return outcome;
      } catch (error) {
        // It may just have been mined: the next look tells.
        if (isMessage(error, usedNonce)) continue;
        if (looksFailed === 0) report(error);
        if (++looksFailed < looksBeforeSilence) continue;
        for (const tell of onSilence) tell(error);
        onSilence.clear();
      }
    }
    return "stopped";
  }

  /** Until the next look, or the end. */
  async function untilNextLook(): Promise<void> {
    await pause(client.pollingInterval, undefined, stopping).catch(() => undefined);
  }

  function lookAfter(saved: SavedTransaction): Watch {
    const { nonce } = saved;
    const running = watched.get(nonce);
    if (running) return running;
    const onSilence: Watch["onSilence"] = new Set();
    const started = { onSilence, outcome: watch(saved, onSilence).finally(() => watched.delete(nonce)) };
    watched.set(nonce, started);
    return started;
  }

  /** Waits for an outcome, but not for ever, and not for a node that does not answer. */
  async function outcomeOf(saved: SavedTransaction): Promise<TransactionReceipt | undefined> {
    const { outcome, onSilence } = lookAfter(saved);
    const pending = (cause?: unknown) => new TransactionPendingError(saved.id, saved.hashes.at(-1), cause);
    return new Promise((resolve, reject) => {
      const tell = (cause: unknown): void => reject(pending(cause));
      onSilence.add(tell);
      const timer = setTimeout(() => reject(pending()), timeout);
      void outcome.then((found) => {
        onSilence.delete(tell);
        clearTimeout(timer);
        if (found === "stopped") reject(pending());
        else resolve(found);
      });
    });
  }

  return {
    async transact(id, send, admit) {
      let saved: SavedTransaction | undefined;
      const hash = await send(
        withSend(client, async (call) => {
          saved = await post(id, call, admit);
          return saved.hashes.at(-1) as Hex;
        }),
      );
      if (!saved) return confirmTransaction(client, { hash, confirmations, timeout });
      const receipt = await outcomeOf(saved);
      if (!receipt) throw new TransactionReplacedError(id, address, saved.nonce);
      if (receipt.status !== "success") throw new TransactionRevertedError(receipt.transactionHash);
      return receipt;
    },

    async finish(id) {
      const receipts: TransactionReceipt[] = [];
      for (const saved of await ledger.transactions(address)) {
        const receipt = saved.id === id ? await outcomeOf(saved) : undefined;
        if (receipt?.status === "success") receipts.push(receipt);
      }
      return receipts;
    },

    async adopt() {
      for (const saved of await ledger.transactions(address)) void lookAfter(saved);
    },

    stop: () => stopping.abort(),
  };
}

/** What nodes say of a nonce that is used. */
const usedNonce = /nonce\b.{0,20}too low|nonce\b.{0,30}already|old nonce|invalid nonce/i;
/** What some say of one before which others are free: they have lost blocks, and forgotten what we were told before. */
const unusedNonce = /nonce\b.{0,20}too high/i;

function isMessage(error: unknown, pattern: RegExp): boolean {
  return error instanceof Error && pattern.test(error.message);
}

/** A node has looked at a transaction and does not want it; any other failure may hide that it arrived. */
function isRefusal(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ("code" in cause && [-32000, -32003, -32602].includes(Number(cause.code))) return true;
  return false;
}
