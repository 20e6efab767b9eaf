import type { Server } from "node:http";
import type { AddressInfo } from "node:net";

import { SubfenError } from "../errors.ts";

/** A port cannot be listened on, such as because another process does. */
export class CannotListenError extends SubfenError {
  override readonly name = "CannotListenError";
  declare readonly code: "cannot-listen";

  constructor(host: string, port: number, cause: unknown) {
    super(`Cannot listen on port ${port} of ${host}.`, {
      code: "cannot-listen",
      metaMessages: ["Do: choose a free port, and an address of this machine. The cause tells which it is."],
      cause,
    });
  }
}

/**
 * Listens.
 *
 * @returns The port, which the system has chosen where 0 was asked for.
 * @throws {CannotListenError} when it cannot.
 */
export async function listen(server: Server, port: number, host: string): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, () => {
        server.off("error", reject);
        resolve();
      });
    });
  } catch (cause) {
    throw new CannotListenError(host, port, cause);
  }
  return (server.address() as AddressInfo).port;
}

/**
 * Takes no new connections and waits for those that are answered, at most so long.
 *
 * @param within - Milliseconds after which what is left is cut off.
 */
export async function closeServer(server: Server, within: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A connection that is kept alive becomes idle after its answer.
  const sweep = setInterval(() => server.closeIdleConnections(), 20);
  const end = setTimeout(() => server.closeAllConnections(), within);
  await closed;
  clearInterval(sweep);
  clearTimeout(end);
}
