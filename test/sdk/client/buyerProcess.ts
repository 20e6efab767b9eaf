// A buyer in a process of its own, which tests kill. `processes.ts` starts it and hears what it says.
import { fileURLToPath } from "node:url";

import { createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { createFileStore, isSubfenError, parseYuan, payingFetch } from "../../../sdk/src/index.ts";
import { payerKey } from "../../server/helpers.ts";

/** What a buyer does: buys all bodies at once, or only holds its store. */
export type Task = {
  readonly path: string;
  readonly rpc: string;
  readonly seller: string;
  readonly bodies: readonly string[];
  /** Whether each body is its call's `Idempotency-Key` as well. */
  readonly isKeyed: boolean;
};

/** What it says. Amounts as decimal strings. */
export type Message =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly code: string; readonly pid: number | undefined }
  | { readonly kind: "answer"; readonly body: string; readonly text: string }
  | { readonly kind: "done"; readonly spent: string; readonly uncertain: string };

async function buy({ path, rpc, seller, bodies, isKeyed }: Task, say: (message: Message) => void): Promise<void> {
  let store;
  try {
    store = await createFileStore({ path });
  } catch (error) {
    if (!isSubfenError(error, "store-in-use")) throw error;
    return say({ kind: "refused", code: error.code, pid: (error as unknown as { pid?: number }).pid });
  }
  say({ kind: "opened" });
  const account = privateKeyToAccount(payerKey);
  const client = createWalletClient({ account, transport: http(rpc), pollingInterval: 10 });
  const fetch = payingFetch({ account, client, maxDeposit: parseYuan("5"), maxPrice: parseYuan("0.01"), store });
  await Promise.all(
    bodies.map(async (body) => {
      const headers = isKeyed ? { "idempotency-key": body } : undefined;
      const response = await fetch(seller, { method: "POST", body, ...(headers ? { headers } : {}) });
      say({ kind: "answer", body, text: await response.text() });
    }),
  );
  if (bodies.length === 0) return;
  const [balance] = fetch.balance();
  say({ kind: "done", spent: String(balance?.spent), uncertain: String(balance?.uncertain) });
  await store.close();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // Listening keeps a process that only holds its store alive.
  process.on("message", () => undefined);
  const send = (message: Message): void => void process.send?.(message);
  await buy(JSON.parse(process.argv[2] ?? "") as Task, send);
}
