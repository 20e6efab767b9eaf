import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

/** What an observer does with a call: `before` it reaches the node, and `after` with the node's result. */
export type Watch = {
  before?(method: string): Promise<void> | void;
  after?(method: string, result: unknown): Promise<unknown> | unknown;
};

export type Observer = Awaited<ReturnType<typeof startObserver>>;

/** Stands in front of a node, and sees every call at the moment it is made. */
export async function startObserver(node: string, watch: Watch) {
  type Call = { id: number; method: string };
  type Answer = { id: number; result?: unknown };

  async function pass(request: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const asked = JSON.parse(body) as Call | Call[];
    const calls = Array.isArray(asked) ? asked : [asked];
    for (const { method } of calls) await watch.before?.(method);
    const response = await fetch(node, { method: "POST", body, headers: { "content-type": "application/json" } });
    const answered = (await response.json()) as Answer | Answer[];
    for (const answer of Array.isArray(answered) ? answered : [answered]) {
      const call = calls.find(({ id }) => id === answer.id);
      if (call && "result" in answer && watch.after) answer.result = await watch.after(call.method, answer.result);
    }
    return JSON.stringify(answered);
  }

  const server = createServer((request, response) => {
    void pass(request).then(
      (text) => response.setHeader("content-type", "application/json").end(text),
      () => response.destroy(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close(): void {
      server.closeAllConnections();
      server.close();
    },
  };
}
