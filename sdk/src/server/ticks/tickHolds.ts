import type { Hex } from "viem";

import type { Answer } from "../../ledger/ledger.ts";
import type { Json } from "../../wire/encoding.ts";
import { ProblemError } from "../seller.ts";

/** A request that a tick is to pay. */
export type TickRequest = {
  /** Idempotency key, method, path and body: the same for the same request alone. */
  readonly print: string;
  readonly idempotencyKey: string | undefined;
  /** Base units to reserve. */
  readonly amount: bigint;
  /** See `hashRequest`. */
  requestHash(): Hex;
};

/** What one tick has bought. Amounts in base units. */
export type TickHold = TickRequest & {
  readonly n: number;
  amount: bigint;
  status: "held" | "captured" | "released";
  captured: bigint;
  /** Kept for a repeated request, while there is room. */
  answer: Answer | undefined;
  /** The number of the ledger's hold, once this has become one. */
  key: bigint | undefined;
  /** Resolves once it is known whether it becomes one; it never rejects. */
  handing: Promise<void> | undefined;
};

/** What the last ticks of one payment have bought, in memory. */
export type TickHolds = {
  /**
   * @param numbers - What a refusal tells.
   * @returns What the same request has bought before, or `undefined` where this tick may buy.
   * @throws {ProblemError} when the tick or the idempotency key has bought another request, or the same one runs.
   */
  find(n: number, request: TickRequest, numbers: Record<string, Json>): TickHold | undefined;
  add(n: number, request: TickRequest): TickHold;
  /** Keeps an answer as far as there is room. */
  keep(hold: TickHold, answer: Answer): void;
  /** Forgets what these ticks have bought, the first and the last included; what still runs is known until it is over. */
  forget(first: number, last: number): void;
  /** Those that run. */
  running(): TickHold[];
};

/**
 * Makes an empty one.
 *
 * @param maxBytes - Bytes of answers that are kept.
 */
export function createTickHolds(maxBytes: number): TickHolds {
  const byTick = new Map<number, TickHold>();
  const byKey = new Map<string, TickHold>();
  /** Those that ran when they were forgotten. */
  const overtaken = new Set<TickHold>();
  let bytes = 0;

  function dropAnswer(hold: TickHold): void {
    bytes -= hold.answer?.body.length ?? 0;
    hold.answer = undefined;
  }

  return {
    find(n, { print, idempotencyKey }, numbers) {
      const tick = byTick.get(n);
      if (tick && tick.print !== print) {
        throw new ProblemError("tick-used", "This tick has paid for another request. Show the next one.", numbers);
      }
      const key = idempotencyKey === undefined ? undefined : byKey.get(idempotencyKey);
      if (key && key.print !== print) {
        const detail = "This Idempotency-Key belongs to another request. Use a new one.";
        throw new ProblemError("idempotency-key-reused", detail, numbers);
      }
      for (const earlier of [tick, key]) {
        if (earlier?.status === "held") {
          const detail = "The same request is running. Send it again later for its answer.";
          throw new ProblemError("request-in-progress", detail, numbers);
        }
        if (earlier?.status === "captured") return earlier;
      }
      return undefined;
    },

    add(n, request) {
      const empty = { captured: 0n, answer: undefined, key: undefined, handing: undefined };
      const hold: TickHold = { ...request, n, status: "held", ...empty };
      byTick.set(n, hold);
      if (request.idempotencyKey !== undefined) byKey.set(request.idempotencyKey, hold);
      return hold;
    },

    keep(hold, answer) {
      // One that was forgotten meanwhile cannot be asked for again.
      if (answer.body.length > maxBytes || byTick.get(hold.n) !== hold) return;
      hold.answer = answer;
      bytes += answer.body.length;
      for (const older of byTick.values()) {
        if (bytes <= maxBytes) return;
        dropAnswer(older);
      }
    },

    forget(first, last) {
      for (const hold of overtaken) if (hold.status !== "held") overtaken.delete(hold);
      for (let n = first; n <= last; n++) {
        const hold = byTick.get(n);
        if (!hold) continue;
        byTick.delete(n);
        if (hold.status === "held") overtaken.add(hold);
        dropAnswer(hold);
        if (hold.idempotencyKey !== undefined && byKey.get(hold.idempotencyKey) === hold) {
          byKey.delete(hold.idempotencyKey);
        }
      }
    },

    running: () => [...overtaken, ...byTick.values()].filter(({ status }) => status === "held"),
  };
}
