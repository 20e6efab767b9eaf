import type { Address, Hex } from "viem";

import { canonicalize, isObject, MalformedError, parseJsonObject } from "../wire/encoding.ts";
import { reader } from "../wire/reader.ts";
import { formatSessionPayload, parseSessionPayload, type SessionPayload } from "../wire/session.ts";

/** A channel that was opened for mppx. Amounts in base units. */
export type KeptChannel = {
  readonly channelId: Hex;
  readonly chainId: number;
  readonly contract: Address;
  readonly payee: Address;
  readonly token: Address;
  /** What is locked, or will be once what was signed is mined. */
  readonly deposit: bigint;
  /** The highest statement: what the payee can take at the worst. */
  readonly signed: bigint;
  /** How it was opened, to be presented again while it is not. */
  readonly opening: Extract<SessionPayload, { action: "open" }>;
};

/** Writes what to keep. */
export function formatChannels(account: Address, channels: readonly KeptChannel[]): string {
  return canonicalize({
    account: account.toLowerCase(),
    channels: channels.map(({ deposit, signed, opening, ...ids }) => ({
      ...ids,
      deposit: String(deposit),
      signed: String(signed),
      opening: formatSessionPayload(opening),
    })),
  });
}

/** @throws {MalformedError} when it was not written by {@link formatChannels} for this account. */
export function parseChannels(text: string, account: Address): KeptChannel[] {
  const { account: owner, channels } = parseJsonObject(text, "store");
  if (owner !== account.toLowerCase() || !Array.isArray(channels)) {
    throw new MalformedError("store", "it was not saved by this account's mppx method");
  }
  return channels.map((value: unknown) => {
    const read = reader("store", isObject(value) ? value : {});
    const opening = parseSessionPayload(read.object("opening"));
    if (opening.action !== "open") throw new MalformedError("store", "opening is none");
    return {
      channelId: read.bytes32("channelId"),
      chainId: read.chainId("chainId"),
      contract: read.address("contract"),
      payee: read.address("payee"),
      token: read.address("token"),
      deposit: read.amount("deposit"),
      signed: read.amount("signed"),
      opening,
    };
  });
}
