import type { Address, Hex } from "viem";
import { getAddress } from "viem/utils";

import { type Authorization, formatAuthorization, lower, parseAuthorization } from "./authorization.ts";
import { canonicalize, decodeJsonObject, encodeBase64Url, type Json, MalformedError } from "./encoding.ts";
import { reader } from "./reader.ts";

/** What a seller asks in an `evm`/`charge` challenge (draft-evm-charge-00, "Request Schema"). */
export type ChargeRequest = {
  /** Base units, exactly. */
  readonly amount: bigint;
  /** The token. */
  readonly currency: Address;
  /** The payee. */
  readonly recipient: Address;
  readonly chainId: number;
  /** How it may be paid, in the seller's order. Only `authorization` is known here. */
  readonly credentialTypes: readonly string[];
  /** True where other payees share in the amount, which an authorization cannot pay. */
  readonly isSplit: boolean;
};

/** What pays a charge: an EIP-3009 authorization whose nonce is `chargeAuthorizationNonce` of the challenge. */
export type ChargePayload = Authorization & { readonly signature: Hex };

/** What a seller says in `Payment-Receipt` of a charge. */
export type ChargeReceipt = {
  readonly challengeId: string;
  /** The transaction that moved the money. */
  readonly reference: Hex;
  readonly chainId: number;
  /** RFC 3339 time of the answer. */
  readonly timestamp: string;
};

/**
 * Encodes what a seller asks as the `request` parameter of a challenge.
 *
 * @param request - The request.
 * @returns base64url of canonical JSON.
 */
export function formatChargeRequest(request: Omit<ChargeRequest, "isSplit">): string {
  const { amount, currency, recipient, chainId, credentialTypes } = request;
  return encodeBase64Url(
    canonicalize({
      amount: String(amount),
      currency: getAddress(currency),
      recipient: getAddress(recipient),
      methodDetails: { chainId, credentialTypes },
    }),
  );
}

/**
 * Decodes the `request` parameter of an `evm`/`charge` challenge.
 *
 * @param encoded - The parameter.
 * @returns The request; unknown members are dropped.
 * @throws {MalformedError} when a required member is missing or any known one has the wrong form.
 */
export function parseChargeRequest(encoded: string): ChargeRequest {
  const read = reader("challenge", decodeJsonObject(encoded, "challenge"));
  const details = reader("challenge", read.object("methodDetails"));
  return {
    amount: read.amount("amount"),
    currency: read.address("currency"),
    recipient: read.address("recipient"),
    chainId: details.chainId("chainId"),
    credentialTypes: details.strings("credentialTypes") ?? ["transaction", "hash"],
    isSplit: details.raw("splits") !== undefined,
  };
}

/**
 * Encodes the payload of a credential.
 *
 * @param payload - The payload.
 * @returns JSON as draft-evm-charge-00 has it: lower-case hex, amounts and times as decimal strings.
 */
export function formatChargePayload({ signature, ...authorization }: ChargePayload): Json {
  return { type: "authorization", ...formatAuthorization(authorization), signature: lower(signature) };
}

/**
 * Reads the payload of a credential of the charge intent.
 *
 * @param value - The credential's `payload`.
 * @returns The payload; unknown members are dropped.
 * @throws {MalformedError} when it is of another type than `authorization`, or a member is missing or has the wrong
 * form.
 */
export function parseChargePayload(value: Record<string, unknown>): ChargePayload {
  const read = reader("credential", value);
  if (read.raw("type") !== "authorization") {
    throw new MalformedError("credential", "payload.type is not authorization, the only one that is taken");
  }
  return { ...parseAuthorization(read), signature: read.signature("signature") };
}

/**
 * Writes a receipt as the value of a `Payment-Receipt` header.
 *
 * @param receipt - The receipt.
 * @returns base64url of JSON.
 */
export function formatChargeReceipt(receipt: ChargeReceipt): string {
  return encodeBase64Url(canonicalize({ ...receipt, method: "evm", intent: "charge", status: "success" }));
}

/**
 * Reads a `Payment-Receipt` header of the charge intent.
 *
 * @param header - The header's value.
 * @returns The receipt.
 * @throws {MalformedError} when it is no receipt of a successful `evm` charge.
 */
export function parseChargeReceipt(header: string): ChargeReceipt {
  const value = decodeJsonObject(header, "receipt");
  const read = reader("receipt", value);
  const { method, intent = "charge", status, challengeId, timestamp } = value;
  if (method !== "evm" || intent !== "charge" || status !== "success") {
    throw new MalformedError("receipt", "it is not the receipt of a successful evm charge");
  }
  if (typeof challengeId !== "string" || typeof timestamp !== "string") {
    throw new MalformedError("receipt", "challengeId or timestamp is not a string");
  }
  return { challengeId, timestamp, reference: read.bytes32("reference"), chainId: read.chainId("chainId") };
}
