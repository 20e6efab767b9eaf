// A server that is measured, in a process of its own: `server.ts <contender> <buyers> <folder>`.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

import { type ContenderName, contenders } from "./contenders/index.ts";

/** What a server tells of itself. */
export type Usage = {
  /** Microseconds of CPU since it started. */
  readonly cpu: number;
  /** Base units, as text. */
  readonly earned: string | undefined;
  /** Bytes of memory that the process holds. */
  readonly memory: number;
};

const [name, buyers, folder = ""] = process.argv.slice(2);
const { listener, earned } = await contenders[name as ContenderName].serve(Number(buyers), folder);
const server = createServer(listener);
// All its connections may come at once.
server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});

process.on("message", async () => {
  const { user, system } = process.cpuUsage();
  const usage: Usage = {
    cpu: user + system,
    earned: (await earned())?.toString(),
    memory: process.memoryUsage.rss(),
  };
  process.send?.(usage);
});
// The run ends it; one that has lost its run must not stay.
process.on("disconnect", () => process.exit(0));
