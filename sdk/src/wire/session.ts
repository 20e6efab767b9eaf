import type { Address, Hex } from "viem";

import { zeroAddress } from "../protocol/terms.ts";
import { type Authorization, formatAuthorization, lower, parseAuthorization } from "./authorization.ts";
import {
  type ConditionalTerms,
  formatConditionalTerms,
  formatEvidence,
  formatPayments,
  parseConditionalTerms,
  parseEvidence,
  parsePayments,
  parseTickTerms,
  type TickTerms,
  type WireEvidence,
  type WirePayment,
} from "./conditional.ts";
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
  /** Which conditional payments are taken for this; `undefined` when none are. */
  readonly conditional?: ConditionalTerms | undefined;
  /** How ticks are taken for this; `undefined` when they are not. */
  readonly ticks?: TickTerms | undefined;
};

/** The EIP-3009 authorization by which a channel is funded. Amounts in base units, times in seconds. */
export type FundingAuthorization = Authorization;

/** How a channel is funded: a transaction of the payer's, or an authorization that the seller sends. */
export type Funding =
  | { readonly type: "hash"; readonly hash: Hex }
  | { readonly type: "authorization"; readonly authorization: FundingAuthorization; readonly signature: Hex };

/** A statement as it travels: the total owed in one channel and its signature. */
export type Statement = { readonly channelId: Hex; readonly cumulativeAmount: bigint; readonly signature: Hex };

/** What a `voucher` may have beside its statement. */
export type Conditions = {
  /** What stands in the statement, ascending by `ref`; a plain voucher has none, an empty list makes it conditional too. */
  readonly payments?: readonly WirePayment[] | undefined;
  /** Which of the payments pays for this request; the statement's total does where it is left out. */
  readonly ref?: Hex | undefined;
  /** What proves payments that stand. */
  readonly evidence?: readonly WireEvidence[] | undefined;
};

/** The next tick of a payment that stands, which pays for a request, or adds to what is available where a HEAD brings it. */
export type TickPayload = {
  readonly action: "tick";
  readonly channelId: Hex;
  /** The payment. */
  readonly ref: Hex;
  /** How many ticks are paid in all. */
  readonly n: number;
  readonly x: Hex;
};
/** How a voucher brings the money it needs along (draft-evm-session-00, "Voucher Payload"): the seller sends it first. */
export type VoucherDeposit = {
  readonly funding: Extract<Funding, { type: "authorization" }>;
  readonly salt: Hex;
} & ({ readonly action: "open"; readonly authorizedSigner: Address } | { readonly action: "topUp" });

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
  | ({
      readonly action: "voucher";
      readonly deposit?: VoucherDeposit | undefined;
    } & Statement &
      Conditions)
  | TickPayload
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
        conditional: formatConditionalTerms(request.conditional),
        ticks: request.ticks,
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
  const description = read.raw("description");
  return {
    amount: read.amount("amount"),
    currency: read.address("currency"),
    recipient: read.address("recipient"),
    suggestedDeposit: read.raw("suggestedDeposit") === undefined ? undefined : read.amount("suggestedDeposit"),
    description: typeof description === "string" ? description : undefined,
    chainId: details.chainId("chainId"),
    escrowContract: details.address("escrowContract"),
    feePayer: details.raw("feePayer") === true,
    credentialTypes: details.strings("credentialTypes") ?? ["hash"],
    minVoucherDelta: details.raw("minVoucherDelta") === undefined ? 0n : details.amount("minVoucherDelta"),
    receiptSigner: details.raw("receiptSigner") === undefined ? undefined : details.address("receiptSigner"),
    pricing: parsePricing(details.raw("pricing")),
    ...present("conditional", parseConditionalTerms(details.raw("conditional"))),
    ...present("ticks", parseTickTerms(details.raw("ticks"))),
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
      const common = {
        action: payload.action,
        channelId: lower(payload.channelId),
        cumulativeAmount: String(payload.cumulativeAmount),
        salt: lower(payload.salt),
        authorizedSigner: formatSigner(payload.authorizedSigner),
      };
      return funding.type === "hash"
        ? { ...common, type: "hash", hash: lower(funding.hash), signature: lower(payload.signature) }
        : { ...common, ...formatFunding(funding), voucherSignature: lower(payload.signature) };
    }
    case "topUp": {
      const { funding } = payload;
      return {
        action: payload.action,
        channelId: lower(payload.channelId),
        additionalDeposit: String(payload.additionalDeposit),
        salt: payload.salt === undefined ? undefined : lower(payload.salt),
        ...(funding.type === "hash" ? { type: "hash", hash: lower(funding.hash) } : formatFunding(funding)),
      };
    }
    case "tick": {
      const { action, channelId, ref, n, x } = payload;
      return { action, channelId: lower(channelId), ref: lower(ref), n, x: lower(x) };
    }
    case "voucher":
      return {
        ...formatStatement(payload),
        payments: formatPayments(payload.payments),
        ref: payload.ref === undefined ? undefined : lower(payload.ref),
        evidence: formatEvidence(payload.evidence),
        deposit: payload.deposit && formatDeposit(payload.deposit),
      };
    case "close":
      return formatStatement(payload);
  }
}

function formatStatement({ action, channelId, cumulativeAmount, signature }: Statement & { action: string }) {
  return {
    action,
    channelId: lower(channelId),
    cumulativeAmount: String(cumulativeAmount),
    signature: lower(signature),
  };
}

function formatDeposit(deposit: VoucherDeposit): Json {
  const { action, funding, salt } = deposit;
  const authorizedSigner = action === "open" ? formatSigner(deposit.authorizedSigner) : undefined;
  return { action, ...formatFunding(funding), salt: lower(salt), authorizedSigner };
}

/** The zero address, which means the payer, is left out. */
function formatSigner(authorizedSigner: Address): Lowercase<Address> | undefined {
  return authorizedSigner === zeroAddress ? undefined : lower(authorizedSigner);
}

function formatFunding({ type, signature, authorization }: Funding & { type: "authorization" }) {
  return { type, signature: lower(signature), authorization: formatAuthorization(authorization) };
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
        authorizedSigner: parseSigner(read),
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
      return {
        action,
        ...parseStatement(read),
        ...present("payments", parsePayments(read.raw("payments"))),
        ...present("ref", read.raw("ref") === undefined ? undefined : read.bytes32("ref")),
        ...present("evidence", parseEvidence(read.raw("evidence"))),
        ...present(
          "deposit",
          read.raw("deposit") === undefined ? undefined : parseDeposit(reader("payload", read.object("deposit"))),
        ),
      };
    case "close":
      return { action, ...parseStatement(read) };
    case "tick":
      return {
        action,
        channelId: read.bytes32("channelId"),
        ref: read.bytes32("ref"),
        n: read.count("n"),
        x: read.bytes32("x"),
      };
    default:
      throw new MalformedError("payload", "action is none of open, topUp, voucher, tick and close");
  }
}

function parseStatement(read: Reader): Statement {
  return {
    channelId: read.bytes32("channelId"),
    cumulativeAmount: read.amount("cumulativeAmount"),
    signature: read.signature("signature"),
  };
}

/** A member that is left out where there is nothing to say. */
function present<name extends string, value>(name: name, value: value | undefined): { [key in name]?: value } {
  return (value === undefined ? {} : { [name]: value }) as { [key in name]?: value };
}

function parseDeposit(read: Reader): VoucherDeposit {
  const action = read.raw("action");
  if (action !== "open" && action !== "topUp") {
    throw new MalformedError("payload", "deposit.action is neither open nor topUp");
  }
  const funding = parseFunding(read);
  // The seller sends it: a transaction of the payer's is an action of its own.
  if (funding.type !== "authorization") throw new MalformedError("payload", "deposit.type is not authorization");
  const salt = read.bytes32("salt");
  return action === "topUp"
    ? { action, funding, salt }
    : { action, funding, salt, authorizedSigner: parseSigner(read) };
}

function parseSigner(read: Reader): Address {
  return read.raw("authorizedSigner") === undefined ? zeroAddress : read.address("authorizedSigner");
}

function parseFunding(read: Reader): Funding {
  const type = read.raw("type");
  if (type === "hash") return { type, hash: read.bytes32("hash") };
  if (type !== "authorization") throw new MalformedError("payload", "type is neither hash nor authorization");
  const authorization = parseAuthorization(reader("payload", read.object("authorization")));
  return { type, signature: read.signature("signature"), authorization };
}
