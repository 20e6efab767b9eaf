import type { Address, Hex } from "viem";

import type { Answer } from "./ledger.ts";

/** Which charge: an authorization is known by who signed it and its nonce, as its token knows it. */
export type ChargeRef = { readonly payer: Address; readonly nonce: Hex };

/** What one authorization of the charge intent has bought, or buys. */
export type Charge = ChargeRef & {
  /** The authorization and its signature, as JSON: what it takes to settle it. */
  readonly authorization: string;
  /** The newest block when it was first seen: its transfer is in none before. */
  readonly blockNumber: bigint;
  /**
   * `held`: the work is running. `released`: the work failed after the money had moved, and is owed. `earned`: the
   * answer is kept and the money has yet to move. `settled`: both are done.
   */
  readonly status: "held" | "released" | "earned" | "settled";
  /** The transaction by which the money has moved. */
  readonly txHash: Hex | undefined;
  /** When it was held last: Unix time in milliseconds. */
  readonly heldAt: number;
};

/** A charge with its answer, while that is kept. */
export type KnownCharge = Charge & { readonly answer: Answer | undefined };

/** What became of a request to hold a charge: the work is to be done, or the authorization has bought something. */
export type HoldChargeResult =
  { readonly kind: "held"; readonly charge: Charge } | { readonly kind: "known"; readonly charge: KnownCharge };

/** The part of a ledger that remembers what authorizations have bought. Each method is one atomic step. */
export type ChargeLedger = {
  /** @returns The charge, or `undefined` if it is not known. */
  getCharge(ref: ChargeRef): Promise<KnownCharge | undefined>;

  /** Holds a charge that has bought nothing, so that its work is done once. */
  holdCharge(charge: Omit<Charge, "status" | "heldAt">): Promise<HoldChargeResult>;

  /**
   * Keeps the answer to a charge that this process holds.
   *
   * @throws {UnknownHoldError} when it does not.
   */
  earnCharge(charge: ChargeRef & { answer: Answer | undefined }): Promise<Charge>;

  /**
   * Gives a charge up whose work failed, or whose money cannot move: it has bought nothing. Where the money has moved,
   * its work is owed.
   *
   * @throws {UnknownHoldError} when it is neither held by this process nor earned.
   */
  releaseCharge(ref: ChargeRef): Promise<void>;

  /** Notes the transaction by which a charge's money has moved. */
  settleCharge(charge: ChargeRef & { txHash: Hex }): Promise<void>;

  /** Lists the charges whose answer is kept and whose money has not moved, oldest first. */
  earnedCharges(): Promise<Charge[]>;
};

/** Where charges are kept; as of {@link Store}, it decides nothing and is synchronous. */
export type ChargeStore = {
  charge(ref: ChargeRef): Charge | undefined;
  /** A charge that is held becomes this instance's. */
  putCharge(charge: Charge): void;
  dropCharge(ref: ChargeRef): void;
  isOwnCharge(ref: ChargeRef): boolean;
  earnedCharges(): Charge[];
  chargeAnswer(ref: ChargeRef): Answer | undefined;
  putChargeAnswer(ref: ChargeRef, answer: Answer): void;
  /** Forgets some that are settled and were held before this time, with their answers; `true` once none is left. */
  forgetCharges(before: number): boolean;
};
