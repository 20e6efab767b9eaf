import type { Hex } from "viem";

import { createTurns } from "../turns.ts";

/** Sends one transaction of an account after those before it. */
export type SendQueue = (send: (nonce: number) => Promise<Hex>) => Promise<Hex>;

/** Milliseconds for which a node may not know yet what another one, or itself, was sent. */
export const nodeLag = 60_000;

/**
 * Makes the queue of one account's transactions: each gets the nonce after the last one, so that parallel sends neither
 * collide nor leave a gap.
 *
 * @param count - Asks the node how many transactions it knows of the account, pending ones included.
 * @returns The queue. It calls `send` with the nonce once the sends before it are over, and goes on after one that fails.
 * @internal
 */
export function createSendQueue(count: () => Promise<number>): SendQueue {
  const inTurn = createTurns();
  let next = 0;
  let sentAt = 0;
  return (send) =>
    inTurn(async () => {
      const counted = await count();
      const nonce = Date.now() - sentAt < nodeLag && next > counted ? next : counted;
      const hash = await send(nonce);
      next = nonce + 1;
      sentAt = Date.now();
      return hash;
    });
}
