import { SubfenError } from "../errors.ts";
import { formatYuan } from "../protocol/amounts.ts";

function yuan(amount: bigint): string {
  return `${formatYuan(amount)} yuan (${amount} base units)`;
}

/** A call can cost more than the limit. Nothing was signed. */
export class PriceAboveLimitError extends SubfenError {
  override readonly name = "PriceAboveLimitError";
  /** Base units asked, at most. */
  readonly price: bigint;
  /** Base units allowed. */
  readonly maxPrice: bigint;

  constructor(price: bigint, maxPrice: bigint, origin: string) {
    super(`A call to ${origin} can cost ${yuan(price)}, above the limit of ${yuan(maxPrice)}.`, {
      code: "price-above-limit",
      metaMessages: ["Raise maxPrice if that is right, or ask for less, for example a lower max_completion_tokens."],
    });
    this.price = price;
    this.maxPrice = maxPrice;
  }
}

/** More would have to be locked than the limit allows. Nothing was signed. */
export class DepositAboveLimitError extends SubfenError {
  override readonly name = "DepositAboveLimitError";
  /** Base units needed beyond what is locked. */
  readonly needed: bigint;
  /** Base units that may still be locked. */
  readonly available: bigint;

  constructor(needed: bigint, available: bigint, maxDeposit: bigint) {
    super(`The call needs ${yuan(needed)} more in its channel, but only ${yuan(available)} may still be locked.`, {
      code: "deposit-above-limit",
      metaMessages: [
        `maxDeposit is ${yuan(maxDeposit)} over the life of this fetch and its store. Raise it, or close and start anew.`,
      ],
    });
    this.needed = needed;
    this.available = available;
  }
}

/** A seller asks for payment to somebody or in something else than before. Nothing was signed. */
export class SellerChangedError extends SubfenError {
  override readonly name = "SellerChangedError";

  constructor(origin: string, what: string, before: string, now: string) {
    super(`${origin} asks to be paid by another ${what} than before: ${now} instead of ${before}.`, {
      code: "seller-changed",
      metaMessages: ["If that is right, close this fetch and make a new one. It may also be somebody in its place."],
    });
  }
}

/** What a seller says contradicts what was signed. Nothing more is signed for it. */
export class SellerDistrustedError extends SubfenError {
  override readonly name = "SellerDistrustedError";

  constructor(origin: string, fault: string) {
    super(`${origin} gave ${fault}.`, {
      code: "seller-distrusted",
      metaMessages: ["Our own count stands. Call close() to get the rest of the deposit back."],
    });
  }
}

/** A payment would travel where others can read it or to somebody who was not asked. Nothing was signed. */
export class UnsafeOriginError extends SubfenError {
  override readonly name = "UnsafeOriginError";

  constructor(reason: string) {
    super(`No payment is sent: ${reason}.`, {
      code: "unsafe-origin",
      metaMessages: ["Call the seller's https address directly."],
    });
  }
}

/** The seller does not offer a way to fund a channel that this client knows. */
export class UnsupportedFundingError extends SubfenError {
  override readonly name = "UnsupportedFundingError";

  constructor(credentialTypes: readonly string[]) {
    super(`The seller takes only ${credentialTypes.join(", ") || "nothing"} to fund a channel.`, {
      code: "unsupported-funding",
      metaMessages: ['This client knows "authorization" and "hash".'],
    });
  }
}

/** The seller refused to open or top up a channel. */
export class FundingRefusedError extends SubfenError {
  override readonly name = "FundingRefusedError";
  readonly status: number;

  constructor(origin: string, status: number, detail: string) {
    super(`${origin} did not fund the channel (status ${status}): ${detail || "it gave no reason"}.`, {
      code: "funding-refused",
      metaMessages: ["What was signed is presented again at the next call; nothing is paid twice."],
    });
    this.status = status;
  }
}

/** A transaction that funds the channel is on its way; nothing is funded anew before its outcome is known. */
export class FundingPendingError extends SubfenError {
  override readonly name = "FundingPendingError";

  constructor(origin: string, channelId: string, cause?: unknown) {
    super(`A transaction that funds channel ${channelId} to ${origin} is not mined yet.`, {
      code: "funding-pending",
      metaMessages: ["Make the same call again when it is. If it never is, replace it by another of the same nonce."],
      ...(cause === undefined ? {} : { cause }),
    });
  }
}

/** A seller does not tell what stands in a channel that was found on the chain. */
export class RecoveryFailedError extends SubfenError {
  override readonly name = "RecoveryFailedError";

  constructor(origin: string, channelId: string, cause: unknown) {
    super(`${origin} does not tell what stands in channel ${channelId}.`, {
      code: "recovery-failed",
      metaMessages: [
        "Nothing was paid. Make the same call again later, or leave recoverFrom out to open a new channel.",
      ],
      cause,
    });
  }
}

/** The seller still works on a call that was paid. */
export class AnswerPendingError extends SubfenError {
  override readonly name = "AnswerPendingError";

  constructor(origin: string) {
    super(`${origin} still works on this call.`, {
      code: "answer-pending",
      metaMessages: ["Make the same call again later: its answer is asked for with what was paid already."],
    });
  }
}

/** The fetch was closed. */
export class ClosedError extends SubfenError {
  override readonly name = "ClosedError";

  constructor() {
    super("This paying fetch is closing or closed.", {
      code: "closed",
      metaMessages: ["Make a new one with payingFetch(...)."],
    });
  }
}

/** The seller takes no ticks. Nothing was signed. */
export class TicksNotOfferedError extends SubfenError {
  override readonly name = "TicksNotOfferedError";

  constructor(origin: string) {
    super(`${origin} does not take ticks.`, {
      code: "ticks-not-offered",
      metaMessages: ["Pay it by vouchers: payingFetch(...)."],
    });
  }
}

/** The seller makes no payment depend on success. Nothing was signed. */
export class ConditionalNotOfferedError extends SubfenError {
  override readonly name = "ConditionalNotOfferedError";

  constructor(origin: string) {
    super(`${origin} takes no conditional payments for this.`, {
      code: "conditional-not-offered",
      metaMessages: [
        "Pay it by vouchers: payingFetch(...). A failure that the seller sees itself costs nothing there either.",
      ],
    });
  }
}

/** The seller did not take a statement. */
export class StatementRefusedError extends SubfenError {
  override readonly name = "StatementRefusedError";
  readonly status: number;

  constructor(origin: string, status: number) {
    super(`${origin} did not take a statement (status ${status}).`, {
      code: "statement-refused",
      metaMessages: ["Close this fetch, which needs no consent of the seller, and make a new one."],
    });
    this.status = status;
  }
}
