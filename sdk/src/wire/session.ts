import type { Address, Hex } from "viem";

import { zeroAddress } from "../protocol/terms.ts";
import { canonicalize, decodeJsonObject, encodeBase64Url, type Json, MalformedError } from "./encoding.ts";
import { type Pricing, parsePricing } from "./pricing.ts";
import { type Reader, reader } from "./reader.ts";

/** What a seller asks in an `evm`/`session` challenge (draft-evm-session-00, "Request Schema"). */
export type SessionRequest = {
  /** Base units: the most this request can cost. */
  readonly amount: bigint;
  /** The token all amounts are in. */
  readonly currency: Address;
  /** The payee. */
  readonly recipient: Address;
  /** Base units the seller proposes to lock. */
  readonly suggestedDeposit?: bigint | undefined;
  readonly description?: string | undefined;
  readonly chainId: number;
  /** The channel contract. */
  readonly escrowContract: Address;
  /** True when the seller sends funding transactions and pays their gas. */
  readonly feePayer: boolean;
  /** How a channel may be funded, in the seller's order. */
  readonly credentialTypes: readonly string[];
  /** Base units by which a statement must grow at least. */
  readonly minVoucherDelta: bigint;
  /** Whose signature stands on receipts; `undefined` when they are not signed. */
  readonly receiptSigner?: Address | undefined;
  /** The price list; `undefined` when `amount` is all there is. */
  readonly pricing?: Pricing | undefined;
};

/** The EIP-3009 authorization by which a channel is funded. Amounts in base units, times in seconds. */
export type FundingAuthorization = {
  readonly from: Address;
  readonly to: Address;
  readonly value: bigint;
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  readonly nonce: Hex;
};

/** How a channel is funded: a transaction of the payer's, or an authorization that the seller sends. */
export type Funding =
  | { readonly type: "hash"; readonly hash: Hex }
  | { readonly type: "authorization"; readonly authorization: FundingAuthorization; readonly signature: Hex };

/** A statement as it travels: the total owed in one channel and its signature. */
export type Statement = { readonly channelId: Hex; readonly cumulativeAmount: bigint; readonly signature: Hex };

/** What a credential of the session intent asks the seller to do. */
export type SessionPayload =
  | ({
      readonly action: "open";
      readonly funding: Funding;
      readonly salt: Hex;
      readonly authorizedSigner: Address;
    } & Statement)
  | {
      readonly action: "topUp";
      readonly channelId: Hex;
      readonly funding: Funding;
      readonly salt: Hex | undefined;
      readonly additionalDeposit: bigint;
    }
  | ({ readonly action: "voucher" } & Statement)
  | ({ readonly action: "close" } & Statement);

/**
 * Encodes what a seller asks as the `request` parameter of a challenge.
 *
 * @param request - The request.
 * @returns base64url of canonical JSON.
 */
export function formatSessionRequest(request: SessionRequest): string {
  return encodeBase64Url(
    canonicalize({
      amount: String(request.amount),
      unitType: "request",
      currency: request.currency,
      recipient: request.recipient,
      suggestedDeposit: request.suggestedDeposit === undefined ? undefined : String(request.suggestedDeposit),
      description: request.description,
      methodDetails: {
        chainId: request.chainId,
        escrowContract: request.escrowContract,
        feePayer: request.feePayer,
        credentialTypes: request.credentialTypes,
        minVoucherDelta: request.minVoucherDelta === 0n ? undefined : String(request.minVoucherDelta),
        receiptSigner: request.receiptSigner,
        pricing: request.pricing,
      },
    }),
  );
}

/**
 * Decodes the `request` parameter of an `evm`/`session` challenge.
 *
 * @param encoded - The parameter.
 * @returns The request; unknown members are dropped.
 * @throws {MalformedError} when a required member is missing or any known one has the wrong form.
 */
export function parseSessionRequest(encoded: string): SessionRequest {
  const read = reader("challenge", decodeJsonObject(encoded, "challenge"));
  const details = reader("challenge", read.object("methodDetails"));
  const chainId = details.raw("chainId");
  if (typeof chainId !== "number" || !Number.isSafeInteger(chainId) || chainId < 1) {
    throw new MalformedError("challenge", "methodDetails.chainId is not a number of a chain");
  }
  const types = details.raw("credentialTypes") ?? ["hash"];
  if (!Array.isArray(types) || !types.every((type) => typeof type === "string")) {
    throw new MalformedError("challenge", "methodDetails.credentialTypes is not a list of strings");
  }
  const description = read.raw("description");
  return {
    amount: read.amount("amount"),
    currency: read.address("currency"),
    recipient: read.address("recipient"),
    suggestedDeposit: read.raw("suggestedDeposit") === undefined ? undefined : read.amount("suggestedDeposit"),
    description: typeof description === "string" ? description : undefined,
    chainId,
    escrowContract: details.address("escrowContract"),
    feePayer: details.raw("feePayer") === true,
    credentialTypes: types,
    minVoucherDelta: details.raw("minVoucherDelta") === undefined ? 0n : details.amount("minVoucherDelta"),
    receiptSigner: details.raw("receiptSigner") === undefined ? undefined : details.address("receiptSigner"),
    pricing: parsePricing(details.raw("pricing")),
  };
}

/**
 * Encodes the payload of a credential.
 *
 * @param payload - The payload.
 * @returns JSON as draft-evm-session-00 has it: lower-case hex, amounts and times as decimal strings.
 */
export function formatSessionPayload(payload: SessionPayload): Json {
  switch (payload.action) {
    case "open": {
      const { funding } = payload;
      const signer = payload.authorizedSigner === zeroAddress ? undefined : lower(payload.authorizedSigner);
      const common = {
        action: payload.action,
        channelId: lower(payload.channelId),
        cumulativeAmount: String(payload.cumulativeAmount),
        salt: lower(payload.salt),
        authorizedSigner: signer,
      };
      return funding.type === "hash"
        ? { ...common, type: "hash", hash: lower(funding.hash), signature: lower(payload.signature) }
        : { ...common, ...formatAuthorization(funding), voucherSignature: lower(payload.signature) };
    }
    case "topUp": {
      const { funding } = payload;
      return {
        action: payload.action,
        channelId: lower(payload.channelId),
        additionalDeposit: String(payload.additionalDeposit),
        salt: payload.salt === undefined ? undefined : lower(payload.salt),
        ...(funding.type === "hash" ? { type: "hash", hash: lower(funding.hash) } : formatAuthorization(funding)),
      };
    }
    default:
      return {
        action: payload.action,
        channelId: lower(payload.channelId),
        cumulativeAmount: String(payload.cumulativeAmount),
        signature: lower(payload.signature),
      };
  }
}

function formatAuthorization(funding: Funding & { type: "authorization" }) {
  const { authorization } = funding;
  return {
    type: funding.type,
    signature: lower(funding.signature),
    authorization: {
      from: lower(authorization.from),
      to: lower(authorization.to),
      value: String(authorization.value),
      validAfter: String(authorization.validAfter),
      validBefore: String(authorization.validBefore),
      nonce: lower(authorization.nonce),
    },
  };
}

function lower<value extends string>(value: value): Lowercase<value> {
  return value.toLowerCase() as Lowercase<value>;
}

/**
 * Reads the payload of a credential of the session intent.
 *
 * @param value - The credential's `payload`.
 * @returns The payload; unknown members are dropped.
 * @throws {MalformedError} when the action is unknown or a member is missing or has the wrong form.
 */
export function parseSessionPayload(value: Record<string, unknown>): SessionPayload {
  const read = reader("payload", value);
  const action = read.raw("action");
  switch (action) {
    case "open": {
      const funding = parseFunding(read);
      return {
        action,
        funding,
        channelId: read.bytes32("channelId"),
        cumulativeAmount: read.amount("cumulativeAmount"),
        signature: read.signature(funding.type === "hash" ? "signature" : "voucherSignature"),
        salt: read.bytes32("salt"),
        authorizedSigner: read.raw("authorizedSigner") === undefined ? zeroAddress : read.address("authorizedSigner"),
      };
    }
    case "topUp": {
      const funding = parseFunding(read);
      return {
        action,
        funding,
        channelId: read.bytes32("channelId"),
        additionalDeposit: read.amount("additionalDeposit"),
        salt: funding.type === "hash" ? undefined : read.bytes32("salt"),
      };
    }
    case "voucher":
    case "close":
      return {
        action,
        channelId: read.bytes32("channelId"),
        cumulativeAmount: read.amount("cumulativeAmount"),
        signature: read.signature("signature"),
      };
    default:
      throw new MalformedError("payload", "action is none of open, topUp, voucher and close");
  }
}

function parseFunding(read: Reader): Funding {
  const type = read.raw("type");
  if (type === "hash") return { type, hash: read.bytes32("hash") };
  if (type !== "authorization") throw new MalformedError("payload", "type is neither hash nor authorization");
  const authorization = reader("payload", read.object("authorization"));
  return {
    type,
    signature: read.signature("signature"),
    authorization: {
      from: authorization.address("from"),
      to: authorization.address("to"),
      value: authorization.amount("value"),
      validAfter: authorization.time("validAfter"),
      validBefore: authorization.time("validBefore"),
      nonce: authorization.bytes32("nonce"),
    },
  };
}
