import { expect } from "chai";
import { type Hex, keccak256, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";

import { findContradictions, type Receipt, type SignedReceipt, signReceipt } from "../../../sdk/src/index.ts";

const at = { contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", chainId: 31337 } as const;
const payee = privateKeyToAccount(`0x${"b2".repeat(32)}`);
const stranger = privateKeyToAccount(`0x${"a1".repeat(32)}`);
const hash = (text: string): Hex => keccak256(stringToHex(text));

async function receipt(
  statement: string,
  spent: bigint,
  issuedAt: bigint,
  changes: Partial<Receipt> = {},
  account = payee,
): Promise<SignedReceipt> {
  const channelId = hash("a channel");
  const [requestHash, responseHash] = [hash(`${statement} asked`), hash(`${statement} answered`)];
  const unsigned = {
    channelId,
    statementHash: hash(statement),
    spent,
    requestHash,
    responseHash,
    issuedAt,
    ...changes,
  };
  return { ...unsigned, signature: await signReceipt({ ...at, account, ...unsigned }) };
}

const find = async (...receipts: SignedReceipt[]) =>
  (await findContradictions({ ...at, signer: payee.address, receipts })).map(({ kind, receipts: [a, b] }) => [
    kind,
    receipts.findIndex(({ signature }) => signature === a.signature),
    receipts.findIndex(({ signature }) => signature === b.signature),
  ]);

describe("findContradictions", () => {
  it("finds none in what an honest payee signs: rising totals, the same receipt again, swapped within a second", async () => {
    const first = await receipt("a", 10n, 100n);
    expect(
      await find(
        await receipt("d", 30n, 102n),
        first,
        await receipt("c", 30n, 101n),
        await receipt("b", 20n, 101n),
        first,
        await receipt("a", 5n, 200n, { channelId: hash("another") }),
      ),
    ).to.deep.equal([]);
    expect(await find()).to.deep.equal([]);
  });

  for (const [name, changes] of [
    ["another total", { spent: 11n }],
    ["another request", { requestHash: hash("x") }],
    ["another answer", { responseHash: hash("x") }],
    ["another time", { issuedAt: 101n }],
  ] as [string, Partial<Receipt>][]) {
    it(`finds one statement with ${name}`, async () => {
      const second = await receipt("a", 10n, 100n, changes);
      expect(await find(await receipt("a", 10n, 100n), second)).to.deep.equal([["statement", 0, 1]]);
    });
  }

  it("finds a total that has fallen, in whatever order the receipts are given", async () => {
    const [early, late] = [await receipt("a", 11n, 100n), await receipt("b", 10n, 101n)];
    expect(await find(early, late)).to.deep.equal([["total", 0, 1]]);
    expect(await find(late, early)).to.deep.equal([["total", 1, 0]]);
    // Against the highest of all before, not only the one before.
    const between = await receipt("c", 12n, 100n);
    expect(await find(early, between, late)).to.deep.equal([["total", 1, 2]]);
  });

  it("passes over what the payee did not sign", async () => {
    const forged = await receipt("a", 99n, 100n, {}, stranger);
    const tampered = { ...(await receipt("a", 10n, 100n)), spent: 12n };
    expect(await find(await receipt("a", 10n, 100n), forged, tampered)).to.deep.equal([]);
  });

  it("reads hashes in upper case as the same", async () => {
    const first = await receipt("a", 10n, 100n);
    const requestHash = `0x${first.requestHash.slice(2).toUpperCase()}` as const;
    expect(await find(first, await receipt("a", 10n, 100n, { requestHash }))).to.deep.equal([]);
  });
});
