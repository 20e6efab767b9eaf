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

  it("counts a call once that is repeated after the seller's total has settled it in sum", () => {
    for (const wasServed of [true, false]) {
      const purse = open();
      const lost = purse.begin(100n);
      purse.lose(lost);
      const other = purse.begin(10n);
      const sum = wasServed ? 45n : 5n;
      purse.charge(other, receipt({ amount: 5n, spent: sum, acceptedCumulative: 110n }));
      expect(purse).to.include({ charged: sum, uncertain: 0n });
      purse.repeat(lost, 100n);
      expect(purse).to.include({ uncertain: 100n });
      purse.charge(lost, receipt({ amount: 40n, spent: 45n, acceptedCumulative: 110n }));
      expect(purse).to.include({ charged: 45n, uncertain: 0n, distrust: undefined });
    }
  });

  it("counts too much rather than too little while others run, and the newest total sets it right", () => {
    const purse = open();
    const [a, b] = [purse.begin(100n), purse.begin(100n)];
    purse.lose(a);
    purse.lose(b);
    purse.charge(purse.begin(10n), receipt({ amount: 5n, spent: 85n, acceptedCumulative: 210n }));
    purse.repeat(a, 100n);
    purse.repeat(b, 100n);
    purse.charge(a, receipt({ amount: 40n, spent: 85n, acceptedCumulative: 210n }));
    expect(purse).to.include({ charged: 125n, uncertain: 100n });
    purse.charge(b, receipt({ amount: 40n, spent: 85n, acceptedCumulative: 210n }));
    expect(purse).to.include({ charged: 85n, uncertain: 0n, distrust: undefined });
  });

  it("does not go back to an older total that arrives late", () => {
    const purse = open();
    const [a, b] = [purse.begin(10n), purse.begin(10n)];
    purse.charge(b, receipt({ amount: 10n, spent: 20n, acceptedCumulative: 20n }));
    purse.charge(a, receipt({ amount: 10n, spent: 10n, acceptedCumulative: 20n }));
    expect(purse).to.include({ charged: 20n, distrust: undefined });
  });

  it("does not distrust a seller that a lost call reaches late, up to that call's ceiling", () => {
    for (const [late, isGood] of [
      [100n, true],
      [101n, false],
    ] as const) {
      const purse = open();
      purse.lose(purse.begin(100n));
      purse.charge(purse.begin(10n), receipt({ amount: 10n, spent: 10n, acceptedCumulative: 110n }));
      expect(purse).to.include({ charged: 10n, uncertain: 0n });
      purse.charge(purse.begin(10n), receipt({ amount: 10n, spent: 20n + late, acceptedCumulative: 111n }));
      expect(purse.distrust === undefined).to.equal(isGood);
    }
  });

  it("goes on as it was from what was kept", () => {
    const purse = open();
    const [lost, done, running] = [purse.begin(100n), purse.begin(10n), purse.begin(7n)];
    purse.lose(lost);
    purse.charge(done, receipt({ amount: 5n, spent: 45n, acceptedCumulative: 117n, held: 7n }));
    const again = createPurse(purse.state());
    expect(again.state()).to.deep.equal(purse.state());
    expect(again).to.include({ charged: 5n, signed: 117n, uncertain: 107n });
    expect(again.begin(1n)).to.equal(118n);
    expect(again.closingStatement()).to.equal(5n);
    // What ran when it was kept is lost now: the next total tells what it has cost.
    again.charge(118n, receipt({ amount: 1n, spent: 50n, acceptedCumulative: 118n }));
    expect(again).to.include({ charged: 50n, uncertain: 0n, distrust: undefined });
    expect(running).to.equal(117n);
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
