import { expect } from "chai";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

import { forwardTo } from "../../sdk/src/server/index.ts";
import { encodeBase64Url } from "../../sdk/src/wire/index.ts";
import { createWorld, payerKey, sellerKey } from "./helpers.ts";
import { openStall, price, type Reply, watchedClient } from "./stall.ts";

describe("F113: what a gateway answers", () => {
  it("holds no secret and no inner address, whatever goes wrong, and is never a bare 500", async () => {
    const world = await createWorld();
    const node = watchedClient(world);
    const canaries = {
      secret: "canary-secret-of-the-seller",
      upstreamKey: "canary-upstream-key",
      rpc: "https://rpc.example/v3/canary-rpc-key",
      thrown: "canary-thrown",
    };
    const stall = await openStall(world, {
      gateway: { client: node.client, secret: canaries.secret, workTimeout: 50 },
    });
    const stranger = privateKeyToAccount(generatePrivateKey());
    const channel = await stall.open();
    const replies: Reply[] = [];
    const note = async (reply: Promise<Reply>): Promise<void> => {
      replies.push(await reply);
    };
    let amount = 0n;
    const fresh = () => (amount += price);

    // The credential is wrong.
    for (const authorization of ["Payment", "Payment x", `Payment ${encodeBase64Url("{}")}`, "Bearer x"]) {
      await note(stall.ask({ headers: { authorization } }));
    }
    for (const payload of [
      {},
      { action: "open" },
      { action: "voucher", channelId: 5 },
      { action: "topUp", type: "hash" },
    ]) {
      await note(stall.payRaw(payload));
    }
    await note(stall.buy(channel, price, { challenge: { ...(await stall.challenge()), id: "x" } }));
    await note(stall.pay(await stall.voucher(channel, price, { account: stranger })));
    await note(stall.buy({ channelId: `0x${"ab".repeat(32)}` }, price));
    await note(stall.buy(channel, 1n));
    await note(stall.buy(channel, 2n ** 100n));
    await note(stall.pay((await stall.opening({ deposit: 10n ** 15n })).payload));
    await note(stall.pay((await stall.opening({ deposit: 0n })).payload));
    await note(
      stall.pay({ ...(await stall.opening()).payload, funding: { type: "hash", hash: `0x${"00".repeat(32)}` } }),
    );
    await note(stall.shut(channel, 1n, { challenge: { ...(await stall.challenge()), realm: "x" } }));

    // The work fails.
    for (const work of [
      () => Promise.reject(new Error(canaries.thrown)),
      () => Promise.reject(Object.assign(new Error("x"), { cause: canaries.thrown, config: canaries })),
      () => Response.error(),
      () => new Promise<Response>(() => undefined),
      forwardTo("http://127.0.0.1:1/canary-path", { headers: { authorization: canaries.upstreamKey } }),
    ]) {
      stall.work = work;
      await note(stall.buy(channel, fresh()));
    }

    // The chain is away, or says no, at each step.
    stall.work = () => new Response("ok");
    stall.clock.offset = 61_000;
    for (const broken of [
      "eth_call",
      "eth_sendRawTransaction",
      "eth_getTransactionReceipt",
      "eth_getTransactionCount",
    ]) {
      node.before = (method) => {
        if (method === broken) throw new Error(`cannot reach ${canaries.rpc}, selector 0xdeadbeef`);
      };
      stall.clock.offset += 61_000;
      await note(stall.pay((await stall.opening()).payload));
      await note(stall.pay(await stall.topUp(channel, price)));
      await note(stall.buy(channel, fresh()));
      await note(stall.shut(channel, fresh() + 1n));
    }

    expect(replies.length).to.be.greaterThan(30);
    expect(replies.filter(({ status }) => status >= 400).length).to.be.greaterThan(25);
    const keys = [payerKey, sellerKey].map((key) => key.slice(2));
    const never = [
      ...Object.values(canaries),
      "canary",
      "rpc.example",
      "deadbeef",
      ...keys,
      "sdk/src",
      "node_modules",
      "viem",
    ];
    for (const { status, text, headers, problem } of replies) {
      expect(status).not.to.equal(500);
      if (status >= 400) expect(problem, text).not.to.equal(undefined);
      const sent = `${text}\n${[...headers].flat().join("\n")}`;
      const decoded = sent.replaceAll(
        /[A-Za-z0-9_-]{40,}/g,
        (part) => `${part} ${Buffer.from(part, "base64url").toString()}`,
      );
      for (const word of never) expect(decoded.toLowerCase()).not.to.include(word.toLowerCase());
    }
    await stall.close();
  });
});
