import type { Hex } from "viem";

import { isSubfenError } from "../errors.ts";
import type { Authorize } from "../evaluator/bearerToken.ts";
import type { ChannelRecord } from "../ledger/ledger.ts";
import type { Gateway } from "../server/gateway.ts";
import type { Watch } from "./createWatch.ts";
import { describeError } from "./describeError.ts";
import {
  answer,
  json,
  readAmount,
  readChannelId,
  readLimit,
  refusal,
  RefusedError,
  withoutSecrets,
} from "./operatorAnswers.ts";

type Parameters = {
  gateway: Gateway;
  watch: Watch;
  authorize: Authorize;
  /** Begins to stop the service. */
  drain: () => void;
};

type Route = {
  readonly method: "GET" | "POST";
  /** Whether it is answered without the token. */
  readonly isOpen?: boolean;
  readonly respond: (query: URLSearchParams) => Response | Promise<Response>;
};

/** Names of this machine alone: a page whose own name was made to lead here sends that name. */
const loopback = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

/**
 * Makes what the operator's server answers.
 *
 * @returns The handler; it never rejects.
 */
export function createOperatorHandler(parameters: Parameters): (request: Request) => Promise<Response> {
  const { gateway, watch, authorize, drain } = parameters;
  const { ledger } = gateway;

  async function listChannels(query: URLSearchParams): Promise<Response> {
    const limit = readLimit(query);
    const after = readChannelId(query);
    if (after !== undefined) await requireChannel(after);
    const { page, hasMore } = await takePage(ledger.channels({ after }), limit);
    return json(200, { channels: page.map(withoutSecrets), next: hasMore ? page.at(-1)?.channelId : null });
  }

  async function showChannel(channelId: Hex, query: URLSearchParams): Promise<Response> {
    const limit = readLimit(query);
    const after = readAmount(query);
    const channel = await requireChannel(channelId);
    const { page, hasMore } = await takePage(ledger.holds(channelId, { after }), limit);
    const next = hasMore ? page.at(-1)?.cumulativeAmount : null;
    return json(200, { channel: withoutSecrets(channel), purchases: page, next });
  }

  async function requireChannel(channelId: Hex): Promise<ChannelRecord> {
    const channel = await ledger.getChannel(channelId);
    if (!channel) throw new RefusedError(404, "channel-not-found", "The ledger has no such channel.");
    return channel;
  }

  async function settle(): Promise<Response> {
    watch.logger.info("operator settles");
    const { settled, failed } = await gateway.settleAll();
    const failures = failed.map(({ channelId, error }) => {
      const { code, message, causes } = describeError(error);
      return { channelId, code, message, causes };
    });
    return json(200, { settled, failed: failures });
  }

  const routes: Readonly<Record<string, Route>> = {
    "/livez": { method: "GET", isOpen: true, respond: () => json(200, { live: true }) },
    "/readyz": {
      method: "GET",
      isOpen: true,
      async respond() {
        const faults = await gateway.faults();
        return json(faults.length === 0 ? 200 : 503, { ready: faults.length === 0, faults });
      },
    },
    "/metrics": {
      method: "GET",
      respond: async () => answer(200, watch.registry.contentType, await watch.metrics(gateway)),
    },
    "/channels": { method: "GET", respond: listChannels },
    "/settle": { method: "POST", respond: settle },
    "/drain": {
      method: "POST",
      respond() {
        watch.logger.info("operator drains");
        drain();
        return json(202, { stopping: true, running: gateway.running });
      },
    },
  };

  function routeOf(path: string): Route | undefined {
    const [, channelId] = /^\/channels\/(0x[0-9a-f]{64})$/i.exec(path) ?? [];
    if (channelId === undefined) return Object.hasOwn(routes, path) ? routes[path] : undefined;
    return { method: "GET", respond: (query) => showChannel(channelId.toLowerCase() as Hex, query) };
  }

  async function respond(request: Request): Promise<Response> {
    if (!loopback.test(request.headers.get("host") ?? "")) {
      throw new RefusedError(403, "host-refused", "Ask by localhost, 127.0.0.1 or [::1].");
    }
    const { pathname, searchParams } = new URL(request.url);
    const route = routeOf(pathname);
    // Before all else, so that nobody else learns what there is.
    if (!route?.isOpen && !(await authorize(request, ""))) {
      const detail = "Send Authorization: Bearer with the operator's token.";
      throw new RefusedError(401, "unauthorized", detail, { "www-authenticate": "Bearer" });
    }
    if (!route) {
      const detail = "There is livez, readyz, metrics, channels, channels/{id}, settle and drain.";
      throw new RefusedError(404, "not-found", detail);
    }
    const { method } = route;
    if (request.method !== method && !(request.method === "HEAD" && method === "GET")) {
      throw new RefusedError(405, "method-not-allowed", `${pathname} takes ${method}.`, { allow: method });
    }
    return route.respond(searchParams);
  }

  return async (request) => {
    try {
      return await respond(request);
    } catch (error) {
      if (error instanceof RefusedError) return refusal(error);
      watch.gateway.onError(error);
      const code = isSubfenError(error) ? error.code : "operator-failed";
      return refusal(new RefusedError(503, code, "This cannot be done now. The log tells why."));
    }
  };
}

async function takePage<value>(
  values: AsyncIterable<value>,
  limit: number,
): Promise<{ page: value[]; hasMore: boolean }> {
  const page: value[] = [];
  for await (const value of values) {
    if (page.length === limit) return { page, hasMore: true };
    page.push(value);
  }
  return { page, hasMore: false };
}
