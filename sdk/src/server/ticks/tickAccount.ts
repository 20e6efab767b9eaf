import type { Hex } from "viem";

import { max, min } from "../../bigints.ts";
import type { Answer, ChannelRecord, Ledger, LedgerPayment } from "../../ledger/ledger.ts";
import { tickKey } from "../../ledger/tickKey.ts";
import { createTurns } from "../../turns.ts";
import type { TickPayload } from "../../wire/session.ts";
import { toProofProblem } from "../refusals.ts";
import { ProblemError } from "../seller.ts";
import { createTickHolds, type TickHold, type TickRequest } from "./tickHolds.ts";
import type { TickReader } from "./tickReader.ts";

/** The account of one payment's ticks: in memory, written down in marks. */
export type TickAccount = {
  readonly channelId: Hex;
  readonly ref: Hex;
  /** The channel as it was at the last mark, with what was charged and held since. */
  channel(): ChannelRecord;
  /**
   * Takes a tick: what it is worth is known from then on.
   *
   * @throws {ProblemError} when it is none of the chain's, too far ahead, or too long ago to be told from another.
   */
  show(tick: Pick<TickPayload, "n" | "x">): void;
  /**
   * Reserves for the one request that a tick buys.
   *
   * @returns The hold, or what the same request has bought before.
   * @throws {ProblemError} when the tick has bought another request, or the ticks shown do not cover this one.
   */
  hold(n: number, request: TickRequest): TickHold;
  /** @returns What to wait for where more than a window is not written down. */
  ready(): Promise<void> | undefined;
  /**
   * Reserves as much for a request as it has turned out to cost.
   *
   * @throws {ProblemError} when the ticks shown do not cover it.
   */
  grow(hold: TickHold, amount: bigint): Promise<void>;
  /** Charges what the work was worth, at most what is held, and keeps the answer. */
  capture(hold: TickHold, amount: bigint, answer: Answer | undefined): Promise<ChannelRecord>;
  /** Gives back what is held: the same request may use the same tick again. */
  release(hold: TickHold): Promise<void>;
  /** Lets streams and vouchers draw on what the ticks shown are worth and have not bought. */
  free(): Promise<void>;
  /** Turns a hold into one of the ledger's, which may grow. @returns Its number there. */
  handOver(hold: TickHold): Promise<bigint>;
  /** Writes everything down, running requests as holds of the ledger. */
  seal(): Promise<void>;
  /** Writes down what is not, if nothing came since this was asked last. */
  rest(): Promise<void>;
  /** Whether nothing runs, nothing came since {@link rest} was asked, and all is written down. */
  readonly isAtRest: boolean;
};

/** Bytes of answers that are kept for repeated requests. */
const maxAnswerBytes = 2 ** 20;

/**
 * Makes the account of a payment whose statement is durable.
 *
 * @param parameters.ledger - Where it is marked.
 * @param parameters.channel - The channel as it is.
 * @param parameters.payment - The payment as it stands there.
 * @param parameters.reader - Reads its ticks.
 * @param parameters.tickAmount - Base units that a tick is worth.
 * @param parameters.window - The most ticks that are not written down: beyond it requests wait. It is marked every
 * half.
 * @param parameters.report - Told that a mark could not be written: the next tick tries again.
 */
export function createTickAccount(parameters: {
  ledger: Ledger;
  channel: ChannelRecord;
  payment: LedgerPayment;
  reader: TickReader;
  tickAmount: bigint;
  window: number;
  report: (error: unknown) => void;
}): TickAccount {
  const { ledger, payment, reader, tickAmount, window, report } = parameters;
  const { ref, amount: most } = payment;
  const { channelId } = parameters.channel;
  const holds = createTickHolds(maxAnswerBytes);
  let { channel } = parameters;
  let marked = reader.known;
  /** What the ledger knows to be drawn from the payment. */
  let drawn = payment.work;
  /** Base units that came since. */
  let charged = 0n;
  let held = 0n;
  const inTurn = createTurns();
  let marking: Promise<void> | undefined;
  let isUsed = true;
  let isResting = false;

  const due = (): bigint => min(BigInt(reader.known) * tickAmount, most);
  const balance = (): bigint => due() - drawn - charged - held;

  async function write(handed: readonly TickHold[], isFreed: boolean): Promise<void> {
    const n = reader.known;
    const freed = isFreed ? max(balance(), 0n) : 0n;
    const sum = handed.reduce((total, { amount }) => total + amount, 0n);
    const now = { drawn, charged };
    const result = await ledger.markTicks({
      channelId,
      ref,
      evidence: reader.evidence(),
      due: due(),
      ...now,
      freed,
      holds: handed.map((hold) => ({
        cumulativeAmount: tickKey(ref, hold.n),
        requestHash: hold.requestHash(),
        idempotencyKey: hold.idempotencyKey,
        amount: hold.amount,
      })),
    });
    if (result.kind === "unknown-channel")
      throw new ProblemError("channel-not-found", "Unknown channel.", { channelId });
    if (result.kind === "refused") throw toProofProblem(result.reason);
    ({ channel } = result);
    marked = n;
    charged -= now.charged;
    drawn += now.charged + freed + sum;
    held -= sum;
    for (const hold of handed) hold.key = tickKey(ref, hold.n);
  }

  /** One mark after the other. */
  function mark(pick: () => readonly TickHold[] = () => [], isFreed = false): Promise<void> {
    return inTurn(() => {
      const handed = pick();
      const writing = write(handed, isFreed);
      const isKnown = writing.catch(() => undefined);
      for (const hold of handed) hold.handing = isKnown;
      return writing;
    });
  }

  /** Requests that are held here and not by the ledger. */
  const running = (): TickHold[] => holds.running().filter(({ key }) => key === undefined);
  const isWritten = (): boolean => marked === reader.known && charged === 0n;

  return {
    channelId,
    ref,

    channel: () => ({ ...channel, spent: channel.spent + charged, held: channel.held + held }),

    show({ n, x }) {
      const before = reader.known;
      const numbers = { channelId, ref, n, known: before, window };
      switch (reader.read(n, x)) {
        case "new":
          isUsed = true;
          holds.forget(Math.max(before - window + 1, 1), reader.known - window);
          return;
        case "late":
          return;
        case "too-far": {
          const detail = `Tick ${n} is more than ${window} ahead of tick ${before}. Show a nearer one first.`;
          throw new ProblemError("tick-too-far", detail, numbers);
        }
        case "forgotten":
          throw new ProblemError("tick-used", `Tick ${n} came before. Show one after tick ${before}.`, numbers);
        case "invalid":
          throw new ProblemError("tick-invalid", "This is no tick of this payment.", { channelId, ref, n });
      }
    },

    hold(n, request) {
      const before = holds.find(n, request, { channelId, ref, n, known: reader.known });
      if (before) return before;
      isUsed = true;
      const { amount } = request;
      const available = balance();
      if (amount > available) throw insufficient(amount, available);
      held += amount;
      return holds.add(n, request);
    },

    ready() {
      if (reader.known - marked < window / 2) return undefined;
      if (!marking) {
        marking = mark().finally(() => (marking = undefined));
        marking.catch(report);
      }
      // Whoever serves on unwritten ticks bears their loss: never more than a window.
      return reader.known - marked >= window ? marking : undefined;
    },

    async grow(hold, amount) {
      if (hold.handing) await hold.handing;
      const before = hold.amount;
      const more = amount - before;
      if (more <= 0n) return;
      if (hold.key !== undefined) {
        const ours = { channelId, cumulativeAmount: hold.key };
        hold.amount = (await ledger.advance({ ...ours, delivered: 0n, amount })).hold.amount;
      } else if (more <= balance()) {
        hold.amount = amount;
        held += more;
      }
      if (hold.amount < amount) throw insufficient(amount, before + max(balance(), 0n));
    },

    async capture(hold, amount, answer) {
      if (hold.handing) await hold.handing;
      if (hold.key !== undefined) {
        const ours = { channelId, cumulativeAmount: hold.key };
        const taken = await ledger.capture({ ...ours, amount, answer });
        ({ channel } = taken);
        hold.captured = taken.hold.captured;
      } else {
        hold.captured = min(amount, hold.amount);
        held -= hold.amount;
        charged += hold.captured;
      }
      isUsed = true;
      hold.status = "captured";
      if (answer) holds.keep(hold, answer);
      return { ...channel, spent: channel.spent + charged, held: channel.held + held };
    },

    async release(hold) {
      if (hold.handing) await hold.handing;
      if (hold.key === undefined) held -= hold.amount;
      else channel = await ledger.release({ channelId, cumulativeAmount: hold.key });
      hold.status = "released";
      hold.key = undefined;
    },

    free: () => mark(undefined, true),

    async handOver(hold) {
      if (hold.handing) await hold.handing;
      if (hold.key === undefined) await mark(() => [hold]);
      return hold.key as bigint;
    },

    async seal() {
      if (!isWritten() || running().length > 0) await mark(running);
    },

    async rest() {
      const wasUsed = isUsed;
      isUsed = false;
      if (!wasUsed && !isWritten()) await mark();
      isResting = !wasUsed;
    },

    get isAtRest() {
      return isResting && !isUsed && held === 0n && isWritten() && holds.running().length === 0;
    },
  };

  function insufficient(amount: bigint, available: bigint): ProblemError {
    const owed = due() - available + amount;
    const detail = `The ticks shown do not cover this request of ${amount} base units. Show tick ${toTicks(owed)}.`;
    return new ProblemError("insufficient-balance", detail, {
      channelId,
      ref,
      amount: String(amount),
      available: String(max(available, 0n)),
      requiredTicks: toTicks(owed),
    });
  }

  function toTicks(amount: bigint): number {
    return Number((amount + tickAmount - 1n) / tickAmount);
  }
}
