import { expect } from "chai";

import { createChallenger } from "../../sdk/src/server/index.ts";

const realm = "test";
const secret = new Uint8Array(16).fill(1);

describe("createChallenger", () => {
  it("knows its own again, each time, and nothing that was changed after it was known", () => {
    const challenger = createChallenger({ secret, realm, lifetime: 600, now: () => 1_000 });
    const challenge = challenger.issue("session", "a request");
    const foreign = createChallenger({ secret: new Uint8Array(16).fill(2), realm, lifetime: 600, now: () => 1_000 });
    for (const seen of [false, true, true]) {
      expect(challenger.refusal(challenge), String(seen)).to.equal(undefined);
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
        { id: foreign.issue("session", "a request").id },
        // The same text in other slots.
        { intent: "session|a request", request: challenge.expires ?? "", expires: undefined },
      ]) {
        expect(challenger.refusal({ ...challenge, ...change }), JSON.stringify(change)).to.be.a("string");
      }
    }
  });

  it("refuses what has expired, though it was known before", () => {
    const time = { now: 1_000 };
    const challenger = createChallenger({ secret, realm, lifetime: 600, now: () => time.now });
    const challenge = challenger.issue("session", "a request");
    time.now = 600_999;
    expect(challenger.refusal(challenge)).to.equal(undefined);
    time.now = 601_000;
    expect(challenger.refusal(challenge)).to.match(/expired/);
  });
});
