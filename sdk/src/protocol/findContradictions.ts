import type { Address, Hex } from "viem";

import type { InvalidFieldError } from "./assertField.ts";
import type { ChannelsLocation } from "./domain.ts";
import { type Receipt, verifyReceipt } from "./receipt.ts";

/** A receipt with its signature. */
export type SignedReceipt = Receipt & { signature: Hex };

/** Two receipts of one payee that cannot both be true. */
export type Contradiction = {
  /**
   * `statement`: one statement paid for two things, or for one at two prices. `total`: what was spent in the channel
   * has fallen with time.
   */
  readonly kind: "statement" | "total";
  readonly receipts: readonly [SignedReceipt, SignedReceipt];
};

/**
 * Finds receipts of a payee that contradict one another: both are signed, so they prove that it lied. Those that it did
 * not sign are passed over.
 *
 * A statement buys one request at one price, so all its receipts are the same. The total of a channel never falls, so
 * no later receipt is below an earlier one; receipts of one second may come in any order.
 *
 * @param parameters - Where the channels live, whose receipts they are, and the receipts, in any order: `spent` in base
 *   units, `issuedAt` in Unix seconds.
 * @returns The contradictions, each pair once; none for an honest payee.
 * @throws {InvalidFieldError} when a field of a receipt other than its signature is malformed.
 * @example
 * import { findContradictions } from "subfen";
 *
 * const channels = { contract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512", chainId: 31337 };
 * const signer = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
 * await findContradictions({ ...channels, signer, receipts: [] }); // []
 */
export async function findContradictions(
  parameters: findContradictions.Parameters,
): Promise<findContradictions.ReturnType> {
  const { contract, chainId, signer } = parameters;
  const signed: SignedReceipt[] = [];
  for (const receipt of parameters.receipts) {
    if (await verifyReceipt({ contract, chainId, signer, ...receipt })) signed.push(lower(receipt));
  }

  const found: Contradiction[] = [];
  const byStatement = new Map<string, SignedReceipt>();
  for (const receipt of signed) {
    const key = receipt.channelId + receipt.statementHash;
    const first = byStatement.get(key);
    if (!first) byStatement.set(key, receipt);
    else if (!isSame(first, receipt)) found.push({ kind: "statement", receipts: [first, receipt] });
  }

  /** The highest total by channel, of all seconds before the current one. */
  const highest = new Map<Hex, SignedReceipt>();
  const byTime = signed.toSorted((a, b) => Number(a.issuedAt - b.issuedAt));
  for (let start = 0; start < byTime.length;) {
    const { issuedAt } = byTime[start] as SignedReceipt;
    const next = byTime.findIndex((receipt, index) => index > start && receipt.issuedAt !== issuedAt);
    const second = byTime.slice(start, next < 0 ? undefined : next);
    for (const receipt of second) {
      const before = highest.get(receipt.channelId);
      if (before && before.spent > receipt.spent) found.push({ kind: "total", receipts: [before, receipt] });
    }
    for (const receipt of second) {
      if (receipt.spent > (highest.get(receipt.channelId)?.spent ?? -1n)) highest.set(receipt.channelId, receipt);
    }
    start += second.length;
  }
  return found;
}

export declare namespace findContradictions {
  type Parameters = ChannelsLocation & {
    /** Whose signatures count: `receiptSigner` of the payee's challenges. */
    signer: Address;
    receipts: readonly SignedReceipt[];
  };
  type ReturnType = Contradiction[];
  type ErrorType = InvalidFieldError;
}

const hashes = ["channelId", "statementHash", "requestHash", "responseHash"] as const;

function lower(receipt: SignedReceipt): SignedReceipt {
  const lowered = hashes.map((name) => [name, receipt[name].toLowerCase()]);
  return { ...receipt, ...(Object.fromEntries(lowered) as Pick<Receipt, (typeof hashes)[number]>) };
}

function isSame(one: SignedReceipt, other: SignedReceipt): boolean {
  return (
    one.spent === other.spent && one.issuedAt === other.issuedAt && hashes.every((name) => one[name] === other[name])
  );
}
