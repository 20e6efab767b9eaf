import { once } from "node:events";
import { connect } from "node:net";

/** An answer, read to its end. */
export type Reply = { readonly status: number; readonly head: string; readonly body: string };

/** One connection that stays open, on which one request waits for the other: as lean as a client of HTTP/1.1 can be. */
export type Connection = {
  /** Sends a GET with these header lines, each ended by CR LF. */
  get(path: string, lines: string): Promise<Reply>;
  close(): void;
};

/**
 * Opens a connection. The generator shares two cores with the server: what it costs is taken from what is measured.
 *
 * @param port - Of this machine.
 * @returns The connection.
 */
export async function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  let received = "";
  let settle: { resolve: (reply: Reply) => void; reject: (error: Error) => void } | undefined;

  // Latin-1 keeps a character for each byte, so that lengths are bytes.
  socket.setEncoding("latin1");
  socket.on("data", (chunk: string) => {
    received = received === "" ? chunk : received + chunk;
    const reply = parseReply(received);
    if (!reply) return;
    received = "";
    settle?.resolve(reply);
  });
  const fail = (): void => settle?.reject(new Error("the server closed the connection"));
  socket.on("error", fail);
  socket.on("close", fail);

  return {
    get: (path, lines) =>
      new Promise((resolve, reject) => {
        settle = { resolve, reject };
        if (socket.destroyed) fail();
        socket.write(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${lines}\r\n`, "latin1");
      }),
    close: () => socket.destroy(),
  };
}

function parseReply(text: string): Reply | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const head = text.slice(0, end);
  const status = Number(head.slice(9, 12));
  const rest = text.slice(end + 4);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length !== undefined) return rest.length < Number(length) ? undefined : { status, head, body: rest };
  if (status === 204 || status === 304) return { status, head, body: "" };
  const body = readChunks(rest);
  return body === undefined ? undefined : { status, head, body };
}

function readChunks(text: string): string | undefined {
  let body = "";
  for (let position = 0; ;) {
    const line = text.indexOf("\r\n", position);
    if (line < 0) return undefined;
    const size = Number.parseInt(text.slice(position, line), 16);
    if (size === 0) return text.endsWith("\r\n\r\n") ? body : undefined;
    if (text.length < line + size + 4) return undefined;
    body += text.slice(line + 2, line + 2 + size);
    position = line + size + 4;
  }
}
