import type { Hex } from "viem";

import { createTurns } from "../turns.ts";

/** One evaluation of a payment at a time; payments do not wait for each other. */
export function createTurnsByPayment(): <result>(paymentId: Hex, work: () => Promise<result>) => Promise<result> {
  const queues = new Map<Hex, { turn: ReturnType<typeof createTurns>; waiting: number }>();
  return async (paymentId, work) => {
    const queue = queues.get(paymentId) ?? { turn: createTurns(), waiting: 0 };
    queues.set(paymentId, queue);
    queue.waiting += 1;
    try {
      return await queue.turn(work);
    } finally {
      queue.waiting -= 1;
      if (queue.waiting === 0) queues.delete(paymentId);
    }
  };
}
