import type { Hex } from "viem";

import { verifyStatusRequest } from "../protocol/statusRequest.ts";
import { voucherSigner, zeroAddress } from "../protocol/terms.ts";
import {
  channelStatusFolder,
  formatChannelStatus,
  parseChannelStatusPath,
  parseStatusAuthorization,
} from "../wire/channelStatus.ts";
import { problemResponse } from "../wire/problem.ts";
import type { Seller } from "./seller.ts";

/** Milliseconds by which a question may be older or newer than the seller's clock. */
const window = 60_000;

/**
 * Makes the part of a gateway that tells a channel's signer what stands in it: for a payer that lost its state. Who is
 * not the signer learns nothing, not even whether there is such a channel. A question is answered once: whoever saw it
 * cannot ask it again, not even after a restart.
 *
 * @param seller - The seller.
 * @returns Answers a request for a channel's status, and `undefined` to any other.
 */
export function createChannelStatus(seller: Seller): (request: Request) => Promise<Response> | undefined {
  const { ledger, contract, chainId, now } = seller;
  const startedAt = BigInt(now());
  /** By channel, the time of the last question, the longest ago asked first. Only signers of known channels get into it. */
  const last = new Map<Hex, bigint>();

  /** A question that is too old to be asked again need not be known. */
  function note(channelId: Hex, timestamp: bigint, clock: bigint): void {
    for (const [old, time] of last) {
      if (time > clock - BigInt(window)) break;
      last.delete(old);
    }
    last.delete(channelId);
    last.set(channelId, timestamp);
  }

  async function answer(request: Request, channelId: Hex): Promise<Response> {
    const response = await look(request, channelId);
    response.headers.set("date", new Date(now()).toUTCString());
    return response;
  }

  async function look(request: Request, channelId: Hex): Promise<Response> {
    const asked = parseStatusAuthorization(request.headers.get("authorization"));
    if (!asked) return unknown();
    const { timestamp, signature } = asked;
    const clock = BigInt(now());
    const isTimely = timestamp >= startedAt && timestamp > clock - BigInt(window) && timestamp < clock + BigInt(window);
    if (!isTimely) return stale();
    const known = await ledger.getChannel(channelId);
    // What a retired channel's statements have bought is not known.
    const channel = known?.retired ? undefined : known;
    // Checked for a channel that is not known too, so that both take as long.
    const signer = channel ? voucherSigner(channel.terms) : zeroAddress;
    const isSigned = await verifyStatusRequest({ contract, chainId, channelId, timestamp, signature, signer });
    if (!channel || !isSigned) return unknown();
    if (timestamp <= (last.get(channelId) ?? -1n)) return stale();
    note(channelId, timestamp, clock);
    const { accepted: acceptedCumulative, signature: statement, spent, held } = channel;
    const payments = channel.isConditional ? channel.payments : undefined;
    const status = { channelId, acceptedCumulative, signature: statement, spent, held, payments };
    return new Response(formatChannelStatus(status), {
      headers: { "content-type": "application/json", "cache-control": "no-store" },
    });
  }

  return (request) => {
    // Every request comes by here: most are told apart without taking their address to pieces.
    if (request.method !== "GET" || !request.url.includes(channelStatusFolder)) return undefined;
    const channelId = parseChannelStatusPath(new URL(request.url).pathname);
    return channelId === undefined ? undefined : answer(request, channelId);
  };
}

function unknown(): Response {
  return problemResponse("channel-not-found", "There is no such channel, or the question is not signed by its signer.");
}

function stale(): Response {
  const detail = "The question is old or was asked before. Compare your clock with the Date header and sign a new one.";
  return problemResponse("stale-request", detail);
}
