import { expect } from "chai";
import { zeroAddress } from "viem";

import { createPurse } from "../../../sdk/src/client/purse.ts";
import type { SessionReceipt } from "../../../sdk/src/wire/index.ts";

const channelId = `0x${"ab".repeat(32)}` as const;
const terms = {
  payer: zeroAddress,
  payee: zeroAddress,
  token: zeroAddress,
  salt: channelId,
  authorizedSigner: zeroAddress,
};
const open = () => createPurse({ channelId, terms, deposit: 1000n });
const receipt = (members: Partial<SessionReceipt>): SessionReceipt => ({
  challengeId: "c",
  channelId,
  chainId: 1,
  timestamp: "2026-01-01T00:00:00Z",
  acceptedCumulative: 0n,
  spent: 0n,
  amount: 0n,
  held: 0n,
  ...members,
});

describe("createPurse", () => {
  it("signs what was charged and what open calls can cost, always more than before", () => {
    const purse = open();
    expect(purse.begin(100n)).to.equal(100n);
    expect(purse.begin(50n)).to.equal(150n);
    expect(purse.charge(100n, receipt({ amount: 10n, spent: 10n, acceptedCumulative: 150n, held: 50n }))).to.equal(10n);
    // 10 charged, 50 and 30 open: below what is signed, so one more than that.
    expect(purse.next(30n)).to.equal(151n);
    expect(purse.begin(30n)).to.equal(151n);
    expect(purse.next(100n)).to.equal(190n);
    expect(purse).to.include({ charged: 10n, uncertain: 80n, signed: 151n, distrust: undefined });
  });

  it("counts a forgiven call no more and a lost one at its ceiling", () => {
    const purse = open();
    const [a, b] = [purse.begin(100n), purse.begin(20n)];
    purse.forgive(a);
    purse.lose(b);
    expect(purse).to.include({ uncertain: 20n, charged: 0n });
  });

  it("takes the seller's total for lost calls only when nothing runs on either side", () => {
    for (const [held, running, charged] of [
      [0n, false, 45n],
      [1n, false, 5n],
      [0n, true, 5n],
    ] as const) {
      const purse = open();
      purse.lose(purse.begin(100n));
      const done = purse.begin(10n);
      if (running) purse.begin(1n);
      purse.charge(done, receipt({ amount: 5n, spent: 45n, acceptedCumulative: 110n, held }));
      expect(purse.charged).to.equal(charged);
      expect(purse.uncertain).to.equal(charged === 45n ? 0n : running ? 101n : 100n);
    }
  });

  it("closes with what was charged, or the next amount that has paid for nothing", () => {
    const purse = open();
    expect(purse.closingStatement()).to.equal(0n);
    const calls = [1n, 1n, 1n].map((ceiling) => purse.begin(ceiling));
    purse.charge(calls[0]!, receipt({ amount: 1n, spent: 1n, acceptedCumulative: 3n }));
    // 1, 2 and 3 went out with requests.
    expect(purse.closingStatement()).to.equal(4n);
    for (const call of calls.slice(1)) purse.forgive(call);
    purse.charge(999n, receipt({ acceptedCumulative: 3n, spent: 1n }));
    expect(purse.closingStatement()).to.equal(4n);
  });

  it("finds the fault in a receipt, at the boundary and one past it", () => {
    const cases: [Partial<SessionReceipt>, boolean][] = [
      [{ amount: 100n, spent: 150n, acceptedCumulative: 150n }, true],
      [{ amount: 101n, spent: 150n, acceptedCumulative: 150n }, false],
      [{ amount: 100n, spent: 151n, acceptedCumulative: 150n }, false],
      [{ amount: 100n, spent: 150n, acceptedCumulative: 151n }, false],
      [{ amount: 100n, spent: 100n, acceptedCumulative: 150n }, true],
      [{ amount: 100n, spent: 99n, acceptedCumulative: 150n }, false],
      [{ amount: 1n, spent: 1n, channelId: `0x${"cd".repeat(32)}` }, false],
    ];
    for (const [members, isGood] of cases) {
      const purse = open();
      const a = purse.begin(100n);
      purse.begin(50n);
      const amount = purse.charge(a, receipt(members));
      expect(
        purse.distrust === undefined,
        JSON.stringify(members, (_, v: unknown) => String(v)),
      ).to.equal(isGood);
      expect(amount <= 100n).to.equal(true);
    }
  });
});
