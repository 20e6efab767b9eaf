import type { Hex } from "viem";

import { ProblemError } from "./seller.ts";

/** What a gateway is busy with, and how much of it it takes on. */
export type Workload = {
  /** Requests that are being answered, and streams that flow. */
  readonly running: number;
  /** Whether it takes nothing new. */
  readonly isStopping: boolean;
  /** Aborted when what still runs has to end. */
  readonly ending: AbortSignal;
  /**
   * Counts a request until what is returned is called.
   *
   * @throws {ProblemError} when too many run, or the gateway is stopping.
   */
  enter(): () => void;
  /**
   * Counts work for a channel until what is returned is called.
   *
   * @throws {ProblemError} when too much runs for it.
   */
  hold(channelId: Hex): () => void;
  /** Counts an answer that flows on after its request was answered. */
  flow(): () => void;
  /** Takes nothing new, waits for what runs, and after so many milliseconds ends it. */
  stop(timeout: number): Promise<void>;
};

/** Milliseconds that what was told to end may take for it. */
const lastWords = 5_000;
/** Seconds after which a client may try again. */
const retryAfter = 1;

/**
 * Makes the count.
 *
 * @param limits.maxRunning - Requests that may run at a time.
 * @param limits.maxHolds - Requests of one channel that may run at a time.
 */
export function createWorkload(limits: { maxRunning: number; maxHolds: number }): Workload {
  const { maxRunning, maxHolds } = limits;
  const ending = new AbortController();
  const byChannel = new Map<Hex, number>();
  let running = 0;
  let isStopping = false;
  let onIdle: (() => void) | undefined;

  function count(): () => void {
    running++;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      running--;
      if (running === 0) onIdle?.();
    };
  }

  function idleWithin(milliseconds: number): Promise<void> {
    if (running === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      onIdle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  return {
    get running() {
      return running;
    },
    get isStopping() {
      return isStopping;
    },
    ending: ending.signal,
    enter() {
      if (isStopping) {
        throw new ProblemError("shutting-down", "The seller is shutting down. Try again later.", { retryAfter });
      }
      if (running >= maxRunning) {
        const detail = "The seller has too much to do. Try again later.";
        throw new ProblemError("too-busy", detail, { running, most: maxRunning, retryAfter });
      }
      return count();
    },
    hold(channelId) {
      const held = byChannel.get(channelId) ?? 0;
      if (held >= maxHolds) {
        const detail = "Too many requests of this channel are running. Wait for one of them.";
        throw new ProblemError("too-many-holds", detail, { channelId, running: held, most: maxHolds, retryAfter });
      }
      byChannel.set(channelId, held + 1);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        const left = (byChannel.get(channelId) ?? 1) - 1;
        if (left === 0) byChannel.delete(channelId);
        else byChannel.set(channelId, left);
      };
    },
    flow: count,
    async stop(timeout) {
      isStopping = true;
      await idleWithin(timeout);
      ending.abort();
      await idleWithin(lastWords);
    },
  };
}
