import type { Hex } from "viem";

import { parseBaseUnits } from "../protocol/amounts.ts";
import { decodeJsonObject, encodeBase64Url, isObject, MalformedError } from "./encoding.ts";
import { reader } from "./reader.ts";

/**
 * What a seller says in `Payment-Receipt` (draft-evm-session-00), with members of ours: `amount`, `held`, `isPending`
 * and what stands in `proof`.
 */
export type SessionReceipt = {
  readonly challengeId: string;
  readonly channelId: Hex;
  readonly chainId: number;
  /** RFC 3339 time of the answer. */
  readonly timestamp: string;
  /** Base units of the highest statement accepted. */
  readonly acceptedCumulative: bigint;
  /** Base units charged on this channel so far. */
  readonly spent: bigint;
  /** Base units charged for this request. */
  readonly amount: bigint;
  /** Base units reserved for other requests that are still running. */
  readonly held: bigint;
  /** Present when a transaction was sent for this request. */
  readonly txHash?: Hex | undefined;
  /** True at the head of an answer that flows: the receipt over its cost comes at its end. */
  readonly isPending?: boolean | undefined;
  /** The seller's signed word on what was charged: see `hashReceipt`. */
  readonly proof?: ReceiptProof | undefined;
};

/** What a seller has signed, beside `channelId`. */
export type ReceiptProof = {
  /** Base units charged on the channel right after this charge; more may have been since. */
  readonly spent: bigint;
  /** Digest of the statement that paid. */
  readonly statementHash: Hex;
  /** See `hashRequest`. */
  readonly requestHash: Hex;
  /** SHA-256 of the body as it was handed out, the gateway's own words not counted. */
  readonly responseHash: Hex;
  /** Unix time in seconds. */
  readonly issuedAt: bigint;
  readonly signature: Hex;
};

/**
 * Writes a receipt as the value of a `Payment-Receipt` header.
 *
 * @param receipt - The receipt.
 * @returns base64url of JSON, amounts as decimal strings.
 */
export function formatSessionReceipt(receipt: SessionReceipt): string {
  const { acceptedCumulative, amount, chainId, challengeId, channelId, held, spent, timestamp, txHash } = receipt;
  const { isPending, proof } = receipt;
  const id = quote(channelId);
  // Canonical JSON (RFC 8785): the members in their order. Every answer has one, and sorting them costs more than all else.
  return encodeBase64Url(
    `{"acceptedCumulative":"${acceptedCumulative}","amount":"${amount}","chainId":${chainId},` +
      `"challengeId":${quote(challengeId)},"channelId":${id},"held":"${held}","intent":"session",` +
      `${isPending ? '"isPending":true,' : ""}"method":"evm",${proof ? `"proof":${formatProof(proof)},` : ""}` +
      `"reference":${id},"spent":"${spent}","status":"success","timestamp":${quote(timestamp)}` +
      `${txHash === undefined ? "" : `,"txHash":${quote(txHash)}`}}`,
  );
}

function formatProof({ issuedAt, requestHash, responseHash, signature, spent, statementHash }: ReceiptProof): string {
  return (
    `{"issuedAt":"${issuedAt}","requestHash":${quote(requestHash)},"responseHash":${quote(responseHash)},` +
    `"signature":${quote(signature)},"spent":"${spent}","statementHash":${quote(statementHash)}}`
  );
}

const quote = (text: string): string => JSON.stringify(text);

/**
 * Reads a `Payment-Receipt` header of the session intent.
 *
 * @param header - The header's value.
 * @returns The receipt. A seller that does not know `amount` and `held` is read as `amount` 0 and `held` 0.
 * @throws {MalformedError} when it is no receipt of an `evm` session.
 */
export function parseSessionReceipt(header: string): SessionReceipt {
  const value = decodeJsonObject(header, "receipt");
  if (value["method"] !== "evm" || value["intent"] !== "session" || value["status"] !== "success") {
    throw new MalformedError("receipt", "it is not the receipt of a successful evm session");
  }
  const text = (name: string): string => {
    const member = value[name];
    if (typeof member !== "string") throw new MalformedError("receipt", `${name} is not a string`);
    return member;
  };
  const amount = (name: string): bigint => {
    try {
      return parseBaseUnits(text(name));
    } catch (cause) {
      throw new MalformedError("receipt", `${name} is not an amount`, cause);
    }
  };
  const chainId = value["chainId"];
  if (typeof chainId !== "number") throw new MalformedError("receipt", "chainId is not a number");
  return {
    challengeId: text("challengeId"),
    channelId: text("channelId") as Hex,
    chainId,
    timestamp: text("timestamp"),
    acceptedCumulative: amount("acceptedCumulative"),
    spent: amount("spent"),
    amount: value["amount"] === undefined ? 0n : amount("amount"),
    held: value["held"] === undefined ? 0n : amount("held"),
    ...(value["txHash"] === undefined ? {} : { txHash: text("txHash") as Hex }),
    ...(value["isPending"] === true ? { isPending: true } : {}),
    ...(isObject(value["proof"]) ? { proof: parseProof(value["proof"]) } : {}),
  };
}

function parseProof(value: Record<string, unknown>): ReceiptProof {
  const read = reader("receipt", value);
  return {
    spent: read.amount("spent"),
    statementHash: read.bytes32("statementHash"),
    requestHash: read.bytes32("requestHash"),
    responseHash: read.bytes32("responseHash"),
    issuedAt: read.amount("issuedAt"),
    signature: read.signature("signature"),
  };
}
