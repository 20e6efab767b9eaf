import { request } from "node:http";

import { type Logger, pino } from "pino";

import type { Offer, Work } from "../../sdk/src/server/index.ts";
import { createWatch, serve, type Service } from "../../sdk/src/service/index.ts";
import type { World } from "../server/helpers.ts";
import { openStall } from "../server/stall.ts";

export const token = "token-of-the-operator";

/** A line of a log. */
export type Line = Record<string, unknown> & { level: number; msg: string };

/** A logger that keeps its lines. */
export function memoryLogger(level: "info" | "debug" = "debug"): {
  logger: Logger;
  text: string[];
  lines: () => Line[];
} {
  const text: string[] = [];
  const logger = pino({ level, base: null, timestamp: false }, { write: (line) => void text.push(line) });
  return { logger, text, lines: () => text.map((line) => JSON.parse(line) as Line) };
}

export type Shop = Awaited<ReturnType<typeof openShop>>;

/** A stall that is served, watched and operated. */
export async function openShop(
  world: World,
  options: Pick<NonNullable<Parameters<typeof openStall>[1]>, "offer" | "gateway"> & { level?: "info" | "debug" } = {},
) {
  const log = memoryLogger(options.level);
  const watch = createWatch({ logger: log.logger });
  let service: Service | undefined;
  const stall = await openStall(world, {
    ...options,
    gateway: { ...watch.gateway, ...options.gateway },
    async serve(gateway, offer: Offer, work: Work) {
      const handler = gateway.protect(offer, work);
      service = await serve({ gateway, watch, handler, port: 0, operator: { port: 0, token } });
      const { port, stop } = service;
      return { url: `http://127.0.0.1:${port}`, close: () => stop({ timeout: 0 }) };
    },
  });
  if (!service) throw new Error("it was not served");
  const { operatorPort, stop } = service;
  const operator = `http://127.0.0.1:${operatorPort}`;

  /** Asks the operator's server, with the right token unless another is given. */
  async function operate(path: string, call: { method?: string; authorization?: string | null } = {}) {
    const { method = "GET", authorization = `Bearer ${token}` } = call;
    const response = await fetch(operator + path, { method, headers: authorization === null ? {} : { authorization } });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "");
    const body = (isJson && text !== "" ? JSON.parse(text) : {}) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, text, body };
  }

  return Object.assign(stall, { log, watch, stop, operate, operatorPort: operatorPort as number });
}

/** Asks by `node:http`, which sends any Host header. @returns The status. */
export function statusFor(port: number, headers: Record<string, string>, address = "127.0.0.1"): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: address, port, path: "/livez", headers, agent: false, timeout: 2_000 },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    asked.once("timeout", () => asked.destroy(new Error("no answer")));
    asked.once("error", reject).end();
  });
}
