import { setTimeout as pause } from "node:timers/promises";

import type { Address } from "viem";

import { getTransactionCount } from "../chain/actions.ts";
import { nodeLag } from "../chain/createSendQueue.ts";
import type { ChainClient } from "../chain/write.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { SubfenError } from "../errors.ts";
import { createTurns } from "../turns.ts";

/** Numbers the transactions of one account, for all processes that share a ledger. */
export type Nonces = {
  /** Runs one step at a time, in this process and all others. */
  exclusive<result>(step: (lease: { renew: () => Promise<void> }) => Promise<result>): Promise<result>;
  /**
   * The lowest nonce that is free. To be asked for, and used, in one exclusive step.
   *
   * @param options.isLagging - Whether the node may not know yet what was sent last; `true` by default.
   */
  next(options?: { isLagging: boolean }): Promise<number>;
  /** Notes that a nonce is used for good. */
  used(nonce: number): void;
  /** Believes the node alone. */
  forget(): void;
};

/** Another process had the account for too long. */
class AccountBusyError extends SubfenError {
  override readonly name = "AccountBusyError";

  constructor(account: Address) {
    super(`Another process was sending transactions of ${account} for too long.`, {
      code: "account-busy",
      metaMessages: ["Nothing was sent. Try again; if it lasts, look at that process's connection to the chain."],
    });
  }
}

/** Milliseconds a process may take to number and send one transaction before another may. */
const ttl = 30_000;

/** Makes the nonces of one account. */
export function createNonces(parameters: { client: ChainClient; ledger: Ledger; account: Address }): Nonces {
  const { client, ledger, account } = parameters;
  const lease = { name: `nonces ${account.toLowerCase()}`, holder: crypto.randomUUID(), ttl };
  const inTurn = createTurns();
  let floor = { nonce: 0, until: 0 };

  async function acquire(): Promise<void> {
    const deadline = performance.now() + 2 * ttl;
    while (!(await ledger.acquireLease(lease))) {
      if (performance.now() > deadline) throw new AccountBusyError(account);
      await pause(20);
    }
  }

  async function renew(): Promise<void> {
    if (!(await ledger.acquireLease(lease))) throw new AccountBusyError(account);
  }

  return {
    exclusive: (step) =>
      inTurn(async () => {
        await acquire();
        try {
          return await step({ renew });
        } finally {
          // It ends by itself where it cannot be given back.
          await ledger.releaseLease(lease).catch(() => undefined);
        }
      }),

    async next({ isLagging } = { isLagging: true }) {
      const counted = await getTransactionCount(client, { address: account, blockTag: "pending" });
      const taken = new Set((await ledger.transactions(account)).map(({ nonce }) => nonce));
      // Not above the highest that is taken: a chain that has lost blocks leaves a gap, which must be filled.
      const isBelow = isLagging && performance.now() < floor.until && counted < floor.nonce;
      let nonce = isBelow ? floor.nonce : counted;
      while (taken.has(nonce)) nonce++;
      return nonce;
    },

    forget() {
      floor = { nonce: 0, until: 0 };
    },

    used(nonce) {
      if (nonce >= floor.nonce || performance.now() > floor.until) {
        floor = { nonce: nonce + 1, until: performance.now() + nodeLag };
      }
    },
  };
}
