import type { Hex } from "viem";

import { getBlock } from "../chain/actions.ts";
import { SubfenError } from "../errors.ts";
import { inGroups } from "../inGroups.ts";
import type { ChannelRecord } from "../ledger/ledger.ts";
import type { Charging } from "./charging.ts";
import type { Seller } from "./seller.ts";
import { DepositLostError, type Settlement, type Settling } from "./settling.ts";

/** When a gateway settles by itself. A request to close always makes a channel due at the next look. */
export type SettlerOptions = {
  /** Seconds from one look at all unsettled channels to the next; by default a tenth of the grace period, at most 60. */
  readonly interval?: number | undefined;
  /** Seconds after which what was earned is settled; 21,600 (six hours) by default. */
  readonly maxAge?: number | undefined;
  /** Base units unsettled in all above which the largest are settled, until half of it is left; no limit by default. */
  readonly maxAtRisk?: bigint | undefined;
  /** Told each settlement. */
  readonly onSettled?: ((settlement: Settlement) => void) | undefined;
};

/** Looks rarer than this could miss a request to close for too long. */
export class InvalidSettlerError extends SubfenError {
  override readonly name = "InvalidSettlerError";

  constructor(field: string, value: unknown, expected: string) {
    super(`The settler's ${field} is ${String(value)}, but ${expected}.`, { code: "invalid-settler" });
  }
}

/** The newest block that the node knows is old: it hides what has happened since, such as a request to close. */
export class NodeBehindError extends SubfenError {
  override readonly name = "NodeBehindError";

  constructor(seconds: number) {
    super(`The newest block of the seller's node is ${seconds} s old.`, {
      code: "node-behind",
      metaMessages: ["Use another node: payers may leave unseen, and what is not settled in time is lost."],
    });
  }
}

/** The part of a gateway that settles by itself. */
export type Settler = {
  /** Looks now at what is due. */
  look(): Promise<void>;
  /** Looks no more. */
  stop(): void;
};

/** Channels read from the chain in one call. */
const pageSize = 500;
/** Milliseconds after which even what seems settled is read again: a reorganisation may have taken it back. */
const rereadAfter = 3_600_000;

/**
 * Starts a settler. It reads every unsettled channel from the chain at each look, since events can be missed, what it
 * settled within the last hour too, and every channel at its first look and each hour.
 *
 * @param parameters.lagAfter - Seconds after which the newest block is too old, where the chain makes blocks by itself.
 * @throws {InvalidSettlerError} when the interval is not positive or above a quarter of the grace period.
 */
export function startSettler(parameters: {
  seller: Seller;
  settling: Settling;
  charging?: Charging | undefined;
  options: SettlerOptions;
  gracePeriod: number;
  lagAfter: number | undefined;
  report: (error: unknown) => void;
}): Settler {
  const { seller, settling, charging, options, gracePeriod, lagAfter, report } = parameters;
  const { ledger, client, now } = seller;
  const { interval = Math.min(60, gracePeriod / 10), maxAge = 21_600, maxAtRisk, onSettled } = options;
  if (!(interval > 0 && interval <= gracePeriod / 4)) {
    throw new InvalidSettlerError("interval", interval, `must be above 0 and at most ${gracePeriod / 4} s`);
  }
  if (!(maxAge >= 0)) throw new InvalidSettlerError("maxAge", maxAge, "must not be negative");
  /** What was told already, by channel: the same loss is told once. */
  const lost = new Map<Hex, bigint>();
  /** When channels were settled by this settler. */
  const settledAt = new Map<Hex, number>();
  let allReadAt = Number.NEGATIVE_INFINITY;

  function isUrgent({ closeRequestedAt, finalized, firstUnsettledAt }: ChannelRecord): "close" | "age" | undefined {
    if (closeRequestedAt !== 0 || finalized) return "close";
    return now() - (firstUnsettledAt ?? now()) >= maxAge * 1000 ? "age" : undefined;
  }

  /** What has to be read from the chain. */
  async function* watched(): AsyncGenerator<ChannelRecord, void, undefined> {
    if (now() - allReadAt >= rereadAfter) {
      allReadAt = now();
      for await (const channel of ledger.channels()) {
        const { finalizedAt } = channel;
        if (finalizedAt === undefined || now() - finalizedAt < 2 * rereadAfter) yield channel;
      }
      return;
    }
    yield* ledger.channels({ unsettled: true });
    for (const [channelId, at] of settledAt) {
      if (now() - at >= rereadAfter) settledAt.delete(channelId);
      const channel = await ledger.getChannel(channelId);
      if (channel && channel.spent <= channel.settled) yield channel;
    }
  }

  /** What is due: requests to close first, then what is old, then the largest where too much is at risk. */
  async function* due(): AsyncGenerator<ChannelRecord, void, undefined> {
    const found = { close: [] as Hex[], age: [] as Hex[] };
    let rest: { channelId: Hex; amount: bigint }[] = [];
    let atRisk = 0n;
    for await (const page of inGroups(watched(), pageSize)) {
      for (const channel of await settling.refresh(page)) {
        const { channelId, spent, settled } = channel;
        if (spent <= settled) continue;
        const reason = isUrgent(channel);
        if (reason) {
          found[reason].push(channelId);
          continue;
        }
        const amount = spent - settled;
        atRisk += amount;
        if (maxAtRisk !== undefined) rest.push({ channelId, amount });
      }
    }
    const chosen = [...found.close, ...found.age];
    if (maxAtRisk !== undefined && atRisk > maxAtRisk) {
      rest = rest.toSorted((a, b) => (a.amount < b.amount ? 1 : a.amount > b.amount ? -1 : 0));
      for (const { channelId, amount } of rest) {
        if (atRisk <= maxAtRisk / 2n) break;
        atRisk -= amount;
        chosen.push(channelId);
      }
    }
    for (const channelId of chosen) {
      const channel = await ledger.getChannel(channelId);
      if (channel) yield channel;
    }
  }

  async function requireFreshNode(): Promise<void> {
    if (lagAfter === undefined) return;
    const { timestamp } = await getBlock(client);
    const seconds = Math.floor(now() / 1000) - Number(timestamp);
    if (seconds > lagAfter) report(new NodeBehindError(seconds));
  }

  /** @returns `true` if all that was due is settled. */
  async function settleDue(): Promise<boolean> {
    await seller.outbox.adopt();
    await requireFreshNode();
    await charging?.settleEarned();
    const outcome = await settling.settle(due);
    for (const { channelId } of outcome?.settled ?? []) settledAt.set(channelId, now());
    for (const settlement of outcome?.settled ?? []) void Promise.resolve(settlement).then(onSettled).catch(report);
    for (const { channelId, error } of outcome?.failed ?? []) {
      if (error instanceof DepositLostError) {
        if (lost.get(channelId) === error.amount) continue;
        lost.set(channelId, error.amount);
      }
      report(error);
    }
    return outcome?.failed.length === 0;
  }

  let isStopped = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function look(): Promise<void> {
    clearTimeout(timer);
    const isDone = await settleDue().catch((error: unknown) => {
      if (!isStopped) report(error);
      return false;
    });
    // What could not be settled is urgent.
    if (!isStopped) schedule(isDone ? interval : interval / 4);
  }

  function schedule(seconds: number): void {
    timer = setTimeout(look, seconds * 1000);
    // A server keeps its process alive by itself.
    timer.unref?.();
  }

  schedule(interval);
  return {
    look,
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
