import type { Contender } from "../contender.ts";
import { hello } from "./hello.ts";
import { mppxSession } from "./mppxSession.ts";
import { ticks } from "./ticks.ts";
import { vouchers } from "./vouchers.ts";
import { x402Batch } from "./x402Batch.ts";
import { x402Exact } from "./x402Exact.ts";

/** Everyone who takes part, by a short name. */
export const contenders = { hello, vouchers, ticks, mppxSession, x402Batch, x402Exact } satisfies Record<
  string,
  Contender
>;

export type ContenderName = keyof typeof contenders;
