import { createServer, type ServerOptions } from "node:http";

import { bearerToken, type WeakTokenError } from "../evaluator/bearerToken.ts";
import type { Gateway } from "../server/gateway.ts";
import { toNodeListener } from "../server/nodeListener.ts";
import type { Watch } from "./createWatch.ts";
import { type CannotListenError, closeServer, listen } from "./listen.ts";
import { createOperatorHandler } from "./operatorHandler.ts";

/** A gateway that is served. */
export type Service = {
  /** The public port. */
  readonly port: number;
  /** The operator's port, where there is one. */
  readonly operatorPort: number | undefined;
  /**
   * Ends it without losing anything: `/readyz` turns to 503 and new connections are refused, what runs is waited for as
   * by `gateway.stop`, then the operator's server ends. Asked again it gives the same promise.
   *
   * @param options.timeout - Milliseconds to wait for what runs; 30,000 by default.
   */
  stop(options?: { timeout?: number }): Promise<void>;
};

/** Milliseconds that answers may take to be sent once the gateway has stopped, beside what it takes itself. */
const lastWords = 10_000;

/** A credential alone may have 16,384 characters. Whoever sends slowly is cut off; proxies keep connections for 60 s. */
const limits: ServerOptions = {
  maxHeaderSize: 32_768,
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
};

/**
 * Serves a gateway on `node:http`, and beside it an operator's server on 127.0.0.1 alone: `/livez`, `/readyz`,
 * `/metrics`, `GET /channels`, `GET /channels/{id}`, `POST /settle` and `POST /drain`. All but the first two need the
 * token.
 *
 * @param parameters - See each.
 * @returns The service.
 * @throws {WeakTokenError} when the operator's token is shorter than 16 characters or has spaces.
 * @throws {CannotListenError} when a port is taken.
 * @example
 * import { createWatch, serve } from "subfen/service";
 *
 * const service = await serve({ gateway, watch, handler, port: 8402, operator: { port: 9402, token: operatorToken } });
 * process.once("SIGTERM", () => void service.stop());
 */
export async function serve(parameters: serve.Parameters): Promise<serve.ReturnType> {
  const { gateway, watch, handler, port, host = "127.0.0.1", operator } = parameters;
  const { logger } = watch;
  const server = createServer(limits, toNodeListener(answer));
  const operatorServer =
    operator &&
    createServer(
      limits,
      toNodeListener(createOperatorHandler({ gateway, watch, authorize: bearerToken(operator.token), drain })),
    );
  let stopping: Promise<void> | undefined;

  /** A gateway answers whatever happens; what is routed beside it may throw. */
  async function answer(request: Request): Promise<Response> {
    try {
      return await handler(request);
    } catch (error) {
      watch.gateway.onError(error);
      return new Response(null, { status: 500 });
    }
  }

  async function end(timeout: number): Promise<void> {
    logger.info({ running: gateway.running }, "stopping");
    const closed = closeServer(server, timeout + lastWords);
    try {
      await gateway.stop({ timeout });
    } finally {
      await closed;
      if (operatorServer) await closeServer(operatorServer, 1_000);
      logger.info("stopped");
    }
  }

  function stop({ timeout = 30_000 }: { timeout?: number } = {}): Promise<void> {
    return (stopping ??= end(timeout));
  }

  function drain(): void {
    stop().catch(watch.gateway.onError);
  }

  const operatorPort = operator && operatorServer && (await listen(operatorServer, operator.port, "127.0.0.1"));
  try {
    const listening = await listen(server, port, host);
    logger.info({ host, port: listening, operatorPort }, "listening");
    return { port: listening, operatorPort, stop };
  } catch (error) {
    operatorServer?.close();
    throw error;
  }
}

export declare namespace serve {
  type Parameters = {
    /** The gateway, made with `...watch.gateway`. */
    gateway: Gateway;
    /** Where it is logged and counted. */
    watch: Watch;
    /** Answers the public requests, such as what `gateway.protect` returns or a router's `fetch`. Should it throw, 500 is. */
    handler: (request: Request) => Promise<Response>;
    /** The public port; 0 for any. */
    port: number;
    /** The public address; 127.0.0.1 by default, as for a proxy that ends TLS on the same machine. */
    host?: string | undefined;
    /** The operator's port on 127.0.0.1, and a token of at least 16 characters; no such server by default. */
    operator?: { readonly port: number; readonly token: string } | undefined;
  };
  type ReturnType = Service;
  type ErrorType = WeakTokenError | CannotListenError;
}
