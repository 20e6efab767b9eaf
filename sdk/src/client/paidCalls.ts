import type { Statement } from "../wire/session.ts";
import { untilAborted } from "../untilAborted.ts";
import type { Call } from "./call.ts";

/** What is kept of a call that a statement was signed for. Ceiling in base units. */
export type PaidCallState = {
  /** What makes another call the same one tried again. */
  readonly identity: string;
  readonly idempotencyKey: string;
  /** Whether the caller chose the key. */
  readonly isKeyed: boolean;
  /** Whether the caller got an answer: then only the caller's own key makes another call the same. */
  readonly isAnswered: boolean;
  readonly ceiling: bigint;
  readonly statement: Statement;
};

/** A call with the statement that pays for it. */
export type PaidCall = {
  -readonly [name in keyof PaidCallState]: PaidCallState[name];
} & {
  /** Whether it is asked for right now. */
  isRunning: boolean;
};

/** The calls to one seller whose same call, made again, must not be paid again. */
export type PaidCalls = {
  /** @returns An earlier call that one of this identity repeats, to be asked for again by its statement; as running. */
  take(identity: string): PaidCall | undefined;
  /** Does work for calls of one identity one after the other. */
  inTurn<value>(identity: string, signal: AbortSignal, work: () => Promise<value>): Promise<value>;
  /** Notes a call before its statement leaves; as running. */
  add(call: Call, identity: string, ceiling: bigint, statement: Statement): PaidCall;
  /** It was answered. What the caller gave a key is remembered, so that the key is good for one payment. */
  answer(paid: PaidCall): void;
  /** It was not paid after all. */
  remove(paid: PaidCall): void;
  state(): PaidCallState[];
};

/** How many calls are remembered, the newest. */
const remembered = 1024;

/** Makes the list, from what was kept. */
export function createPaidCalls(kept: readonly PaidCallState[] = []): PaidCalls {
  const calls = new Set<PaidCall>(kept.map((call) => ({ ...call, isRunning: false })));
  const turns = new Map<string, Promise<unknown>>();

  function forgetOld(): void {
    for (const old of calls) {
      if (calls.size <= remembered) return;
      if (!old.isRunning) calls.delete(old);
    }
  }

  return {
    async inTurn(identity, signal, work) {
      const before = turns.get(identity);
      const turn = before ? untilAborted(before, signal).then(work) : work();
      // Who gives up waiting must not let the next one in before the first is done.
      const over = Promise.allSettled([before, turn]);
      turns.set(identity, over);
      void over.then(() => {
        if (turns.get(identity) === over) turns.delete(identity);
      });
      return turn;
    },
    take(identity) {
      for (const paid of calls) {
        // Without a key of the caller's, the same call at the same time is another one.
        if (paid.identity !== identity || paid.isRunning) continue;
        paid.isRunning = true;
        return paid;
      }
      return undefined;
    },
    add(call, identity, ceiling, statement) {
      const { idempotencyKey, isKeyed } = call;
      const paid = { identity, idempotencyKey, isKeyed, isAnswered: false, ceiling, statement, isRunning: true };
      calls.add(paid);
      forgetOld();
      return paid;
    },
    answer(paid) {
      paid.isAnswered = true;
      calls.delete(paid);
      // Behind all others: the oldest is forgotten first.
      if (paid.isKeyed) calls.add(paid);
    },
    remove(paid) {
      calls.delete(paid);
    },
    state: () => [...calls].map(({ isRunning: _isRunning, ...state }) => state),
  };
}
