import type { Hex } from "viem";
import { isHex } from "viem/utils";

import type { ConditionalPayment } from "../protocol/conditionalVoucher.ts";
import { canonicalize, isObject, MalformedError, parseJsonObject } from "./encoding.ts";
import { reader } from "./reader.ts";

/** What a seller says stands in a channel (docs/protocol.md, "After a loss"). Amounts in base units. */
export type ChannelStatus = {
  readonly channelId: Hex;
  /** The highest statement accepted. */
  readonly acceptedCumulative: bigint;
  /** The payer's own signature of it. */
  readonly signature: Hex;
  /** Charged for work that succeeded. */
  readonly spent: bigint;
  /** Reserved for work that is running. */
  readonly held: bigint;
  /** What stands in it, where it is a conditional statement. */
  readonly payments?: readonly ConditionalPayment[] | undefined;
};

/** Where payers ask for what stands in a channel. @internal */
export const channelStatusFolder = "/.well-known/subfen/channels/";

/** @returns The path at which a seller tells what stands in a channel. */
export function channelStatusPath(channelId: Hex): string {
  return channelStatusFolder + channelId.toLowerCase();
}

/** @returns The channel that a path asks for, or `undefined` when it is another path. */
export function parseChannelStatusPath(path: string): Hex | undefined {
  const channelId = path.startsWith(channelStatusFolder)
    ? path.slice(channelStatusFolder.length).toLowerCase()
    : undefined;
  return isHex(channelId) && channelId.length === 66 ? channelId : undefined;
}

/**
 * Writes the signed question as the value of an `Authorization` header.
 *
 * @param request - The time in Unix milliseconds, and the signature.
 * @returns `Subfen timestamp="…", signature="0x…"`
 */
export function formatStatusAuthorization(request: { timestamp: bigint; signature: Hex }): string {
  return `Subfen timestamp="${request.timestamp}", signature="${request.signature.toLowerCase()}"`;
}

/**
 * Reads what {@link formatStatusAuthorization} wrote.
 *
 * @param header - The header's value; `null` when it is absent.
 * @returns Time and signature, or `undefined` when it is anything else.
 */
export function parseStatusAuthorization(header: string | null): { timestamp: bigint; signature: Hex } | undefined {
  const match = /^Subfen timestamp="(0|[1-9]\d{0,15})", signature="(0x[0-9a-f]{130})"$/.exec(header ?? "");
  return match?.[1] && match[2] ? { timestamp: BigInt(match[1]), signature: match[2] as Hex } : undefined;
}

/**
 * Writes a seller's answer.
 *
 * @param status - What stands in the channel.
 * @returns JSON, amounts as decimal strings.
 */
export function formatChannelStatus(status: ChannelStatus): string {
  return canonicalize({
    channelId: status.channelId,
    acceptedCumulative: String(status.acceptedCumulative),
    signature: status.signature,
    spent: String(status.spent),
    held: String(status.held),
    payments: status.payments?.map(({ ref, condition, parametersHash, amount }) => {
      return { ref, condition, parametersHash, amount: String(amount) };
    }),
  });
}

/**
 * Reads a seller's answer.
 *
 * @param text - JSON.
 * @returns What it says stands in the channel; nothing of it is verified.
 * @throws {MalformedError} when a member is missing or has the wrong form, such as an amount that is a JSON number.
 */
export function parseChannelStatus(text: string): ChannelStatus {
  const read = reader("channel status", parseJsonObject(text, "channel status"));
  return {
    channelId: read.bytes32("channelId"),
    acceptedCumulative: read.amount("acceptedCumulative"),
    signature: read.signature("signature"),
    spent: read.amount("spent"),
    held: read.amount("held"),
    ...(read.raw("payments") === undefined ? {} : { payments: parsePayments(read.raw("payments")) }),
  };
}

function parsePayments(value: unknown): ConditionalPayment[] {
  if (!Array.isArray(value)) throw new MalformedError("channel status", "payments is not a list");
  return value.map((one: unknown) => {
    const read = reader("channel status", isObject(one) ? one : {});
    return {
      ref: read.bytes32("ref"),
      condition: read.address("condition"),
      parametersHash: read.bytes32("parametersHash"),
      amount: read.amount("amount"),
    };
  });
}
