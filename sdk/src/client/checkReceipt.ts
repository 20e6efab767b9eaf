import type { Hex } from "viem";
import { bytesToHex, stringToBytes } from "viem/utils";

import { verifyReceipt } from "../protocol/receipt.ts";
import { hashVoucher } from "../protocol/voucher.ts";
import { requestHashInput } from "../wire/requestHash.ts";
import type { SessionRequest, Statement } from "../wire/session.ts";
import type { SessionReceipt } from "../wire/sessionReceipt.ts";
import type { Call } from "./call.ts";

/** What a receipt came to. */
export type ReceiptCheck = {
  /** What the seller has to answer for; `undefined` where nothing speaks against the receipt. */
  readonly fault: string | undefined;
  /** Whether the seller has signed that this request got this answer for this much. */
  readonly isProven: boolean;
};

/**
 * Checks a receipt of a seller that announced to sign them. A proxy in between may change paths and bodies, so a hash
 * of another request or answer only leaves the receipt without proof; a signature is the seller's own.
 *
 * @param request - What the seller asked, with the key that it signs by.
 * @param receipt - The receipt.
 * @param statement - What paid for the call.
 * @param call - The call.
 * @param body - The body of the answer, without the gateway's own words; its SHA-256 where it was not kept.
 * @returns See {@link ReceiptCheck}.
 */
export async function checkReceipt(
  request: SessionRequest,
  receipt: SessionReceipt,
  statement: Statement,
  call: Call,
  body: Uint8Array<ArrayBuffer> | Hex,
): Promise<ReceiptCheck> {
  const { receiptSigner: signer, escrowContract: contract, chainId } = request;
  const { proof, channelId } = receipt;
  if (signer === undefined) return { fault: undefined, isProven: false };
  if (!proof) return { fault: "a receipt without the signature that it had announced", isProven: false };
  const location = { contract, chainId };
  const isSigned = await verifyReceipt({ ...location, channelId, ...proof, signer });
  if (!isSigned) return { fault: "a receipt with a wrong signature", isProven: false };
  if (proof.spent > receipt.spent || proof.spent < receipt.amount) {
    return { fault: `a signed total of ${proof.spent} beside one of ${receipt.spent}`, isProven: false };
  }
  const { idempotencyKey, method, url } = call;
  const path = url.pathname + url.search;
  const bodyHash = (await sha256(call.body ?? new Uint8Array())).slice(2);
  const requestHash = await sha256(stringToBytes(requestHashInput({ idempotencyKey, method, path, bodyHash })));
  const responseHash = typeof body === "string" ? body : await sha256(body);
  // A call that was answered before has the receipt of the statement that paid for it then.
  const isOurs = proof.statementHash === hashVoucher({ ...location, ...statement });
  const isProven = isOurs && proof.requestHash === requestHash && proof.responseHash === responseHash;
  return { fault: undefined, isProven };
}

async function sha256(bytes: Uint8Array): Promise<Hex> {
  return bytesToHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)));
}
