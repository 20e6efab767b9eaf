import { expect } from "chai";

import type { Charge } from "../../../sdk/src/ledger/index.ts";
import { answer, type Bench } from "./bench.ts";

const ref = { payer: `0x${"a1".repeat(20)}`, nonce: `0x${"5e".repeat(32)}` } as const;
const asked = { ...ref, authorization: '{"value":"1"}', blockNumber: 2n ** 70n, txHash: undefined };
const txHash = `0x${"77".repeat(32)}` as const;

/** What authorizations of the charge intent have bought. */
export function describeCharges(bench: Bench): void {
  const { empty, rejection } = bench;
  const status = async (): Promise<Charge["status"] | undefined> => (await bench.ledger.getCharge(ref))?.status;
  const known = () => bench.ledger.getCharge(ref);

  describe("charges", () => {
    beforeEach(() => empty());

    it("F057: are held once, however many ask", async () => {
      const results = await Promise.all(Array.from({ length: 50 }, () => bench.ledger.holdCharge(asked)));
      expect(results.filter(({ kind }) => kind === "held")).to.have.lengthOf(1);
      expect(await known()).to.deep.equal({ ...asked, status: "held", heldAt: bench.time.now, answer: undefined });
      // The same nonce of another payer is another charge.
      const other = { ...asked, payer: `0x${"b2".repeat(20)}` as const };
      expect((await bench.ledger.holdCharge(other)).kind).to.equal("held");
    });

    it("are earned with an answer, then settled, and known ever after", async () => {
      await bench.ledger.holdCharge(asked);
      expect(await bench.ledger.earnedCharges()).to.deep.equal([]);
      expect((await bench.ledger.earnCharge({ ...ref, answer })).status).to.equal("earned");
      expect((await bench.ledger.earnedCharges()).map(({ nonce }) => nonce)).to.deep.equal([ref.nonce]);
      await bench.ledger.settleCharge({ ...ref, txHash });
      expect(await bench.ledger.earnedCharges()).to.deep.equal([]);
      const repeated = await bench.ledger.holdCharge(asked);
      expect(repeated.kind).to.equal("known");
      expect(await known()).to.deep.include({ status: "settled", txHash, answer });
    });

    it("are forgotten when they fail before the money has moved, and owed after", async () => {
      await bench.ledger.holdCharge(asked);
      await bench.ledger.releaseCharge(ref);
      expect(await status()).to.equal(undefined);

      await bench.ledger.holdCharge(asked);
      await bench.ledger.settleCharge({ ...ref, txHash });
      expect(await status()).to.equal("held");
      await bench.ledger.releaseCharge(ref);
      expect(await status()).to.equal("released");
      expect(await bench.ledger.holdCharge(asked)).to.deep.include({ kind: "held" });
      expect(await known()).to.include({ status: "held", txHash });
      expect((await bench.ledger.earnCharge({ ...ref, answer })).status).to.equal("settled");
    });

    it("that are earned can be given up, with their answer", async () => {
      await bench.ledger.holdCharge(asked);
      await bench.ledger.earnCharge({ ...ref, answer });
      await bench.ledger.releaseCharge(ref);
      expect(await status()).to.equal(undefined);
      await bench.ledger.holdCharge(asked);
      expect((await known())?.answer).to.equal(undefined);
    });

    it("that hold nothing are not earned or released", async () => {
      for (const attempt of [
        () => bench.ledger.earnCharge({ ...ref, answer }),
        () => bench.ledger.releaseCharge(ref),
      ]) {
        expect(await rejection(attempt())).to.equal("unknown-hold");
      }
      await bench.ledger.holdCharge(asked);
      await bench.ledger.earnCharge({ ...ref, answer });
      expect(await rejection(bench.ledger.earnCharge({ ...ref, answer }))).to.equal("unknown-hold");
      await bench.ledger.settleCharge({ ...ref, txHash });
      expect(await rejection(bench.ledger.releaseCharge(ref))).to.equal("unknown-hold");
    });

    it("are forgotten a day after they were settled, and never before", async () => {
      await bench.ledger.holdCharge(asked);
      await bench.ledger.earnCharge({ ...ref, answer });
      bench.time.now += 24 * 3_600_000 + 1;
      await bench.ledger.maintain();
      expect(await status()).to.equal("earned");
      await bench.ledger.settleCharge({ ...ref, txHash });
      bench.time.now -= 1;
      await bench.ledger.maintain();
      expect(await status()).to.equal("settled");
      bench.time.now += 1;
      await bench.ledger.maintain();
      expect(await status()).to.equal(undefined);
    });

    it("take no id of another size", async () => {
      for (const wrong of [{ nonce: "0x12" }, { payer: "0x12" }]) {
        const charge = { ...asked, ...wrong } as typeof asked;
        expect(await rejection(bench.ledger.holdCharge(charge))).to.equal("invalid-field");
        expect(await rejection(bench.ledger.getCharge(charge))).to.equal("invalid-field");
      }
    });
  });
}
