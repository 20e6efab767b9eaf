import { expect } from "chai";

import { untilAborted } from "../../sdk/src/untilAborted.ts";

describe("untilAborted", () => {
  /** What nobody has handled ends a process of Node. */
  async function unhandled(run: () => Promise<unknown>): Promise<unknown[]> {
    const seen: unknown[] = [];
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (error) => seen.push(error));
    await run();
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    process.removeAllListeners("unhandledRejection");
    for (const other of others) process.on("unhandledRejection", other);
    return seen;
  }
  const failing = () => Promise.reject(new Error("the connection was lost"));
  const outcome = (work: Promise<unknown>) => work.catch((error: Error) => error.name);

  it("leaves no rejection unhandled, whether the signal was aborted before or is meanwhile", async () => {
    expect(await unhandled(() => outcome(untilAborted(failing(), AbortSignal.abort())))).to.deep.equal([]);
    const controller = new AbortController();
    const late = new Promise((_resolve, reject) => setImmediate(() => reject(new Error("too late"))));
    const seen = await unhandled(() => {
      const waiting = untilAborted(late, controller.signal);
      controller.abort();
      return outcome(waiting);
    });
    expect(seen).to.deep.equal([]);
  });

  it("passes on what the work came to, and the reason of the signal", async () => {
    const { signal } = new AbortController();
    expect(await untilAborted(Promise.resolve(1), signal)).to.equal(1);
    expect(await outcome(untilAborted(failing(), signal))).to.equal("Error");
    expect(await outcome(untilAborted(Promise.resolve(1), AbortSignal.abort()))).to.equal("AbortError");
  });
});
