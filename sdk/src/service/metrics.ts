import { Counter, Gauge, Histogram, Registry } from "prom-client";

import type { Gateway } from "../server/gateway.ts";
import type { GatewayEvent } from "../server/gatewayEvent.ts";

/** What a watch counts. Every label has few values: none has a channel, a path or anything else that buyers choose. */
export type Metrics = {
  readonly registry: Registry;
  count(event: GatewayEvent): void;
  countError(code: string): void;
  /** @returns All of it in Prometheus' text format. */
  text(gateway: Pick<Gateway, "running" | "isStopping">): Promise<string>;
};

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Makes the counters. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: "subfen_requests_total",
    help: "Requests answered, by method, status and, where the answer is a problem of the gateway, its code.",
    labelNames: ["method", "status", "problem"],
    registers,
  });
  const seconds = new Histogram({
    name: "subfen_request_seconds",
    help: "Seconds until requests were answered, or their stream began to flow.",
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers,
  });
  const events = new Counter({
    name: "subfen_events_total",
    help: "Steps of channels and transactions: opened, held, captured, released, marked, sent.",
    labelNames: ["kind"],
    registers,
  });
  const amounts = new Counter({
    name: "subfen_base_units_total",
    help: "Base units of those steps; of opened channels their deposits. Charged is captured and marked.",
    labelNames: ["kind"],
    registers,
  });
  const errors = new Counter({
    name: "subfen_errors_total",
    help: "What went wrong inside, by the error's code; other where it is not of subfen.",
    labelNames: ["code"],
    registers,
  });
  const running = new Gauge({
    name: "subfen_running",
    help: "Requests that are being answered, and streams that flow.",
    registers,
  });
  const stopping = new Gauge({
    name: "subfen_stopping",
    help: "1 where no new requests are taken, else 0.",
    registers,
  });

  return {
    registry,
    count(event) {
      const { kind } = event;
      if (kind === "answered") {
        const method = methods.includes(event.method) ? event.method : "other";
        requests.inc({ method, status: event.status, problem: event.problem ?? "" });
        seconds.observe(event.milliseconds / 1000);
        return;
      }
      events.inc({ kind });
      if (kind === "sent") return;
      amounts.inc({ kind }, Number(kind === "opened" ? event.deposit : event.amount));
    },
    countError: (code) => errors.inc({ code }),
    text(gateway) {
      running.set(gateway.running);
      stopping.set(gateway.isStopping ? 1 : 0);
      return registry.metrics();
    },
  };
}
