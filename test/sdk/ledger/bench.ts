import { expect } from "chai";
import type { Hex } from "viem";

import type {
  Answer,
  ChannelRecord,
  ChainState,
  HoldRefusal,
  HoldRequest,
  HoldResult,
  Ledger,
  LedgerOwner,
} from "../../../sdk/src/ledger/index.ts";
import type { Terms } from "../../../sdk/src/index.ts";

const bytes = (byte: string, count: number): Hex => `0x${byte.repeat(count)}`;
export const signatureOf = (amount: bigint): Hex => `0x${amount.toString(16).padStart(130, "0")}`;

export const channelId = bytes("c1", 32);
export const other = bytes("c2", 32);
export const terms: Terms = {
  payer: bytes("a1", 20),
  payee: bytes("b2", 20),
  token: bytes("70", 20),
  salt: bytes("5a", 32),
  authorizedSigner: bytes("00", 20),
};
export const owner: LedgerOwner = {
  chainId: 31337,
  contract: bytes("cc", 20),
  token: terms.token,
  payee: terms.payee,
};
/** What the chain says of an open channel of 1,000. */
export const open: ChainState = {
  blockNumber: 100n,
  deposit: 1000n,
  settled: 0n,
  closeRequestedAt: 0,
  finalized: false,
};
export const answer: Answer = { status: 200, headers: [["x", "1"]], body: new Uint8Array([1, 2, 3]) };

/** A request over this statement; the same number, the same request. */
export function request(
  cumulativeAmount: bigint,
  changes: Partial<HoldRequest> & { number?: number } = {},
): HoldRequest {
  const { number = Number(cumulativeAmount), ...rest } = changes;
  return {
    channelId,
    cumulativeAmount,
    signature: signatureOf(cumulativeAmount),
    requestHash: `0x${number.toString(16).padStart(64, "0")}`,
    idempotencyKey: undefined,
    amount: 10n,
    minVoucherDelta: 0n,
    ...rest,
  };
}

/** Makes an empty ledger; `keep` and `keepBytes` are how many answers a channel it keeps. */
export type CreateLedger = (options?: LedgerOptions) => Ledger | Promise<Ledger>;
export type LedgerOptions = { keep?: number; keepBytes?: number; retention?: number; now?: () => number };

/** A ledger under test, with short words for what is done to its first channel. */
export type Bench = ReturnType<typeof createBench>;

/** Makes a bench; each `start` or `empty` puts another ledger on it. */
export function createBench(create: CreateLedger) {
  let current: Ledger | undefined;
  const time = { now: 1_000 };
  const bench = {
    get ledger(): Ledger {
      if (!current) throw new Error("no ledger was started");
      return current;
    },
    async empty(options: LedgerOptions = {}): Promise<void> {
      current = await create({ now: () => time.now, ...options });
    },
    /** The ledger's clock. */
    time,
    /** A ledger with one channel of 1,000. */
    async start(options: LedgerOptions & { chain?: ChainState; accepted?: bigint } = {}): Promise<void> {
      const { chain = open, accepted = 0n, ...rest } = options;
      await bench.empty(rest);
      await bench.add(channelId, chain, accepted);
    },
    /** Notes what a newer block says. */
    async see(changes: Partial<ChainState>): Promise<ChannelRecord> {
      const { blockNumber, deposit, settled, closeRequestedAt, finalized } = await bench.channel();
      const known = { blockNumber, deposit, settled, closeRequestedAt, finalized };
      return (await bench.ledger.updateChain(channelId, { ...known, ...changes }))!;
    },
    add: (id: Hex, chain: ChainState, cumulativeAmount: bigint) =>
      bench.ledger.addChannel({
        channelId: id,
        terms,
        chain,
        cumulativeAmount,
        signature: signatureOf(cumulativeAmount),
      }),
    async channel(id = channelId): Promise<ChannelRecord> {
      return (await bench.ledger.getChannel(id))!;
    },
    hold: (...parameters: Parameters<typeof request>) => bench.ledger.hold(request(...parameters)),
    capture: (cumulativeAmount: bigint, amount = 10n) =>
      bench.ledger.capture({ channelId, cumulativeAmount, amount, answer }),
    release: (cumulativeAmount: bigint) => bench.ledger.release({ channelId, cumulativeAmount }),
    accept: (cumulativeAmount: bigint, minVoucherDelta = 0n) =>
      bench.ledger.accept(request(cumulativeAmount, { minVoucherDelta })),
    /** Why it was refused, or what else it came to. */
    async refusal(result: Promise<HoldResult>): Promise<HoldRefusal | string> {
      const settled = await result;
      return settled.kind === "refused" ? settled.reason : settled.kind;
    },
    /** The code of what a promise rejects with. */
    async rejection(promise: Promise<unknown>): Promise<unknown> {
      return promise.then(
        () => expect.fail("resolved, where a rejection was expected"),
        (error: unknown) => (error as { code?: unknown }).code,
      );
    },
  };
  return bench;
}
