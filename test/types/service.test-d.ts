// Checked by the compiler alone: `npm run check`.
import { expectTypeOf } from "expect-type";
import { type Logger, pino } from "pino";
import type { Registry } from "prom-client";

import type { createGateway, Gateway, GatewayEvent, GatewayFault } from "../../sdk/src/server/index.ts";
import {
  type CannotListenError,
  createWatch,
  serve,
  type Service,
  type Watch,
  type WatchLogger,
  type WeakTokenError,
} from "../../sdk/src/service/index.ts";

expectTypeOf(createWatch).parameters.toEqualTypeOf<[options?: createWatch.Parameters]>();
expectTypeOf(createWatch).returns.toEqualTypeOf<Watch>();
expectTypeOf<createWatch.Parameters>().toEqualTypeOf<{ logger?: WatchLogger | undefined }>();
expectTypeOf(pino()).toExtend<WatchLogger>();
expectTypeOf<WatchLogger>().toEqualTypeOf<Pick<Logger, "debug" | "info" | "warn" | "error">>();
expectTypeOf<Watch>().toEqualTypeOf<{
  readonly gateway: { observe: (event: GatewayEvent) => void; onError: (error: unknown) => void };
  readonly logger: WatchLogger;
  readonly registry: Registry;
  metrics(gateway: Pick<Gateway, "running" | "isStopping">): Promise<string>;
}>();
// It is spread into a gateway's parameters.
expectTypeOf<Watch["gateway"]>().toExtend<Partial<createGateway.Parameters>>();

expectTypeOf(serve).parameters.toEqualTypeOf<[serve.Parameters]>();
expectTypeOf(serve).returns.toEqualTypeOf<Promise<Service>>();
expectTypeOf<serve.Parameters>().toEqualTypeOf<{
  gateway: Gateway;
  watch: Watch;
  handler: (request: Request) => Promise<Response>;
  port: number;
  host?: string | undefined;
  operator?: { readonly port: number; readonly token: string } | undefined;
}>();
expectTypeOf<serve.ErrorType>().toEqualTypeOf<WeakTokenError | CannotListenError>();
expectTypeOf<Service>().toEqualTypeOf<{
  readonly port: number;
  readonly operatorPort: number | undefined;
  stop(options?: { timeout?: number }): Promise<void>;
}>();
expectTypeOf<GatewayFault>().toEqualTypeOf<"stopping" | "ledger" | "chain">();
expectTypeOf<ReturnType<Gateway["faults"]>>().toEqualTypeOf<Promise<GatewayFault[]>>();
