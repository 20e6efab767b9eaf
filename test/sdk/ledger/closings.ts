import { expect } from "chai";

import { type Bench, channelId, open, request, signatureOf } from "./bench.ts";

/** How a channel is closed, and by which statement. */
export function describeClosings(bench: Bench): void {
  const { start, channel, hold, capture, release, refusal } = bench;

  describe("closing", () => {
    beforeEach(() => start({ accepted: 0n }));

    it("stops new holds, and takes a higher statement", async () => {
      await hold(10n);
      const result = await bench.ledger.beginClose(request(15n));
      expect(result.kind).to.equal("held");
      expect(await channel()).to.include({ closing: true, accepted: 15n, held: 10n });
      expect(await refusal(hold(30n))).to.equal("channel-closing");
    });

    it("needs no higher statement and lowers none", async () => {
      await hold(20n);
      expect(await refusal(bench.ledger.beginClose(request(5n)))).to.equal("held");
      expect(await channel()).to.include({ closing: true, accepted: 20n, signature: signatureOf(20n) });
    });

    it("keeps no statement above the deposit", async () => {
      expect(await refusal(bench.ledger.beginClose(request(1001n)))).to.equal("held");
      expect(await channel()).to.include({ closing: true, accepted: 0n });
    });

    for (const status of ["held", "captured", "released"]) {
      it(`F023: refuses a statement that is ${status}: others have seen it`, async () => {
        await hold(10n);
        if (status === "captured") await capture(10n);
        if (status === "released") await release(10n);
        expect(await refusal(bench.ledger.beginClose(request(10n)))).to.equal("statement-used");
        expect(await channel()).to.include({ closing: false });
      });
    }

    it("takes the statement of zero, with which it was opened, while nothing was bought", async () => {
      expect(await refusal(bench.ledger.beginClose(request(0n)))).to.equal("held");
    });

    it("takes it when all that was tried has failed", async () => {
      await hold(10n);
      await release(10n);
      expect(await refusal(bench.ledger.beginClose(request(0n)))).to.equal("held");
    });

    for (const status of ["held", "captured"]) {
      it(`F023: refuses the statement of zero once something is ${status}`, async () => {
        await hold(10n);
        if (status === "captured") await capture(10n);
        expect(await refusal(bench.ledger.beginClose(request(0n)))).to.equal("statement-used");
        expect(await channel()).to.include({ closing: false });
      });
    }

    it("may be begun again, since a try may be cut off, and stays until it is cancelled", async () => {
      await bench.ledger.beginClose(request(5n));
      expect(await refusal(bench.ledger.beginClose(request(5n)))).to.equal("held");
      expect(await refusal(bench.ledger.beginClose(request(6n)))).to.equal("held");
      expect(await channel()).to.include({ closing: true, accepted: 6n });
      expect(await refusal(hold(20n))).to.equal("channel-closing");
      await bench.ledger.cancelClose(channelId);
      expect(await channel()).to.include({ closing: false });
      expect((await hold(20n)).kind).to.equal("held");
    });

    it("is possible while the payer's own request to close is pending, not once it is finalized", async () => {
      await bench.ledger.updateChain(channelId, { ...open, closeRequestedAt: 1 });
      expect(await refusal(bench.ledger.beginClose(request(5n)))).to.equal("held");
      await bench.ledger.cancelClose(channelId);
      await bench.ledger.updateChain(channelId, { ...open, finalized: true });
      expect(await refusal(bench.ledger.beginClose(request(6n)))).to.equal("channel-finalized");
    });
  });
}
