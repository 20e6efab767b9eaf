import { expect } from "chai";

import { choosePayments, parseAcceptPayment } from "../../../sdk/src/wire/index.ts";

describe("Accept-Payment", () => {
  const session = { method: "evm", intent: "session" };
  const charge = { method: "evm", intent: "charge" };
  const choose = (header: string | null) =>
    choosePayments([session, charge], parseAcceptPayment(header)).map(({ intent }) => intent);

  for (const [header, chosen] of [
    [null, ["session", "charge"]],
    ["evm/charge", ["charge"]],
    ["evm/charge, tempo/charge", ["charge"]],
    ["evm/session;q=0.5, evm/charge", ["charge", "session"]],
    ["evm/*", ["session", "charge"]],
    ["*/charge;q=0.3,evm/session ; q=0.2", ["charge", "session"]],
    // The most telling range counts, wherever it stands.
    ["evm/*, evm/session;q=0", ["charge"]],
    ["evm/session;q=0, */*;q=0.1", ["charge"]],
    ["*/session, evm/*;q=0", ["session", "charge"]],
    // Nothing in common, or not understood: everything is offered.
    ["tempo/charge", ["session", "charge"]],
    ["evm/*;q=0", ["session", "charge"]],
    ["", ["session", "charge"]],
    ["evm", ["session", "charge"]],
    ["evm/charge;q=2", ["session", "charge"]],
    ["evm/charge;q=0.1234", ["session", "charge"]],
    ["EVM/charge", ["session", "charge"]],
  ] as const) {
    it(`${header}: offers ${chosen.join(", then ")}`, () => {
      expect(choose(header)).to.deep.equal(chosen);
    });
  }
});
