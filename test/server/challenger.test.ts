import { expect } from "chai";

import { createChallenger } from "../../sdk/src/server/index.ts";

const realm = "test";
const secret = new Uint8Array(16).fill(1);

describe("createChallenger", () => {
  it("knows its own again, each time, and nothing that was changed after it was known", () => {
    const challenger = createChallenger({ secret, realm, lifetime: 600, now: () => 1_000 });
    const challenge = challenger.issue("session", { request: "a request" });
    const foreign = createChallenger({ secret: new Uint8Array(16).fill(2), realm, lifetime: 600, now: () => 1_000 });
    for (const seen of [false, true, true]) {
      expect(challenger.isOwn(challenge), String(seen)).to.equal(true);
      for (const change of [
        { request: "another request" },
        { intent: "charge" },
        { method: "other" },
        { realm: "other" },
        { expires: "2099-01-01T00:00:00Z" },
        { expires: undefined },
        { digest: "x" },
        { opaque: "x" },
        { id: challenge.id.slice(1) },
        { id: foreign.issue("session", { request: "a request" }).id },
        // The same text in other slots.
        { intent: "session|a request", request: challenge.expires ?? "", expires: undefined },
      ]) {
        expect(challenger.isOwn({ ...challenge, ...change }), JSON.stringify(change)).to.equal(false);
      }
    }
  });

  it("knows what has expired, though it was known as its own before", () => {
    const time = { now: 1_000 };
    const challenger = createChallenger({ secret, realm, lifetime: 600, now: () => time.now });
    const challenge = challenger.issue("session", { request: "a request" });
    expect(challenger.isOwn(challenge)).to.equal(true);
    time.now = 600_999;
    expect(challenger.isExpired(challenge)).to.equal(false);
    time.now = 601_000;
    expect(challenger.isExpired(challenge)).to.equal(true);
  });
});
