// Checked by the compiler alone: `npm run check`.
import { expectTypeOf } from "expect-type";
import type { Mppx } from "mppx/client";
import type { Method } from "mppx";

import type { BuyerStore, ChainClient, SigningAccount } from "../../sdk/src/index.ts";
import { type KeptChannel, session, type SessionMethod } from "../../sdk/src/mppx/index.ts";

type Hex = `0x${string}`;

expectTypeOf(session).parameters.toEqualTypeOf<[session.Parameters]>();
expectTypeOf(session).returns.toEqualTypeOf<SessionMethod>();
expectTypeOf<session.Parameters>().toEqualTypeOf<{
  account: SigningAccount;
  client: ChainClient;
  maxDeposit: bigint;
  maxPrice: bigint;
  store?: BuyerStore | undefined;
  trustedContracts?: readonly Hex[] | undefined;
}>();
expectTypeOf<KeptChannel["signed"]>().toEqualTypeOf<bigint>();
// mppx takes it as it is.
expectTypeOf<SessionMethod>().toExtend<Mppx.Methods[number]>();
expectTypeOf<SessionMethod>().toExtend<Method.AnyClient>();
