import type { Statement } from "../wire/session.ts";
import { type Call, identityOf } from "./call.ts";

/** What is kept of a call that a statement was signed for. Ceiling in base units. */
export type PaidCallState = {
  /** What makes another call the same one tried again. */
  readonly identity: string;
  readonly idempotencyKey: string;
  /** Whether the caller chose the key. */
  readonly isKeyed: boolean;
  /** Whether its cost is known. */
  readonly isSettled: boolean;
  readonly ceiling: bigint;
  readonly statement: Statement;
};

/** A call with the statement that pays for it. */
export type PaidCall = {
  -readonly [name in keyof PaidCallState]: PaidCallState[name];
} & {
  /** Tries of it that run now. */
  running: number;
};

/** The calls to one seller whose same call, made again, must not be paid again. */
export type PaidCalls = {
  /** @returns An earlier call that this one repeats, to be asked for again by the statement it has; as running. */
  take(call: Call): Promise<PaidCall | undefined>;
  /** Notes a call before its statement leaves; as running. */
  add(call: Call, identity: string, ceiling: bigint, statement: Statement): PaidCall;
  /** The outcome is known. What the caller gave a key is remembered, so that the key is good for one payment. */
  settle(paid: PaidCall): void;
  /** It was not paid after all. */
  remove(paid: PaidCall): void;
  state(): PaidCallState[];
};

/** How many settled calls are remembered by the caller's key, the newest. */
const remembered = 256;

/** Makes the list, from what was kept. */
export function createPaidCalls(kept: readonly PaidCallState[] = []): PaidCalls {
  const calls = new Set<PaidCall>(kept.map((call) => ({ ...call, running: 0 })));

  function forgetOld(): void {
    const settled = [...calls].filter(({ isSettled }) => isSettled);
    for (const old of settled.slice(0, Math.max(0, settled.length - remembered))) calls.delete(old);
  }

  return {
    async take(call) {
      if (calls.size === 0) return undefined;
      const identity = await identityOf(call);
      for (const paid of calls) {
        // Without a key of the caller's, the same call at the same time is another one.
        if (paid.identity !== identity || (paid.running > 0 && !paid.isKeyed)) continue;
        paid.running++;
        return paid;
      }
      return undefined;
    },
    add(call, identity, ceiling, statement) {
      const { idempotencyKey, isKeyed } = call;
      const paid = { identity, idempotencyKey, isKeyed, isSettled: false, ceiling, statement, running: 1 };
      calls.add(paid);
      return paid;
    },
    settle(paid) {
      paid.isSettled = true;
      calls.delete(paid);
      if (!paid.isKeyed) return;
      // Behind all others: the oldest is forgotten first.
      calls.add(paid);
      forgetOld();
    },
    remove(paid) {
      calls.delete(paid);
    },
    state: () => [...calls].map(({ running: _running, ...state }) => state),
  };
}
