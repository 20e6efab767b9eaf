import { expect } from "chai";
import { zeroHash } from "viem";

import { createTickHolds } from "../../sdk/src/server/ticks/tickHolds.ts";

describe("what ticks have bought", () => {
  const request = (print: string) => ({ print, idempotencyKey: undefined, amount: 1n, requestHash: () => zeroHash });
  const answer = (bytes: number) => ({ status: 200, headers: [], body: new Uint8Array(bytes) });

  it("is known while it runs, though its tick is forgotten", () => {
    const holds = createTickHolds(10);
    const slow = holds.add(1, request("slow"));
    const done = holds.add(2, request("done"));
    done.status = "captured";
    holds.forget(1, 2);
    expect(holds.running()).to.deep.equal([slow]);
    slow.status = "captured";
    expect(holds.running()).to.deep.equal([]);
  });

  it("takes no room for the answer of what was forgotten", () => {
    const holds = createTickHolds(10);
    const slow = holds.add(1, request("slow"));
    holds.forget(1, 1);
    holds.keep(slow, answer(9));
    const next = holds.add(2, request("next"));
    holds.keep(next, answer(9));
    expect([slow.answer, next.answer?.body.length]).to.deep.equal([undefined, 9]);
  });
});
