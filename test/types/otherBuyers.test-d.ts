// Checked by the compiler alone: `npm run check`.
import { expectTypeOf } from "expect-type";
import type { Address } from "viem";

import {
  type ChainClient,
  type ClosedChannel,
  type CloseOptions,
  type Condition,
  type ConditionalFetch,
  conditionalFetch,
  type Contradiction,
  type Delivery,
  findContradictions,
  type SignedReceipt,
  type SigningAccount,
  type TickFetch,
  tickFetch,
} from "../../sdk/src/index.ts";
import type { ConditionalTerms } from "../../sdk/src/wire/index.ts";

type Hex = `0x${string}`;
type Till = {
  account: SigningAccount;
  client: ChainClient;
  deposit: bigint;
  trustedContracts?: readonly Address[] | undefined;
  fetch?: typeof fetch | undefined;
};

expectTypeOf(tickFetch).returns.toEqualTypeOf<TickFetch>();
expectTypeOf<TickFetch>().toExtend<typeof fetch>();
expectTypeOf<TickFetch["close"]>().toEqualTypeOf<(options?: CloseOptions) => Promise<ClosedChannel | undefined>>();
expectTypeOf<tickFetch.Parameters>().toEqualTypeOf<
  Till & { tickAmount: bigint; tickCount?: number | undefined; window?: number | undefined; maxPrice: bigint }
>();

expectTypeOf(conditionalFetch).returns.toEqualTypeOf<ConditionalFetch>();
expectTypeOf<ConditionalFetch>().toExtend<typeof fetch>();
expectTypeOf<Delivery>().toEqualTypeOf<{
  readonly url: string;
  readonly paymentId: Hex;
  readonly condition: Condition;
  readonly amount: bigint;
  readonly response: Response;
}>();
expectTypeOf<conditionalFetch.Parameters["judge"]>().toEqualTypeOf<(delivery: Delivery) => Promise<Hex | undefined>>();
expectTypeOf<conditionalFetch.Parameters["condition"]>().parameters.toEqualTypeOf<
  [{ paymentId: Hex; terms: ConditionalTerms; chainId: number }]
>();

expectTypeOf(findContradictions).returns.toEqualTypeOf<Promise<Contradiction[]>>();
expectTypeOf<Contradiction["receipts"]>().toEqualTypeOf<readonly [SignedReceipt, SignedReceipt]>();
