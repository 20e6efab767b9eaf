import { ceilingOf, startOf } from "../wire/pricing.ts";
import type { Call } from "./call.ts";
import type { SessionOffer } from "./sellerSession.ts";

/**
 * @returns The most that a call can cost, in base units: by the price list where it is known, so that a challenge
 * serves many calls; else what the challenge says.
 */
export function priceOf({ request }: SessionOffer, { body }: Call): bigint {
  return request.pricing ? ceilingOf(request.pricing, body ?? new Uint8Array()) : request.amount;
}

/** @returns What has to be authorised before a call is begun, in base units. */
export function startingPriceOf({ request }: SessionOffer, { body }: Call): bigint {
  return request.pricing ? startOf(request.pricing, body ?? new Uint8Array()) : request.amount;
}
