import { expect } from "chai";
import { keccak256, stringToHex } from "viem";

import { createChannelSignal } from "../../sdk/src/server/channelSignal.ts";

const [one, other] = [keccak256(stringToHex("one")), keccak256(stringToHex("other"))];
const long = 600_000;

describe("a channel's signal", () => {
  it("wakes all who wait on the channel, once, and nobody else", async () => {
    const { notify, wait } = createChannelSignal();
    const woken: string[] = [];
    const aborted = new AbortController();
    const waiting = [
      wait(one, new AbortController().signal, long).then(() => woken.push("a")),
      wait(one, new AbortController().signal, long).then(() => woken.push("b")),
      wait(other, aborted.signal, long).then(() => woken.push("other")),
    ];
    notify(one);
    await Promise.all(waiting.slice(0, 2));
    expect(woken).to.deep.equal(["a", "b"]);
    aborted.abort();
    await Promise.all(waiting);
    expect(woken).to.deep.equal(["a", "b", "other"]);
    notify(one);
    await wait(one, AbortSignal.abort(), long);
  });

  it("ends by itself", async () => {
    const { wait } = createChannelSignal();
    await wait(one, new AbortController().signal, 1);
  });

  it("tells nothing that came before", async () => {
    const { notify, wait } = createChannelSignal();
    notify(one);
    let isAwake = false;
    const aborted = new AbortController();
    const waiting = wait(one, aborted.signal, long).then(() => (isAwake = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(isAwake).to.equal(false);
    aborted.abort();
    await waiting;
  });
});
