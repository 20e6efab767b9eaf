import type { Address, Hex } from "viem";
import { isAddress } from "viem/utils";

import { stringify } from "../bigints.ts";
import { SubfenError } from "../errors.ts";
import { parseBaseUnits } from "../protocol/amounts.ts";
import type { Challenge } from "../wire/challenge.ts";
import { formatChargeRequest, parseChargeRequest } from "../wire/charge.ts";
import { isObject } from "../wire/encoding.ts";
import {
  formatSessionPayload,
  formatSessionRequest,
  parseSessionPayload,
  parseSessionRequest,
} from "../wire/session.ts";
import type { PendingFunding } from "./funding.ts";
import type { PaidCallState } from "./paidCalls.ts";
import type { SignedCharge } from "./payCharge.ts";
import type { PurseState } from "./purse.ts";
import { StoreUnreadableError } from "./store.ts";

/** Everything a paying client must know again after a restart. Amounts in base units. */
export type BuyerState = {
  readonly account: Address;
  /** Base units locked now, plus what closed channels have spent. */
  readonly committed: bigint;
  readonly sellers: readonly SellerState[];
};

/** One seller in a {@link BuyerState}. */
export type SellerState = {
  readonly origin: string;
  /** Whom and in what to pay: the `request` of a challenge. */
  readonly pinned: string | undefined;
  /** The same, of single transfers. */
  readonly pinnedCharge?: string | undefined;
  readonly charges?: readonly SignedCharge[] | undefined;
  /** The last challenge, by which payment actions can be sent, and the method and address it was given for. */
  readonly offer: { readonly method: string; readonly url: string; readonly challenge: Challenge } | undefined;
  readonly purse: PurseState | undefined;
  readonly spares: readonly PurseState[];
  readonly pending: PendingFunding | undefined;
  readonly calls: readonly PaidCallState[];
  readonly isSearched: boolean;
};

const version = 1;

/**
 * Writes down a state.
 *
 * @param state - The state.
 * @returns JSON, amounts as decimal strings.
 */
export function formatBuyerState(state: BuyerState): string {
  const sellers = state.sellers.map(({ pending, ...seller }) => ({
    ...seller,
    pending: pending && { ...pending, payload: formatSessionPayload(pending.payload) },
  }));
  return stringify({ format: "subfen buyer", version, ...state, sellers });
}

/**
 * Reads what {@link formatBuyerState} wrote.
 *
 * @param text - The text.
 * @param account - Whose it must be.
 * @param chainId - The chain its channels must be on, if that is known.
 * @returns The state.
 * @throws {StoreUnreadableError} when it is cut off, not ours, of another version, another account or another chain.
 */
export function parseBuyerState(text: string, account: Address, chainId: number | undefined): BuyerState {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new StoreUnreadableError("it is not JSON, or was cut off", cause);
  }
  if (!isObject(value) || value["format"] !== "subfen buyer") {
    throw new StoreUnreadableError("it was not written by a paying client");
  }
  if (value["version"] !== version) {
    throw new StoreUnreadableError(`it is of version ${String(value["version"])}, this is for ${version}`);
  }
  let state: BuyerState;
  try {
    state = buyer(value);
  } catch (cause) {
    throw new StoreUnreadableError(`a member is missing or malformed${whereIn(cause)}`, cause);
  }
  if (state.account.toLowerCase() !== account.toLowerCase()) {
    throw new StoreUnreadableError(`it belongs to ${state.account}, not to ${account}`);
  }
  for (const { pinned } of state.sellers) {
    const kept = pinned === undefined ? chainId : parseSessionRequest(pinned).chainId;
    if (chainId !== undefined && kept !== chainId) {
      throw new StoreUnreadableError(`its channels are on chain ${kept}, the client is on chain ${chainId}`);
    }
  }
  return state;
}

/** Reads a value or throws. */
type Read<value> = (value: unknown) => value;

class MemberError extends SubfenError {
  constructor(path: string) {
    super(path, { code: "member" });
  }
}

function whereIn(cause: unknown): string {
  return cause instanceof MemberError ? ` (${cause.shortMessage})` : "";
}

function check<value>(isGood: (value: unknown) => boolean): Read<value> {
  return (value) => {
    if (isGood(value)) return value as value;
    throw new TypeError("of another form");
  };
}

function object<shape extends Record<string, Read<unknown>>>(
  shape: shape,
): Read<{ [name in keyof shape]: ReturnType<shape[name]> }> {
  return (value) => {
    if (!isObject(value)) throw new TypeError("not an object");
    const read = Object.entries(shape).map(([name, member]) => {
      try {
        return [name, member(Object.hasOwn(value, name) ? value[name] : undefined)];
      } catch (cause) {
        throw new MemberError(`${name}${cause instanceof MemberError ? `.${cause.shortMessage}` : ""}`);
      }
    });
    return Object.fromEntries(read) as { [name in keyof shape]: ReturnType<shape[name]> };
  };
}

function list<item>(item: Read<item>): Read<item[]> {
  return (value) => {
    if (!Array.isArray(value)) throw new TypeError("not a list");
    return value.map(item);
  };
}

function optional<value>(read: Read<value>): Read<value | undefined> {
  return (value) => (value === undefined ? undefined : read(value));
}

const text: Read<string> = check((value) => typeof value === "string");
const count: Read<number> = check((value) => Number.isSafeInteger(value) && Number(value) >= 0);
const flag: Read<boolean> = check((value) => typeof value === "boolean");
const address: Read<Address> = check((value) => typeof value === "string" && isAddress(value, { strict: false }));
const bytes32: Read<Hex> = check((value) => typeof value === "string" && /^0x[0-9a-f]{64}$/.test(value));
const signature: Read<Hex> = check((value) => typeof value === "string" && /^0x[0-9a-f]{130}$/.test(value));
const amount: Read<bigint> = parseBaseUnits;

const terms = object({ payer: address, payee: address, token: address, salt: bytes32, authorizedSigner: address });
const purse: Read<PurseState> = object({
  channelId: bytes32,
  terms,
  deposit: amount,
  charged: amount,
  signed: amount,
  distrust: optional(text),
  open: list((value) => {
    const [statement, ceiling] = list(amount)(value);
    if (statement === undefined || ceiling === undefined) throw new TypeError("not a pair");
    return [statement, ceiling] as const;
  }),
  used: list(amount),
  told: amount,
  settledInSum: amount,
  doubled: amount,
});
const pending: Read<PendingFunding> = object({
  payload: (value) => {
    const payload = isObject(value) ? parseSessionPayload(value) : undefined;
    if (payload?.action === "open" || payload?.action === "topUp") return payload;
    throw new TypeError("no funding");
  },
  before: amount,
  amount,
  terms,
  validBefore: amount,
  own: optional(object({ nonce: count, fromBlock: amount, hash: optional(bytes32) })),
});
const call: Read<PaidCallState> = object({
  identity: text,
  idempotencyKey: text,
  isKeyed: flag,
  isAnswered: flag,
  ceiling: amount,
  statement: object({ channelId: bytes32, cumulativeAmount: amount, signature }),
});
const charge: Read<SignedCharge> = object({
  identity: text,
  credential: text,
  amount,
  token: address,
  nonce: bytes32,
  validBefore: amount,
  isAnswered: flag,
});
const challenge: Read<Challenge> = object({
  id: text,
  realm: text,
  method: text,
  intent: text,
  request: text,
  expires: optional(text),
  digest: optional(text),
  description: optional(text),
  opaque: optional(text),
});
const seller: Read<SellerState> = object({
  origin: check<string>((value) => typeof value === "string" && URL.canParse(value)),
  // Read once here and formatted again, so that what is malformed is found before anything is signed.
  pinned: optional((value) => formatSessionRequest(parseSessionRequest(text(value)))),
  pinnedCharge: optional((value) => formatChargeRequest(parseChargeRequest(text(value)))),
  charges: optional(list(charge)),
  offer: optional(object({ method: text, url: check<string>((value) => URL.canParse(text(value))), challenge })),
  purse: optional(purse),
  spares: list(purse),
  pending: optional(pending),
  calls: list(call),
  isSearched: flag,
});
const buyer: Read<BuyerState> = object({ account: address, committed: amount, sellers: list(seller) });
