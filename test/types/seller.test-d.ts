// Checked by the compiler alone: `npm run check`.
import { expectTypeOf } from "expect-type";

import type { ChannelRecord, Hold, HoldRefusal, HoldResult, Ledger, ProofResult } from "../../sdk/src/ledger/index.ts";
import {
  type ChargeOptions,
  type ConditionalOptions,
  createGateway,
  type Gateway,
  type GatewayProof,
  type Offer,
  paid,
  type Price,
  pricePerMillionTokens,
  pricePerRequest,
  type Settlements,
  type TickOptions,
  toNodeListener,
  type Work,
} from "../../sdk/src/server/index.ts";

type Hex = `0x${string}`;
type Handler = (request: Request) => Promise<Response>;

expectTypeOf<Offer["charge"]>().toEqualTypeOf<boolean | undefined>();
expectTypeOf<createGateway.Parameters["charge"]>().toEqualTypeOf<ChargeOptions | undefined>();
expectTypeOf<ChargeOptions>().toEqualTypeOf<{
  readonly minAmount?: bigint | undefined;
  readonly settle?: "after" | "before" | undefined;
}>();
expectTypeOf(createGateway).parameters.toEqualTypeOf<[createGateway.Parameters]>();
expectTypeOf(createGateway).returns.resolves.toEqualTypeOf<Gateway>();
expectTypeOf<Gateway["charge"]>().toEqualTypeOf<(request: Request, offer: Offer, work: Work) => Promise<Response>>();
expectTypeOf<Gateway["protect"]>().toEqualTypeOf<(offer: Offer, work: Work) => Handler>();
expectTypeOf<Gateway["settleAll"]>().returns.resolves.toEqualTypeOf<Settlements>();
expectTypeOf<Settlements["settled"][number]["amount"]>().toEqualTypeOf<bigint>();
expectTypeOf<Gateway["prove"]>().toEqualTypeOf<(proof: GatewayProof) => Promise<ProofResult>>();
expectTypeOf<Gateway["concede"]>().returns.resolves.toEqualTypeOf<ProofResult>();
expectTypeOf<Extract<ProofResult, { kind: "proven" }>["due"]>().toEqualTypeOf<bigint>();
expectTypeOf<createGateway.Parameters["conditional"]>().toEqualTypeOf<ConditionalOptions | undefined>();
expectTypeOf<createGateway.Parameters["ticks"]>().toEqualTypeOf<TickOptions | undefined>();
expectTypeOf<ConditionalOptions["creditLimit"]>().toEqualTypeOf<bigint>();
expectTypeOf<Gateway["ledger"]>().toEqualTypeOf<Ledger>();
expectTypeOf(toNodeListener).parameter(0).toEqualTypeOf<Handler>();
expectTypeOf(paid).parameters.toEqualTypeOf<[gateway: Gateway, offer: Offer]>();
expectTypeOf(pricePerRequest).returns.toEqualTypeOf<Price>();
expectTypeOf<Price["ceiling"]>().toEqualTypeOf<(body: Uint8Array) => bigint>();

// Each kind of outcome has what belongs to it and nothing else.
expectTypeOf<HoldResult["kind"]>().toEqualTypeOf<"held" | "repeated" | "refused" | "unknown-channel">();
expectTypeOf<Extract<HoldResult, { kind: "held" }>>().toEqualTypeOf<{
  readonly kind: "held";
  readonly channel: ChannelRecord;
}>();
expectTypeOf<Extract<HoldResult, { kind: "repeated" }>["hold"]>().toEqualTypeOf<Hold>();
expectTypeOf<Extract<HoldResult, { kind: "refused" }>["reason"]>().toEqualTypeOf<HoldRefusal>();
expectTypeOf<Extract<HoldResult, { kind: "unknown-channel" }>>().toEqualTypeOf<{ readonly kind: "unknown-channel" }>();
expectTypeOf<Hold["status"]>().toEqualTypeOf<"held" | "captured" | "released" | "delivered">();
expectTypeOf<Ledger["hold"]>().returns.resolves.toEqualTypeOf<HoldResult>();
expectTypeOf<ChannelRecord>().toExtend<{ readonly channelId: Hex; readonly spent: bigint; readonly held: bigint }>();

/** What the compiler refuses. */
export function refused(parameters: createGateway.Parameters, result: HoldResult, channel: ChannelRecord): void {
  // @ts-expect-error: amounts are bigint
  void createGateway({ ...parameters, minDeposit: 1 });
  // @ts-expect-error: a gateway without a secret could not tell its own challenges
  void createGateway({ client: parameters.client, contract: "0x", token: "0x", realm: "r" });
  // @ts-expect-error: amounts are bigint
  pricePerRequest(0.0012);
  // @ts-expect-error: amounts are bigint
  pricePerMillionTokens({ input: 2, output: 8 });
  // @ts-expect-error: amounts are bigint
  void createGateway({ ...parameters, conditional: { contracts: {}, creditLimit: 5 } });
  // @ts-expect-error: only a refusal has a reason
  String(result.reason);
  // @ts-expect-error: a ledger's records do not change
  channel.spent = 0n;
}
