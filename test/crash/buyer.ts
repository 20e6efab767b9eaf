import { createInterface } from "node:readline";

import { createWalletClient, type Hex, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { type BuyerStore, createFileStore, isSubfenError, parseYuan, payingFetch } from "../../sdk/src/index.ts";
import { ceiling } from "./price.ts";
import { pause } from "./processes.ts";

/** Calls under way at a time. */
export const inFlight = 16;
/** Tries of one call: far more than it ever needs. */
const maxTries = 2_000;

export type Buyer = ReturnType<typeof startBuyer>;

/**
 * Buys without a break, 16 calls at a time, and remembers what it was told: the oracle. A call that got no answer, or one
 * that it failed, is made again under the same key until it is answered. Some are given up half-way and made again.
 */
export function startBuyer(parameters: startBuyer.Parameters) {
  const { rpc, url, key: privateKey, store, again = [], firstCall = 0 } = parameters;
  const { onAsk = () => undefined, onAnswer = () => undefined } = parameters;
  const account = privateKeyToAccount(privateKey);
  const client = createWalletClient({ account, transport: http(rpc, { retryCount: 0 }), pollingInterval: 20 });
  const paying = payingFetch({ account, client, maxDeposit: parseYuan("90"), maxPrice: ceiling, store });
  /** What each answered call did cost, by its key. */
  const acknowledged = new Map<string, bigint>();
  const asked = new Set<string>();
  const faults: string[] = [];
  const stopping = { asked: false };
  const unanswered = [...again];
  let calls = firstCall;
  let attempts = 0;

  async function attempt(key: string): Promise<bigint | undefined> {
    // One in eight loses patience. Tries are counted and not calls: on a slow machine each must come to one that waits.
    const signal = attempts++ % 8 === 0 ? AbortSignal.timeout(30) : null;
    const response = await paying(url, { method: "POST", body: key, headers: { "idempotency-key": key }, signal });
    const text = await response.text();
    // A top-up that the chain has forgotten is made again, and counts once the chain is as high as it was before.
    if (response.status >= 500 || text.includes('"amount-exceeds-deposit"')) return undefined;
    if (!response.ok) throw new Error(`answered ${response.status}: ${text}`);
    const answer = JSON.parse(text) as { key: string; cost: number };
    if (answer.key !== key) throw new Error(`${key} was answered with what ${answer.key} has bought`);
    return BigInt(answer.cost);
  }

  async function buy(key: string): Promise<void> {
    asked.add(key);
    onAsk(key);
    for (let tries = 0; tries < maxTries; tries++) {
      try {
        const cost = await attempt(key);
        if (cost !== undefined) {
          acknowledged.set(key, cost);
          onAnswer(key, cost);
          return;
        }
      } catch (error) {
        if (!isPassing(error)) return void faults.push(String(error));
      }
      await pause(10);
    }
    faults.push(`${key} was never answered`);
  }

  async function work(): Promise<void> {
    while (!stopping.asked && faults.length === 0) {
      await buy(unanswered.shift() ?? `call ${calls++}`);
    }
  }

  const done = Promise.all(Array.from({ length: inFlight }, work));
  return {
    acknowledged,
    /** The keys of all calls, answered or under way. */
    asked,
    /** What should never have happened. */
    faults,
    balance: paying.balance,
    /** Waits for so many more calls to be answered. */
    async answered(count: number): Promise<void> {
      const enough = acknowledged.size + count;
      for (let looks = 0; acknowledged.size < enough; looks++) {
        if (faults.length > 0 || looks === maxTries) throw new Error(`no answer comes: ${faults.join(", ")}`);
        await pause(10);
      }
    },
    /** Lets the calls that are under way be answered, and then one alone, whose receipt tells what every lost one has cost. */
    async finish(): Promise<void> {
      stopping.asked = true;
      await done;
      await buy(`call ${calls++}`);
    },
  };
}

export declare namespace startBuyer {
  type Parameters = {
    rpc: string;
    url: string;
    /** The payer's. */
    key: Hex;
    /** Where it keeps what it has signed; in memory by default. */
    store?: BuyerStore;
    /** Keys of calls that an earlier process has made and that were not answered. */
    again?: readonly string[];
    /** The number of its first new call. */
    firstCall?: number;
    /** Told the key of a call before it is made. */
    onAsk?: (key: string) => void;
    /** Told what an answered call did cost. */
    onAnswer?: (key: string, cost: bigint) => void;
  };
}

/** A buyer, as a process of its own that keeps its state in a file: tells what it asks and is told, until it is to finish. */
export async function runBuyer(options: startBuyer.Parameters & { storePath: string }): Promise<void> {
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
  say("loaded");
  const { value } = (await lines.next()) as { value: string };
  const { again, firstCall } = JSON.parse(value) as { again: string[]; firstCall: number };
  const store = await createFileStore({ path: options.storePath });
  const onAsk = (key: string) => say(`asks ${key}`);
  const onAnswer = (key: string, cost: bigint) => say(`got ${cost} for ${key}`);
  const buyer = startBuyer({ ...options, store, again, firstCall, onAsk, onAnswer });
  await lines.next();
  await buyer.finish();
  const [balance] = buyer.balance();
  say(`finished ${JSON.stringify([buyer.faults, String(balance?.spent), String(balance?.uncertain)])}`);
}

/** What a seller, or a chain, that is away for a moment makes of a call. */
function isPassing(error: unknown): boolean {
  if (isSubfenError(error, "funding-refused")) return true;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof TypeError || ["TimeoutError", "HttpRequestError"].includes(cause.name)) return true;
  }
  return false;
}
