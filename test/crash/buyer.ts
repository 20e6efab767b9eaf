import { createWalletClient, type Hex, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { isSubfenError, parseYuan, payingFetch } from "../../sdk/src/index.ts";
import { ceiling } from "./price.ts";
import { pause } from "./processes.ts";

/** Calls under way at a time. */
export const inFlight = 16;
/** Tries of one call: far more than it ever needs. */
const maxTries = 2_000;

export type Buyer = ReturnType<typeof startBuyer>;

/**
 * Buys without a break, 16 calls at a time, and remembers what it was told: the oracle. A call that got no answer, or one
 * that it failed, is made again under the same key until it is answered.
 */
export function startBuyer({ rpc, url, key: privateKey }: { rpc: string; url: string; key: Hex }) {
  const account = privateKeyToAccount(privateKey);
  const client = createWalletClient({ account, transport: http(rpc, { retryCount: 0 }), pollingInterval: 20 });
  const paying = payingFetch({ account, client, maxDeposit: parseYuan("90"), maxPrice: ceiling, fetch: untilAnswered });
  /** What each answered call did cost, by its key. */
  const acknowledged = new Map<string, bigint>();
  const asked = new Set<string>();
  const faults: string[] = [];
  const stopping = { asked: false };
  let calls = 0;

  async function attempt(key: string): Promise<bigint | undefined> {
    const response = await paying(url, { method: "POST", body: key, headers: { "idempotency-key": key } });
    const text = await response.text();
    if (response.status >= 500) return undefined;
    if (!response.ok) throw new Error(`answered ${response.status}: ${text}`);
    const answer = JSON.parse(text) as { key: string; cost: number };
    if (answer.key !== key) throw new Error(`${key} was answered with what ${answer.key} has bought`);
    return BigInt(answer.cost);
  }

  async function buy(key: string): Promise<void> {
    asked.add(key);
    for (let tries = 0; tries < maxTries; tries++) {
      try {
        const cost = await attempt(key);
        if (cost !== undefined) return void acknowledged.set(key, cost);
      } catch (error) {
        if (!isPassing(error)) return void faults.push(String(error));
      }
      await pause(10);
    }
    faults.push(`${key} was never answered`);
  }

  async function work(): Promise<void> {
    while (!stopping.asked && faults.length === 0) {
      await buy(`call ${calls++}`);
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

/** Sends the same request until its whole answer is there: the seller may be killed at any byte of it. */
const untilAnswered: typeof fetch = async (input, init) => {
  for (let tries = 1; ; tries++) {
    try {
      const { body, ...rest } = await readWhole(await fetch(input, init));
      return new Response(body, rest);
    } catch (error) {
      if (tries === maxTries) throw error;
      await pause(20);
    }
  }
};

async function readWhole(response: Response) {
  const bytes = await response.arrayBuffer();
  return { status: response.status, headers: response.headers, body: bytes.byteLength === 0 ? null : bytes };
}

/** What a seller, or a chain, that is away for a moment makes of a call. */
function isPassing(error: unknown): boolean {
  const { name } = error as Error;
  const isNetwork = error instanceof TypeError || name === "TimeoutError" || name === "HttpRequestError";
  return isNetwork || isSubfenError(error, "funding-refused");
}
