// The load, in a process of its own: it is told a server, makes every credential, and then sends them as fast as they are
// answered, one at a time on each connection. A run is a number of requests, so it ends by itself.
import { answer, type Contender, path } from "./contender.ts";
import { type ContenderName, contenders } from "./contenders/index.ts";
import { type Connection, openConnection } from "./httpConnection.ts";

/** What the generator is asked to do. */
export type Order =
  | { readonly do: "prepare"; readonly name: ContenderName; readonly port: number; readonly buyers: number }
  /** Makes the credentials of the next round: that is the buyers' work, and not on the server's clock. */
  | { readonly do: "sign"; readonly name: ContenderName; readonly each: number }
  | { readonly do: "send"; readonly name: ContenderName };

/** How a round went. */
export type Round = {
  readonly answers: number;
  /** What was not answered with 200 and the answer, and the first of it. */
  readonly failures: number;
  readonly failure: string | undefined;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
};

type Buyer = {
  readonly port: number;
  readonly next: Awaited<ReturnType<Contender["buyer"]>>;
  /** The headers of its requests in the next round. */
  lines: string[];
  connection: Connection | undefined;
};

const crowds = new Map<ContenderName, Buyer[]>();

async function prepare(name: ContenderName, port: number, buyers: number): Promise<void> {
  const challenge = await fetch(`http://127.0.0.1:${port}${path}`);
  const crowd: Buyer[] = [];
  for (let index = 0; index < buyers; index++) {
    const next = await contenders[name].buyer(index, challenge.clone());
    crowd.push({ port, next, lines: [], connection: undefined });
  }
  await challenge.arrayBuffer();
  crowds.set(name, crowd);
}

async function sign(crowd: readonly Buyer[], each: number): Promise<void> {
  for (const buyer of crowd) {
    buyer.lines = [];
    for (let i = 0; i < each; i++) {
      const header = await buyer.next();
      buyer.lines.push(header ? `${header[0]}: ${header[1]}\r\n` : "");
    }
  }
  // A server closes what is idle for some seconds, so each round has its own.
  for (const buyer of crowd) buyer.connection = await openConnection(buyer.port);
}

async function send(crowd: readonly Buyer[]): Promise<Round> {
  const latencies: number[] = [];
  const failures: string[] = [];
  const started = performance.now();
  await Promise.all(
    crowd.map(async ({ connection, lines }) => {
      if (!connection) throw new Error("send before sign");
      for (const line of lines) {
        const sent = performance.now();
        const reply = await connection.get(path, line);
        latencies.push(performance.now() - sent);
        if (reply.status !== 200 || reply.body !== answer) failures.push(`${reply.status} ${reply.body.slice(0, 500)}`);
      }
      connection.close();
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (share: number): number => latencies[Math.floor(share * (latencies.length - 1))] ?? Number.NaN;
  return {
    answers: latencies.length - failures.length,
    failures: failures.length,
    failure: failures[0],
    seconds,
    p50: quantile(0.5),
    p99: quantile(0.99),
  };
}

async function carryOut(order: Order): Promise<Round | undefined> {
  if (order.do === "prepare") {
    await prepare(order.name, order.port, order.buyers);
    return undefined;
  }
  const crowd = crowds.get(order.name) ?? [];
  if (order.do === "send") return send(crowd);
  await sign(crowd, order.each);
  return undefined;
}

process.on("message", (order: Order) => {
  carryOut(order).then(
    (round) => process.send?.({ round }),
    (error: unknown) => process.send?.({ error: String(error instanceof Error ? error.stack : error) }),
  );
});
process.on("disconnect", () => process.exit(0));
