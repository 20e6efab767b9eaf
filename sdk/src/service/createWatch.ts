import { type Logger, pino } from "pino";
import type { Registry } from "prom-client";

import type { Gateway } from "../server/gateway.ts";
import type { GatewayEvent } from "../server/gatewayEvent.ts";
import type { GatewayParameters } from "../server/gatewayParameters.ts";
import { describeError } from "./describeError.ts";
import { createMetrics } from "./metrics.ts";

/** Logs and counts what one gateway does. */
export type Watch = {
  /** For `createGateway`: spread it into its parameters. */
  readonly gateway: Required<Pick<GatewayParameters, "observe" | "onError">>;
  readonly logger: WatchLogger;
  /** What is counted is registered here; register more of your own, such as prom-client's `collectDefaultMetrics`. */
  readonly registry: Registry;
  /**
   * Writes what was counted.
   *
   * @param gateway - The gateway that is watched.
   * @returns Prometheus' text format.
   */
  metrics(gateway: Pick<Gateway, "running" | "isStopping">): Promise<string>;
};

/** What is used of a pino logger. */
export type WatchLogger = Pick<Logger, "debug" | "info" | "warn" | "error">;

/** Characters of a path that are logged. */
const maxPath = 200;

/**
 * Makes logs and metrics of what a gateway does. One line a request at level info, at warn where its status is 500 or
 * more; one a step of money at debug; one an error at error. No line holds a header, a query, a body, a signature, or a
 * message of an error that is not of this package.
 *
 * @param options.logger - A pino logger; by default one that writes from level info on to the standard output.
 * @returns The watch.
 * @example
 * import { createGateway } from "subfen/server";
 * import { createWatch, serve } from "subfen/service";
 *
 * const watch = createWatch();
 * const gateway = await createGateway({ ...watch.gateway, client, contract, token, realm, secret });
 * const service = await serve({ gateway, watch, handler, port: 8402, operator: { port: 9402, token: operatorToken } });
 */
export function createWatch(options: createWatch.Parameters = {}): createWatch.ReturnType {
  const { logger = pino({ name: "subfen" }) } = options;
  const metrics = createMetrics();

  function log(event: GatewayEvent): void {
    const { kind } = event;
    if (kind === "answered") {
      const { method, path, status, problem, amount } = event;
      const line = {
        method,
        path: path.slice(0, maxPath),
        status,
        problem,
        amount: amount === undefined ? undefined : String(amount),
        milliseconds: Math.round(event.milliseconds * 10) / 10,
      };
      logger[status >= 500 ? "warn" : "info"](line, kind);
      return;
    }
    if (kind === "sent") {
      const { what, hash, nonce } = event;
      logger.debug({ what, hash, nonce }, kind);
      return;
    }
    const { channelId } = event;
    logger.debug({ channelId, amount: String(kind === "opened" ? event.deposit : event.amount) }, kind);
  }

  return {
    gateway: {
      observe(event) {
        metrics.count(event);
        log(event);
      },
      onError(error) {
        const { code, message, causes, at } = describeError(error);
        metrics.countError(code);
        logger.error({ code, causes, at }, message);
      },
    },
    logger,
    registry: metrics.registry,
    metrics: (gateway) => metrics.text(gateway),
  };
}

export declare namespace createWatch {
  type Parameters = {
    logger?: WatchLogger | undefined;
  };
  type ReturnType = Watch;
}
